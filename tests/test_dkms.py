# SPDX-License-Identifier: GPL-2.0
"""DKMS on a fresh Debian 13: jitimer installed, loaded, built again for a newer kernel, removed.

It takes ten minutes, so it runs only when asked for (make dkms).
"""

import lzma
import shutil
import subprocess

import pytest

import build
from cache import CACHE, PROJECT, step
import kernels
from test_jitimer import check_series, run, samples
from vm import Vm

# What a user has installed beside the kernel: DKMS, and what rust_kdir.py says that it wants.
PACKAGES = ("bc bindgen bison dkms flex gcc-14 kmod libdw-dev libelf-dev libssl-dev make openssl "
            "pahole python3 rust-src rustc xz-utils zstd").split()


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
                DEBIAN_FRONTEND=noninteractive chroot "$1" sh -euxc "$2" """,
            "sh", self.root, script])
        with open(log, encoding="utf-8") as file:
            file.seek(begin)
            return file.read()

    def install(self, kernel):
        """Installs a kernel as a user does; DKMS is told by its packages."""
        self.run("apt-get update; apt-get install --yes --no-install-recommends "
                 "--target-release trixie-backports initramfs-tools "
                 f"linux-image-{kernel.release} linux-headers-{kernel.release} || "
                 "{ cat /var/lib/dkms/jitimer/1.0/build/make.log; exit 1; }",
                 f"installing {kernel.release}")

    def loads(self, kernel):
        """Loads the module that DKMS installed, in a VM of the kernel that apt installed."""
        (installed,) = (self.root / "lib/modules" / kernel.release / "updates/dkms").iterdir()
        module = self.root / "tmp/jitimer.ko"
        module.write_bytes(lzma.decompress(installed.read_bytes()))
        with Vm(self.root / f"boot/vmlinuz-{kernel.release}", [module]) as vm:
            vm.boot()
            check_series(samples(run(vm, "insmod jitimer.ko; cat /proc/jitimer; rmmod jitimer")), 10)

    def dkms_files(self):
        """What there is of jitimer, beside its source and logs."""
        return sorted(str(path) for top in ("lib/modules", "var/lib/dkms", "var/cache")
                      for path in (self.root / top).glob("**/*jitimer*"))


@pytest.fixture
def system():
    """A fresh Debian 13."""
    bare = subprocess.run([PROJECT / "scripts/in-root", "--bare", "sh", "-c", 'echo "$JITIMER_ROOT"'],
                          check=True, stdout=subprocess.PIPE, text=True).stdout.strip()
    root = CACHE / "dkms-test"
    shutil.rmtree(root, ignore_errors=True)
    # What another tool root has mounted there is not seen from here.
    subprocess.run(["cp", "-a", "--one-file-system", bare, root], check=True)
    yield System(root)
    shutil.rmtree(root)


@pytest.mark.dkms
def test_dkms(system):
    newest = kernels.find()
    before = next(kernel for kernel in kernels.available()
                  if kernel.series != newest.series and kernel.series in kernels.SERIES
                  and kernel.part("flavour") == newest.part("flavour"))
    system.run(f"apt-get update; apt-get install --yes --no-install-recommends {' '.join(PACKAGES)}",
               "installing DKMS, and what it takes to build")
    system.install(before)
    source = system.root / "usr/src/jitimer-1.0"
    shutil.copytree(PROJECT, source, ignore=shutil.ignore_patterns(".git", build.OUT.name))

    system.run(f"dkms add jitimer/1.0; dkms build -k {before.release} jitimer/1.0 || "
               "{ cat /var/lib/dkms/jitimer/1.0/build/make.log; exit 1; }; "
               f"dkms install -k {before.release} jitimer/1.0", "dkms add, build, install")
    system.loads(before)

    system.install(newest)
    system.loads(newest)
    status = system.run("dkms status", "dkms status")
    for kernel in (before, newest):
        assert f"jitimer/1.0, {kernel.release}, x86_64: installed" in status
    # What was made for the builds is gone.
    assert not (system.root / "var/cache/jitimer").exists()

    system.run("dkms remove jitimer/1.0 --all", "dkms remove")
    assert system.dkms_files() == []
