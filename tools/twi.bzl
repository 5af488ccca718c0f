"""The project's own rules: cc_library, cc_test and cc_binary with our warnings, and fuzz targets that are ordinary tests."""

# The libraries' headers are read from a precompiled header; GCC (--config=gcc), which cannot use Clang's, and the fuzzing build read them themselves, and so notice where an #include is missing.
def _precompiled(name):
    """(deps, copts) for a precompiled header of //tools/precompiled."""
    return (
        select({"//tools/precompiled:without": [], "//conditions:default": ["//tools/precompiled:" + name]}),
        select({"//tools/precompiled:without": [], "//conditions:default": ["-include-pch", "$(BINDIR)/tools/precompiled/%s.pch" % name]}),
    )

PRECOMPILED, USE_PRECOMPILED = _precompiled("libraries")
_PRECOMPILED_FOR_TEST, _USE_PRECOMPILED_FOR_TEST = _precompiled("libraries_and_gtest")

COPTS = ["-Wall", "-Wextra", "-Werror", "-Wno-missing-field-initializers", "-Werror=unused-result"]

def twi_cc_library(name, copts = [], deps = [], **kwargs):
    native.cc_library(name = name, copts = COPTS + USE_PRECOMPILED + copts, deps = deps + PRECOMPILED, **kwargs)

def twi_cc_binary(name, copts = [], deps = [], **kwargs):
    native.cc_binary(name = name, copts = COPTS + USE_PRECOMPILED + copts, deps = deps + PRECOMPILED + ["//tools:sanitizers"], **kwargs)

def twi_cc_test(name, copts = [], deps = [], size = "small", **kwargs):
    native.cc_test(
        name = name,
        copts = COPTS + _USE_PRECOMPILED_FOR_TEST + copts,
        size = size,
        deps = deps + _PRECOMPILED_FOR_TEST + ["//tools:sanitizers", "@debian//:gtest_main"],
        **kwargs
    )

def twi_fuzz_test(name, srcs, corpus, deps = [], copts = [], **kwargs):
    """A libFuzzer target (LLVMFuzzerTestOneInput) whose corpus is replayed by plain `bazel test`.

    corpus: files, at least one. Under --config=fuzz the same target links libFuzzer and fuzzes.
    """
    if not corpus:
        fail("%s: a fuzz target without a corpus tests nothing" % name)
    native.cc_test(
        name = name,
        size = "small",
        srcs = srcs + select({
            "//tools:fuzzing": [],
            "//conditions:default": ["//tools:replay_corpus.cc"],
        }),
        copts = COPTS + USE_PRECOMPILED + copts + select({"//tools:fuzzing": ["-fsanitize=fuzzer"], "//conditions:default": []}),
        linkopts = select({"//tools:fuzzing": ["-fsanitize=fuzzer"], "//conditions:default": []}),
        data = corpus,
        # libFuzzer reads arguments as inputs to replay, so none when fuzzing: name a corpus folder after `--`.
        args = select({"//tools:fuzzing": [], "//conditions:default": ["$(locations %s)" % c for c in corpus]}),
        deps = deps + PRECOMPILED + ["//tools:sanitizers"],
        tags = ["fuzz"],
        **kwargs
    )
