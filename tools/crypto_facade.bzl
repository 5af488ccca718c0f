"""Libraries that use BoringSSL inside and show none of it: users may include OpenSSL's headers in the same file."""

load("//tools:cc_link_only.bzl", "cc_link_only")
load("//tools:twi.bzl", "twi_cc_library")

def twi_crypto_facade(name, srcs, hdrs, deps = [], impl_deps = [], visibility = None):
    """NAME is the header plus the linked code; only NAME_impl (private) sees @boringssl's include path.

    deps: what the header includes. impl_deps: what only the .cc files include.
    """
    twi_cc_library(
        name = name + "_hdr",
        hdrs = hdrs,
        deps = deps,
        visibility = ["//visibility:private"],
    )
    twi_cc_library(
        name = name + "_impl",
        srcs = srcs,
        deps = [":" + name + "_hdr", "@boringssl//:crypto"] + impl_deps,
        visibility = ["//visibility:private"],
    )
    cc_link_only(
        name = name + "_link",
        deps = [":" + name + "_impl"],
        visibility = ["//visibility:private"],
    )
    twi_cc_library(
        name = name,
        deps = [":" + name + "_hdr", ":" + name + "_link"],
        visibility = visibility,
    )
