#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Builds a kernel for tests from the newest stock kernel's source, for amd64.

'test' has every checker that can see a fault of a timer (tests/kernel.config). 'race' has KCSAN,
which sees data races (tests/race.config), and a patch by which it sees those of Rust
(tests/race.diff). 'cfi' is 'test' with kCFI, which checks indirect calls (tests/cfi.config). Prints
the folder that it is built in: the KDIR for modules.
"""

import argparse
import os
import re
import shutil

from cache import (CACHE, PROJECT, Failure, key, lock, made_whole, need_space, run_main,
                   step, toolchain, use)
import kernels

FRAGMENT = PROJECT / "tests/kernel.config"
# What each is made from: options, of which the last word counts, and patches of the source.
KERNELS = {
    "test": ([FRAGMENT], []),
    "race": ([FRAGMENT, PROJECT / "tests/race.config"], [PROJECT / "tests/race.diff"]),
    "cfi": ([FRAGMENT, PROJECT / "tests/cfi.config"], []),
}
# Debian's source has its warnings looked at elsewhere; without them it builds a tenth faster.
MAKE = ("make", "LLVM=-19", "ARCH=x86_64", "KCFLAGS=-w", f"-j{os.cpu_count() + 1}")
IMAGE = "arch/x86/boot/bzImage"


def options(*fragments):
    """The lines of configuration fragments, by the option; the last one of each."""
    text = "".join(path.read_text() for path in fragments)
    return {name: line for line, name in re.findall(
        r"^((?:# )?(CONFIG_\w+)(?:=.*| is not set))$", text, re.MULTILINE)}


def check_options(config, *fragments):
    """Fails if an option of the fragments is not in the configuration made from them."""
    fragments = fragments or [FRAGMENT]
    wanted = [line for line in options(*fragments).values() if not line.startswith("#")]
    have = set(config.read_text().splitlines())
    lost = [line for line in wanted if line not in have]
    if lost:
        raise Failure(f"options in {', '.join(map(str, fragments))} did not take; is something "
                      f"that they depend on missing? {' '.join(lost)}")


def patched(source, patches):
    """A kernel's source with patches; its other files are those of the source in the cache."""
    if not patches:
        return source
    folder = source.with_name(f"{source.name}-{key(*(path.read_bytes() for path in patches))}")
    with lock(folder.name):
        if not folder.exists():
            with made_whole(folder) as new:
                log = folder.name
                step("copying the kernel's source", log,
                     ["cp", "--archive", "--link", f"{source}/.", new])
                # It replaces what it changes, and so changes nothing in the cache; which may be in
                # somebody's repository.
                step("patching it", log, ["git", "apply", *patches], cwd=new,
                     env={**os.environ, "GIT_CEILING_DIRECTORIES": str(CACHE)})
        use(folder)
    return folder


def configure(kernel, name, folder, log):
    """Configures a kernel in a folder; returns the command that builds it there, without the targets."""
    fragments, patches = KERNELS[name]
    build = [*MAKE, "-C", patched(kernels.fetch_source(kernel), patches), f"O={folder}"]
    fragment = folder / "fragment"
    fragment.write_text("\n".join(options(*fragments).values()) + "\n")
    step(f"configuring the {name} kernel", log,
         [*build, f"KCONFIG_ALLCONFIG={fragment}", "allnoconfig"])
    check_options(folder / ".config", *fragments)
    return build


def make(kernel, name="test"):
    """Builds a kernel from a stock kernel's source, if it isn't there; returns its folder."""
    fragments, patches = KERNELS[name]
    made_from = key(toolchain(), CACHE, *options(*fragments).values(),
                    *(path.read_bytes() for path in patches), *MAKE[:-1])
    folder = CACHE / f"{name}-{kernel.package_version}-{made_from}"
    with lock(folder.name):
        if folder.exists():
            use(folder)
            return folder
        need_space(2, f"the {name} kernel")
        with made_whole(folder, resume=True) as new:
            build = configure(kernel, name, new, folder.name)
            step(f"building the {name} kernel (about ten minutes)", folder.name,
                 [*build, "bzImage", "modules_prepare"])
            shutil.copy(new / "vmlinux.symvers", new / "Module.symvers")
            kernels.will_be_renamed(new, folder)
    return folder


def main():
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("kernel", nargs="?", choices=KERNELS, default="test",
                        help="which one (default: %(default)s)")
    print(make(kernels.find(), parser.parse_args().kernel))


if __name__ == "__main__":
    run_main(main)
