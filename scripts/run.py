#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Shows jitimer, or one of the samples, at work: boots the newest supported stock Debian kernel in a
VM, loads the module there, does what its story tells of, and unloads it."""

import argparse
import os
import subprocess
import sys

import build
from cache import Failure, run_main, say
import kernels
from vm import Vm

# A guest has things to do after boot. Under virtual time, where an idle guest jumps to its next
# timer, it costs nothing to have them done; then it shows exact deltas.
SETTLE = "sleep 10"

# What to do with each module once it is loaded. The samples run under virtual time, so that waiting
# costs nothing.
STORIES = {
    "jitimer": ["cat /proc/jitimer"],
    "kt": ["sleep 35"],
    "oneshot": ["sleep 6"],
    "counter": ["cat /proc/jitcounter", "sleep 10.1", "cat /proc/jitcounter"],
    "jit": [*(f"dd if=/proc/{name} bs=22 count=3 2>/dev/null"
              for name in ("jitbusy", "jitsched", "jitqueue", "jitschedto")),
            *(f"cat /proc/{name}" for name in ("currentime", "jitasklet", "jitasklethi"))],
    "context": ["cat /proc/jitcontext"],
    "wheel": ["echo 33000 >/sys/module/wheel/parameters/longest", "cat /proc/jitwheel",
              "cat /proc/jitcpu"],
}


def show(vm, command, timeout=300):
    """Runs a command in the guest, and shows it and what it prints; returns its status."""
    print(f"# {command}", flush=True)
    result = vm.run(command, timeout)
    sys.stdout.write(result.output)
    return result.status


def main():
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--virtual", action="store_true",
                        help="exact virtual time: one instruction is a nanosecond; samples always "
                        "run under it")
    parser.add_argument("--sample", default="jitimer", help="one of: " + ", ".join(STORIES))
    parser.add_argument("--parameters", default="",
                        help="the module's parameters, 'name=value ...'")
    parser.add_argument("--shell", action="store_true",
                        help="a prompt in the VM, with jitimer.ko and the samples at hand")
    options = parser.parse_args()
    name = options.sample
    if name not in STORIES:
        raise Failure(f"there is no sample '{name}'; there are: {', '.join(STORIES)}")
    kernel = kernels.fetch(kernels.find())
    modules = build.stock(kernel, "KTIMER_SAMPLES=m")
    files = [modules / f"{module}.ko" for module in STORIES] if options.shell else [
        modules / f"{name}.ko"]
    virtual = options.virtual or name != "jitimer"
    with Vm(kernel.image, files, virtual=virtual, shell=options.shell) as vm:
        if options.shell:
            os.execvp(vm.command[0], list(map(str, vm.command)))
        subprocess.run(["modinfo", f"{name}.ko"], cwd=modules, check=True)
        print(flush=True)
        say(f"booting the stock kernel {kernel.release}")
        vm.boot()
        if virtual:
            vm.run(SETTLE)
        vm.run("dmesg -c")
        status = 0
        for command in ("uname -srvm", f"insmod {name}.ko {options.parameters}".strip(),
                        *STORIES[name], f"rmmod {name}", f"! grep '^{name} ' /proc/modules"):
            status = status or show(vm, command)
        show(vm, f"dmesg | grep '{name}: ' | sed 's/^[^]]*] //'")
        if not status:
            print(f"{name} unloaded")
        return status


if __name__ == "__main__":
    run_main(main)
