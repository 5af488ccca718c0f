"""GCC's precompiled headers for Bazel: a third of the time of our compiles is reading the same headers of the libraries again."""

load("@bazel_tools//tools/build_defs/cc:action_names.bzl", "ACTION_NAMES")
load("@bazel_tools//tools/cpp:toolchain_utils.bzl", "find_cpp_toolchain")

def _impl(ctx):
    toolchain = find_cpp_toolchain(ctx)
    features = cc_common.configure_features(ctx = ctx, cc_toolchain = toolchain, requested_features = ctx.features, unsupported_features = ctx.disabled_features)
    libraries = cc_common.merge_cc_infos(cc_infos = [dep[CcInfo] for dep in ctx.attr.deps]).compilation_context

    # GCC takes NAME.gch in place of NAME, when it finds it first on the path of its includes.
    out = ctx.actions.declare_file(ctx.file.header.basename + ".gch")
    variables = cc_common.create_compile_variables(
        feature_configuration = features,
        cc_toolchain = toolchain,
        source_file = ctx.file.header.path,
        output_file = out.path,
        user_compile_flags = ctx.fragments.cpp.copts + ctx.fragments.cpp.cxxopts,
        quote_include_directories = libraries.quote_includes,
        include_directories = libraries.includes,
        system_include_directories = libraries.system_includes,
        preprocessor_defines = depset(ctx.attr.defines),
        use_pic = True,
    )
    ctx.actions.run(
        executable = cc_common.get_tool_for_action(feature_configuration = features, action_name = ACTION_NAMES.cpp_compile),
        arguments = cc_common.get_memory_inefficient_command_line(feature_configuration = features, action_name = ACTION_NAMES.cpp_compile, variables = variables),
        env = cc_common.get_environment_variables(feature_configuration = features, action_name = ACTION_NAMES.cpp_compile, variables = variables),
        inputs = depset([ctx.file.header] + ctx.files.includes, transitive = [libraries.headers, toolchain.all_files]),
        outputs = [out],
        mnemonic = "CppPrecompile",
        progress_message = "Precompiling %s" % ctx.file.header.short_path,
    )
    return [
        DefaultInfo(files = depset([out])),
        CcInfo(compilation_context = cc_common.create_compilation_context(headers = depset([out]), quote_includes = depset([out.dirname]))),
    ]

# HEADER.gch, made with this configuration's own flags; whoever depends on it can compile with `-include HEADER`. Nothing of `deps` is handed on. GCC wants the same defines of whoever uses it, as far as
# the headers look at them: those of `deps` are left out, `defines` are those that all users have.
precompiled_header = rule(
    implementation = _impl,
    attrs = {
        "header": attr.label(mandatory = True, allow_single_file = [".hh"]),  # .hh: C++ by its name
        "includes": attr.label_list(allow_files = [".hh"]),  # beside it
        "defines": attr.string_list(),
        "deps": attr.label_list(providers = [CcInfo]),
        "_cc_toolchain": attr.label(default = "@bazel_tools//tools/cpp:current_cc_toolchain"),
    },
    fragments = ["cpp"],
    toolchains = ["@bazel_tools//tools/cpp:toolchain_type"],
)
