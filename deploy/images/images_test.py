#!/usr/bin/env python3
"""The archive writer and the checks on archives, without Docker and without a build."""
import contextlib
import hashlib
import io
import json
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import unittest
import unittest.mock

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.realpath(__file__)))

import check_images  # noqa: E402
import closure  # noqa: E402
import make_images  # noqa: E402
import oci  # noqa: E402
import spdx  # noqa: E402

EPOCH = 1700000000
CONFIG = {"User": "65532:65532", "Labels": {"org.opencontainers.image.version": "1", "org.opencontainers.image.revision": "abc-fastbuild"}}
PROGRAM = "/usr/bin/verifier"


def program():
    """A program of this system, stripped: what an image holds."""
    with open("/usr/bin/true" if os.path.exists("/usr/bin/true") else "/bin/true", "rb") as file:
        return file.read()


class ImagesTest(unittest.TestCase):
    def setUp(self):
        self.directory = tempfile.TemporaryDirectory()
        self.addCleanup(self.directory.cleanup)
        self.path = os.path.join(self.directory.name, "verifier.oci.tar")

    def layer(self, *more):
        layer = oci.Layer(EPOCH)
        layer.add_file(PROGRAM, program(), 0o555)
        for path, content, mode in more:
            layer.add_file(path, content, mode)
        return layer

    def write(self, layer, config=None):
        return oci.write_archive(self.path, "twi/verifier", "1", [layer], dict(config or CONFIG), "2023-11-14T22:13:20Z", EPOCH)

    def problems(self, layer, config=None, forbidden=()):
        self.write(layer, config)
        return check_images.look("verifier", self.path, list(forbidden))

    def test_same_content_same_bytes_whatever_the_order(self):
        one, two = oci.Layer(EPOCH), oci.Layer(EPOCH)
        for path in ("/b", "/a/c", "/a/b"):
            one.add_file(path, path.encode())
        for path in ("/a/b", "/b", "/a/c"):
            two.add_file(path, path.encode())
        self.assertEqual(one.tar(), two.tar())

    def test_other_content_and_other_commits_have_other_digests(self):
        first = self.write(self.layer())
        self.assertEqual(first, self.write(self.layer()))
        self.assertNotEqual(first["layers"], self.write(self.layer(("/usr/share/doc/x/copyright", b"x", 0o444)))["layers"])
        later = oci.Layer(EPOCH + 1)
        later.add_file(PROGRAM, program(), 0o555)
        self.assertNotEqual(first["layers"], self.write(later)["layers"])

    def test_two_files_for_one_path_are_refused(self):
        with self.assertRaises(ValueError):
            self.layer((PROGRAM, b"another", 0o555))

    def test_the_archive_is_an_oci_layout_whose_digests_hold(self):
        made = self.write(self.layer())
        with tarfile.open(self.path) as tar:
            read = lambda name: tar.extractfile(name).read()
            self.assertEqual(json.loads(read("oci-layout")), {"imageLayoutVersion": "1.0.0"})
            manifest = json.loads(read("index.json"))["manifests"][0]
            self.assertEqual(manifest["digest"], made["manifest"])
            blob = read("blobs/sha256/" + manifest["digest"].split(":")[1])
            self.assertEqual("sha256:" + hashlib.sha256(blob).hexdigest(), manifest["digest"])
            self.assertEqual(len(blob), manifest["size"])
            self.assertEqual([layer["digest"] for layer in json.loads(blob)["layers"]], made["layers"])
            # containerd keeps it under this name, and Kubernetes asks for it by this one; Docker knows the short one.
            self.assertEqual(manifest["annotations"]["io.containerd.image.name"], "docker.io/twi/verifier:1")
            self.assertEqual(json.loads(read("manifest.json"))[0]["RepoTags"], ["twi/verifier:1"])

    def test_a_good_image_has_no_problems(self):
        self.assertEqual(self.problems(self.layer(("/usr/share/doc/libc6/copyright", b"free", 0o444))), [])

    def test_finds_what_must_not_be_there(self):
        key = b"-----BEGIN PRIVATE KEY-----\n" + b"A" * 64 + b"\n-----END PRIVATE KEY-----\n"
        for more, said in (
                (("/bin/sh", program(), 0o555), "does not belong here"),
                (("/usr/bin/dpkg", b"#!/bin/sh\n", 0o555), "a program"),
                (("/usr/lib/x86_64-linux-gnu/libtrue.so.1", program(), 0o555), "a program"),
                (("/usr/share/doc/x/copyright", b"x", 0o4555), "mode 4555"),
                (("/usr/share/doc/x/copyright", b"x", 0o666), "may write to it"),
                (("/usr/share/doc/x/copyright", key, 0o444), "private key")):
            problems = self.problems(self.layer(more))
            self.assertTrue(any(said in problem for problem in problems), f"{more[0]} {said}: {problems}")

    def test_finds_a_licence_that_is_named_and_not_there(self):
        free = ("/usr/share/doc/libc6/copyright", b"see /usr/share/common-licenses/LGPL-2.1.\n", 0o444)
        if not os.path.isfile("/usr/share/common-licenses/LGPL-2.1"):
            self.skipTest("not Debian")
        self.assertTrue(any("licence LGPL-2.1," in p for p in self.problems(self.layer(free))))
        self.assertEqual(self.problems(self.layer(free, ("/usr/share/common-licenses/LGPL-2.1", b"text", 0o444))), [])
        self.assertEqual(closure.licences(free[1]), ["/usr/share/common-licenses/LGPL-2.1"])
        self.assertEqual(closure.licences(b"/usr/share/common-licenses/No-such-licence"), [])

    def test_finds_an_spdx_document_that_is_not_the_images(self):
        path, files = "/usr/share/doc/twi/verifier.spdx.json", {PROGRAM: program()}
        made = spdx.document("twi-verifier", "1", "abc-fastbuild", "2023-11-14T22:13:20Z", [], files, path)
        self.assertEqual(self.problems(self.layer((path, made, 0o444))), [])
        for change, said in (
                (lambda d: d["files"].pop(), "lists other files"),
                (lambda d: d["files"][0]["checksums"][1].update(checksumValue="0" * 64), "checksum"),
                (lambda d: d["packages"][0].update(filesAnalyzed=False), "was not analyzed"),
                (lambda d: d["packages"][0]["packageVerificationCode"].update(packageVerificationCodeValue="0" * 40), "another verification code"),
                (lambda d: d["packages"][0].pop("packageVerificationCode"), "belongs to what was analyzed"),
                (lambda d: d.update(documentNamespace="https://spdx.org/spdxdocs/twi-verifier-1"), "does not name the revision"),
                (lambda d: d["packages"][0].update(sourceInfo="commit abc"), "does not name the revision")):
            document = json.loads(made)
            change(document)
            problems = self.problems(self.layer((path, json.dumps(document).encode(), 0o444)))
            self.assertTrue(any(said in problem for problem in problems), f"{said}: {problems}")

    def test_finds_root_and_missing_programs_and_folders_of_the_builder(self):
        self.assertTrue(any("user" in p for p in self.problems(self.layer(), {**CONFIG, "User": "0:0"})))
        self.assertTrue(any("user" in p for p in self.problems(self.layer(), {**CONFIG, "User": "root"})))
        empty = oci.Layer(EPOCH)
        empty.add_file("/usr/share/doc/x/copyright", b"x")
        self.assertTrue(any("missing" in p for p in self.problems(empty)))
        self.assertTrue(any("holds the text" in p for p in self.problems(self.layer(), forbidden=["ld-linux"])))

    def test_a_changed_blob_is_found(self):
        self.write(self.layer())
        out = io.BytesIO()
        with tarfile.open(self.path) as old, tarfile.open(fileobj=out, mode="w") as new:
            for info in old.getmembers():
                content = old.extractfile(info).read() if info.isfile() else b""
                if info.isfile() and info.name.startswith("blobs/"):
                    content = content[:-1] + bytes([content[-1] ^ 1])
                new.addfile(info, io.BytesIO(content))
        with open(self.path, "wb") as file:
            file.write(out.getvalue())
        with self.assertRaises(ValueError):
            check_images.members(self.path)
        if shutil.which("skopeo"):
            self.assertIn("does not take it", "".join(check_images.copied(self.path)))

    @unittest.skipUnless(shutil.which("skopeo"), "skopeo is not installed")
    def test_skopeo_copies_the_manifest_as_it_is(self):
        self.write(self.layer())
        self.assertEqual(check_images.copied(self.path), [])

    def test_closure_names_loader_libraries_and_their_packages(self):
        libraries = closure.libraries([sys.executable if closure_knows(sys.executable) else "/bin/sh"])
        self.assertIn("/lib64/ld-linux-x86-64.so.2", libraries)
        self.assertIn("/usr/lib/x86_64-linux-gnu/libc.so.6", libraries)
        package = closure.describe(closure.package_of(libraries["/usr/lib/x86_64-linux-gnu/libc.so.6"]))
        self.assertEqual((package["name"], package["source"]), ("libc6", "glibc"))
        self.assertIn(b"GNU", closure.copyright_file("libc6"))
        with self.assertRaises(RuntimeError):
            closure.package_of("/nonexistent/lib.so")

    def test_spdx_names_each_package_and_version(self):
        package = {"name": "libc6", "version": "2.36-9", "architecture": "amd64", "source": "glibc", "source_version": "2.36-9", "linked": "shared"}
        made = json.loads(spdx.document("twi-verifier", "1", "abc", "2023-11-14T22:13:20Z", [package], {"/usr/bin/verifier": b"x"}))
        self.assertEqual(made["spdxVersion"], "SPDX-2.3")
        found = [p for p in made["packages"] if p["name"] == "libc6"]
        self.assertEqual(found[0]["versionInfo"], "2.36-9")
        self.assertEqual(found[0]["externalRefs"][0]["referenceLocator"], "pkg:deb/debian/libc6@2.36-9?arch=amd64")
        self.assertEqual(made["files"][0]["checksums"][1]["checksumValue"], hashlib.sha256(b"x").hexdigest())
        self.assertIs(found[0]["filesAnalyzed"], False)
        # SPDX 2.3, 7.9: of one file it is the SHA-1 of its SHA-1.
        self.assertEqual(made["packages"][0]["packageVerificationCode"]["packageVerificationCodeValue"], hashlib.sha1(hashlib.sha1(b"x").hexdigest().encode()).hexdigest())

    def test_one_image_leaves_the_digests_of_the_others(self):
        out = self.directory.name
        def pack(revision, *images):
            def make(name, args, created):
                open(os.path.join(out, f"{name}.oci.tar"), "w").close()
                return {"manifest": f"sha256:{name}", "program": 0, "unpacked": 0, "compressed": 0, "packages": 0}
            argv = ["make_images.py", "--bin", out, "--boringssl", out, "--out", out, "--version", "1", "--revision", revision, "--epoch", "0", *images]
            with unittest.mock.patch.object(make_images, "make", make), unittest.mock.patch.object(sys, "argv", argv), contextlib.redirect_stdout(io.StringIO()):
                make_images.main()
            with open(os.path.join(out, "digests.json"), encoding="utf-8") as file:
                return {name: made["revision"] for name, made in json.load(file).items()}
        self.assertEqual(set(pack("one")), set(make_images.IMAGES))
        made = pack("two", "twictl")
        self.assertEqual((made["twictl"], made["verifier"], len(made)), ("two", "one", len(make_images.IMAGES)))
        os.remove(os.path.join(out, "verifier.oci.tar"))
        self.assertNotIn("verifier", pack("three", "twictl"))

    def test_one_namespace_for_one_revision(self):
        namespace = lambda revision: json.loads(spdx.document("twi-verifier", "1", revision, "2023-11-14T22:13:20Z", [], {"/usr/bin/verifier": b"x"}))["documentNamespace"]
        self.assertNotEqual(namespace("abc"), namespace("abc-dirty"))
        self.assertEqual(namespace("abc"), namespace("abc"))


def closure_knows(path):
    """Whether ldd can resolve it (a dynamically linked program)."""
    return subprocess.run(["ldd", path], capture_output=True).returncode == 0


if __name__ == "__main__":
    unittest.main()
