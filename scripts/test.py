#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Runs the tests: everything under tests/, by pytest, in VMs with the stock and the test kernel.

Takes pytest's options. The last line is 'N passed, N failed'.
"""

from concurrent.futures import ThreadPoolExecutor
import os
import random
import sys

import pytest

from cache import ARCH, PROJECT, run_main
import debug_kernel
import kcov
import kernels
import rust_kdir


class Totals:
    """Counts what each test came to: one that could not be set up or cleaned up has failed."""

    def __init__(self):
        self.passed = set()
        self.failed = set()

    def pytest_runtest_logreport(self, report):
        """Takes the report of one phase of a test."""
        if report.failed:
            self.failed.add(report.nodeid)
        elif report.when == "call" and report.passed:
            self.passed.add(report.nodeid)

    def pytest_collectreport(self, report):
        """Takes the report of a file of tests."""
        if report.failed:
            self.failed.add(report.nodeid)


def main():
    """The command."""
    # What is to run beside each other: each machine is for one process, and waits much.
    more = [f"--numprocesses={min(3 * os.cpu_count() // 2, 4)}"]
    if "--torture" in sys.argv:
        # What torture has measured is worth showing, and nothing else is to run meanwhile; and each
        # run is another one.
        more = ["--numprocesses=1", "-rP", f"--seed={random.randrange(10**9)}"]
    alone = next((name for name in ("race", "cfi", "coverage") if f"--{name}" in sys.argv), None)
    if alone:
        # One machine; and what it comes to is worth showing.
        more = ["--numprocesses=0", "-rP"]
        debug_kernel.make(kernels.fetch(kernels.find()), alone if alone in debug_kernel.KERNELS else "test")
    elif "--kernel" in sys.argv or "--dkms" in sys.argv:
        more = ["--numprocesses=1"]
    elif "--help" not in sys.argv:
        # Each leaves a CPU idle at times, so that both at once take less time than one by one.
        kernel = kernels.fetch(kernels.find())
        rt = kernels.fetch(kernels.find(flavour=f"rt-{ARCH}"))
        with ThreadPoolExecutor(2) as pool:
            for made in [pool.submit(debug_kernel.make, kernel),
                         pool.submit(rust_kdir.make, kernel),
                         pool.submit(rust_kdir.make, rt)]:
                made.result()
    totals = Totals()
    status = pytest.main(["-v", "--tb=short", "--durations=20", "-p", "no:cacheprovider",
                          "--dist=loadgroup", str(PROJECT / "tests"), *more, *sys.argv[1:]],
                         plugins=[totals])
    if "--help" in sys.argv:
        return status
    if alone == "coverage":
        kcov.show()
    print(f"{len(totals.passed - totals.failed)} passed, {len(totals.failed)} failed")
    return status


if __name__ == "__main__":
    run_main(main)
