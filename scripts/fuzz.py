#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Has several processes do random things with jitimer's file and parameters, in a VM, until
something is not as it should be: the kernel reports a fault, or what the calls gave is none of what
a model of the stream allows (see tests/fuzz.c, which also tells what a program is).

Programs are made up at random, from a seed; those that did what none had done before, by KCOV and
by the results of their calls, are varied. One that fails is made as short as it fails still, shown,
and kept in a file, for --replay. The status is 1 then.
"""

import argparse
import dataclasses
import random
import re
import sys
import time
from pathlib import Path

import build
from cache import ARCH, PROJECT, Failure, run_main, say
import copies
import debug_kernel
import kernels
from vm import Reported

KERNELS = ("test", "rt", "stock")
OUT = build.OUT / "fuzz"

FOR_EVER = (63 << 24) - 1
ACTORS = "abcd"
POLLIN, POLLPRI, POLLOUT, POLLRDNORM = 1, 2, 4, 0x40

VALUES = {
    "tdelay": (1, 1, 1, 2, 3, 5, 10, 25, FOR_EVER),
    "count": (0, 1, 2, 5, 5, 6, 7, 30, 255, 256, 300),
    "readers": (1, 2, 3, 4, 8, 1024),
}
INVALID = ("0x", "-1", "abc", "99999999999", "5x", "1056964608", "4294967296", "65537")
SIZES = (1, 2, 7, 44, 45, 60, 100, 128, 300, 4096, 4096, 20000)
READS = ("read", "read", "read", "fresh", "readv", "preadv2", "nowait", "splice", "sendfile", "aio",
         "uring", "bad", "part")
POLLS = ("poll", "ppoll", "select", "epoll", "oneshot", "exclusive", "et", "aio", "uring")


class Maker:
    """Makes programs up."""

    def __init__(self, rng):
        self.rng = rng
        # The files that the program has open, as far as one sees.
        self.opened = []

    def actor(self, others=True):
        """An actor, who need not be waited for."""
        return self.rng.choice(ACTORS) + "&" * (others and self.rng.random() < 0.3)

    def file(self):
        """A file; few, so that they are shared, and seldom one that is not open."""
        if self.opened and self.rng.random() < 0.95:
            return self.rng.choice(self.opened)
        return self.rng.randrange(4)

    def load(self):
        """A call that loads the module."""
        given = " ".join(f"{name}={self.rng.choice(values)}" for name, values in VALUES.items()
                         if self.rng.random() < 0.7)
        return f"load {given}".strip()

    def poll(self, file, timeout=None):
        """A call that polls."""
        how = self.rng.choice(POLLS)
        events = self.rng.choice((POLLIN, POLLIN, POLLIN, POLLIN | POLLRDNORM, POLLIN | POLLOUT,
                                  POLLRDNORM, 0, POLLPRI, POLLOUT))
        if how == "exclusive" and events & (POLLPRI | POLLRDNORM):
            events = POLLIN
        if timeout is None:
            timeout = self.rng.choice((0, 0, 0, 1, 10, 50, 200, -1, -1, -1))
        return f"poll {file} {how} {timeout} {events}"

    def read(self, file):
        """A call that reads."""
        return f"read {file} {self.rng.choice(SIZES)} {self.rng.choice(READS)}"

    def open(self, file):
        """A call that opens the file."""
        flags = self.rng.choice(("", "", "", "n", "n", "h", "nh"))
        if file not in self.opened:
            self.opened.append(file)
        return f"open {file} {flags}".strip()

    def call(self):
        """Any call."""
        rng, file = self.rng, self.file()
        name = rng.choice(list(VALUES))
        value = rng.choice(VALUES[name]) if rng.random() < 0.8 else rng.choice(INVALID)
        choices = (
            (8, self.read(file)), (8, self.poll(file)),
            (3, f"open {rng.randrange(4)}"), (1, f"close {file}"),
            (1, f"dup {file} {rng.randrange(4)}"), (2, f"nonblock {file} {rng.randrange(2)}"),
            (2, f"seek {file} {rng.choice((0, 1, -1, 45, -60, 4096))} {rng.randrange(5)}"),
            (1, f"pread {file} {rng.choice(SIZES)} {rng.choice((0, 1, 45, 4096))}"),
            (3, f"drain {file} {rng.choice(SIZES)}"), (2, f"edge {file}"),
            (1, f"fork {file} {rng.choice(SIZES)}"), (1, f"exec {file} {rng.choice(SIZES)}"),
            (1, f"kill {file} {rng.choice(SIZES)}"), (2, f"signal {rng.choice(ACTORS)}"),
            (1, f"restart {rng.choice(ACTORS)}"), (1, f"stop {rng.choice(ACTORS)}"),
            (1, f"cont {rng.choice(ACTORS)}"), (0.3, f"cpu {rng.randrange(2)}"),
            (1, f"sleep {rng.choice((1, 4, 10, 30))}"), (0.1, "sleep 1300"),
            (2, f"param {name} {value}"), (0.4, "unload"), (0.4, self.load()))
        weights, calls = zip(*choices)
        call = rng.choices(calls, weights)[0]
        return f"{self.actor(not call.startswith('sleep 1300'))} {call}"

    def scene(self):
        """Calls that belong together."""
        rng = self.rng
        one, other = rng.sample(ACTORS, 2)
        if len(self.opened) < 4 and rng.random() < 0.3:
            return [f"{one} {self.open(len(self.opened))}", *self.scene()]
        file = self.file()
        kind = rng.choice((0, 0, 1, 1, 2, 3, 3, 4, 5, 6, 6, 7, 8, 8, 8, 8))
        if kind == 0:
            # What poll says, and read.
            pair = [f"{one} {self.poll(file, 0)}", f"{other} {self.read(file)}"]
            return [f"{one} nonblock {file} 1", f"{one} drain {file} 4096",
                    *pair * rng.randrange(1, 4)]
        if kind == 1:
            # Somebody waits for what is to come.
            return [f"{one} nonblock {file} 1", f"{one} drain {file} 4096",
                    f"{one}& {self.poll(file, -1)}", f"{other} {self.poll(file, -1)}"]
        if kind == 2:
            return [f"{one} nonblock {file} 1", f"{one}& edge {file}"]
        if kind == 3:
            # Several read the same file.
            return [f"{actor}& {self.read(file)}" for actor in rng.sample(ACTORS, 3)
                    for _ in range(rng.randrange(1, 4))]
        if kind == 4:
            return self.going(file)
        if kind == 5:
            # More than there is place for, at once or one after the other.
            most, user = rng.randrange(1, 5), rng.choice("cd")
            return [f"a param readers {most}", *rng.choice((
                [f"{rng.choice(ACTORS)} open {rng.randrange(8)}" for _ in range(4)],
                [f"{user} open {file}", f"{user} close {file}"] * (most + 2)))]
        if kind == 6:
            # Byte by byte.
            return [f"{rng.choice((one, other))} read {file} {rng.choice((1, 7, 44, 60))} "
                    f"{rng.choice(READS)}" for _ in range(rng.randrange(2, 8))]
        if kind == 7:
            # Line by line, while others look.
            return [call for _ in range(rng.randrange(2, 5)) for call in (
                f"{one} nonblock {file} 0", f"{one}& drain {file} {rng.choice(SIZES)}",
                f"{other} {self.poll(file)}", f"{other} sleep 10")]
        return [self.call() for _ in range(rng.randrange(1, 5))]

    def going(self, file):
        """Calls by which the module goes while somebody reads."""
        rng = self.rng
        goes = rng.choice("ab")
        one, other = rng.sample([actor for actor in ACTORS if actor != goes], 2)
        return [f"{one} open {file}", f"{one} read {file} 4096 read", f"{one}& {self.read(file)}",
                f"{goes}{rng.choice(('', '&'))} unload", f"{other} {self.read(file)}",
                f"a {self.load()}"]

    def left_alone(self, file):
        """Calls by which a file has more than is kept for it."""
        rng = self.rng
        one, other = rng.sample(ACTORS, 2)
        return [f"a param {name} {value}" for name, value in (
            ("tdelay", 1), ("count", rng.choice((0, 300, 300))), ("readers", 1024))] + [
            f"{one} {self.open(file)}", f"{one} {self.read(file)}", f"{other} sleep 1300",
            f"{other} drain {file} {rng.choice((100, 4096, 4096, 20000))}"]

    def program(self):
        """A new program."""
        self.opened = []
        calls = [f"a {self.load()}"]
        if self.rng.random() < 0.1:
            # Before anybody polls, which keeps the module; and no line comes.
            calls = [f"a load tdelay={FOR_EVER}", *self.going(0)]
        elif self.rng.random() < 0.05:
            calls += self.left_alone(0)
        calls.append(f"{self.rng.choice(ACTORS)} {self.open(0)}")
        for _ in range(self.rng.randrange(2, 15)):
            calls += self.scene()
        return calls

    def variation(self, corpus):
        """One that is like another one."""
        rng = self.rng
        calls = list(rng.choice(corpus))
        self.opened = sorted({int(number) for number in re.findall(r"open (\d)", "\n".join(calls))})
        for _ in range(rng.randrange(1, 5)):
            at = rng.randrange(len(calls) + 1)
            kind = rng.randrange(6)
            if kind == 0:
                del calls[at:at + rng.randrange(1, 4)]
            elif kind == 1:
                calls[at:at] = self.scene()
            elif kind == 2:
                other = rng.choice(corpus)
                begin = rng.randrange(len(other))
                calls[at:at] = other[begin:begin + rng.randrange(1, 8)]
            elif kind == 3 and calls:
                at = rng.randrange(len(calls))
                actor, call = calls[at].split(" ", 1)
                calls[at] = f"{rng.choice((self.actor(), actor))} {call}"
            elif kind == 4 and calls:
                at = rng.randrange(len(calls))
                calls[at:at] = [calls[at]] * rng.randrange(1, 3)
            else:
                calls.insert(at, self.call())
        return calls[:120] or self.program()


@dataclasses.dataclass
class Outcome:
    """What came of a program: what was found, each as its kind and a text, and what it was like."""

    findings: list
    trace: list = dataclasses.field(default_factory=list)
    events: int = 0
    lines: int = 0
    files: int = 0
    # Of which not all that was read is known.
    unsure: int = 0
    # What none before has done.
    steps: int = 0
    results: int = 0

    @property
    def kinds(self):
        """The kinds of what was found."""
        return {kind for kind, _ in self.findings}


SUMMARY = re.compile(r"\d+ calls \d+ events (\d+) lines (\d+) files (\d+) unsure (\d+) steps (\d+) "
                     r"results (\d+)")


class Machine:
    """A machine that runs programs, and is started again after what it may not have survived."""

    def __init__(self, image, module, **options):
        self.image, self.module, self.options = image, module, options
        self.programs = build.guest_programs(names=("fuzz",))
        self.vm = None
        self.boots = 0

    def __enter__(self):
        return self

    def __exit__(self, *_exception):
        self.end()

    def end(self):
        """Ends it."""
        if self.vm:
            self.vm.close()
        self.vm = None

    def begin(self):
        """Starts it, if it does not run."""
        if not self.vm:
            self.vm = copies.machine(self.image, [self.module, *self.programs], **self.options)
            self.vm.boot()
            self.boots += 1

    def leaks(self):
        """Memory that is lost, as kmemleak tells of it, where that is; a text."""
        if not self.vm:
            return ""
        try:
            return self.vm.run(LEAKS, 600).output
        except Reported as report:
            return str(report)

    def run(self, programs, trace=""):
        """Runs some; returns what came of each that was run, in their order."""
        self.begin()
        text = "".join(f"--- {number}\n" + "".join(f"{call}\n" for call in calls)
                       for number, calls in enumerate(programs))
        report = status = None
        try:
            result = self.vm.run(f"./fuzz jitimer.ko {trace} <<'END' 2>&1\n{text}END\n", 3600)
            output, status = result.output, result.status
        except Failure as failure:
            output, report = self.vm.process.before or "", str(failure)
        outcomes = parse(output)
        if report:
            # Whose it is, the console tells.
            begun = re.findall(r"fuzz: begin (\d+)$", self.vm.console(), re.MULTILINE)
            if not begun:
                raise Failure(report)
            del outcomes[int(begun[-1]):]
            outcomes.append(Outcome([("report", report)]))
        elif status not in (0, 3):
            raise Failure(f"in the guest: {output[-2000:]}")
        if any(outcome.kinds & {"report", "stuck", "held"} for outcome in outcomes):
            self.end()
        return outcomes


# kmemleak looks at nothing that is younger than five seconds, and takes what changed since its last
# scan for used.
LEAKS = """
cd /sys/kernel/debug
test -e kmemleak || exit 0
sleep 6
echo scan >kmemleak
echo scan >kmemleak
cat kmemleak
"""


def parse(output):
    """What tests/fuzz.c has printed."""
    outcomes, findings, trace = [], [], []
    for line in output.splitlines():
        summary = SUMMARY.fullmatch(line)
        if summary:
            outcomes.append(Outcome(findings, trace, *map(int, summary.groups())))
            findings, trace = [], []
        elif line.startswith("finding "):
            findings.append(tuple(line.removeprefix("finding ").split(": ", 1)))
        else:
            trace.append(line)
    return outcomes


def shorten(calls, fails, until):
    """As few of the calls as still fail, by leaving out ever smaller parts of them."""
    size = max(len(calls) // 2, 1)
    while True:
        at, found = 0, False
        while at < len(calls) and time.monotonic() < until:
            less = calls[:at] + calls[at + size:]
            if less and fails(less):
                calls, found = less, True
            else:
                at += size
        if time.monotonic() >= until or (size == 1 and not found):
            break
        size = max(size // 2, 1)
    # Who can be waited for, is.
    for at, call in enumerate(calls):
        if call[1] == "&" and time.monotonic() < until:
            less = [*calls[:at], call.replace("&", "", 1), *calls[at + 1:]]
            if fails(less):
                calls = less
    return calls


def minimise(machine, calls, outcome, seconds=300, times=6):
    """A finding's program made small; returns that, what came of it, and how often it fails."""
    kinds = outcome.kinds

    def attempt(calls):
        found, = machine.run([calls])[-1:]
        return found if found.kinds & kinds else None

    failed = [found for found in (attempt(calls) for _ in range(times)) if found]
    if not failed:
        return calls, outcome, f"none of {times} runs"
    # As often as it takes to see most of what fails now and then.
    tries = 2 if len(failed) == times else 2 * times // len(failed)
    last = failed[-1]

    def fails(less):
        nonlocal last
        for _ in range(tries):
            found = attempt(less)
            if found:
                last = found
                return True
        return False

    say(f"making it small: {len(calls)} calls, which failed in {len(failed)} of {times} more runs")
    small = shorten(calls, fails, time.monotonic() + seconds)
    again = sum(bool(attempt(small)) for _ in range(times))
    return small, last, f"{again} of {times} runs"


def show(path, kernel, calls, outcome, often, log):
    """Prints a finding, and keeps it as a program that repeats it."""
    text = "".join(f"# {kind}: {line}\n" for kind, what in outcome.findings
                   for line in what.splitlines()[:60])
    text += f"# Fails in {often}; to repeat it: make fuzz KERNEL={kernel} REPLAY={path}\n"
    text += "".join(f"{call}\n" for call in calls)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    log.write(text + "".join(f"{line}\n" for line in outcome.trace))
    log.flush()
    print(text + "# What each call did:\n" + "".join(f"#{line}\n" for line in outcome.trace[:200]),
          flush=True)


def told(count):
    """How much there was, as a text."""
    return ", ".join(f"{number} {name}" for name, number in count.items())


def fuzz(machine, seed, log, *, seconds=float("inf"), sequences=float("inf")):
    """Runs programs until one fails, or the time is over, or so many were run; returns that one,
    what came of it, and how much there was. What is lost at the end is nobody's, but comes of them.
    """
    maker = Maker(random.Random(seed))
    corpus, size = [], 4
    start = shown = time.monotonic()
    count = dict.fromkeys(("sequences", "calls", "lines", "files", "unsure", "steps", "results"), 0)
    machine.begin()
    say(f"the machine is there, after {time.monotonic() - start:.0f} s")
    begin = time.monotonic()
    while time.monotonic() - begin < seconds and count["sequences"] < sequences:
        programs = [maker.variation(corpus) if corpus and maker.rng.random() < 0.6
                    else maker.program() for _ in range(size)]
        started = time.monotonic()
        outcomes = machine.run(programs)
        # As many at once as take some seconds.
        took = (time.monotonic() - started) / size
        size = max(1, min(20, int(4 / took)))
        for calls, outcome in zip(programs, outcomes):
            count["sequences"] += 1
            count["calls"] += outcome.events
            for name in ("lines", "files", "unsure", "steps", "results"):
                count[name] += getattr(outcome, name)
            if outcome.steps + outcome.results and not outcome.findings:
                corpus.append(calls)
            log.write(f"--- calls {outcome.events} lines {outcome.lines} steps {outcome.steps} "
                      f"results {outcome.results}\n" + "".join(f"{call}\n" for call in calls))
            if outcome.findings:
                say(f"found something after {time.monotonic() - begin:.0f} s, in sequence "
                         f"{count['sequences']}: {': '.join(outcome.findings[0])[:200]}")
                return calls, outcome, count
        log.flush()
        if time.monotonic() - shown > 10:
            shown = time.monotonic()
            say(f"{shown - begin:.0f} s: {told(count)}; {len(corpus)} sequences to vary")
    leaks = machine.leaks()
    return None, Outcome([("leak", leaks)]) if leaks else None, count


def read_program(path):
    """The calls in a file that `show` has written."""
    try:
        text = path.read_text()
    except OSError as error:
        raise Failure(f"can't read the program '{path}': {error.strerror}") from None
    calls = [line for line in text.splitlines() if line and line[0] != "#"]
    if not calls:
        raise Failure(f"there is no call in '{path}'")
    return calls


def machine_for(name, *arguments, source=PROJECT, build_name=None):
    """A machine with one of the kernels, and the module that was built for it."""
    stock = kernels.fetch(kernels.find(flavour=f"{'rt' if name == 'rt' else 'cloud'}-{ARCH}"))
    if name == "test":
        folder = debug_kernel.make(stock)
        modules = build.modules(folder, *debug_kernel.MAKE[1:], "KCOV_INSTRUMENT=y", *arguments,
                                source=source, log="fuzz", name=build_name or "fuzz")
        return Machine(folder / debug_kernel.IMAGE, modules / "jitimer.ko", memory=1024,
                       arch="amd64")
    modules = build.stock(stock, *arguments, source=source, name=build_name)
    return Machine(stock.image, modules / "jitimer.ko", arch=ARCH)


def replay(machine, calls, times):
    """Runs a program some times; shows what is found first."""
    for number in range(times):
        outcome = machine.run([calls], "trace")[-1]
        if outcome.findings:
            print("".join(f"{kind}: {what}\n" for kind, what in outcome.findings)
                  + "".join(f"{line}\n" for line in outcome.trace), end="")
            print(f"it fails, in run {number + 1}")
            return 1
        say(f"run {number + 1} of {times}: {outcome.events} calls, {outcome.lines} lines, "
            "nothing found")
    print("".join(f"{line}\n" for line in outcome.trace) + f"nothing found in {times} runs")
    return 0


def main():
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", default="1", help="where random numbers start (default: 1)")
    parser.add_argument("--seconds", type=float, default=600, metavar="S",
                        help="how long (default: %(default)s)")
    parser.add_argument("--kernel", choices=KERNELS, default="test",
                        help="the test kernel, or Debian's, with PREEMPT_RT or without "
                        "(default: %(default)s)")
    parser.add_argument("--replay", type=Path, metavar="FILE", help="run this program, no other")
    parser.add_argument("--times", type=int, default=20, metavar="N",
                        help="how often to run it (default: %(default)s)")
    parser.add_argument("--source", type=Path, default=PROJECT, metavar="FOLDER",
                        help="build the module from another copy of the project")
    options = parser.parse_args()
    calls = read_program(options.replay) if options.replay else None
    other = options.source.resolve() != PROJECT
    machine = machine_for(options.kernel, source=options.source.resolve(),
                          build_name=f"fuzz-source-{options.kernel}" if other else None)
    with machine:
        if calls:
            return replay(machine, calls, options.times)
        OUT.mkdir(parents=True, exist_ok=True)
        path = OUT / f"{options.kernel}-{options.seed}.log"
        with open(path, "w", encoding="utf-8") as log:
            say(f"seed {options.seed}, {options.seconds:.0f} s, on the {options.kernel} kernel; "
                f"log: {path}")
            calls, outcome, count = fuzz(machine, options.seed, log, seconds=options.seconds)
            if calls:
                log.write("".join(f"{line}\n" for line in outcome.trace))
                small, last, often = minimise(machine, calls, outcome)
                show(OUT / f"found-{options.kernel}-{options.seed}.txt", options.kernel, small,
                     last, often, log)
            elif outcome:
                print("".join(f"{kind}: {what}\n" for kind, what in outcome.findings), end="")
        print(f"{told(count)}; {'1 finding' if outcome else 'nothing found'}")
    return 1 if outcome else 0


if __name__ == "__main__":
    sys.path.insert(0, str(PROJECT / "scripts"))
    run_main(main)
