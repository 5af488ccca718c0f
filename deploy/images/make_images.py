#!/usr/bin/env python3
"""Packs the images: one OCI archive, one SPDX document and one line of digests each. Called by build.sh, which builds the programs.

    make_images.py --bin BAZEL_BIN --boringssl DIR --out DIR --version V --revision COMMIT --epoch SECONDS [IMAGE...]
"""
import argparse
import datetime
import functools
import json
import os
import re
import subprocess
import sys
import tempfile

import closure
import oci
import spdx

USER = "65532:65532"  # numeric, so that no /etc/passwd is needed; the same in every image, because an agent and its workload share files
TCTI = ["/usr/lib/x86_64-linux-gnu/libtss2-tcti-device.so.0", "/usr/lib/x86_64-linux-gnu/libtss2-tcti-swtpm.so.0"]  # of tpm2-tools, opened by name at run time


def _daemon(name, title, **more):
    return {"program": f"services/{name}/{name}", "title": title, "command": ["--config", f"/etc/twi/{name}.yaml"], **more}


IMAGES = {
    "verifier": _daemon("verifier", "appraises Evidence"),
    "claims-mapper": _daemon("claims_mapper", "maps Attestation Results to identities and claims"),
    "credential-authority": _daemon("credential_authority", "issues Workload Credentials"),
    "key-store": _daemon("key_store", "releases Credential Keys to attested workloads"),
    "workload-agent": _daemon("workload_agent", "acquires and renews a workload's credential"),
    "twictl": {"program": "services/twictl/twictl", "title": "command line tool of operators and Workload Owners", "command": ["--help"]},
    # Not of the product: what deploy/compose needs besides.
    "demo-workload": {"program": "integration_tests/containers/workload", "title": "a workload that uses its credential (demonstration)", "command": ["--help"]},
    "demo-tpm": {"system": "/usr/bin/swtpm", "also": ["/usr/bin/tpm2"], "title": "software TPM, and the tools that enroll it (demonstration)", "command": ["--help"], "opened": TCTI},
}
# Compiled into all of our programs from Debian packages, besides BoringSSL's source package: headers. (Boost: the HTTPS server of common/http.)
STATIC = ["/usr/include/nlohmann/json.hpp", "/usr/include/boost/version.hpp"]


def stripped(path):
    with tempfile.NamedTemporaryFile() as out:
        subprocess.run(["strip", "--strip-all", "--remove-section=.comment", "-o", out.name, path], check=True)
        with open(out.name, "rb") as file:
            return file.read()


def read(path):
    with open(path, "rb") as file:
        return file.read()


def boringssl(directory):
    bzl = open(os.path.join(os.path.dirname(__file__), "../../third_party/boringssl/boringssl.bzl"), encoding="utf-8").read()
    name, version = re.search(r'_PKG, _VERSION = "([^"]+)", "([^"]+)"', bzl).groups()
    package = {"name": name, "version": version, "architecture": "source", "source": name, "source_version": version, "linked": "static"}
    return package, read(os.path.join(directory, "NOTICE"))


@functools.lru_cache(maxsize=None)
def libraries_of(name, bin_folder):
    spec = IMAGES[name]
    opened = spec.get("opened", [])
    programs = [os.path.join(bin_folder, spec["program"])] if "program" in spec else [spec["system"]] + spec.get("also", [])
    return {**closure.libraries(programs + opened), **{path: os.path.realpath(path) for path in opened}}


def shared(bin_folder):
    """The libraries of all our programs: one layer, which a machine pulls once for all of them."""
    return set.intersection(*(set(libraries_of(name, bin_folder)) for name in IMAGES if "program" in IMAGES[name]))


def make(name, args, created):
    spec = IMAGES[name]
    own = "program" in spec
    here = os.path.join(args.bin, spec["program"]) if own else spec["system"]
    target = f"/usr/bin/{name}" if own else spec["system"]
    also = spec.get("also", [])
    libraries = libraries_of(name, args.bin)
    packages = {}
    for path in list(libraries.values()) + ([] if own else [here] + also):
        package = closure.describe(closure.package_of(path))
        packages[package["name"]] = {**package, "linked": "shared"}
    notices = {}
    if own:
        for header in STATIC:
            described = closure.describe(closure.package_of(header))
            packages[described["name"]] = {**described, "linked": "static"}
        crypto, notice = boringssl(args.boringssl)
        packages[crypto["name"]], notices[crypto["name"]] = {**crypto}, notice
    common = shared(args.bin) if own else set()
    base, more, top, files = oci.Layer(args.epoch), oci.Layer(args.epoch), oci.Layer(args.epoch), {}
    layer_of = {}  # package -> the first layer with a file of it, which holds its licence too

    def add(layer, path, content, mode=0o444):
        layer.add_file(path, content, mode)
        files[path] = content

    for path, source in sorted(libraries.items(), key=lambda item: (item[0] not in common, item[0])):
        layer = base if path in common else more
        add(layer, path, read(source), 0o555)
        layer_of.setdefault(closure.describe(closure.package_of(source))["name"], layer)
    default = base if own else more
    described = closure.describe(closure.package_of(os.path.realpath(closure.LICENCES + "GPL-3")))  # nearly every copyright file names one of its texts
    packages[described["name"]] = {**described, "linked": "shared"}
    for package in sorted(packages, key=lambda name: (layer_of.get(name, default) is not base, name)):
        layer, text = layer_of.get(package, default), notices.get(package) or closure.copyright_file(package)
        add(layer, f"/usr/share/doc/{package}/copyright", text)
        for licence in closure.licences(text):
            if licence not in files:  # one layer holds it, the lowest that needs it
                add(layer, licence, read(licence))
    for path in [here] + also:
        add(top, path if path in also else target, stripped(path), 0o555)
    image = f"twi/{name}"
    own_path = f"/usr/share/doc/twi/{name}.spdx.json"
    document = spdx.document(image.replace("/", "-"), args.version, args.revision, created, packages.values(), files, own_path)
    top.add_file(own_path, document, 0o444)
    labels = {"org.opencontainers.image.title": name, "org.opencontainers.image.description": f"TWI: {spec['title']}", "org.opencontainers.image.version": args.version,
              "org.opencontainers.image.revision": args.revision, "org.opencontainers.image.created": created, "org.opencontainers.image.vendor": "TWI",
              "org.opencontainers.image.base.name": "scratch"}
    config = {"User": USER, "Entrypoint": [target], "Cmd": spec["command"], "WorkingDir": "/", "Env": ["PATH=/usr/bin"], "Labels": labels, "StopSignal": "SIGTERM"}
    made = oci.write_archive(os.path.join(args.out, f"{name}.oci.tar"), image, args.version, [layer for layer in (base, more, top) if layer.paths()], config, created, args.epoch)
    with open(os.path.join(args.out, f"{name}.spdx.json"), "wb") as file:
        file.write(document)
    return {**made, "packages": len(packages), "program": len(files[target])}


def main():
    parser = argparse.ArgumentParser()
    for flag in ("--bin", "--boringssl", "--out", "--version", "--revision"):
        parser.add_argument(flag, required=True)
    parser.add_argument("--epoch", type=int, required=True)
    parser.add_argument("images", nargs="*")
    args = parser.parse_args()
    wanted = args.images or list(IMAGES)
    unknown = [name for name in wanted if name not in IMAGES]
    if unknown:
        sys.exit(f"unknown image {unknown[0]}: expected some of {', '.join(IMAGES)}")
    os.makedirs(args.out, exist_ok=True)
    created = datetime.datetime.fromtimestamp(args.epoch, datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
    listing = os.path.join(args.out, "digests.json")
    digests = {}
    if args.images and os.path.exists(listing):  # the others stay as they are, and their archives too
        with open(listing, encoding="utf-8") as file:
            digests = {name: made for name, made in json.load(file).items() if os.path.exists(os.path.join(args.out, f"{name}.oci.tar"))}
    print(f"{'image':22} {'program':>9} {'unpacked':>9} {'to pull':>9}  packages  manifest")
    for name in wanted:
        made = digests[name] = {**make(name, args, created), "revision": args.revision}
        print(f"{name:22} {made['program'] / 1e6:6.1f} MB {made['unpacked'] / 1e6:6.1f} MB {made['compressed'] / 1e6:6.1f} MB  {made['packages']:8}  {made['manifest'][:19]}", flush=True)
    with open(listing, "w", encoding="utf-8") as file:
        json.dump(digests, file, indent=1, sort_keys=True)
        file.write("\n")


if __name__ == "__main__":
    main()
