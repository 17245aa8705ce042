#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Makes the Rust metadata that Debian's kernel headers lack.

Debian's kernels are built with Rust, but their linux-headers packages hold neither the compiled
metadata of the kernel crate nor its proc-macros, so no Rust module can be built against them:
"can't find crate for core". This script builds both from the source package of exactly that
kernel's version, with the compiler that the kernel was built with, and checks that every Rust
symbol that the kernel exports is there under the same name. A module built against the result
loads in the stock kernel.

Prints the folder for KDIR. Run it in the tool root that scripts/in-root makes, or from anywhere: it
goes there by itself.
"""

import argparse
import os
import re
import shutil

from cache import (CACHE, Failure, key, lock, made_whole, need_space, run_main, say, step,
                   toolchain, use)
import kernels

# Debian's own spelling: any other changes the configuration.
CC = "x86_64-linux-gnu-gcc-14"
MAKE = ("make", f"CC={CC}", f"HOSTCC={CC}", f"-j{os.cpu_count()}")

# Options that tell what the build machine's libraries can do; nothing in the kernel depends on
# them that a module could see.
PROBES = re.compile(r"CONFIG_(?:CC_CAN_LINK|OPENSSL_SUPPORTS)\w*=")


def config_value(config, name):
    """The value of an option in a kernel's configuration, or None."""
    found = re.search(rf'^{name}="?(.*?)"?$', config, re.MULTILINE)
    return found and found.group(1)


def check_compiler(kernel, config):
    """Fails unless this root's compilers are those that the kernel was built with."""
    if config_value(config, "CONFIG_RUST") != "y":
        raise Failure(f"the kernel {kernel.release} was built without Rust (CONFIG_RUST); it can't "
                      "load modules written in Rust")
    for option, command in (("CONFIG_RUSTC_VERSION_TEXT", "rustc"), ("CONFIG_CC_VERSION_TEXT", CC)):
        wanted = config_value(config, option)
        have = kernels.apt(command, "--version").splitlines()[0]
        if have != wanted:
            raise Failure(f"the kernel {kernel.release} was built with '{wanted}', and this root "
                          f"has '{have}'; another version makes other symbols. Is the kernel's "
                          "package from another Debian release?")


def check_options(kernel, wanted, have):
    """Fails unless the configuration sets all that Debian's sets."""
    options = {line for line in wanted.splitlines() if line.startswith("CONFIG_")}
    lost = sorted(line for line in options - set(have.splitlines()) if not PROBES.match(line))
    if lost:
        raise Failure(f"the source of {kernel.release} does not take the configuration that the "
                      f"kernel was built with: 'make olddefconfig' loses {' '.join(lost[:5])}")


def symbols(text):
    """The Rust symbols in a text."""
    return set(re.findall(r"\b_R\w+", text))


def check_symbols(kernel, folder):
    """Fails unless the metadata has each Rust symbol that the kernel exports; counts them."""
    exported = symbols((kernel.headers / "Module.symvers").read_text())
    made = set()
    for name in ("core", "kernel", "bindings"):
        made |= symbols((folder / f"rust/exports_{name}_generated.h").read_text())
    missing = sorted(exported - made)
    if missing or not exported:
        raise Failure(f"{len(missing)} of the {len(exported)} Rust symbols that {kernel.release} "
                      "exports are not in the metadata made from its source, so modules built with "
                      "it would not load. The first: " + " ".join(missing[:5]))
    return len(exported)


def make(kernel):
    """Makes the metadata for a stock kernel, if it isn't there; returns the folder for KDIR."""
    kernels.fetch(kernel)
    config = kernel.headers / ".config"
    check_compiler(kernel, config.read_text())
    source = kernels.fetch_source(kernel)
    name = f"kdir-{kernel.release}_{kernel.package_version}"
    folder = CACHE / f"{name}-{key(toolchain(), *MAKE[:-1])}"
    with lock(folder.name):
        if folder.exists():
            use(folder)
            return folder
        need_space(1, f"the Rust metadata for {kernel.release}")
        with made_whole(folder, resume=True) as new:
            build = [*MAKE, "-C", source, f"O={new}"]
            if not (new / ".config").exists():
                shutil.copy(config, new)
                step(f"configuring {kernel.release}", name, [*build, "olddefconfig"])
            check_options(kernel, config.read_text(), (new / ".config").read_text())
            step(f"making the Rust metadata for {kernel.release} (about a minute)", name,
                 [*build, "prepare", "modules_prepare"])
            # What the build of the whole kernel would have left there, so that modules get its
            # version string, resolve its symbols, and have BTF. A copy of vmlinux, since the
            # folder that it comes from goes when a newer kernel comes.
            for file in ("Module.symvers", "vmlinux", "include/config/kernel.release",
                         "include/generated/utsrelease.h"):
                shutil.copy(kernel.headers / file, new / file)
            count = check_symbols(kernel, new)
            kernels.will_be_renamed(new, folder)
            say(f"all {count} Rust symbols of {kernel.release} are in its metadata")
    return folder


def main():
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("release", nargs="?",
                        help="the kernel, as 'uname -r' prints it (default: the newest supported "
                             "cloud kernel that apt offers)")
    options = parser.parse_args()
    print(make(kernels.find(options.release)))


if __name__ == "__main__":
    run_main(main)
