# SPDX-License-Identifier: GPL-2.0
"""Data races, by KCSAN: `make race` runs these, and all scenarios of the test kernel, on a kernel
that has it. Each use of a machine there fails if KCSAN has not looked, or has seen a race that is not
C's own (see scripts/kcsan.py)."""

import re
import subprocess

import pytest

import build
import debug_kernel
from test_jitimer import run
import test_kunit
from vm import Reported

pytestmark = [pytest.mark.race, pytest.mark.kernels("test")]


def test_a_race_on_purpose_is_reported(machines):
    with machines.make("test") as machine:
        machine.boot()
        with pytest.raises(Reported) as reported:
            machine.run("insmod ktimer_race.ko")
    # Both sides are Rust, a callback and its timer's owner; the macro's function may have that.
    title = re.search("BUG: KCSAN: data-race in (.*)", str(reported.value))[1]
    print(title)
    side = r"(?:_R\S*ktimer_race\S*|init_module) \[ktimer_race\]"
    assert re.fullmatch(f"{side} / {side}", title)
    assert " by interrupt on cpu " in str(reported.value)


def test_the_rust_of_each_module_is_watched(race_kernel):
    folder = race_kernel[1]
    # As large as it is, what is not generic has accesses of its own.
    for name in ("src/jitimer/jitimer", "tests/ktimer_kunit", "tests/ktimer_race"):
        called = subprocess.run(["nm", "--undefined-only", folder / f"{name}.o"], check=True,
                                capture_output=True, text=True).stdout
        assert re.search(r"\b__tsan_(?:read|write|unaligned_)", called), name


def test_the_suites_again_and_again(vm, kernel):
    for rounds in (200, 500, 1000):
        before = len(vm.console())
        run(vm, f"insmod ktimer_kunit.ko rounds={rounds}; rmmod ktimer_kunit", 600)
        found = test_kunit.parse(kernel, vm.console()[before:])
        assert set(found.values()) == {"SUCCESS"}, found


def test_readers_of_all_kinds_at_once(vm):
    # Those who share an open file, who poll, who are killed, who close it while it is read; and a
    # parameter that changes meanwhile.
    run(vm, """
        for round in 1 2 3; do
            insmod jitimer.ko tdelay=1 count=300
            for i in 1 2 3 4; do
                ./reader /proc/jitimer t4 >/dev/null &
                ./reader /proc/jitimer n R N w-1 r4096 e-1 r100 R >/dev/null &
                ./reader /proc/jitimer r4096 c >/dev/null &
                cat /proc/jitimer >/dev/null &
            done
            pids=$(jobs -p)
            ./torture kill /proc/jitimer 10 50000 $round >/dev/null
            for delay in 2 3 1; do echo $delay >/sys/module/jitimer/parameters/tdelay; done
            wait $pids
            rmmod jitimer
        done""", 300)
