# SPDX-License-Identifier: GPL-2.0
"""The KUnit suites of the library, on the test kernel, read by the kernel's own parser."""

import re
import sys
from pathlib import Path

import pytest

import kernels

SOURCE = Path(__file__).with_name("ktimer_kunit.rs")


def cases():
    """The suites and cases that the source has, as 'suite.case'."""
    found = []
    suite = None
    for name, case in re.findall(r"#\[kunit_tests\((\w+)\)\]|#\[test\]\s+fn (\w+)",
                                 SOURCE.read_text()):
        suite = name or suite
        if case:
            found.append(f"{suite}.{case}")
    return found


@pytest.fixture(scope="module")
def results(machines, kernel):
    """What each case came to, by its name."""
    tools = kernels.fetch_source(kernel) / "tools/testing/kunit"
    sys.path.insert(0, str(tools))
    # pylint: disable=import-outside-toplevel,import-error
    import kunit_parser
    import kunit_printer
    machine = machines.get("test")
    before = len(machine.console())
    try:
        assert machine.run("insmod ktimer_kunit.ko && rmmod ktimer_kunit", 300).status == 0
    except BaseException:
        machines.end("test")
        raise
    lines = machine.console()[before:].splitlines()
    run = kunit_parser.parse_run_tests(lines, kunit_printer.stdout)
    return {f"{suite.name}.{case.name}": case.status.name
            for suite in run.subtests for case in suite.subtests}


def test_every_case_of_the_source_ran(results):
    assert sorted(results) == sorted(cases())


def test_kunit(results, kunit_case):
    assert results.get(kunit_case) == "SUCCESS"
