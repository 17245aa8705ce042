#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Records /proc/jitimer in a VM with the newest supported stock kernel, idle and with busy CPUs, and
has scripts/jitter make a picture of both."""

import argparse
from pathlib import Path
import subprocess

import build
from cache import PROJECT, Failure, run_main, say
import kernels
from vm import Vm

# What else the guest does, by the name of the recording: as many busy loops as it has CPUs.
LOADS = {"idle": ":", "busy": "for cpu in $(seq $(nproc)); do while :; do :; done & done"}


def main():
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=1000, metavar="N",
                        help="lines by the timer (default: %(default)s)")
    parser.add_argument("--tdelay", type=int, default=4, metavar="JIFFIES",
                        help="from one line to the next (default: %(default)s)")
    parser.add_argument("--virtual", action="store_true", help="under exact virtual time")
    parser.add_argument("--out", type=Path, default=build.OUT / "jitter",
                        help="the folder for the recordings and the picture (default: %(default)s)")
    parser.add_argument("--readme", action="store_true",
                        help="make the picture that README.md shows")
    options = parser.parse_args()
    kernel = kernels.fetch(kernels.find())
    modules = build.stock(kernel)
    options.out.mkdir(parents=True, exist_ok=True)
    recordings = []
    with Vm(kernel.image, [modules / "jitimer.ko"], virtual=options.virtual) as vm:
        say(f"booting the stock kernel {kernel.release}")
        vm.boot()
        for name, load in LOADS.items():
            say(f"recording {options.count} lines: {name}")
            result = vm.run(f"""
                insmod jitimer.ko count={options.count} tdelay={options.tdelay} || exit 1
                {load}
                cat /proc/jitimer || exit 1
                kill $(jobs -p) 2>/dev/null
                rmmod jitimer""", 120 + options.count * options.tdelay)
            if result.status:
                raise Failure(f"in the guest: {result.output}")
            recordings.append(options.out / f"{name}.txt")
            recordings[-1].write_text(result.output)
    picture = PROJECT / "scripts/jitter.png" if options.readme else options.out / "jitter.png"
    status = subprocess.run([PROJECT / "scripts/jitter", "-o", picture, *recordings],
                            check=False).returncode
    if not status:
        say(f"the picture: {picture}")
    return status


if __name__ == "__main__":
    run_main(main)
