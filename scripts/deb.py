#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Builds the Debian packages rust-kdir and jitimer-dkms, has lintian look, and prints where they are."""

import argparse
import os
import shutil

from cache import PROJECT, key, lock, run_main, step
import build

# What the packages are made of.
SOURCES = ("Kbuild", "Makefile", "dkms.conf", "scripts", "src")


def make():
    """Builds the packages; returns their files."""
    out = build.OUT / "deb"
    tree = out / "tree"
    with lock(f"build-{key(out)}"):
        shutil.rmtree(out, ignore_errors=True)
        tree.mkdir(parents=True)
        for name in SOURCES:
            (shutil.copytree if (PROJECT / name).is_dir() else shutil.copy)(PROJECT / name, tree / name)
        # What is built beside the sources.
        for pattern in ("__pycache__", ".*.cmd", "*.o", "*.a", "*.rmeta", "bindings_generated.rs"):
            for path in tree.rglob(pattern):
                (shutil.rmtree if path.is_dir() else os.unlink)(path)
        (tree / "scripts/deb").rename(tree / "debian")
        # The tool root has what these take, which is less than what any package may take.
        step("building the packages", "deb", ["dpkg-buildpackage", "--no-check-builddeps",
                                               "--build=binary", "--no-sign"], cwd=tree)
        shutil.rmtree(tree)
        step("having lintian look", "deb", ["lintian", "--allow-root", "--fail-on=error,warning", "--info",
                                             *out.glob("*.changes")])
    return sorted(out.glob("*.deb"))


def main():
    """The command."""
    argparse.ArgumentParser(description=__doc__).parse_args()
    for deb in make():
        print(deb)


if __name__ == "__main__":
    run_main(main)
