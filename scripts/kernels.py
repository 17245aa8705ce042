# SPDX-License-Identifier: GPL-2.0
"""Debian's stock kernels: which there are, their images, headers and source."""

import dataclasses
import os
import re
import shutil
import subprocess
import time
from pathlib import Path

from cache import ARCH, CACHE, Failure, lock, made_whole, need_space, say, step, use

# The series that the library supports, the best first. Which versions of them there are is for
# apt to say.
SERIES = ("7.3", "7.2")

# A stock kernel's release: that of Debian 13's backports, or of the release after it; before series
# 7 they have no Rust.
RELEASE = re.compile(r"(?P<series>(?:[7-9]|\d\d)\.\d+)\.(?P<point>\d+)\+deb(?P<debian>1[34])-"
                     r"(?P<flavour>(?:cloud-|rt-)?(?P<arch>amd64|arm64))")

NETWORK = "no network, or the mirror is not reachable: Debian's packages could not be fetched"
HINTS = (("Could not resolve", NETWORK), ("Temporary failure resolving", NETWORK),
         ("Could not connect", NETWORK), ("Failed to fetch", NETWORK))


@dataclasses.dataclass(frozen=True)
class Kernel:
    """A stock kernel: its release, as `uname -r` prints it, and the version of its packages."""

    release: str
    package_version: str
    # Whether this system has its packages installed; if not, they are unpacked in the cache.
    installed: bool = False

    def __str__(self):
        return f"{self.release}={self.package_version}"

    @classmethod
    def parse(cls, text):
        """The kernel of such a string."""
        return cls(*text.split("="))

    def part(self, name):
        """A part of the release, by its name in RELEASE."""
        return RELEASE.fullmatch(self.release)[name]

    @property
    def series(self):
        """The series that it belongs to, such as 7.3."""
        return self.part("series")

    @property
    def arch(self):
        """Debian's name of its architecture, such as amd64."""
        return self.part("arch")

    @property
    def order(self):
        """What sorts versions by their age."""
        return (*map(int, self.series.split(".")), int(self.part("point")), self.part("debian"))

    @property
    def folder(self):
        """Where its packages are unpacked."""
        return Path("/") if self.installed else CACHE / (
            f"stock-{self.release}_{self.package_version}")

    @property
    def image(self):
        """The image that boots."""
        boot = Path(f"/boot/vmlinuz-{self.release}")
        if self.installed and boot.exists():
            return boot
        return self.folder / f"usr/lib/modules/{self.release}/vmlinuz"

    @property
    def headers(self):
        """What its headers package has to build modules with."""
        return self.folder / f"usr/src/linux-headers-{self.release}"

    @property
    def source(self):
        """Its source, with Debian's patches; the flavours share it."""
        return CACHE / f"source-{self.package_version}"


class OtherRelease(Failure):
    """The kernel is not one of this Debian release's."""

    status = 3


def root_options(release):
    """The options of scripts/in-root for each root that may be the one to build for a kernel.

    What is in sid comes to forky later, by the same name.
    """
    match = RELEASE.fullmatch(release)
    return [[f"--suite={suite}", f"--arch={match['arch']}"]
            for suite in (("forky", "sid") if match["debian"] == "14" else ("trixie",))]


def check_release(release):
    """Fails unless this can be the release of a stock kernel."""
    if not RELEASE.fullmatch(release):
        raise Failure(f"'{release}' is not the release of a Debian kernel that has Rust, such as "
                      "7.3.4+deb13-amd64; 'rust_kdir.py --list' tells which there are")


def apt(*command):
    """What a command prints."""
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def installed_version(package):
    """The version of a package that this system has installed; None if it has not.

    It is there also while its configuration runs, which is when DKMS is called.
    """
    if not shutil.which("dpkg-query"):
        return None
    result = subprocess.run(["dpkg-query", "--show", "--showformat=${db:Status-Status} ${Version}",
                             package], check=False, capture_output=True, text=True)
    status, _, version = result.stdout.partition(" ")
    return version if status in ("installed", "unpacked", "half-configured") else None


def refresh():
    """Sees to it that apt knows what there is: asks the mirror, once a day.

    Not outside of the tool root: that is for whoever runs the system.
    """
    if "JITIMER_ROOT" not in os.environ:
        return
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


def available(arch=ARCH):
    """All kernels that apt offers for an architecture, the newest first."""
    if not shutil.which("apt-cache"):
        return []
    with lock("apt"):
        refresh()
    names = (name.removeprefix("linux-headers-")
             for name in apt("apt-cache", "pkgnames", "linux-headers-").split())
    releases = [name for name in names for match in [RELEASE.fullmatch(name)]
                if match and match["arch"] == arch]
    if not releases:
        return []
    policies = apt("apt-cache", "policy", *(f"linux-headers-{name}:{arch}" for name in releases))
    found = re.findall(r"^linux-headers-([^\s:]+).*:\n.*\n  Candidate: ([^(\s]+)$", policies,
                       re.MULTILINE)
    return sorted((Kernel(*each) for each in found),
                  key=lambda kernel: (kernel.order, kernel.release), reverse=True)


def refuse_unknown(release):
    """Fails if this system's apt has kernels of that Debian release, but not this one."""
    debian = RELEASE.fullmatch(release)["debian"]
    if any(kernel.part("debian") == debian for kernel in available(release.split("-")[-1])):
        try:
            find(release)
        except OtherRelease as failure:
            raise OtherRelease(f"{failure}; 'apt update' has it look for newer ones") from None


def find(release=None, flavour=f"cloud-{ARCH}"):
    """The kernel of a release, or the newest of the supported series with a flavour."""
    if release is not None:
        check_release(release)
    kernels = available((release or flavour).split("-")[-1])
    for kernel in kernels:
        if release == kernel.release:
            return kernel
        if not release and kernel.series in SERIES and kernel.part("flavour") == flavour:
            return kernel
    if release is None:
        raise Failure(f"apt has no {flavour} kernel of the series {', '.join(SERIES)}")
    flavour = RELEASE.fullmatch(release)["flavour"]
    like = [kernel.release for kernel in kernels if kernel.part("flavour") == flavour]
    raise OtherRelease(f"apt has no headers for a kernel '{release}'; it has: {' '.join(like[:6])}")


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
    if kernel.installed:
        return kernel
    with lock(kernel.folder.name):
        if not kernel.folder.exists():
            need_space(0.3, f"the kernel {kernel.release}")
            with made_whole(kernel.folder) as new:
                download(new, *(f"{name}-{kernel.release}:{kernel.arch}={kernel.package_version}"
                                for name in ("linux-binary", "linux-headers")))
        use(kernel.folder)
    return kernel


def busybox(arch):
    """Busybox for a guest of an architecture, statically linked."""
    if arch == ARCH:
        return Path("/bin/busybox")
    folder = CACHE / f"busybox-{arch}"
    with lock(folder.name):
        if not folder.exists():
            need_space(0.1, folder.name)
            with made_whole(folder) as new:
                with lock("apt"):
                    refresh()
                download(new, f"busybox-static:{arch}")
        use(folder)
    return folder / "usr/bin/busybox"


def fetch_source(kernel):
    """Brings a kernel's source into the cache."""
    with lock(kernel.source.name):
        if not kernel.source.exists():
            need_space(3, f"the source of {kernel.release}")
            with made_whole(kernel.source) as new:
                name = f"linux-source-{kernel.series}"
                archive = Path(f"usr/src/{name}.tar.xz")
                if kernel.installed and installed_version(name) == kernel.package_version:
                    archive = "/" / archive
                else:
                    archive = new / archive
                    try:
                        download(new, f"{name}={kernel.package_version}")
                    except Failure as failure:
                        raise Failure(
                            f"{failure}\nRust metadata for {kernel.release} can only be made from "
                            f"{name} {kernel.package_version}, exactly; if apt has that no more, a "
                            "newer kernel is what helps") from None
                step(f"unpacking {archive.name}", "fetch",
                     ["tar", "--extract", "--no-same-owner", "--strip-components=1", "--file",
                      archive, "--directory", new], env={**os.environ, "XZ_DEFAULTS": "-T0"})
                if new in archive.parents:
                    archive.unlink()
        use(kernel.source)
    return kernel.source


def will_be_renamed(new, folder):
    """Has a kernel build folder name itself by the name that it will get."""
    makefile = new / "Makefile"
    makefile.write_text(makefile.read_text().replace(f"{new}\n", f"{folder}\n"))
