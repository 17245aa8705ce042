# SPDX-License-Identifier: GPL-2.0
"""The packages on a fresh Debian 13: installed as the README says, and there when a newer kernel comes.

It takes half an hour, so it runs only when asked for (make dkms).
"""

import lzma
import re
import shutil
import subprocess

import pytest

from cache import ARCH, CACHE, PROJECT, step
import deb
import kernels
from test_jitimer import check_series, run, samples
from vm import Vm

# The kernel's packages that the README has people install, which bring the next one; with what they
# are made of.
META = [f"linux-{what}-{ARCH}" for what in ("image", "headers", "base", "modules")]

# Where they are.
SUITE = "/trixie-backports"

# For a module of anybody's, which knows nothing of this project: DKMS builds it as it builds any.
DKMS_CONF = """
PACKAGE_NAME="minimal"
PACKAGE_VERSION="0.1"
BUILT_MODULE_NAME[0]="minimal"
DEST_MODULE_LOCATION[0]="/updates/dkms"
AUTOINSTALL="yes"
"""


class System:
    """A Debian system of its own, to be changed."""

    def __init__(self, root):
        self.root = root

    def run(self, script, what):
        """Runs a shell script in it, which must succeed; returns what it prints, with the log."""
        log = CACHE / f"log/{self.root.name}.log"
        begin = log.stat().st_size if log.exists() else 0
        step(what, self.root.name, [
            "unshare", "--mount", "--propagation", "unchanged", "sh", "-euc", """
            for path in dev proc sys; do mount --rbind /$path "$1/$path"; done
            mount -t tmpfs tmpfs "$1/tmp"
            cat /etc/resolv.conf >"$1/etc/resolv.conf"
            exec env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C.UTF-8 \
                ${http_proxy:+http_proxy="$http_proxy"} DEBIAN_FRONTEND=noninteractive chroot "$1" sh -euxc "cd; $2" """,
            "sh", self.root, script])
        with open(log, encoding="utf-8") as file:
            file.seek(begin)
            return file.read()

    def hold_back(self, newest, before):
        """Has apt offer the kernel before the newest, as it did when that was the newest."""
        self.run(f"mkdir /srv/{before.series}; cd /srv/{before.series}; "
                 f"apt-get download {' '.join(f'{name}={newest.package_version}' for name in META)}",
                 "fetching the kernel's metapackages")
        repository = self.root / "srv" / before.series
        for package in list(repository.iterdir()):
            unpacked = repository / "unpacked"
            subprocess.run(["dpkg-deb", "--raw-extract", package, unpacked], check=True)
            control = unpacked / "DEBIAN/control"
            text = control.read_text()
            for mine, its in ((newest.release, before.release),
                              (newest.package_version, before.package_version)):
                assert mine in text
                text = text.replace(mine, its)
            control.write_text(text)
            package.unlink()
            subprocess.run(["dpkg-deb", "--build", unpacked, repository], check=True)
            shutil.rmtree(unpacked)
        with open(repository / "Packages", "w", encoding="utf-8") as file:
            subprocess.run(["dpkg-scanpackages", "--multiversion", "."], cwd=repository, check=True,
                           stdout=file)
        (self.root / "etc/apt/sources.list.d/before.list").write_text(
            f"deb [trusted=yes] file:/srv/{before.series} ./\n")
        # What /trixie-backports brings that an exact version does not: the one other package that the
        # kernel wants from there.
        (self.root / "etc/apt/preferences.d/before").write_text(
            f"Package: {' '.join(META)}\nPin: version {before.package_version}\nPin-Priority: 1001\n\n"
            "Package: linux-base\nPin: release n=trixie-backports\nPin-Priority: 1001\n")
        self.run("apt update", "apt update")

    def release(self):
        """Has apt offer the newest again."""
        for path in ("sources.list.d/before.list", "preferences.d/before"):
            (self.root / "etc/apt" / path).unlink()

    def loads(self, kernel):
        """Loads the modules that DKMS installed, in a VM of the kernel that apt installed."""
        files = []
        for name in ("jitimer", "minimal"):
            (installed,) = self.root.glob(f"lib/modules/{kernel.release}/updates/dkms/{name}.ko.xz")
            module = self.root / f"tmp/{name}.ko"
            module.write_bytes(lzma.decompress(installed.read_bytes()))
            files.append(module)
            signer = subprocess.run(["modinfo", "--field=signer", module], check=True,
                                    capture_output=True, text=True).stdout
            assert signer == "DKMS module signing key\n"
        image = self.root / f"boot/vmlinuz-{kernel.release}"
        with Vm(image, files) as vm:
            vm.boot()
            check_series(samples(run(vm, "insmod jitimer.ko; cat /proc/jitimer; rmmod jitimer")), 10)
            assert "my numbers are [72, 108, 200]" in run(
                vm, "insmod minimal.ko; rmmod minimal; dmesg | grep minimal:")
        with Vm(image, files, append="module.sig_enforce=1") as vm:
            vm.boot()
            assert "Key was rejected by service" in vm.run("insmod jitimer.ko").output

    def strangers(self):
        """What there is of kernels' headers that dpkg does not know."""
        known = {line for file in (self.root / "var/lib/dpkg/info").glob("*.list")
                 for line in file.read_text().splitlines()}
        found = (f"/{path.relative_to(self.root)}" for top in ("usr/src", "usr/lib")
                 for folder in (self.root / top).glob("linux-*")
                 # A link to a folder is one thing: what is in there is known by its own name.
                 for path in (folder, *(() if folder.is_symlink() else folder.rglob("*"))))
        return sorted(path for path in found if path not in known)

    def left(self, name):
        """What there is of something, wherever, but logs and what apt has fetched."""
        tops = ("etc", "lib/modules", "run", "usr/sbin", "usr/share", "usr/src", "var")
        found = (f"/{path.relative_to(self.root)}" for top in tops for folder in self.root.glob(top)
                 for path in folder.rglob(f"*{name}*"))
        return sorted(path for path in found if not path.startswith(("/var/log/", "/var/cache/apt/")))


@pytest.fixture
def system():
    """A fresh Debian 13."""
    bare = subprocess.run([PROJECT / "scripts/in-root", "--bare", "sh", "-c", 'echo "$JITIMER_ROOT"'],
                          check=True, stdout=subprocess.PIPE, text=True).stdout.strip()
    root = CACHE / "dkms-test"
    shutil.rmtree(root, ignore_errors=True)
    # What another tool root has mounted there is not seen from here.
    subprocess.run(["cp", "-a", "--one-file-system", bare, root], check=True)
    # Which sources it takes is for the README to say.
    (root / "etc/apt/sources.list.d/backports.list").unlink()
    # Recommended packages come, as they do for users; nobody is asked.
    (root / "etc/apt/apt.conf.d/zz-test").write_text(
        'APT::Install-Recommends "true";\nAPT::Get::Assume-Yes "true";\n')
    yield System(root)
    shutil.rmtree(root)


def commands():
    """What the README has people run: for the sources, the kernel, the packages, and the next kernel."""
    section = (PROJECT / "README.md").read_text().split("\n## For each new kernel, by DKMS\n")[1].split("\n## ")[0]
    *sources, kernel, packages = re.findall(r"^    (.*)$", section.split("`apt update && ")[0], re.MULTILINE)
    (upgrade,) = re.findall(r"`(apt update && .*?)`", section)
    return "\n".join(sources), kernel.replace("amd64", ARCH), packages, upgrade


@pytest.mark.dkms
def test_dkms(system):
    newest = kernels.find(flavour=ARCH)
    before = next(kernel for kernel in kernels.available()
                  if kernel.series != newest.series and kernel.series in kernels.SERIES
                  and kernel.part("flavour") == ARCH and kernel.part("debian") == newest.part("debian"))
    sources, kernel, packages, upgrade = commands()
    system.run(sources, "adding the backports")
    system.hold_back(newest, before)
    # The installer leaves this, and no initrd of it will be needed.
    system.run("apt install --no-install-recommends initramfs-tools; "
               "echo MODULES=list >/etc/initramfs-tools/conf.d/test", "installing initramfs-tools")
    assert kernel.count(SUITE) == 2
    system.run(kernel.replace(SUITE, f"={before.package_version}"), f"installing {before.release}")
    debs = system.root / "root/build/deb"
    debs.mkdir(parents=True)
    for package in deb.make():
        shutil.copy(package, debs)
    system.run(packages, "installing the packages")
    minimal = shutil.copytree(PROJECT / "tests/minimal", system.root / "usr/src/minimal-0.1")
    (minimal / "dkms.conf").write_text(DKMS_CONF)
    system.run(f"dkms install -k {before.release} minimal/0.1 || "
               "{ cat /var/lib/dkms/minimal/0.1/build/make.log; exit 1; }", "dkms install minimal/0.1")
    system.loads(before)

    system.release()
    system.run(upgrade, "upgrading")
    status = system.run("dkms status", "dkms status")
    for module in ("jitimer/1.0", "minimal/0.1"):
        for kernel in (before, newest):
            assert f"{module}, {kernel.release}, x86_64: installed" in status
    system.loads(newest)

    # A kernel that goes takes along what was put into its headers.
    assert [path for path in system.strangers() if f"linux-headers-{before.release}/rust/" in path]
    system.run(f"apt purge linux-image-{before.release} linux-headers-{before.release}; apt autoremove --purge",
               f"removing {before.release}")
    version = before.release.removesuffix(f"-{ARCH}")
    for there in (f"usr/src/linux-headers-{version}*", f"usr/lib/linux-kbuild-{version}"):
        assert not list(system.root.glob(there))
    # The other's is still there, and serves.
    system.run(f"dkms remove minimal/0.1 --all; dkms install -k {newest.release} minimal/0.1",
               "building minimal again")

    # So do the packages.
    system.run("dkms remove minimal/0.1 --all; rm -r /usr/src/minimal-0.1; apt purge jitimer-dkms rust-kdir",
               "removing the packages")
    assert not system.strangers()
    for name in ("jitimer", "minimal.ko", "dkms/minimal", "rust-kdir", "rust_kdir"):
        assert not system.left(name)
