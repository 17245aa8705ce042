#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Measures what the library costs, beside plain C, on the newest supported stock kernel.

All of it in guest instructions, under qemu's virtual time, where results repeat. It prints tables,
and writes bench.json: a list of {"op", "n", "library", "c", "ratio"}, n being how many timers were
armed; and late.json, how late timers were. What is of jitimer and of small modules is against their
twins in C, in tests/twins; of jitimer it has "book", the same of the book's module,
tests/jitimer_original.c. With --scale it measures how the cost grows with the readers instead, which
takes long, and writes scale.json.
"""

import argparse
from bisect import bisect_right
import json
import re
import subprocess
from pathlib import Path
from statistics import median

import build
from cache import Failure, run_main, say
import kernels
from readme import markdown, update
from run import SETTLE
from vm import Vm

# What the benchmark's module calls its timers, and what is measured.
OPERATIONS = {
    "arm": "`arm()` / `mod_timer()`, inactive",
    "re-arm": "`arm()` / `mod_timer()`, pending",
    "add": "`arm()` / `add_timer()`",
    "cancel": "`cancel()` / `timer_delete()`",
    "cancel-sync": "`cancel_sync()` / `timer_delete_sync()`",
    "pending": "`is_pending()` / `timer_pending()`",
    "dispatch": "expiry to the end of an empty callback",
    "arm-all": "`arm()`, each of them",
    "shutdown-all": "`shutdown_sync()`, each of them",
    "all/0": "all of that, on the first of three timers on one state",
    "all/1": "the same on the second",
    "all/2": "the same on the third",
    "lock-process": "`SpinLockBh`: `lock()` / `spin_lock_bh()`, and unlock",
    "lock-callback": "`SpinLockBh`: `lock_with()` / `spin_lock()`, and unlock",
    "timer-size": "bytes of a timer with 8 bytes of state",
}

# What is measured of jitimer.
OF_JITIMER = {
    "sample": "its callback, nobody asleep",
    "open": "`open()` of its file",
    "read": "first `read()`, of the header and a line",
    "lines": "`read()` of five lines",
    "close": "`close()`",
    "allocations": "allocations of a reader",
    "allocated": "bytes of them",
    "text": "bytes of the module's code and constants",
    "data": "bytes of its data",
}
JITIMERS = ("jitimer", "jitimer_twin", "jitimer_original")

# Small modules, of which the code and constants are measured.
SMALL = ("oneshot", "counter", "heart")
OF_SMALL = {f"text/{name}": f"the same of `{name}.ko`" for name in SMALL}


def run(vm, script, timeout=120):
    """Runs a script that must succeed; returns its output."""
    result = vm.run("set -e\n" + script, timeout)
    if result.status:
        raise Failure(f"in the guest: {result.output}")
    return result.output


def row(op, n, library, c, **more):
    """One result."""
    return {"op": op, "n": n, "library": round(library, 3), "c": round(c, 3),
            "ratio": round(library / c, 4), **more}


def rows_of_jitimer(ops, costs):
    """Results of jitimer: a list of costs for each of the modules."""
    return [row(op, 1, library, c, book=book)
            for op, library, c, book in zip(ops, *costs, strict=True)]


def operations(vm, n):
    """The costs of the library's operations, with n timers armed."""
    output = run(vm, f"dmesg -c >/dev/null; insmod ktimer_bench.ko timers={n}; "
                     "rmmod ktimer_bench; dmesg", 600)
    found = [row(op, int(armed), int(library) / int(times), int(c) / int(times))
             for op, armed, times, library, c in re.findall(
                 r"ktimer_bench: cost (\S+) (\d+) (\d+) (\d+) (\d+)", output)]
    for nth in ("/0", "/1", "/2"):
        several = [cost for cost in found if cost["op"].endswith(nth)]
        if several:
            found.append(row(f"all{nth}", n, *(sum(cost[of] for cost in several)
                                               for of in ("library", "c"))))
    library, c = map(int, re.search(r"ktimer_bench: size (\d+) (\d+)", output).groups())
    delivered = re.search(r"ktimer_bench: (delivered .*)", output)[1]
    if delivered != f"delivered {n} of {n}, 0 early":
        raise Failure(f"of {n} timers: {delivered}")
    return [*found, row("timer-size", n, library, c)]


def callbacks(trace, name):
    """How many instructions each call of a timer's callback took, the tracer's own among them."""
    found = []
    begun = {}
    for stamp, event, timer, rest in re.findall(
            r"(\d+): timer_expire_(entry|exit): timer=(\S+)(.*)", trace):
        if event == "entry" and re.search(rf"function={name}(?: |$)", rest):
            begun[timer] = int(stamp)
        elif event == "exit" and timer in begun:
            found.append(int(stamp) - begun.pop(timer))
    return found


def traced(vm, events, load, script, unload, most=100_000):
    """What the kernel's tracer noted while a script ran, in so many lines at most; it names what is in
    modules that are loaded."""
    paths = " ".join(f"events/{event}/enable" for event in events)
    return run(vm, f"""
        {load}
        mount -t tracefs none /sys/kernel/tracing 2>/dev/null || true
        tracing=/sys/kernel/tracing
        echo >$tracing/trace
        echo x86-tsc >$tracing/trace_clock
        for path in {paths}; do echo 1 >$tracing/$path; done
        {script}
        for path in {paths}; do echo 0 >$tracing/$path; done
        head -n {most} $tracing/trace
        {unload}""", 300)


TIMER_EVENTS = ("timer/timer_expire_entry", "timer/timer_expire_exit")


def samples(vm, script, runs=5):
    """What the callbacks of jitimer, of its twin and of the original cost while a script ran several
    times."""
    trace = traced(vm, TIMER_EVENTS, "\n".join(f"insmod {name}.ko" for name in JITIMERS),
                   f"for i in $(seq {runs}); do {script}; done",
                   "\n".join(f"rmmod {name}" for name in JITIMERS))
    found = [callbacks(trace, name) for name in (
        r"_R\S*jitimer\S*expired\S*(?: \S+)?", r"jitimer_expired(?: \S+)?",
        r"jit_timer_fn(?: \S+)?")]
    if any(len(calls) != 5 * runs for calls in found):
        raise Failure(f"not {5 * runs} callbacks each, but {found}")
    return found


# The readers of jitimer and its twin do not sleep; that of the original must.
AWAKE = """
    exec 3</proc/jitimer 4</proc/jitimer_twin
    dd bs=4096 count=1 <&3 >/dev/null 2>&1
    dd bs=4096 count=1 <&4 >/dev/null 2>&1
    cat /proc/jitimer_original >/dev/null
    exec 3<&- 4<&-"""


def sample(vm):
    """A sample of jitimer, with nobody to wake, against those of the others."""
    found = samples(vm, AWAKE)
    # Of which there are thousands.
    trace = traced(vm, TIMER_EVENTS, "", "insmod ktimer_bench.ko", "rmmod ktimer_bench", most=2000)
    tracer = median(callbacks(trace, r"empty(?: \S+)?"))
    return rows_of_jitimer(["sample"], [[median(calls) - tracer] for calls in found])


def reading(vm):
    """Opening, reading and closing the file, against the others; the original has no timer then."""
    # A series as long as the original's.
    load = "insmod jitimer.ko; insmod jitimer_twin.ko; insmod jitimer_original.ko loops=0"
    unload = "\n".join(f"rmmod {name}" for name in JITIMERS)
    costs = []
    for name in JITIMERS:
        output = run(vm, f"{load}; ./reader /proc/{name} i101; {unload}")
        lines, *cost = map(int, output.split()[1:])
        if lines != (0 if name == "jitimer_original" else 5):
            raise Failure(f"{lines} lines at once of {name}")
        costs.append(cost)
    found = rows_of_jitimer(("open", "read", "lines", "close"), costs)
    events = ("kmem/kmalloc", "kmem/kmem_cache_alloc")
    counts = []
    for name in JITIMERS:
        few, many = (re.findall(r"reader-\d+ .*bytes_alloc=(\d+)", traced(
            vm, events, load, f"./reader /proc/{name} i{times} >/dev/null", unload))
                     for times in (1, 101))
        counts.append(((len(many) - len(few)) / 100,
                       (sum(map(int, many)) - sum(map(int, few))) / 100))
    return found + rows_of_jitimer(("allocations", "allocated"), counts)


# What else the machine does while timers run: in the shell, and how many timers at each tick.
LOADS = {"idle": ("", 0), "busy CPU": ("while :; do :; done & load=$!", 0),
         "1,000 timers a tick": ("", 1000)}
QUANTILES = {"min": 0, "median": 0.5, "99 %": 0.99, "99.9 %": 0.999, "max": 1}


def late(vm, count):
    """How late timers are, by load, whose they are, and unit: sorted samples."""
    found = {}
    for name, (load, timers) in LOADS.items():
        say(f"how late timers are: {name}")
        output = run(vm, f"""
            {load}
            insmod ktimer_bench.ko samples={count} load={timers}
            test -z "$load" || kill $load
            cat /proc/ktimer_late
            rmmod ktimer_bench""", 600)
        for whose in ("library", "C"):
            samples = re.findall(rf"^{whose} (\d+) (\d+)$", output, re.MULTILINE)
            if len(samples) != count:
                raise Failure(f"{len(samples)} samples of {whose}, not {count}")
            for unit, values in zip(("jiffies", "us"), zip(*samples)):
                found[name, whose, unit] = sorted(map(int, values))
    return found


def quantiles(samples):
    """Those of sorted samples."""
    return [samples[min(int(q * len(samples)), len(samples) - 1)] for q in QUANTILES.values()]


def distance(one, other):
    """How far two distributions are apart, by sorted samples: Kolmogorov's and Smirnov's."""
    return max(abs(bisect_right(one, value) / len(one) - bisect_right(other, value) / len(other))
               for value in {*one, *other})


def late_table(found):
    """How late timers are, as a table."""
    yield ["late by", "", *QUANTILES, "distance"]
    yield ["---", "---", *["---:"] * (len(QUANTILES) + 1)]
    for name in LOADS:
        for unit in ("jiffies", "us"):
            both = [found[name, whose, unit] for whose in ("library", "C")]
            for whose, samples in zip(("library", "C"), both):
                yield [f"{name}, {unit}", whose, *map(str, quantiles(samples)),
                       f"{distance(*both):.4f}"]


def size(module, pattern):
    """How many bytes of a module are in sections that match a pattern."""
    output = subprocess.run(["size", "-A", module], check=True, capture_output=True, text=True).stdout
    return sum(int(size) for section, size in re.findall(r"^(\.\S+) +(\d+)", output, re.MULTILINE)
               if re.match(pattern, section))


TEXT = r"\.((init|exit)\.)?text|\.rodata"


def sizes(modules):
    """What jitimer takes: its code and constants, and what it can write to."""
    return rows_of_jitimer(("text", "data"), [
        [size(modules / f"{name}.ko", pattern) for pattern in (TEXT, r"\.(data|bss)")]
        for name in JITIMERS])


def small_sizes(modules):
    """The code and constants of small modules."""
    return [row(f"text/{name}", 1, *(size(modules / f"{name}{twin}.ko", TEXT)
                                     for twin in ("", "_twin"))) for name in SMALL]


def table_of_jitimer(rows):
    """What jitimer costs, and how large small modules are, as a table."""
    yield ["jitimer", "in Rust", "in C", "ratio", "the book's"]
    yield ["---", "---:", "---:", "---:", "---:"]
    for op, text in (OF_JITIMER | OF_SMALL).items():
        found = next(found for found in rows if found["op"] == op)
        yield [text, *(f"{found[of]:,.6g}" for of in ("library", "c")), f"{found['ratio']:.2f}",
               "" if op == "lines" or "book" not in found else f"{found['book']:,.6g}"]


# When all CPUs were idle, and so time went by without instructions, between two points in time: from
# the events of all CPUs, in the order of time. One that says nothing before that was idle.
ALL_IDLE = r"""
    function between(from, to) {
        if (from < begin) from = begin
        if (to > end) to = end
        if (to > from) total += to - from
    }
    BEGIN { for (cpu = 0; cpu < cpus; cpu++) idle[cpu] = 1; count = cpus; since = 0 }
    match($0, /cpu_idle: state=[0-9]+ cpu_id=[0-9]+/) {
        split(substr($0, RSTART, RLENGTH), part, /[= ]/)
        match($0, /[0-9]+: cpu_idle/); time = substr($0, RSTART, RLENGTH) + 0
        now = part[3] != 4294967295; cpu = part[5]
        if (now == idle[cpu]) next
        if (count == cpus) between(since, time)
        idle[cpu] = now; count += now ? 1 : -1
        if (count == cpus) since = time
    }
    END { if (count == cpus) between(since, end); printf "idle %.0f\n", total }"""

READERS = (1, 32, 1024)


def scale(vm, seconds):
    """What a sample costs in all, and what memory a reader takes, by how many read, each as fast as
    can be: all instructions of the machine while they do."""
    found = []
    for n in READERS:
        for name in JITIMERS[:2]:
            say(f"{n:,} readers of {name}")
            output = run(vm, rf"""
                insmod {name}.ko tdelay=1 count=0
                mount -t tracefs none /sys/kernel/tracing 2>/dev/null || true
                cd /sys/kernel/tracing
                echo 16384 >buffer_size_kb
                echo >trace
                echo x86-tsc >trace_clock
                echo 1 >events/power/cpu_idle/enable
                cd - >/dev/null
                ./readers /proc/{name} {n} {seconds} >told
                echo 0 >/sys/kernel/tracing/events/power/cpu_idle/enable
                grep -q 'entries-in-buffer/entries-written: \([0-9]*\)/\1 ' /sys/kernel/tracing/trace
                read -r word begin end rest <told
                awk -v cpus=2 -v begin=$begin -v end=$end '{ALL_IDLE}' /sys/kernel/tracing/trace
                cat told
                rmmod {name}""", 3600)
            idle = int(re.search(r"^idle (\d+)", output, re.MULTILINE)[1])
            begin, end, memory, lines, lost = map(int, re.search(
                r"^readers (\d+) (\d+) (\d+) (\d+) (\d+)", output, re.MULTILINE).groups())
            found.append({"module": name, "readers": n, "seconds": seconds, "lines": lines,
                          "lost": lost, "instructions": (end - begin - idle) / lines,
                          "memory": memory})
    return found


def scale_table(rows):
    """That as a table."""
    yield ["readers", "module", "lines", "lost", "instructions a line", "slab bytes a reader"]
    yield ["---:", "---", "---:", "---:", "---:", "---:"]
    for found in rows:
        yield [f"{found['readers']:,}", found["module"], f"{found['lines']:,}",
               f"{found['lost']:,}", f"{found['instructions']:,.0f}", f"{found['memory']:,}"]


def table(rows):
    """The results as a table: the library's and C's, by how many timers are armed."""
    counts = sorted({found["n"] for found in rows if found["n"] > 1})
    yield ["instructions, library / C", *(f"{n:,} armed" for n in counts), "ratio"]
    yield ["---", *["---:"] * (len(counts) + 1)]
    for op, text in OPERATIONS.items():
        same = {found["n"]: found for found in rows if found["op"] == op}
        if len(same) == 1 or op == "timer-size":
            # How many are armed does not matter.
            same = {counts[0]: list(same.values())[0]}
        yield [text,
               *(f"{same[n]['library']:,.5g} / {same[n]['c']:,.5g}" if n in same else ""
                 for n in counts),
               f"{max(found['ratio'] for found in same.values()):.2f}"]


def main():
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--timers", type=int, nargs="+", metavar="N",
                        default=[1_000, 10_000, 100_000, 1_000_000],
                        help="how many are armed, from 1000 to 1000000 (default: 1000, 10000, "
                        "100000 and 1000000)")
    parser.add_argument("--out", type=Path, default=build.OUT / "bench",
                        help="the folder for bench.json (default: %(default)s)")
    parser.add_argument("--samples", type=int, default=10_000, metavar="N",
                        help="how often to see how late timers are (default: %(default)s)")
    parser.add_argument("--scale", type=int, metavar="SECONDS",
                        help="instead: many readers at once, for so long (virtual) each time")
    parser.add_argument("--readme", action="store_true", help="put the table into README.md")
    options = parser.parse_args()
    for n in options.timers:
        if not 1000 <= n <= 1_000_000:
            parser.error(f"--timers: {n} is not from 1000 to 1000000")
    kernel = kernels.fetch(kernels.find())
    modules = build.stock(kernel, "KTIMER_ORIGINAL=m", "KTIMER_SAMPLES=m", "KTIMER_BENCH=m")
    options.out.mkdir(parents=True, exist_ok=True)
    if options.scale:
        files = [*(modules / f"{name}.ko" for name in JITIMERS[:2]),
                 *build.guest_programs(names=["bench/readers"])]
        with Vm(kernel.image, files, virtual=True, cpus=2, memory=1024) as vm:
            say(f"booting the stock kernel {kernel.release}")
            vm.boot()
            run(vm, SETTLE)
            rows = scale(vm, options.scale)
        (options.out / "scale.json").write_text(json.dumps(rows, indent=1) + "\n")
        print(markdown(scale_table(rows)))
        say(f"written: {options.out / 'scale.json'}")
        return 0
    files = [*(modules / f"{name}.ko" for name in (*JITIMERS, "ktimer_bench")),
             *build.guest_programs()]
    with Vm(kernel.image, files, virtual=True, memory=1024) as vm:
        say(f"booting the stock kernel {kernel.release}")
        vm.boot()
        run(vm, SETTLE)
        rows = []
        for n in options.timers:
            say(f"{n:,} timers")
            rows += operations(vm, n)
        say("jitimer, its twin in C, and the original")
        rows += [*sample(vm), *reading(vm), *sizes(modules), *small_sizes(modules)]
        lateness = late(vm, options.samples)
    (options.out / "bench.json").write_text(json.dumps(rows, indent=1) + "\n")
    (options.out / "late.json").write_text(json.dumps(
        [{"load": load, "whose": whose, "unit": unit, "samples": samples}
         for (load, whose, unit), samples in lateness.items()]) + "\n")
    costs = markdown(table(rows)) + "\n" + markdown(table_of_jitimer(rows))
    if options.readme:
        update("make bench", costs)
    print(costs)
    print(markdown(late_table(lateness)))
    print(f"Two sets of {options.samples} samples from one distribution are further apart than "
          f"{1.63 * (2 / options.samples) ** 0.5:.4f} once in a hundred times.")
    say(f"written: {options.out / 'bench.json'}")
    return 0


if __name__ == "__main__":
    run_main(main)
