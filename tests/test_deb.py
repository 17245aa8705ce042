# SPDX-License-Identifier: GPL-2.0
"""The Debian packages, as far as one sees without installing them: make dkms does that."""

import subprocess

import pytest

from cache import PROJECT
import deb


@pytest.fixture(scope="module")
def packages():
    """What is in each package, by its name."""
    return {path.name.split("_")[0]: subprocess.run(["dpkg-deb", "--contents", path], check=True,
                                                    capture_output=True, text=True).stdout
            for path in deb.make()}


def test_packages_are_what_lintian_wants(packages):
    # It has looked, if they are here.
    assert sorted(packages) == ["jitimer-dkms", "rust-kdir"]
    for name in ("/usr/sbin/rust_kdir", "/usr/share/man/man8/rust_kdir.8.gz",
                 "/usr/share/bash-completion/completions/rust_kdir"):
        assert f".{name}" in packages["rust-kdir"]


def test_the_hooks_come_before_those_of_dkms(packages):
    for kind in ("postinst", "header_postinst"):
        (hook,) = [line.split(f"/usr/share/kernel/{kind}.d/")[1].split()[0]
                   for line in packages["rust-kdir"].splitlines() if f"/{kind}.d/0" in line.split(" -> ")[0]]
        assert hook < "dkms"


def test_the_source_has_all_that_a_build_takes_and_nothing_that_one_makes(packages):
    have = {line.split("/usr/src/jitimer-1.0/")[1] for line in packages["jitimer-dkms"].splitlines()
            if "/usr/src/jitimer-1.0/" in line and not line.endswith("/")}
    tracked = subprocess.run(["git", "-C", PROJECT, "ls-files", "src"], check=True,
                             capture_output=True, text=True).stdout.split()
    assert have == {*tracked, "Kbuild", "Makefile", "dkms.conf", "scripts/check-kdir"}
