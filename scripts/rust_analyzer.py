#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Writes rust-project.json, by which rust-analyzer understands the library, the modules, the
samples, the tests and the kernel crate that they use.

The kernel's own generator tells of the kernel crate; this adds what Kbuild builds here. The editor
is to start 'scripts/in-root rust-analyzer', which has the compiler that the kernel's proc-macros
were built with.
"""

import argparse
import json
import os
from pathlib import Path

import build
from cache import PROJECT, run_main, say, step
import kernels
import rust_kdir

NAME = "rust-project.json"


def main():
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=PROJECT,
                        help="the folder for it (default: the project's)")
    options = parser.parse_args()
    kernel = kernels.fetch(kernels.find())
    modules = build.stock(kernel, "KTIMER_SAMPLES=m", "KTIMER_BENCH=m")
    # It looks for modules in all of the folder, where there are none: it knows neither what those of
    # this project are made of, nor which are copies.
    out = build.OUT / "rust-analyzer"
    out.mkdir(parents=True, exist_ok=True)
    step("asking the kernel what it has", "rust-analyzer",
         ["make", "-C", rust_kdir.make(kernel), f"M={out}", "rust-analyzer"])
    project = json.loads((out / NAME).read_text())
    crates = project["crates"]
    root = os.environ["JITIMER_ROOT"]
    project["sysroot"] = root + project["sysroot"]
    for crate in crates:
        # What is only used need not be looked at for mistakes.
        crate["is_workspace_member"] = False
        if crate["root_module"].startswith("/usr/"):
            crate["root_module"] = root + crate["root_module"]
    numbers = {crate["display_name"]: number for number, crate in enumerate(crates)}
    kernel_cfg = crates[numbers["kernel"]]["cfg"]
    depends = ["core", "kernel", "pin_init"]

    def add(name, path, cfg=(), env=None, more=()):
        """Adds a crate of this project."""
        numbers[name] = len(crates)
        crates.append({
            "display_name": name,
            "root_module": str(path),
            "is_workspace_member": True,
            "edition": "2021",
            "cfg": [*kernel_cfg, "MODULE", *cfg],
            "env": {"RUST_MODFILE": "This is only for rust-analyzer", **(env or {})},
            "deps": [{"crate": numbers[other], "name": other} for other in (*depends, *more)],
            "source": {"include_dirs": [str(path.parent), str(modules)], "exclude_dirs": []},
        })

    interrupt = (kernel.source / "rust/kernel/interrupt.rs").exists()
    cfgs = ["ktimer_kernel_interrupt"] if interrupt else []
    libraries = []
    for name in ("ktimer", "common"):
        folder = Path("src", name)
        add(name, PROJECT / folder / f"{name}.rs", cfgs,
            {"KTIMER_BINDINGS": str(modules / folder / "bindings/bindings_generated.rs")}, libraries)
        libraries.append(name)
    for path in (PROJECT / "src/jitimer/jitimer.rs", *sorted((PROJECT / "samples").glob("*.rs")),
                 *sorted((PROJECT / "tests").glob("*.rs")),
                 PROJECT / "samples/template/heart_main.rs",
                 PROJECT / "tests/minimal/minimal.rs"):
        add(path.stem, path, cfgs,
            {"BENCH_BINDINGS": str(modules / "tests/bench/bindings_generated.rs")}, libraries)
    (options.out / NAME).write_text(json.dumps(project, indent=1) + "\n")
    say(f"written: {options.out / NAME}, for {len(crates)} crates")


if __name__ == "__main__":
    run_main(main)
