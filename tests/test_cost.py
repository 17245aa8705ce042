# SPDX-License-Identifier: GPL-2.0
"""What the library costs, in guest instructions, beside plain C: see scripts/bench.py."""

from statistics import mean

import bench
from run import SETTLE
from test_jitimer import run


def test_an_operation_costs_no_more_than_in_c(virtual):
    run(virtual, SETTLE)
    rows = bench.operations(virtual, 1000)
    # Of one timer, of each of three on one state, and those that are summed up.
    assert len(rows) == 12 + 3 * 9 + 3
    for found in rows:
        print(found)
    # A batch of 1,000 shows what less than an instruction each time would add.
    assert [found for found in rows if not found["op"].startswith("all")
            and found["library"] > found["c"] + 0.01] == []


def test_a_sample_costs_less_than_half_of_the_originals(virtual):
    run(virtual, SETTLE)
    found = bench.sample(virtual)
    print(found)
    assert 100 < found["library"] <= found["c"] / 2


def test_a_sample_with_its_wakeup_costs_less_than_the_originals(virtual):
    # The reader is woken for each line, which the original does at the end only.
    run(virtual, SETTLE)
    ours, original = bench.samples(virtual, "cat /proc/jitimer /proc/jitimer_original >/dev/null")
    print(f"{mean(ours):.0f}, the original's {mean(original):.0f}, the tracer's own among them")
    assert mean(ours) < mean(original)
