# SPDX-License-Identifier: GPL-2.0
"""What a sample costs in the callback, in guest instructions, beside the original's.

Under virtual time an instruction is a nanosecond, and a tick of the time stamp counter; the tracer
notes that when the timer core calls the callback, and when it returns. What the tracer itself takes
is in both figures.
"""

import re

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


def test_a_sample_costs_less_than_the_originals(machines):
    # Although it wakes the reader each time, which the original does at the end only.
    with machines.make("stock", virtual=True) as vm:
        vm.boot()
        trace = run(vm, f"""
            sleep 10
            insmod jitimer.ko; insmod jitimer_original.ko
            mount -t tracefs none /sys/kernel/tracing 2>/dev/null || true
            cd /sys/kernel/tracing
            echo x86-tsc >trace_clock
            echo 1 >events/timer/timer_expire_entry/enable
            echo 1 >events/timer/timer_expire_exit/enable
            for i in $(seq {RUNS}); do cat /proc/jitimer /proc/jitimer_original >/dev/null; done
            echo 0 >tracing_on
            cat trace""", 120)
    ours = callbacks(trace, r"\S*jitimer\S*expired")
    original = callbacks(trace, "jit_timer_fn")
    assert len(ours) == len(original) == 5 * RUNS
    print(f"instructions per sample: {sum(ours) / len(ours):.0f}, "
          f"the original's {sum(original) / len(original):.0f}")
    assert sum(ours) < sum(original)
