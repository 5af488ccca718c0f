#!/usr/bin/env python3
"""Looks into each image archive, and runs each image where Docker is, as production does: read-only, without capabilities, without new privileges, without network. Where containerd is
(a Docker of the machine has one), imports each archive into a namespace of its own, looks whether it is kept under the name by which Kubernetes asks for it, and starts it. Where skopeo is, copies
each archive as for a registry.

    check_images.py DIR [IMAGE...] [--forbidden TEXT]... [--no-start]
        DIR: what build.sh wrote, and loaded where Docker is; IMAGE: these must be there, and no others (default: every image that build.sh makes); TEXT: must not stand in any program (folders of the machine that built it); --no-start: only looks into the archives

Ends with "N images, N failures"; exit code 0 when nothing failed.
"""
import argparse
import gzip
import hashlib
import io
import json
import os
import re
import shutil
import stat
import subprocess
import sys
import tarfile
import tempfile

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.realpath(__file__)))

import make_images  # noqa: E402
import spdx  # noqa: E402

PROGRAMS = {"demo-tpm": {"usr/bin/swtpm", "usr/bin/tpm2"}}  # others: usr/bin/NAME
LOADER = "lib64/ld-linux-x86-64.so.2"
PRIVATE_KEY = re.compile(rb"-----BEGIN [A-Z ]*PRIVATE KEY-----\r?\n[A-Za-z0-9+/]{40}")
# Debian's GnuTLS (a library of the TPM tools, and of libcurl, which calls the Verifier's REST front) carries the published keys of its self tests.
PUBLISHED_KEYS = {(image, "usr/lib/x86_64-linux-gnu/libgnutls.so.30") for image in ("demo-tpm", "twictl", "workload-agent")}
ALLOWED = re.compile(r"(usr/lib/x86_64-linux-gnu/lib[^/]+\.so[.0-9]*|usr/share/doc/[^/]+/(copyright|[^/]+\.spdx\.json)|usr/share/common-licenses/[^/]+)")
LICENCE = re.compile(rb"/usr/share/common-licenses/([A-Za-z0-9.+-]+)")
CONTAINERDS = ["/run/containerd/containerd.sock", "/var/run/docker/containerd/containerd.sock"]


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


def judge_spdx(entries, revision):
    """What is wrong with the image's SPDX document: it must list every file of the image but itself, and no more than SPDX 2.3 allows."""
    files = {"/" + info.name: content for info, content in entries if info.isfile()}
    problems = []
    for path in [path for path in files if path.endswith(".spdx.json")]:
        document = json.loads(files[path])
        listed = {file["fileName"]: file["checksums"] for file in document["files"]}
        own = {"." + other: content for other, content in files.items() if other != path}
        if set(listed) != set(own):
            problems.append(f"{path}: lists other files than there are: {sorted(set(listed) ^ set(own))[:3]}")
        elif any({"algorithm": "SHA256", "checksumValue": hashlib.sha256(own[file]).hexdigest()} not in sums for file, sums in listed.items()):
            problems.append(f"{path}: a checksum is another")
        packages = {package["SPDXID"]: package for package in document["packages"]}
        for relation in document["relationships"]:
            package = packages.get(relation["spdxElementId"])
            if relation["relatedSpdxElement"].startswith("SPDXRef-File-") and not (package and package["filesAnalyzed"]):
                problems.append(f"{path}: {relation['spdxElementId']} has files and was not analyzed")
                break
        for package in packages.values():
            if package["filesAnalyzed"] != ("packageVerificationCode" in package):
                problems.append(f"{path}: {package['name']}: a verification code belongs to what was analyzed, and to nothing else")
            elif package["filesAnalyzed"] and package["packageVerificationCode"] != {
                    "packageVerificationCodeValue": spdx.verification_code(own), "packageVerificationCodeExcludedFiles": ["." + path]}:
                problems.append(f"{path}: {package['name']}: another verification code")
        if packages["SPDXRef-Image"]["sourceInfo"] != f"commit {revision}" or f"-{revision}-" not in document["documentNamespace"]:
            problems.append(f"{path}: does not name the revision {revision} of the image's label")
    return problems


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
    there = {info.name for info, _ in entries}
    for path, licence in sorted({(info.name, named.rstrip(b".").decode()) for info, content in entries if info.name.endswith("/copyright") for named in LICENCE.findall(content)}):
        if f"usr/share/common-licenses/{licence}" not in there and os.path.isfile(f"/usr/share/common-licenses/{licence}"):  # Debian lacks a few that are named
            problems.append(f"{path}: names the licence {licence}, whose text is not here")
    missing = programs - there
    return problems + judge_spdx(entries, config["config"]["Labels"].get("org.opencontainers.image.revision")) + [f"{path}: is missing" for path in missing]


def identities(archive):
    """The names by which Docker may know the archive's image: the digest of its config, or (with containerd's store) of its manifest."""
    with tarfile.open(archive) as tar:
        config = json.load(tar.extractfile("manifest.json"))[0]["Config"]
        manifest = json.load(tar.extractfile("index.json"))["manifests"][0]["digest"]
    return {"sha256:" + os.path.basename(config), manifest}


def argument(name):
    return "--help" if name == "twictl" else "--version"


def started(by, name, command):
    """What is wrong when this command starts the image's program."""
    result = subprocess.run(command, capture_output=True, text=True)
    if name in ("demo-workload", "demo-tpm"):  # no --version: started is what counts
        good = "usage" in (result.stdout + result.stderr).lower() or "emulator" in result.stdout
    else:
        good = result.returncode == 0
    return [] if good else [f"{by} does not start it: {result.stderr.strip()}"]


def run(name, version, ids):
    """Starts the image as production does, when it is the one of the archive; returns what is wrong."""
    loaded = subprocess.run(["docker", "image", "inspect", "--format", "{{.Id}}", f"twi/{name}:{version}"], capture_output=True, text=True).stdout.strip()
    if loaded not in ids:
        return [f"Docker holds another image under twi/{name}:{version}, or none: {loaded or 'none'}"]
    command = ["docker", "run", "--rm", "--read-only", "--cap-drop", "ALL", "--security-opt", "no-new-privileges", "--network", "none", f"twi/{name}:{version}"]
    problems = started("Docker", name, command + [argument(name)])
    for shell in ("sh", "/bin/sh", "/bin/bash", "/usr/bin/apt-get"):
        if subprocess.run(command[:-1] + ["--entrypoint", shell, command[-1]], capture_output=True).returncode != 127:
            problems.append(f"starts {shell}")
    return problems


def containerd():
    """The command line of ctr for a containerd of this machine, and a namespace of our own; None where there is none."""
    for socket in CONTAINERDS if shutil.which("ctr") else ():
        command = ["ctr", "--connect-timeout", "2s", "--address", socket, "--namespace", f"twi-check-{os.getpid()}"]
        if os.path.exists(socket) and subprocess.run(command + ["version"], capture_output=True).returncode == 0:
            return command
    return None


def imported(ctr, name, archive, version, entrypoint):
    """What is wrong with what containerd makes of it: the name under which it keeps the image, and whether the image starts; nothing of it is left there."""
    native = ["--snapshotter", "native"]  # wants nothing of the kernel or of the file system below; unpacking compares each layer with the digest of its content that the config names
    taken = subprocess.run(ctr + ["images", "import", *native, archive], capture_output=True, text=True)
    names = subprocess.run(ctr + ["images", "ls", "--quiet"], capture_output=True, text=True).stdout.split()
    wanted, problems = f"docker.io/twi/{name}:{version}", []
    if taken.returncode != 0:
        problems.append(f"containerd does not take it: {taken.stderr.strip()}")
    elif names != [wanted]:
        problems.append(f"containerd keeps it as {' '.join(names)}, expected {wanted}")
    else:
        # ctr gives no arguments to an image's entrypoint: it is named with them.
        problems += started("containerd", name, ctr + ["run", "--rm", *native, "--read-only", wanted, f"twi-check-{os.getpid()}", *entrypoint, argument(name)])
    if names:
        subprocess.run(ctr + ["images", "rm", "--sync"] + names, capture_output=True)
    return problems


def copied(archive):
    """What is wrong with what skopeo makes of it: the manifest must arrive as it is, with the digest that a registry would show."""
    with tarfile.open(archive) as tar:
        digest = json.load(tar.extractfile("index.json"))["manifests"][0]["digest"]
    with tempfile.TemporaryDirectory() as folder:
        taken = subprocess.run(["skopeo", "--insecure-policy", "copy", f"oci-archive:{archive}", f"dir:{folder}"], capture_output=True, text=True)
        if taken.returncode != 0:
            return [f"skopeo does not take it: {taken.stderr.strip()}"]
        with open(os.path.join(folder, "manifest.json"), "rb") as file:
            found = "sha256:" + hashlib.sha256(file.read()).hexdigest()
    return [] if found == digest else [f"skopeo makes {found} of it, expected {digest}"]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("directory")
    parser.add_argument("images", nargs="*")
    parser.add_argument("--forbidden", action="append", default=[])
    parser.add_argument("--no-start", action="store_true")
    args = parser.parse_args()
    docker = not args.no_start and subprocess.run(["docker", "version"], capture_output=True).returncode == 0
    if not docker:
        print("the images are looked into, not started" + ("" if args.no_start else ": Docker does not run here"))
    ctr = None if args.no_start else containerd()
    if not args.no_start and ctr is None:
        print("not imported into containerd: there is none here, or ctr is not installed")
    skopeo = shutil.which("skopeo") is not None
    if not skopeo:
        print("not copied with skopeo: it is not installed (deploy/setup.sh --images)")
    archives = sorted(f for f in os.listdir(args.directory) if f.endswith(".oci.tar"))
    wanted = sorted(args.images or make_images.IMAGES)
    failures = 0
    if [file[: -len(".oci.tar")] for file in archives] != wanted:
        failures += 1
        print(f"expected {', '.join(wanted)}; found {', '.join(archives) or 'nothing'}")
    for file in archives:
        name = file[: -len(".oci.tar")]
        archive = os.path.join(args.directory, file)
        problems = look(name, archive, args.forbidden)
        config = members(archive)[0]["config"]
        version = config["Labels"]["org.opencontainers.image.version"]
        if docker:
            problems += run(name, version, identities(archive))
        if ctr:
            problems += imported(ctr, name, archive, version, config["Entrypoint"])
        if skopeo:
            problems += copied(archive)
        failures += bool(problems)
        print(f"{name:22} {'good' if not problems else 'FAILED'}")
        for problem in problems:
            print(f"  {problem}")
    if ctr:
        subprocess.run(ctr + ["namespaces", "rm", ctr[-1]], capture_output=True)
    print(f"{len(archives)} images, {failures} failures")
    sys.exit(1 if failures else 0)


if __name__ == "__main__":
    main()
