#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Shows jitimer at work: boots the newest supported stock Debian kernel in a VM, loads jitimer.ko,
reads /proc/jitimer, and unloads it."""

import argparse
import os
import subprocess
import sys

import build
from cache import run_main, say
import kernels
from vm import Vm

# A guest has things to do after boot. Under virtual time, where an idle guest jumps to its next
# timer, it costs nothing to have them done; then it shows exact deltas.
SETTLE = "sleep 10"

SCRIPT = """
set -e
uname -srvm
insmod jitimer.ko {parameters}
cat /proc/jitimer
rmmod jitimer
! grep -q '^jitimer ' /proc/modules
echo 'jitimer unloaded'
"""


def main():
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--virtual", action="store_true",
                        help="exact virtual time: one instruction is a nanosecond")
    parser.add_argument("--tdelay", help="the module's parameter tdelay, in jiffies")
    parser.add_argument("--shell", action="store_true",
                        help="a prompt in the VM, with jitimer.ko at hand")
    options = parser.parse_args()
    kernel = kernels.fetch(kernels.find())
    module = build.stock(kernel) / "jitimer.ko"
    with Vm(kernel.image, [module], virtual=options.virtual, shell=options.shell) as vm:
        if options.shell:
            os.execvp(vm.command[0], list(map(str, vm.command)))
        subprocess.run(["modinfo", module.name], cwd=module.parent, check=True)
        print(flush=True)
        say(f"booting the stock kernel {kernel.release}")
        vm.boot()
        if options.virtual:
            vm.run(SETTLE)
        parameters = f"tdelay={options.tdelay}" if options.tdelay else ""
        result = vm.run(SCRIPT.format(parameters=parameters))
        sys.stdout.write(result.output)
        if result.status:
            print("\n".join(line for line in vm.console().splitlines() if "jitimer" in line),
                  file=sys.stderr)
        return result.status


if __name__ == "__main__":
    run_main(main)
