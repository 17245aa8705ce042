#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Builds the modules for the kernels of the cache, each kernel's in a folder of its own.

As a command it builds jitimer and the samples for the newest supported stock kernel, and prints
where they are.
"""

import argparse
import os
from pathlib import Path
import shutil

from cache import ARCH, CACHE, PROJECT, Failure, NoSpace, key, lock, run_main, step, use
import debug_kernel
import kernels
import rust_kdir

# Where the modules are built, out of the sources' way; in the cache, if those can't be written.
OUT = PROJECT / "build"
if not os.access(OUT if OUT.exists() else PROJECT, os.W_OK):
    OUT = CACHE / f"build-{key(PROJECT)}"


def modules(kdir, *arguments, source=PROJECT, log="modules", name=None):
    """Builds modules with Kbuild against a kernel build folder; returns where they are."""
    out = OUT / (name or kdir.name.split("_")[0].removeprefix("kdir-"))
    made_for = out / ".kdir"
    if OUT.parent == CACHE and OUT.exists():
        use(OUT)
    with lock(f"build-{key(out)}"):
        if out.exists() and (not made_for.exists() or made_for.read_text() != str(kdir)):
            shutil.rmtree(out)
        out.mkdir(parents=True, exist_ok=True)
        # If this is ended while something is half written there, that looks as if it were new.
        made_for.unlink(missing_ok=True)
        try:
            step(f"building the modules for {out.name}", log,
                 ["make", "-C", kdir, f"M={source}", f"MO={out}", *arguments, "modules"])
        except NoSpace:
            raise
        except Failure:
            made_for.write_text(str(kdir))
            raise
        made_for.write_text(str(kdir))
    return out


def stock(kernel, *arguments, **kwargs):
    """Builds the modules for a stock kernel."""
    return modules(rust_kdir.make(kernel), f"-j{os.cpu_count()}", *arguments, **kwargs)


def debug(kernel, *arguments, config="test", **kwargs):
    """Builds the modules, and the tests among them, for the test kernel, or another one like it."""
    return modules(debug_kernel.make(kernel, config), *debug_kernel.MAKE[1:], "KTIMER_TESTS=m",
                   *arguments, **kwargs)


def guest_programs(arch=ARCH, names=("reader", "torture")):
    """Builds programs of the tests, which run in the guest: that has no libraries."""
    programs = []
    compiler = {"amd64": "x86_64-linux-gnu-gcc-14", "arm64": "aarch64-linux-gnu-gcc-14"}[arch]
    for name in names:
        source, program = PROJECT / f"tests/{name}.c", OUT / "guest" / arch / Path(name).name
        new = program.with_suffix(".new")
        program.parent.mkdir(parents=True, exist_ok=True)
        with lock(f"build-{key(program)}"):
            step(f"building {program.name}", program.name,
                 [compiler, "-static", "-O1", "-Wall", "-Wextra", "-Werror",
                  "-Wno-unused-parameter", "-pthread", source, "-o", new])
            programs.append(new.rename(program))
    return programs


def main():
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kernel", type=kernels.Kernel.parse, metavar="RELEASE=VERSION",
                        help="for this one, as rust_kdir.py lists it, and the C original as well")
    options = parser.parse_args()
    if options.kernel:
        out = stock(options.kernel, "KTIMER_SAMPLES=m", "KTIMER_ORIGINAL=m")
    else:
        out = stock(kernels.fetch(kernels.find()), "KTIMER_SAMPLES=m")
    for module in sorted(out.glob("*.ko")):
        print(module)


if __name__ == "__main__":
    run_main(main)
