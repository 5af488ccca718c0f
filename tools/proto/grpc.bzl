load("//tools:twi.bzl", "PRECOMPILED", "USE_PRECOMPILED")

def _gen_impl(ctx):
    info, hdrs, srcs = ctx.attr.proto[ProtoInfo], [], []
    for f in info.direct_sources:
        base = f.basename[:-len(".proto")]
        for e in ([".pb", ".grpc.pb"] if ctx.attr.grpc else [".pb"]):
            hdrs.append(ctx.actions.declare_file(base + e + ".h"))
            srcs.append(ctx.actions.declare_file(base + e + ".cc"))
        if ctx.attr.grpc:
            hdrs.append(ctx.actions.declare_file(base + "_mock.grpc.pb.h"))
    args = ctx.actions.args()
    args.add("--cpp_out=" + ctx.bin_dir.path)
    if ctx.attr.grpc:
        args.add("--plugin=protoc-gen-grpc=" + ctx.file._plugin.path)
        args.add("--grpc_out=generate_mock_code=true:" + ctx.bin_dir.path)
    args.add_all(info.transitive_proto_path, format_each = "-I%s", uniquify = True)
    args.add_all(info.direct_sources)
    ctx.actions.run(executable = ctx.file._protoc, arguments = [args], inputs = info.transitive_sources,
                    tools = [ctx.file._plugin], outputs = hdrs + srcs, mnemonic = "GrpcCppGen")
    return [DefaultInfo(files = depset(hdrs + srcs)), OutputGroupInfo(hdrs = depset(hdrs), srcs = depset(srcs))]
_PROTOC = attr.label(default = "@debian//:protoc.bin", allow_single_file = True, cfg = "exec")
_gen = rule(implementation = _gen_impl, attrs = {
    "proto": attr.label(mandatory = True, providers = [ProtoInfo]), "grpc": attr.bool(default = True), "_protoc": _PROTOC,
    "_plugin": attr.label(default = "@debian//:grpc_cpp_plugin.bin", allow_single_file = True, cfg = "exec"),
})
def cc_grpc_library(name, proto, deps = [], grpc = True, **kwargs):  # deps: cc_grpc_library of each imported proto
    _gen(name = name + "_gen", proto = proto, grpc = grpc)
    native.filegroup(name = name + "_h", srcs = [name + "_gen"], output_group = "hdrs")
    native.filegroup(name = name + "_c", srcs = [name + "_gen"], output_group = "srcs")
    native.cc_library(name = name, srcs = [name + "_c"], hdrs = [name + "_h"], copts = ["-w"] + USE_PRECOMPILED,
                      deps = deps + PRECOMPILED + ["@debian//:grpc++" if grpc else "@debian//:protobuf"], **kwargs)
def _desc_impl(ctx):
    out, infos = ctx.actions.declare_file(ctx.label.name + ".binpb"), [p[ProtoInfo] for p in ctx.attr.protos]
    args = ctx.actions.args()
    args.add_all(["--include_imports", "--include_source_info", "--descriptor_set_out=" + out.path])
    args.add_all(depset(transitive = [i.transitive_proto_path for i in infos]), format_each = "-I%s", uniquify = True)
    args.add_all([f for i in infos for f in i.direct_sources])
    ctx.actions.run(executable = ctx.file._protoc, arguments = [args], outputs = [out], mnemonic = "ProtoDescSet",
                    inputs = depset(transitive = [i.transitive_sources for i in infos]))
    return [DefaultInfo(files = depset([out]), runfiles = ctx.runfiles([out]))]
proto_descriptor_set = rule(implementation = _desc_impl, attrs = {
    "protos": attr.label_list(providers = [ProtoInfo]), "_protoc": _PROTOC})
