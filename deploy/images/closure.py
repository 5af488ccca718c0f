"""What a program needs at run time, and which Debian packages that comes from."""
import functools
import glob
import os
import re
import subprocess


def _run(*command):
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def libraries(programs):
    """{path in the image: path here} of the dynamic loader and all shared libraries of the programs (binaries or libraries that are opened by name)."""
    found = {}
    for program in programs:
        for line in _run("ldd", program).splitlines():
            if "not found" in line:
                raise RuntimeError(f"{program}: {line.strip()}")
            match = re.match(r"\s*(\S+) => (/\S+) \(0x", line)
            if match:
                found["/usr/lib/x86_64-linux-gnu/" + match[1]] = os.path.realpath(match[2])
            elif re.match(r"\s*(/\S+) \(0x", line):
                loader = line.split()[0]
                found[loader] = os.path.realpath(loader)
    return found


@functools.lru_cache(maxsize=None)
def _owners():
    owners = {}
    for listing in glob.glob("/var/lib/dpkg/info/*.list"):  # what dpkg-query -S reads, once instead of once for each file
        package = os.path.basename(listing)[: -len(".list")]
        with open(listing, encoding="utf-8") as file:
            owners.update((line.rstrip("\n"), package) for line in file)
    return owners


def package_of(path):
    """The Debian package that a file of this system belongs to, as dpkg names it ("libssl3:amd64")."""
    for candidate in (path, path.replace("/usr/lib/", "/lib/", 1), path.replace("/usr/bin/", "/bin/", 1)):  # merged /usr: dpkg knows one of the names
        if candidate in _owners():
            return _owners()[candidate]
    raise RuntimeError(f"{path} belongs to no Debian package")


@functools.lru_cache(maxsize=None)
def describe(package):
    """{"name", "version", "architecture", "source", "source_version"} of an installed package."""
    fields = _run("dpkg-query", "-W", "-f=${Package}\n${Version}\n${Architecture}\n${source:Package}\n${source:Version}\n", package).splitlines()
    return dict(zip(("name", "version", "architecture", "source", "source_version"), fields))


LICENCES = "/usr/share/common-licenses/"  # of the package base-files


def licences(text):
    """The files there that a copyright file names instead of giving their text."""
    named = {name.rstrip(b".").decode() for name in re.findall(re.escape(LICENCES).encode() + rb"([A-Za-z0-9.+-]+)", text)}
    return sorted(LICENCES + name for name in named if os.path.isfile(LICENCES + name))  # a few packages name one that Debian does not have


def copyright_file(name):
    path = f"/usr/share/doc/{name}/copyright"
    if not os.path.exists(path):
        raise RuntimeError(f"{name} has no copyright file")
    with open(path, "rb") as file:
        return file.read()
