#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Makes a folder that Rust modules can be built against, for a stock Debian kernel; prints where.

Debian's kernels are built with Rust, but their linux-headers packages hold neither the compiled
metadata of the kernel crate nor its proc-macros, so no Rust module can be built against them:
"can't find crate for core". This makes both from the source package of exactly that kernel's
version, with the compiler that the kernel was built with, and checks that what is built against the
result loads in that kernel: same compilers, configuration, version string and Rust symbols.

  make -C "$(rust_kdir.py)" M="$PWD" modules

It does so on this system where that has the kernel's headers and compilers, and else in the tool
root that scripts/in-root makes. What it makes stays in the cache. See rust_kdir(8).

With --install it goes into the kernel's headers themselves, where DKMS looks, and whoever else builds
modules:

  make -C /lib/modules/"$(uname -r)"/build M="$PWD" modules
"""

import argparse
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from cache import (ARCH, CACHE, PROJECT, Failure, claim, discard, enter_root, key, lock, made_whole, need_space,
                   run_main, say, step, toolchain, use)
import headers
import kernels

# What it takes on a system that has the kernel's headers, beside the kernel's own gcc.
PACKAGES = ("bc", "bindgen", "bison", "flex", "kmod", "libdw-dev", "libelf-dev", "libssl-dev", "make",
            "pahole", "rust-src", "rustc", "xz-utils", "zstd")

# What the environment must not tell Kbuild: it may come from another kernel's, such as DKMS's.
FOREIGN = ("ARCH", "CROSS_COMPILE", "KBUILD_OUTPUT", "KERNELRELEASE", "KRUSTFLAGS", "LLVM",
           "MAKEFLAGS", "MAKELEVEL", "MFLAGS", "RUSTC", "RUSTFLAGS", "RUSTUP_TOOLCHAIN")

# A module as simple as can be, to see what a module gets.
MODULE = """
use kernel::prelude::*;

module! {
    type: Check,
    name: "check",
    authors: ["rust_kdir.py"],
    description: "Shows what modules get",
    license: "GPL",
}

struct Check;

impl kernel::Module for Check {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        pr_info!("{}\\n", c"Hello");
        Ok(Self)
    }
}
"""

# Options that tell what the build machine's libraries can do, or whether it has arm64's compiler for
# programs of 32 bits, for their vDSO; nothing in the kernel depends on them that a module could see.
# And the C compiler, of which check_compiler() knows more.
PROBES = re.compile(
    r"CONFIG_(?:(?:CC_CAN_LINK|OPENSSL_SUPPORTS)\w*|(?:THUMB2_)?COMPAT_VDSO|CC_VERSION_TEXT)=")


def config_value(config, name):
    """The value of an option in a kernel's configuration, or None."""
    found = re.search(rf'^{name}="?(.*?)"?$', config, re.MULTILINE)
    return found and found.group(1)


def environment():
    """The environment for Kbuild."""
    return {name: value for name, value in os.environ.items() if name not in FOREIGN}


def gcc(kernel):
    """The C compiler, of the build machine, that the kernel was built with."""
    path = kernel.headers / ".kernelvariables"
    found = path.exists() and re.search(r"^CC = .*\b(gcc-\d+)$", path.read_text(), re.MULTILINE)
    if not found:
        raise Failure(f"{path} does not tell with which gcc to build, as Debian's headers do")
    return found[1]


def first_line(*command):
    """The first line that a command prints; says so if there is no such command."""
    try:
        return kernels.apt(*command).splitlines()[0]
    except FileNotFoundError:
        return f"no {command[0]}"


def check_compiler(kernel, config):
    """Fails unless these are the compilers that the kernel was built with."""
    if config_value(config, "CONFIG_RUST") != "y":
        raise Failure(f"the kernel {kernel.release} was built without Rust (CONFIG_RUST); it can't "
                      "load modules written in Rust")
    cc = config_value(config, "CONFIG_CC_VERSION_TEXT")
    for wanted, have in ((config_value(config, "CONFIG_RUSTC_VERSION_TEXT"),
                          first_line("rustc", "--version")),
                         (cc, first_line(cc.split()[0], "--version"))):
        # Debian's revision of a compiler may be a later one: the same compiler, in a newer package.
        if re.sub(r" \(Debian .*?\)", "", have) != re.sub(r" \(Debian .*?\)", "", wanted):
            raise kernels.OtherRelease(
                f"the kernel {kernel.release} was built with '{wanted}', and here is '{have}'; another "
                "version makes other symbols. Is the kernel's package from another Debian release?")


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


def check_vermagic(kernel, folder):
    """Fails unless the kernel takes the version string of a module that is built here."""
    with tempfile.TemporaryDirectory() as temporary:
        module = Path(temporary)
        (module / "Kbuild").write_text("obj-m := check.o\n")
        (module / "check.rs").write_text(f"// SPDX-License-Identifier: GPL-2.0\n{MODULE}")
        step("building a module to see what it gets", "check",
             ["make", "-C", folder, f"M={module}", "modules"], env=environment())
        have = kernels.apt("modinfo", "--field=vermagic", module / "check.ko").strip()
    if not kernel.image.exists():
        say(f"the version string '{have}' was not checked: there is no {kernel.image}")
        return have
    pattern = re.compile(rb"%s (?:[\w ]* )?mod_unload[ -~]*" % re.escape(kernel.release.encode()))
    found = pattern.search(kernel.image.read_bytes())
    if not found:
        # Then it is compressed.
        script = kernel.source / "scripts/extract-vmlinux"
        image = subprocess.run([script, kernel.image], check=False, capture_output=True)
        if image.returncode or not image.stdout:
            raise Failure(f"{script} can't unpack {kernel.image}: {image.stderr.decode().strip()}")
        found = pattern.search(image.stdout)
    wanted = found and found[0].decode().strip()
    if have != wanted:
        raise Failure(f"the kernel {kernel.release} takes modules with the version string "
                      f"'{wanted}', and those built here have '{have}'")
    return have


def verify(kernel, folder):
    """Fails, and says what differs, unless modules that are built with a folder will load."""
    config = (kernel.headers / ".config").read_text()
    check_compiler(kernel, config)
    check_options(kernel, config, (folder / ".config").read_text())
    count = check_symbols(kernel, folder)
    vermagic = check_vermagic(kernel, folder)
    say(f"all {count} Rust symbols of {kernel.release} are in its metadata, the compilers and the "
        f"configuration are its own, and so is the version string: {vermagic}")


def location(kernel):
    """Where the folder for KDIR is, or will be; what is in there names it by its path."""
    return CACHE / f"kdir-{kernel.release}_{kernel.package_version}-{key(toolchain(), CACHE)}"


def make(kernel):
    """Makes the metadata for a stock kernel, if it isn't there; returns the folder for KDIR."""
    kernels.fetch(kernel)
    config = kernel.headers / ".config"
    check_compiler(kernel, config.read_text())
    source = kernels.fetch_source(kernel)
    folder = location(kernel)
    name = f"kdir-{kernel.release}"
    with lock(folder.name):
        if folder.exists():
            use(folder)
            return folder
        need_space(1, f"the Rust metadata for {kernel.release}")
        with made_whole(folder, resume=True) as new:
            build = ["make", f"HOSTCC={gcc(kernel)}", f"-j{os.cpu_count()}", "-C", source,
                     f"O={new}"]
            # Debian's patch to Kbuild has it take the architecture and the compiler from there, so
            # that whoever builds modules need not tell. The compiler for programs of 32 bits, which
            # arm64 has as well, is of no use.
            (new / ".kernelvariables").write_text(re.sub(
                r"^.*\bCROSS_COMPILE_COMPAT\b.*\n", "", (kernel.headers / ".kernelvariables").read_text(),
                flags=re.MULTILINE))
            shutil.copy(config, new)
            step(f"configuring {kernel.release}", name, [*build, "olddefconfig"], env=environment())
            check_options(kernel, config.read_text(), (new / ".config").read_text())
            step(f"making the Rust metadata for {kernel.release} (about a minute)", name,
                 [*build, "prepare", "modules_prepare"], env=environment())
            # What the build of the whole kernel would have left there, so that modules get its
            # version string, resolve its symbols, and have BTF. A copy of vmlinux, since the
            # folder that it comes from goes when a newer kernel comes.
            for file in ("Module.symvers", "vmlinux", "include/config/kernel.release",
                         "include/generated/utsrelease.h"):
                shutil.copy(kernel.headers / file, new / file)
            verify(kernel, new)
            kernels.will_be_renamed(new, folder)
    return folder


def install(kernel):
    """Puts the metadata for a kernel into its headers, where that isn't; returns where they are."""
    there = kernel.headers
    what_for = f"{kernel} {toolchain()}"

    def is_there():
        return (there / "rust/libkernel.rmeta").exists() and headers.made_for(there) in (None, what_for)
    if is_there():
        return there
    if not os.access(there, os.W_OK):
        raise Failure(f"can't write {there}; are you root?")
    with headers.lock():
        # Another run may have put it there meanwhile.
        if is_there():
            return there
        headers.put(there, make(kernel), kernel.source, what_for)
        try:
            vermagic = check_vermagic(kernel, there)
        except BaseException:
            headers.take_away(there)
            raise
        say(f"the headers of {kernel.release} have their metadata; modules built with them have the "
            f"version string {vermagic}")
    return there


def uninstall(release):
    """Takes the metadata out of a kernel's headers again; out of all without a release."""
    found = [there for there in headers.everywhere()
             if release in (None, there.name.removeprefix("linux-headers-"))]
    for there in found:
        if not os.access(there, os.W_OK):
            raise Failure(f"can't write {there}; are you root?")
        with headers.lock():
            headers.take_away(there)
        say(f"took the metadata out of {there}")
    if not found:
        say("there is nothing to take away")


def made(kernel):
    """The folders that were made for a kernel."""
    return [folder for folder in CACHE.glob(f"kdir-{kernel.release}_{kernel.package_version}-*")
            if folder.suffix != ".new"]


def show_list():
    """Prints the kernels that apt offers, the newest first, and what was made for them."""
    found = [kernel for arch in sorted(("amd64", "arm64"), key=ARCH.__ne__)
             for kernel in kernels.available(arch)]
    if not found:
        # This system's apt has none; the tool root's has.
        enter_root(folder=PROJECT)
        raise Failure("apt offers no kernel that has Rust")
    # At once, so that it is no fault if the reader wants the first line only.
    print("".join("\t".join((kernel.release, kernel.package_version, *map(str, made(kernel)))) + "\n"
                  for kernel in found), end="")


def clean(release):
    """Removes what was made, and fetched, for a kernel; for all of them without a release."""
    claim(CACHE)
    gone = [folder for kind in ("kdir", "stock")
            for folder in CACHE.glob(f"{kind}-{release or '*'}_*")]
    kept = [folder.name for kind in ("kdir", "stock", "test") for folder in CACHE.glob(f"{kind}-*")
            if folder not in gone]
    for source in CACHE.glob("source-*"):
        version = source.name.removeprefix("source-").removesuffix(".new")
        if not any(version in name for name in kept):
            gone.append(source)
    for folder in gone:
        say(f"removed {folder}" if discard(folder) else f"{folder} stays: another run is at it")
    if not gone:
        say("there is nothing to remove")


def why_not_here(release):
    """Says why metadata for a kernel can't be made on this system as it is; None if it can."""
    version = kernels.installed_version(f"linux-headers-{release}")
    if not version:
        return f"linux-headers-{release} is not installed"
    kernel = kernels.Kernel(release, version, installed=True)
    missing = [name for name in (*PACKAGES, gcc(kernel)) if not kernels.installed_version(name)]
    if missing:
        return f"packages are missing (as root: apt-get install {' '.join(missing)})"
    try:
        check_compiler(kernel, (kernel.headers / ".config").read_text())
    except Failure as failure:
        return str(failure)
    return None


def go_on_in_a_root(release):
    """Goes on in the tool root of that Debian release that has the kernel."""
    *others, last = kernels.root_options(release)
    for options in others:
        status = subprocess.run([PROJECT / "scripts/in-root", *options, os.path.realpath(sys.argv[0]),
                                 *sys.argv[1:]], check=False, cwd=PROJECT).returncode
        if status != kernels.OtherRelease.status:
            sys.exit(status)
        say("trying the next Debian release")
    enter_root(*last, folder=PROJECT)


def main():
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("release", nargs="?",
                        help="the kernel, as 'uname -r' prints it (default: the running one)")
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--list", action="store_true",
                      help="print the kernels that apt offers, the newest first: release, version "
                      "of its packages, and the folder that was made for it, if one was")
    what.add_argument("--clean", action="store_true",
                      help="remove what was made and fetched for a kernel, or for all")
    what.add_argument("--verify", action="store_true", help="check again what was made before")
    what.add_argument("--install", action="store_true", help="put it into the kernel's headers, as "
                      "root, and print where these are; implies --here")
    what.add_argument("--uninstall", action="store_true", help="take it out of the headers of a "
                      "kernel, or of all, again")
    parser.add_argument("--here", action="store_true",
                        help="on this system; fail if it lacks something")
    options = parser.parse_args()
    if options.clean:
        return clean(options.release)
    if options.uninstall:
        return uninstall(options.release)
    if options.list:
        return show_list()
    release = options.release or platform.release()
    kernels.check_release(release)
    problem = why_not_here(release)
    if not problem:
        kernel = kernels.Kernel(release, kernels.installed_version(f"linux-headers-{release}"),
                                installed=True)
    elif options.here or options.install:
        raise Failure(f"can't make it on this system: {problem}")
    else:
        if "JITIMER_ROOT" not in os.environ:
            kernels.refuse_unknown(release)
            go_on_in_a_root(release)
        kernel = kernels.find(release)
    folder = install(kernel) if options.install else make(kernel)
    if options.verify:
        verify(kernel, folder)
    print(folder)
    return 0


if __name__ == "__main__":
    run_main(main, root=False)
