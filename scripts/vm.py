#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Boots a kernel in a virtual machine, and runs a shell command in it.

The guest has busybox and the given files, all from an initramfs. The command's output and exit
status become this command's. It fails (status 1) if the kernel reports a fault on its console: a
warning, an oops, or a report of KASAN, lockdep, debugobjects or any other checker; and (status 124)
if the command does not end in time. Without a command, --shell gives a prompt.
"""

import argparse
import contextlib
import dataclasses
import gzip
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import uuid
from pathlib import Path

import pexpect
from pexpect.popen_spawn import PopenSpawn

from cache import ARCH, CACHE, Failure, lock, run_main, say
import kernels

# What a kernel prints when it, or one of its checkers, has found a fault.
REPORT = re.compile(
    r"\b(?:WARNING|BUG|KASAN|UBSAN|KFENCE|ODEBUG): |"
    r"\bOops\b|\bKernel panic\b|\bkernel BUG at\b|\bCall Trace:|\bgeneral protection fault\b|"
    r"\bINFO: task .* blocked\b|\bINFO: .*\bstall|\brcu: .*\bstall|\bsoft lockup\b|"
    r"\b(?:possible (?:circular|recursive) lock|inconsistent lock state|suspicious RCU usage)|"
    r"\bbad unlock balance\b|\bsleeping function called\b|\bscheduling while atomic\b|"
    r"\bnew suspected memory leaks?\b|\bpreempt leak\b|\bNo irq handler\b|\bpage allocation failure|"
    r"\bUnable to handle\b|\bCFI failure\b|\brefcount_t: |\blist_(?:add|del) corruption\b|"
    r"\bTest timed out\b|\bbuggy \.next function\b")

# How long a script in a machine may take, whatever it was given: in seconds.
PATIENCE = float("inf")

INIT = """#!/bin/busybox sh
/bin/busybox mkdir -p /bin /proc /sys /dev /tmp /root /etc
/bin/busybox --install -s /bin
export PATH=/bin HOME=/root
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs devtmpfs /dev
mount -t tmpfs tmpfs /tmp
mount -t debugfs debugfs /sys/kernel/debug 2>/dev/null
cd /root
if grep -qw jitimer.shell /proc/cmdline; then
    echo "The files you gave are here. 'exit' ends the machine."
    setsid cttyhack sh
    reboot -f
fi
tty=/dev/ttyAMA1
[ -c $tty ] || tty=/dev/ttyS1
stty -F $tty raw -echo
exec <$tty >$tty 2>&1
echo ready
while read -r size marker; do
    head -c "$size" >/tmp/script
    sh /tmp/script </dev/null
    printf '%s%s\\n' "$marker" "$?"
done
"""


# How to run a machine of each architecture: the command, and the console's name.
ARCHITECTURES = {
    # Without five-level page tables: an interrupt while the boot CPU identifies itself finds them
    # turned off for a moment, which KASAN takes for a wild access. The check whether timer interrupts
    # come counts loops; a machine that gets no time meanwhile fails it.
    "amd64": (["qemu-system-x86_64", "-cpu", "max,la57=off", "-smp", "{cpus}"],
              "ttyS0 8250.nr_uarts=4 no_timer_check"),
    "arm64": (["qemu-system-aarch64", "-machine", "virt,gic-version=max", "-cpu", "max{cpu}",
               "-smp", "{cpus}"], "ttyAMA0"),
}
# What is added to the CPU, and to the kernel's command line, where they are emulated. Pointer
# authentication by the book is slow. The CPUs' clocks are one, and all others take long to read.
EMULATED = {"amd64": ("", "tsc=reliable"), "arm64": (",pauth-impdef=on", "")}


def archive(files, texts=()):
    """An archive for the guest, of files in /root and of programs, by their paths: gzipped bytes."""
    with tempfile.TemporaryDirectory() as folder:
        top = Path(folder)
        (top / "root").mkdir()
        for file in files:
            shutil.copy(file, top / "root")
        for path, content in dict(texts).items():
            (top / path).parent.mkdir(exist_ok=True)
            (top / path).write_bytes(content)
            (top / path).chmod(0o755)
        paths = "".join(f"{path.relative_to(top)}\n" for path in sorted(top.rglob("*")))
        result = subprocess.run(["cpio", "--create", "--format=newc", "--owner=0:0", "--quiet"],
                                cwd=top, input=paths.encode(), check=True, capture_output=True)
        return gzip.compress(result.stdout, 1)


def initramfs(arch, files):
    """What a machine boots with: busybox, an init, and files."""
    return archive(files, {"bin/busybox": kernels.busybox(arch).read_bytes(), "init": INIT.encode()})


@dataclasses.dataclass(frozen=True)
class Result:
    """What a command in the guest gave back."""

    status: int
    output: str


class Reported(Failure):
    """The kernel reported a fault."""


class TimedOut(Failure):
    """Something did not end in time."""

    status = 124


class Vm:
    """A virtual machine that runs commands until it is closed."""

    def __init__(self, image, files=(), *, arch=ARCH, cpus=None, memory=512, virtual=False,
                 append="", accelerator=None, shell=False):
        self.folder = Path(tempfile.mkdtemp(prefix="vm-"))
        self.console_path = self.folder / "console"
        self.checked = 0
        self.process = None
        self.arch = arch
        # Virtual time runs one CPU after the other, so a second one shows nothing but the skew
        # between its ticks and those that count jiffies.
        cpus = cpus or (1 if virtual else 2)
        if accelerator is None:
            accelerator = "tcg" if virtual or emulated(image, arch) else "kvm"
        (self.folder / "initramfs").write_bytes(initramfs(arch, files))
        serial = ["-serial", "mon:stdio"] if shell else [
            "-chardev", f"file,id=console,path={self.console_path}", "-serial", "chardev:console",
            "-chardev", "stdio,id=command,signal=off", "-serial", "chardev:command"]
        if virtual:
            # One instruction takes a nanosecond, and an idle guest jumps to its next timer.
            accelerator = "tcg"
            serial += ["-icount", "shift=0,sleep=off"]
        machine, console = ARCHITECTURES[arch]
        cpu, clock = EMULATED[arch] if accelerator == "tcg" else ("", "")
        if virtual:
            # Each clock is read with one instruction there, and a run is to repeat another one.
            clock = ""
        self.command = [
            # The machine ends when this process does, however it does.
            "setpriv", "--pdeathsig", "KILL", *(word.format(cpus=cpus, cpu=cpu) for word in machine),
            "-nodefaults", "-no-user-config",
            "-display", "none", "-no-reboot", "-accel", accelerator, "-m", str(memory),
            "-kernel", image, "-initrd", self.folder / "initramfs", *serial,
            # The crypto self-tests keep a stock kernel busy for seconds.
            "-append", f"console={console} panic=-1 oops=panic cryptomgr.notests {clock} {append}"
            + (" jitimer.shell" if shell else "")]

    def __enter__(self):
        return self

    def __exit__(self, *_exception):
        self.close()

    def start(self):
        """Starts the machine."""
        self.process = PopenSpawn(list(map(str, self.command)), maxread=1 << 16, encoding="utf-8",
                                  codec_errors="replace")
        # How often it looks for output, which is in a loop.
        self.process.delayafterread = 0.005

    def boot(self, timeout=300):
        """Starts the machine, and waits until it takes commands. On a slow one that may take long, but
        not so long without a word on the console."""
        self.start()
        self.expect("ready\n", timeout, "boot", patient=True)
        self.check()

    def expect(self, text, timeout, what, patient=False):
        """Waits for a text; returns what came before it. Fails as soon as the kernel reports. If
        patient, each new line on the console begins the time anew."""
        end = time.monotonic() + timeout
        while True:
            checked = self.checked
            try:
                self.process.expect_exact(text, timeout=min(timeout, 1))
                return self.process.before
            except pexpect.TIMEOUT:
                self.check()
                if patient and self.checked > checked:
                    end = time.monotonic() + timeout
                if time.monotonic() > end:
                    raise TimedOut(f"no end of '{what}' after {timeout} s; the guest's "
                                   f"console:\n{self.tail()}") from None
            except pexpect.EOF:
                self.check()
                raise Failure(f"the virtual machine ended during '{what}': "
                              f"{self.process.before.strip()}\nthe guest's console:\n"
                              f"{self.tail()}") from None

    def run(self, script, timeout=300):
        """Runs a shell script in the guest; fails if the kernel reports a fault meanwhile."""
        marker = f"<{uuid.uuid4().hex}>"
        self.process.send(f"{len(script.encode())} {marker}\n{script}")
        output = self.expect(marker, min(timeout, PATIENCE), script)
        status = int(self.expect("\n", 10, "exit status"))
        self.check()
        return Result(status, output)

    def console(self):
        """All that the kernel printed so far."""
        if not self.console_path.exists():
            return ""
        return self.console_path.read_text(errors="replace").replace("\r\n", "\n")

    def tail(self):
        """The last lines of the console."""
        return "\n".join(self.console().splitlines()[-40:])

    def used(self):
        """For as long as a test uses the machine."""
        return contextlib.nullcontext()

    def check(self):
        """Fails if the kernel has reported a fault since the last check, in lines that are whole."""
        console = self.console()
        new = console[self.checked:console.rfind("\n") + 1]
        self.checked += len(new)
        self.judge(new)

    @staticmethod
    def judge(new):
        """Fails if there is a report in what the kernel printed."""
        found = REPORT.search(new)
        if found:
            start = new.rfind("\n", 0, found.start()) + 1
            raise Reported("the kernel reported a fault:\n" + new[start:start + 6000])

    def close(self):
        """Ends the machine, and removes what it needed."""
        if self.process:
            self.process.kill(signal.SIGKILL)
            self.process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)


def kvm_boots(image):
    """Whether a guest boots with KVM here. That /dev/kvm exists does not tell."""
    if not os.access("/dev/kvm", os.R_OK | os.W_OK):
        return False
    known = CACHE / f"kvm-{os.uname().release}"
    with lock("kvm"):
        if not known.exists():
            say("trying whether a guest boots with KVM")
            with Vm(image, accelerator="kvm", cpus=1) as vm:
                try:
                    vm.boot(timeout=20)
                    answer = "yes"
                except Failure:
                    answer = "no"
            new = known.with_name(f"{known.name}.new")
            new.write_text(answer)
            new.rename(known)
            say(f"it does: {known.read_text()}; 'rm {known}' has this tried again")
    return known.read_text() == "yes"


def emulated(image, arch):
    """Whether a guest has no KVM here."""
    return arch != ARCH or not kvm_boots(image)


def main():
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("image", help="the kernel to boot: an image, or the release of a stock "
                        "Debian kernel")
    parser.add_argument("command", nargs="*", help="a command line for the guest's shell")
    parser.add_argument("--file", action="append", default=[], metavar="FILE",
                        help="have this file in the guest's home; may be repeated")
    parser.add_argument("--shell", action="store_true",
                        help="a prompt in the guest, with the kernel's console")
    parser.add_argument("--console", action="store_true",
                        help="print the kernel's console to standard error at the end")
    parser.add_argument("--virtual", action="store_true",
                        help="exact virtual time: one instruction is a nanosecond")
    parser.add_argument("--arch", choices=ARCHITECTURES, default=ARCH,
                        help="the kernel's architecture (default: %(default)s)")
    parser.add_argument("--cpus", type=int, help="default: 2; with --virtual 1")
    parser.add_argument("--memory", type=int, default=512, metavar="MB", help="default: %(default)s")
    parser.add_argument("--timeout", type=int, default=60, metavar="S",
                        help="seconds that the command may take (default: %(default)s)")
    parser.add_argument("--append", default="", help="more for the kernel's command line")
    options = parser.parse_args()
    if bool(options.command) == options.shell:
        parser.error("give either a command or --shell")
    if kernels.RELEASE.fullmatch(options.image):
        kernel = kernels.fetch(kernels.find(options.image))
        options.image, options.arch = kernel.image, kernel.arch
    for file in (options.image, *options.file):
        if not (os.path.isfile(file) and os.access(file, os.R_OK)):
            parser.error(f"can't read the file '{file}'")
    with Vm(options.image, options.file, arch=options.arch, cpus=options.cpus,
            memory=options.memory, virtual=options.virtual, append=options.append,
            shell=options.shell) as vm:
        if options.shell:
            return subprocess.run(vm.command, check=False).returncode
        try:
            vm.boot()
            result = vm.run(" ".join(options.command), options.timeout)
        finally:
            if options.console:
                print(vm.console(), file=sys.stderr)
        sys.stdout.write(result.output)
        return result.status


if __name__ == "__main__":
    run_main(main)
