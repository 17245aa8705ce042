#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Debian's stock kernels: which there are, their images, headers and source.

Prints the newest kernel of a supported series, and brings it into the cache.
"""

import argparse
import dataclasses
import os
import re
import subprocess
import time
from pathlib import Path

from cache import CACHE, Failure, lock, made_whole, need_space, run_main, say, step, use

# The series that the library supports, the best first. Which versions of them there are is for
# apt to say.
SERIES = ("7.3", "7.2")

NETWORK = "no network, or the mirror is not reachable: Debian's packages could not be fetched"
HINTS = (("Could not resolve", NETWORK), ("Temporary failure resolving", NETWORK),
         ("Could not connect", NETWORK), ("Failed to fetch", NETWORK))


@dataclasses.dataclass(frozen=True)
class Kernel:
    """A stock kernel: its release, as `uname -r` prints it, and the version of its packages."""

    release: str
    package_version: str

    @property
    def series(self):
        """The series that it belongs to, such as 7.3."""
        return ".".join(self.release.split(".")[:2])

    @property
    def folder(self):
        """Where its packages are unpacked."""
        return CACHE / f"stock-{self.release}_{self.package_version}"

    @property
    def image(self):
        """The image that boots."""
        return self.folder / f"usr/lib/modules/{self.release}/vmlinuz"

    @property
    def headers(self):
        """What its headers package has to build modules with."""
        return self.folder / f"usr/src/linux-headers-{self.release}"

    @property
    def source(self):
        """Its source, with Debian's patches; the flavours share it."""
        return CACHE / f"source-{self.package_version}"


def apt(*command):
    """What an apt command prints."""
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def refresh():
    """Sees to it that apt knows what there is: asks the mirror, once a day."""
    lists = Path("/var/lib/apt/lists")
    stamp = lists / "jitimer-refreshed"
    if stamp.exists() and time.time() - stamp.stat().st_mtime < 24 * 3600:
        return
    try:
        step("asking Debian's mirror which kernels there are", "apt",
             ["apt-get", "update", "--error-on=any"], hints=HINTS)
        stamp.touch()
    except Failure as failure:
        if not stamp.exists():
            raise
        say(f"{failure}; going on with what was known before")


def find(release=None, flavour="cloud-amd64"):
    """The kernel of a release, or the newest of the supported series with a flavour."""
    with lock("apt"):
        refresh()
    names = apt("apt-cache", "pkgnames", "linux-headers-").split()
    releases = [name.removeprefix("linux-headers-") for name in names]
    if release is None:
        for series in SERIES:
            fitting = [name for name in releases
                       if re.fullmatch(rf"{re.escape(series)}\.\d+\+deb13-{flavour}", name)]
            if fitting:
                release = max(fitting, key=lambda name: int(re.split(r"[.+]", name)[2]))
                break
        else:
            raise Failure(f"apt has no {flavour} kernel of the series {', '.join(SERIES)}")
    if release not in releases:
        raise Failure(f"apt has no headers for a kernel '{release}'; it has: "
                      + " ".join(sorted(r for r in releases if r.startswith(SERIES))))
    policy = apt("apt-cache", "policy", f"linux-headers-{release}")
    return Kernel(release, re.search(r"Candidate: (\S+)", policy).group(1))


def download(folder, *packages):
    """Fetches packages and unpacks them into a folder."""
    debs = folder / "debs"
    debs.mkdir()
    step(f"fetching {', '.join(packages)}", "fetch",
         ["apt-get", "download", "-o", "Acquire::Retries=3", *packages], cwd=debs, hints=HINTS)
    for deb in debs.iterdir():
        step(f"unpacking {deb.name}", "fetch", ["dpkg-deb", "--extract", deb, folder])
        deb.unlink()
    debs.rmdir()


def fetch(kernel):
    """Brings a kernel's image and headers into the cache."""
    with lock(kernel.folder.name):
        if not kernel.folder.exists():
            need_space(0.3, f"the kernel {kernel.release}")
            with made_whole(kernel.folder) as new:
                download(new, *(f"{name}={kernel.package_version}" for name in (
                    f"linux-binary-{kernel.release}", f"linux-headers-{kernel.release}")))
        use(kernel.folder)
    return kernel


def fetch_source(kernel):
    """Brings a kernel's source into the cache."""
    with lock(kernel.source.name):
        if not kernel.source.exists():
            need_space(3, f"the source of {kernel.release}")
            with made_whole(kernel.source) as new:
                name = f"linux-source-{kernel.series}"
                try:
                    download(new, f"{name}={kernel.package_version}")
                except Failure as failure:
                    raise Failure(f"{failure}\nRust metadata for {kernel.release} can only be made "
                                  f"from {name} {kernel.package_version}, exactly") from None
                archive = new / f"usr/src/{name}.tar.xz"
                step(f"unpacking {archive.name}", "fetch",
                     ["tar", "--extract", "--no-same-owner", "--strip-components=1", "--file",
                      archive, "--directory", new], env={**os.environ, "XZ_DEFAULTS": "-T0"})
                archive.unlink()
        use(kernel.source)
    return kernel.source


def will_be_renamed(new, folder):
    """Has a kernel build folder name itself by the name that it will get."""
    makefile = new / "Makefile"
    makefile.write_text(makefile.read_text().replace(f"{new}\n", f"{folder}\n"))


def main():
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--flavour", default="cloud-amd64",
                        help="amd64, cloud-amd64 or rt-amd64 (default: %(default)s)")
    parser.add_argument("--release", help="this kernel, instead of the newest")
    options = parser.parse_args()
    kernel = fetch(find(options.release, options.flavour))
    print(f"{kernel.release} {kernel.package_version}\n{kernel.image}")


if __name__ == "__main__":
    run_main(main)
