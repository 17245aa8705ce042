#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Builds the test kernel: the newest stock kernel's source, with every checker that can see a
fault of a timer (tests/kernel.config), for amd64.

Prints the folder that it is built in: the KDIR for modules.
"""

import argparse
import os
import re
import shutil

from cache import (CACHE, PROJECT, Failure, key, lock, made_whole, need_space, run_main,
                   step, toolchain, use)
import kernels

FRAGMENT = PROJECT / "tests/kernel.config"
# Debian's source has its warnings looked at elsewhere; without them it builds a tenth faster.
MAKE = ("make", "LLVM=-19", "ARCH=x86_64", "KCFLAGS=-w", f"-j{os.cpu_count() + 1}")
IMAGE = "arch/x86/boot/bzImage"


def check_options(config, fragment=None):
    """Fails if a line of the fragment is not in the configuration made from it."""
    fragment = fragment or FRAGMENT
    wanted = re.findall(r"^CONFIG_.*$", fragment.read_text(), re.MULTILINE)
    have = set(config.read_text().splitlines())
    lost = [line for line in wanted if line not in have]
    if lost:
        raise Failure(f"options in {fragment} did not take; is something that they depend on "
                      f"missing? {' '.join(lost)}")


def make(kernel):
    """Builds the test kernel from a stock kernel's source, if it isn't there; returns its folder."""
    source = kernels.fetch_source(kernel)
    made_from = key(toolchain(), CACHE, FRAGMENT.read_bytes(), *MAKE[:-1])
    folder = CACHE / f"test-{kernel.package_version}-{made_from}"
    with lock(folder.name):
        if folder.exists():
            use(folder)
            return folder
        need_space(2, "the test kernel")
        with made_whole(folder, resume=True) as new:
            build = [*MAKE, "-C", source, f"O={new}"]
            step("configuring the test kernel", folder.name,
                 [*build, f"KCONFIG_ALLCONFIG={FRAGMENT}", "allnoconfig"])
            check_options(new / ".config")
            step("building the test kernel (about ten minutes)", folder.name,
                 [*build, "bzImage", "modules_prepare"])
            shutil.copy(new / "vmlinux.symvers", new / "Module.symvers")
            kernels.will_be_renamed(new, folder)
    return folder


def main():
    """The command."""
    argparse.ArgumentParser(description=__doc__,
                            formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    print(make(kernels.find()))


if __name__ == "__main__":
    run_main(main)
