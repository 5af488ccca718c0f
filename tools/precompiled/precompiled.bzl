"""Clang's precompiled headers for Bazel: without them half of the time of our compiles is reading the same headers of the libraries again."""

load("@bazel_tools//tools/build_defs/cc:action_names.bzl", "ACTION_NAMES")
load("@bazel_tools//tools/cpp:toolchain_utils.bzl", "find_cpp_toolchain")

def _impl(ctx):
    toolchain = find_cpp_toolchain(ctx)
    features = cc_common.configure_features(ctx = ctx, cc_toolchain = toolchain, requested_features = ctx.features, unsupported_features = ctx.disabled_features)
    libraries = cc_common.merge_cc_infos(cc_infos = [dep[CcInfo] for dep in ctx.attr.deps]).compilation_context
    out = ctx.actions.declare_file(ctx.label.name + ".pch")
    variables = cc_common.create_compile_variables(
        feature_configuration = features,
        cc_toolchain = toolchain,
        # Read from standard input: Clang writes where a header lies into the result, and looks there when it is used, but the sandbox is gone by then. The libraries' headers lie where they lay.
        source_file = "-",
        output_file = out.path,
        # Templates that the headers use are instantiated here, once. No times of files: of other headers there is another versions.h, and so another action.
        user_compile_flags = ctx.fragments.cpp.copts + ctx.fragments.cpp.cxxopts + ["-x", "c++-header", "-fpch-instantiate-templates", "-Xclang", "-fno-pch-timestamp"],
        quote_include_directories = libraries.quote_includes,
        include_directories = libraries.includes,
        system_include_directories = libraries.system_includes,
        preprocessor_defines = depset(ctx.attr.defines),
        use_pic = True,
    )
    command = [cc_common.get_tool_for_action(feature_configuration = features, action_name = ACTION_NAMES.cpp_compile)]
    command += cc_common.get_memory_inefficient_command_line(feature_configuration = features, action_name = ACTION_NAMES.cpp_compile, variables = variables)
    ctx.actions.run_shell(
        command = "cat %s | \"$@\"" % " ".join(["'%s'" % header.path for header in ctx.files.headers]),
        arguments = command,
        env = cc_common.get_environment_variables(feature_configuration = features, action_name = ACTION_NAMES.cpp_compile, variables = variables),
        inputs = depset(ctx.files.headers, transitive = [libraries.headers, toolchain.all_files]),
        outputs = [out],
        mnemonic = "CppPrecompile",
        progress_message = "Precompiling %s" % ctx.label,
    )
    return [
        DefaultInfo(files = depset([out])),
        CcInfo(compilation_context = cc_common.create_compilation_context(headers = depset([out]))),
    ]

# NAME.pch of `headers`, one after the other, made with this configuration's own flags; whoever depends on it can compile with `-include-pch`. Nothing of `deps` is handed on. Clang wants the same
# defines of whoever uses it, as far as the headers look at them: those of `deps` are left out, `defines` are those that all users have.
precompiled_header = rule(
    implementation = _impl,
    attrs = {
        "headers": attr.label_list(mandatory = True, allow_files = [".hh"]),
        "defines": attr.string_list(),
        "deps": attr.label_list(providers = [CcInfo]),
        "_cc_toolchain": attr.label(default = "@bazel_tools//tools/cpp:current_cc_toolchain"),
    },
    fragments = ["cpp"],
    toolchains = ["@bazel_tools//tools/cpp:toolchain_type"],
)
