# SPDX-License-Identifier: GPL-2.0
"""What a sample costs in the callback, in guest instructions, beside the original's.

Under virtual time an instruction is a nanosecond, and a tick of the time stamp counter; the tracer
notes that when the timer core calls the callback, and when it returns. What the tracer itself takes
is in both figures.
"""

import re
from statistics import mean, median

from run import SETTLE
from test_jitimer import run

RUNS = 5


def callbacks(trace, name):
    """How many instructions each call of a function took."""
    found = []
    begun = {}
    for stamp, event, timer, rest in re.findall(
            r"(\d+): timer_expire_(entry|exit): timer=(\S+)(.*)", trace):
        if event == "entry" and re.search(rf"function={name}", rest):
            begun[timer] = int(stamp)
        elif event == "exit" and timer in begun:
            found.append(int(stamp) - begun.pop(timer))
    return found


def trace(vm, script):
    """What the tracer noted while a script ran several times."""
    return run(vm, f"""
        {SETTLE}
        insmod jitimer.ko; insmod jitimer_original.ko
        mount -t tracefs none /sys/kernel/tracing 2>/dev/null || true
        cd /sys/kernel/tracing
        echo >trace
        echo x86-tsc >trace_clock
        echo 1 >events/timer/timer_expire_entry/enable
        echo 1 >events/timer/timer_expire_exit/enable
        for i in $(seq {RUNS}); do {script}; done
        echo 0 >events/timer/enable
        cat trace
        rmmod jitimer; rmmod jitimer_original""", 120)


def compare(found):
    """The costs of all samples, the library's and the original's."""
    ours, original = callbacks(found, r"\S*jitimer\S*expired"), callbacks(found, "jit_timer_fn")
    assert len(ours) == len(original) == 5 * RUNS
    print(f"instructions per sample: {median(ours):.0f}, the original's {median(original):.0f}; "
          f"on average {mean(ours):.0f}, the original's {mean(original):.0f}")
    return ours, original


def test_a_sample_costs_less_than_half_of_the_originals(virtual):
    # With nobody asleep, whom it would have to wake. The original's reader can't but sleep; it is
    # woken by the last of five samples, which the median leaves out.
    ours, original = compare(trace(virtual, """
        exec 3</proc/jitimer
        dd bs=4096 count=1 <&3 >/dev/null 2>&1
        cat /proc/jitimer_original >/dev/null
        exec 3<&-"""))
    assert median(ours) <= median(original) / 2


def test_a_sample_with_its_wakeup_costs_less_than_the_originals(virtual):
    # The reader is woken for each line, which the original does at the end only.
    ours, original = compare(trace(virtual, "cat /proc/jitimer /proc/jitimer_original >/dev/null"))
    assert mean(ours) < mean(original)
