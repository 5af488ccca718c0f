_PKGS = {  # target: pkg-config modules
    "grpc++": ["grpc++", "protobuf"], "protobuf": ["protobuf"], "spdlog": ["spdlog"], "fmt": ["fmt"],
    "yaml_cpp": ["yaml-cpp"], "gtest": ["gmock", "gtest"], "sqlite3": ["sqlite3"], "re2": ["re2"], "nlohmann_json": ["nlohmann_json"], "curl": ["libcurl"],
    "benchmark": ["benchmark"], "openssl": ["openssl"], "cbor": ["libcbor"],
    "tss2": ["tss2-esys", "tss2-mu", "tss2-rc", "tss2-tctildr"],
    "prometheus": ["prometheus-cpp-core", "prometheus-cpp-pull"],
}
_PLAIN = {  # no .pc file: (linkopts, deps)
    "gtest_main": (["-lgmock_main"], ["gtest"]), "grpc++_reflection": (["-lgrpc++_reflection"], ["grpc++"]),
    "boost": ([], []),  # headers only: Asio, Beast
    "soci": (["-lsoci_sqlite3", "-lsoci_core"], ["sqlite3"]),
}
_DEFAULT = ["/usr/include", "/usr/include/x86_64-linux-gnu", "/usr/include/aarch64-linux-gnu"]
def _pc(rctx, args):
    r = rctx.execute(["pkg-config"] + args)
    if r.return_code != 0:
        fail("pkg-config %s: %s (run the setup script first)" % (" ".join(args), r.stderr))
    return [w for w in r.stdout.replace("\n", " ").split(" ") if w]
def _lib(name, linkopts, defines = [], includes = [], globs = [], deps = []):
    return ("cc_library(name = %r, hdrs = [\"versions.h\"] + glob(%r), defines = %r, includes = %r, linkopts = %r, deps = %r)" %
            (name, globs, defines, includes, linkopts, [":" + d for d in deps]))
def _impl(rctx):
    out, stamp = ["package(default_visibility = [\"//visibility:public\"])"], []
    for name, mods in _PKGS.items():
        defines, includes = [], []
        for f in _pc(rctx, ["--cflags"] + mods):
            if f.startswith("-D"):
                defines.append(f[2:])
            elif f.startswith("-I") and f[2:] not in _DEFAULT:  # `includes` takes no absolute path: link it in
                includes.append("inc/%s/%d" % (name, len(includes)))
                rctx.symlink(f[2:], includes[-1])
        libs = {}  # the last of equal flags stays: right for archives too
        for f in reversed([f for f in _pc(rctx, ["--libs"] + mods) if f.startswith("-l") or f == "-pthread"]):
            libs[f] = True
        out.append(_lib(name, reversed(libs.keys()), defines, includes, [i + "/**" for i in includes]))
        stamp.append("// %s %s" % (name, " ".join(_pc(rctx, ["--modversion"] + mods))))
    for name, (linkopts, deps) in _PLAIN.items():
        out.append(_lib(name, linkopts, deps = deps))
    r = rctx.execute(["sh", "-c", "cd $(pkg-config --variable=libdir absl_base) && ls libabsl_*.so | sed 's/^lib/-l/;s/[.]so$//'"])
    out.append(_lib("absl", [l for l in r.stdout.split("\n") if l]))
    inc = _pc(rctx, ["--variable=includedir", "protobuf"])[0]
    for t in ["any", "descriptor", "duration", "empty", "field_mask", "struct", "timestamp", "wrappers"]:
        rctx.symlink(inc + "/google/protobuf/%s.proto" % t, "wkt/google/protobuf/%s.proto" % t)
    out.append("proto_library(name = \"wkt_proto\", srcs = glob([\"wkt/**\"]), strip_import_prefix = \"wkt\")")
    for t in ["protoc", "grpc_cpp_plugin"]:
        rctx.symlink(rctx.which(t), t + ".bin")
        out.append("exports_files([\"%s.bin\"])" % t)
    rctx.file("versions.h", "\n".join(stamp) + "\n")  # see pitfall 6
    rctx.file("BUILD.bazel", "\n".join(out) + "\n")
debian_libs = repository_rule(implementation = _impl, local = True, configure = True)
