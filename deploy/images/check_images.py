#!/usr/bin/env python3
"""Looks into each image archive, and runs each image where Docker is, as production does: read-only, without capabilities, without new privileges, without network.

    check_images.py DIR [--forbidden TEXT]... [--no-start]
        DIR: what build.sh wrote, and loaded where Docker is; TEXT: must not stand in any program (folders of the machine that built it); --no-start: only looks into the archives

Ends with "N images, N failures"; exit code 0 when nothing failed.
"""
import argparse
import gzip
import hashlib
import io
import json
import os
import re
import stat
import subprocess
import sys
import tarfile

PROGRAMS = {"demo-tpm": {"usr/bin/swtpm", "usr/bin/tpm2"}}  # others: usr/bin/NAME
LOADER = "lib64/ld-linux-x86-64.so.2"
PRIVATE_KEY = re.compile(rb"-----BEGIN [A-Z ]*PRIVATE KEY-----\r?\n[A-Za-z0-9+/]{40}")
# Debian's GnuTLS (a library of the TPM tools, and of libcurl, which calls the Verifier's REST front) carries the published keys of its self tests.
PUBLISHED_KEYS = {(image, "usr/lib/x86_64-linux-gnu/libgnutls.so.30") for image in ("demo-tpm", "twictl", "workload-agent")}
ALLOWED = re.compile(r"(usr/lib/x86_64-linux-gnu/lib[^/]+\.so[.0-9]*|usr/share/doc/[^/]+/(copyright|[^/]+\.spdx\.json))")


def is_program(content):
    """An ELF file that the kernel would start: it names an interpreter (PT_INTERP)."""
    if content[:4] != b"\x7fELF":
        return content[:2] == b"#!"
    offset, size, count = (int.from_bytes(content[a:a + n], "little") for a, n in ((32, 8), (54, 2), (56, 2)))
    return any(content[offset + i * size:offset + i * size + 4] == b"\x03\x00\x00\x00" for i in range(count))


def members(archive):
    """(config, [TarInfo, content]) of an archive; every blob must have the digest that names it."""
    with tarfile.open(archive) as tar:
        blobs = {info.name: tar.extractfile(info).read() for info in tar.getmembers() if info.isfile()}
    for name, blob in blobs.items():
        if name.startswith("blobs/") and hashlib.sha256(blob).hexdigest() != os.path.basename(name):
            raise ValueError(f"{name} has another digest")
    manifest = json.loads(blobs["manifest.json"])[0]
    index = json.loads(blobs["index.json"])["manifests"][0]
    oci = json.loads(blobs["blobs/sha256/" + index["digest"].split(":")[1]])
    if ["blobs/sha256/" + layer["digest"].split(":")[1] for layer in oci["layers"]] != manifest["Layers"]:
        raise ValueError("index.json and manifest.json name different layers")
    entries = []
    for layer in manifest["Layers"]:
        with tarfile.open(fileobj=io.BytesIO(gzip.decompress(blobs[layer]))) as tar:
            entries += [(info, tar.extractfile(info).read() if info.isfile() else b"") for info in tar.getmembers()]
    return json.loads(blobs[manifest["Config"]]), entries


def look(name, archive, forbidden):
    """What is wrong with the image, in words."""
    config, entries = members(archive)
    problems, programs = [], PROGRAMS.get(name, {f"usr/bin/{name}"})
    user = config["config"]["User"]
    if not re.fullmatch(r"[1-9]\d*:[1-9]\d*", user):
        problems.append(f"user {user}: expected numbers, not 0")
    for info, content in entries:
        path = info.name
        if not (info.isfile() or info.isdir()):
            problems.append(f"{path}: neither a file nor a folder")
        if info.mode & (stat.S_ISUID | stat.S_ISGID | stat.S_ISVTX):
            problems.append(f"{path}: mode {info.mode:o}")
        if info.mode & 0o022 or (info.uid, info.gid) != (0, 0) or info.uname or info.gname:
            problems.append(f"{path}: another than root may write to it, or it has an owner by name")
        if info.isfile() and path not in programs and path != LOADER and not ALLOWED.fullmatch(path):
            problems.append(f"{path}: does not belong here")
        if path not in programs and path != LOADER and is_program(content) and not path.endswith("/libc.so.6"):
            problems.append(f"{path}: a program")  # libc.so.6 can be started: it prints its version
        if PRIVATE_KEY.search(content) and (name, path) not in PUBLISHED_KEYS:
            problems.append(f"{path}: holds a private key")
        if path in programs:
            problems += [f"{path}: holds the text {text}" for text in forbidden if text.encode() in content]
            if b".symtab" in content[-4096:] or b".debug_info" in content:
                problems.append(f"{path}: is not stripped")
    missing = programs - {info.name for info, _ in entries}
    return problems + [f"{path}: is missing" for path in missing]


def run(name, version):
    """Starts the image as production does; returns what is wrong."""
    command = ["docker", "run", "--rm", "--read-only", "--cap-drop", "ALL", "--security-opt", "no-new-privileges", "--network", "none", f"twi/{name}:{version}"]
    argument = "--help" if name in ("twictl",) else "--version"
    result = subprocess.run(command + [argument], capture_output=True, text=True)
    if name in ("demo-workload", "demo-tpm"):  # no --version: started is what counts
        started = "usage" in (result.stdout + result.stderr).lower() or "emulator" in result.stdout
    else:
        started = result.returncode == 0
    problems = [] if started else [f"does not start: {result.stderr.strip()}"]
    for shell in ("sh", "/bin/sh", "/bin/bash", "/usr/bin/apt-get"):
        if subprocess.run(command[:-1] + ["--entrypoint", shell, command[-1]], capture_output=True).returncode != 127:
            problems.append(f"starts {shell}")
    return problems


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("directory")
    parser.add_argument("--forbidden", action="append", default=[])
    parser.add_argument("--no-start", action="store_true")
    args = parser.parse_args()
    docker = not args.no_start and subprocess.run(["docker", "version"], capture_output=True).returncode == 0
    if not docker:
        print("the images are looked into, not started" + ("" if args.no_start else ": Docker does not run here"))
    archives = sorted(f for f in os.listdir(args.directory) if f.endswith(".oci.tar"))
    failures = 0
    for file in archives:
        name = file[: -len(".oci.tar")]
        archive = os.path.join(args.directory, file)
        problems = look(name, archive, args.forbidden)
        if docker:
            problems += run(name, members(archive)[0]["config"]["Labels"]["org.opencontainers.image.version"])
        failures += bool(problems)
        print(f"{name:22} {'good' if not problems else 'FAILED'}")
        for problem in problems:
            print(f"  {problem}")
    print(f"{len(archives)} images, {failures} failures")
    sys.exit(0 if archives and not failures else 1)


if __name__ == "__main__":
    main()
