_PKG, _VERSION = "android-platform-external-boringssl", "13.0.0+r24-2"
_TAR = _PKG + "_13.0.0+r24.orig.tar.xz"  # BoringSSL 1530333b25589ee4d4d52b10e78ee55dd82f6dcd
_SHA256 = "583b7aeee1fca68b8244d086cea6fca23bd19d517bd63f0b9de714e048f92a7d"
def _impl(rctx):
    kept = rctx.os.environ.get("BORINGSSL_TARBALL", "")  # a kept copy wins over apt
    if kept:
        rctx.symlink(kept, _TAR)
    else:
        r = rctx.execute(["sh", str(rctx.path(Label("//third_party/boringssl:fetch.sh"))), _PKG, _VERSION], timeout = 300)
        if r.return_code != 0:
            fail("cannot fetch %s with apt-get: %s" % (_PKG, r.stderr))
    got = rctx.execute(["sha256sum", _TAR]).stdout.split(" ")[0]
    if got != _SHA256:
        fail("%s: sha256 %s, expected %s" % (_TAR, got, _SHA256))
    r = rctx.execute(["tar", "-xJf", _TAR, "--strip-components=1", "--exclude=*_test_data.cc", "--exclude=*/BUILD",
                      "--exclude=*/src/fuzz", "--exclude=*/src/ssl/test", "--exclude=*/src/third_party/*_testvectors"])
    if r.return_code != 0:
        fail("tar: " + r.stderr)
    rctx.delete(_TAR)
    rctx.symlink(Label("//third_party/boringssl:boringssl.BUILD"), "BUILD.bazel")
boringssl_debian_source = repository_rule(implementation = _impl, environ = ["BORINGSSL_TARBALL"])
