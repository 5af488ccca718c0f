"""The project's own rules: cc_library, cc_test and cc_binary with our warnings, and fuzz targets that are ordinary tests."""

COPTS = ["-Wall", "-Wextra", "-Werror", "-Wno-missing-field-initializers", "-Werror=unused-result"]

def twi_cc_library(name, copts = [], **kwargs):
    native.cc_library(name = name, copts = COPTS + copts, **kwargs)

def twi_cc_binary(name, copts = [], deps = [], **kwargs):
    native.cc_binary(name = name, copts = COPTS + copts, deps = deps + ["//tools:sanitizers"], **kwargs)

def twi_cc_test(name, copts = [], deps = [], size = "small", **kwargs):
    native.cc_test(
        name = name,
        copts = COPTS + copts,
        size = size,
        deps = deps + ["//tools:sanitizers", "@debian//:gtest_main"],
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
        copts = COPTS + copts + select({"//tools:fuzzing": ["-fsanitize=fuzzer"], "//conditions:default": []}),
        linkopts = select({"//tools:fuzzing": ["-fsanitize=fuzzer"], "//conditions:default": []}),
        data = corpus,
        # libFuzzer reads arguments as inputs to replay, so none when fuzzing: name a corpus folder after `--`.
        args = select({"//tools:fuzzing": [], "//conditions:default": ["$(locations %s)" % c for c in corpus]}),
        deps = deps + ["//tools:sanitizers"],
        tags = ["fuzz"],
        **kwargs
    )
