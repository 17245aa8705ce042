# SPDX-License-Identifier: GPL-2.0
"""The KUnit suites of the library, and the examples of its documentation as another, on the test
kernel, read by the kernel's own parser."""

import re
import sys
from pathlib import Path

import pytest

from cache import PROJECT
import doctests
import kernels

SOURCES = [Path(__file__).with_name("ktimer_kunit.rs"),
           *sorted(Path(__file__).with_name("kunit").glob("*.rs"))]


def cases():
    """The suites and cases that the sources have, as 'suite.case'."""
    found = []
    for source in SOURCES:
        for name, case in re.findall(r"#\[kunit_tests\((\w+)\)\]|#\[test\]\s+fn (\w+)",
                                     source.read_text()):
            suite = name or suite
            if case:
                found.append(f"{suite}.{case}")
    for path in sorted(PROJECT.joinpath("src").rglob("*.rs")):
        found += [f"{doctests.SUITE}.{doctests.name(path, line)}"
                  for line, _ in doctests.examples(path)]
    return found


def run(machine, kernel, module):
    """Loads and unloads a module of KUnit suites; returns what each case came to, by its name."""
    before = len(machine.console())
    assert machine.run(f"insmod {module}.ko && rmmod {module}", 300).status == 0
    return parse(kernel, machine.console()[before:])


def parse(kernel, console):
    """What each case came to, by its name."""
    sys.path.insert(0, str(kernels.fetch_source(kernel) / "tools/testing/kunit"))
    # pylint: disable=import-outside-toplevel,import-error
    import kunit_parser
    import kunit_printer
    parsed = kunit_parser.parse_run_tests(console.splitlines(), kunit_printer.stdout)
    return {f"{suite.name}.{case.name}": case.status.name
            for suite in parsed.subtests for case in suite.subtests}


@pytest.fixture(scope="module")
def results(machines, kernel):
    """What each case came to, by its name."""
    machine = machines.get("test")
    try:
        return run(machine, kernel, "ktimer_kunit") | run(machine, kernel, "ktimer_doctests")
    except BaseException:
        machines.end("test")
        raise


def test_every_case_of_the_sources_ran(results):
    assert sorted(results) == sorted(cases())


def test_kunit(results, kunit_case):
    # With two CPUs nothing is skipped.
    assert results.get(kunit_case) == "SUCCESS"


@pytest.mark.kernels("test")
def test_kunit_with_a_cpu_offline(vm, kernel):
    before = len(vm.console())
    vm.run("echo 0 >/sys/devices/system/cpu/cpu1/online")
    found = run(vm, kernel, "ktimer_kunit")
    vm.run("echo 1 >/sys/devices/system/cpu/cpu1/online")
    # What needs two CPUs is skipped, and nothing else is.
    skipped = {case for case in cases() if case.startswith("ktimer_races.")} | {
        "ktimer_tasklet.dropped_while_scheduled_it_runs_before"}
    assert len(skipped) > 1
    assert found == {case: "SKIPPED" if case in skipped else "SUCCESS"
                     for case in cases() if not case.startswith(doctests.SUITE)}
    assert "CPUs that a timer can not be armed on: 1\n" in vm.console()[before:]


@pytest.mark.kernels("test")
def test_the_suites_can_run_again(vm, kernel):
    assert vm.run("insmod ktimer_kunit.ko", 300).status == 0
    before = len(vm.console())
    suites = {case.split(".")[0] for case in cases()} - {doctests.SUITE}
    for suite in sorted(suites):
        assert vm.run(f"echo any >/sys/kernel/debug/kunit/{suite}/run", 300).status == 0
    again = parse(kernel, vm.console()[before:])
    vm.run("rmmod ktimer_kunit")
    assert set(again.values()) == {"SUCCESS"}
    assert sorted(again) == sorted(case for case in cases() if not case.startswith(doctests.SUITE))


def traced(vm, kernel, case):
    """Runs a case; returns its armings of timers, each as the fields of the tracepoint. Their
    functions have no name any more, unlike those of the kernel's own."""
    vm.run("mount -t tracefs none /sys/kernel/tracing; echo >/sys/kernel/tracing/trace; "
           f"printf {case} >/sys/module/kunit/parameters/filter_glob; "
           "echo 1 >/sys/kernel/tracing/events/timer/timer_start/enable")
    found = run(vm, kernel, "ktimer_kunit")
    trace = vm.run("cat /sys/kernel/tracing/trace; "
                   "echo 0 >/sys/kernel/tracing/events/timer/timer_start/enable; "
                   "printf '*' >/sys/module/kunit/parameters/filter_glob").output
    assert found == {case: "SUCCESS"}
    return [match.groupdict() for match in re.finditer(
        r"timer_start: .*function=0x\w+ expires=(?P<expires>\d+) \[timeout=(?P<timeout>\d+)\] "
        r"bucket_expiry=(?P<bucket>\d+) .*flags=(?P<flags>\S*)", trace)]


# It takes tracing.
@pytest.mark.but_not("race")
@pytest.mark.kernels("test")
def test_the_longest_delay_is_not_early_and_a_longer_one_is(vm, kernel):
    late, early = [], []
    # A tick that comes between makes it another delay.
    for _ in range(10):
        for each in traced(vm, kernel, "ktimer_timer.the_longest_delay"):
            found = {(63 << 24) - 1: late, (63 << 24) + 1: early}.get(int(each["timeout"]), [])
            found.append(int(each["bucket"]) - int(each["expires"]))
        if late and early:
            break
    assert late and min(late) > 0
    assert early and max(early) < 0


# It takes tracing.
@pytest.mark.but_not("race")
@pytest.mark.kernels("test")
def test_timers_have_their_flags(vm, kernel):
    armed = traced(vm, kernel, "ktimer_extra.flags_of_armed_timers")
    # A tick may come between.
    flags = {int(each["timeout"]) // 1000 + 1: each["flags"] for each in armed
             if int(each["timeout"]) % 1000 > 900}
    flags |= {int(each["timeout"]) // 1000: each["flags"] for each in armed
              if int(each["timeout"]) % 1000 == 0 and each["timeout"] != "0"}
    assert flags == {1: "P", 2: "D", 3: "D|P", 4: "D|P", 5: "", 6: "P", 7: "", 8: "P", 9: "I"}
