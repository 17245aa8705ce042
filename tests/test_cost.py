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


# What jitimer may cost, as a ratio to its twin in C: what was reached, and a little more.
LIMITS = {"sample": 1.09, "open": 1.08, "read": 1.03, "lines": 1.03, "close": 1.09,
          "allocations": 1, "allocated": 1, "text": 1.58, "data": 1}


def test_jitimer_costs_little_more_than_its_twin(virtual, virtual_kernel):
    run(virtual, SETTLE)
    rows = [*bench.sample(virtual), *bench.reading(virtual), *bench.sizes(virtual_kernel[1])]
    for found in rows:
        print(found)
    assert {found["op"] for found in rows} == set(LIMITS) == set(bench.OF_JITIMER)
    assert [found for found in rows if found["ratio"] > LIMITS[found["op"]]] == []
    # A callback of the book's formats text.
    assert 100 < rows[0]["library"] <= rows[0]["book"] / 4


def test_a_sample_with_its_wakeup_costs_little_more_than_the_twins(virtual):
    # The reader is woken for each line, which the original does at the end only.
    run(virtual, SETTLE)
    costs = [mean(calls) for calls in bench.samples(virtual, """
        cat /proc/jitimer /proc/jitimer_twin /proc/jitimer_original >/dev/null""")]
    print(costs, "the tracer's own among them")
    library, twin, original = costs
    assert library < 1.08 * twin and library < original
