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

SOURCE = Path(__file__).with_name("ktimer_kunit.rs")


def cases():
    """The suites and cases that the sources have, as 'suite.case'."""
    found = []
    suite = None
    for name, case in re.findall(r"#\[kunit_tests\((\w+)\)\]|#\[test\]\s+fn (\w+)",
                                 SOURCE.read_text()):
        suite = name or suite
        if case:
            found.append(f"{suite}.{case}")
    for path in sorted(PROJECT.joinpath("src").rglob("*.rs")):
        found += [f"{doctests.SUITE}.{doctests.name(path, line)}"
                  for line, _ in doctests.examples(path)]
    return found


def run(machine, kernel, module):
    """Loads and unloads a module of KUnit suites; returns what each case came to, by its name."""
    tools = kernels.fetch_source(kernel) / "tools/testing/kunit"
    sys.path.insert(0, str(tools))
    # pylint: disable=import-outside-toplevel,import-error
    import kunit_parser
    import kunit_printer
    before = len(machine.console())
    assert machine.run(f"insmod {module}.ko && rmmod {module}", 300).status == 0
    lines = machine.console()[before:].splitlines()
    parsed = kunit_parser.parse_run_tests(lines, kunit_printer.stdout)
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
    assert results.get(kunit_case) == "SUCCESS"


@pytest.mark.kernels("test")
def test_kunit_with_a_cpu_offline(vm, kernel):
    before = len(vm.console())
    vm.run("echo 0 >/sys/devices/system/cpu/cpu1/online")
    assert set(run(vm, kernel, "ktimer_kunit").values()) == {"SUCCESS"}
    vm.run("echo 1 >/sys/devices/system/cpu/cpu1/online")
    assert "CPUs that a timer can not be added on: 1\n" in vm.console()[before:]
