#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Builds the modules for every stock kernel of the supported series that apt offers, boots it, and
runs all scenarios on it.

A kernel on which all passed is not tried again until the modules or the tests change; so an
interrupted run, or one with failures, goes on where it was. The last line is 'N passed, N failed', each kernel counting
once.
"""

import argparse
from concurrent.futures import ThreadPoolExecutor
import json
import os
import re
import subprocess

import build
from cache import ARCH, PROJECT, Failure, Interrupted, enter_root, key, run_main, say
import kernels
from readme import markdown, update

IN_ROOT = PROJECT / "scripts/in-root"
SUITES = ("trixie", "forky", "sid")
FLAVOURS = ("", "cloud-", "rt-")

# So many versions of a series.
NEWEST = 5

# Where each kernel's log and result are.
OUT = build.OUT / "matrix"


def offered(suite, arch):
    """The kernels of a Debian release that can be tried, the newest first."""
    result = subprocess.run(
        [IN_ROOT, f"--suite={suite}", f"--arch={arch}", PROJECT / "scripts/rust_kdir.py", "--list"],
        check=False, stdout=subprocess.PIPE, text=True)
    if result.returncode:
        raise Failure(f"no list of the kernels of {suite} for {arch}")
    found = [kernels.Kernel(*line.split("\t")[:2]) for line in result.stdout.splitlines()]
    return [kernel for kernel in found if kernel.arch == arch and kernel.series in kernels.SERIES]


def chosen(options):
    """The kernels to try, each with its Debian release: of each series the newest versions, in all
    flavours."""
    these = {}
    for suite in SUITES:
        found = offered(suite, options.arch)
        for series in kernels.SERIES:
            newest = sorted({kernel.order for kernel in found if kernel.series == series})[-NEWEST:]
            for kernel in found:
                if kernel.order in newest:
                    these.setdefault(kernel, suite)
    flavour = {"cloud": "cloud-", "rt": "rt-", options.arch: ""}.get(options.flavour)
    wanted = {kernel: suite for kernel, suite in these.items()
              if kernel.release.startswith(options.series)
              and flavour in (None, kernel.part("flavour").removesuffix(options.arch))}
    if not wanted:
        raise Failure("apt offers no such kernel; there are: "
                      + " ".join(sorted({kernel.release.split("-")[0] for kernel in these})))
    return wanted


def sources():
    """A key of what is tried."""
    return key(*(path.read_bytes() for top in ("src", "samples", "tests")
                 for path in sorted((PROJECT / top).rglob("*"))
                 if path.suffix in (".rs", ".c", ".h", ".mk", ".py")),
               (PROJECT / "Kbuild").read_bytes())


def result_of(kernel):
    """What came of the last time that this was tried on a kernel; nothing if it was not."""
    path = OUT / f"{kernel}.json"
    if not path.exists():
        return {}
    result = json.loads(path.read_text())
    return result if result["sources"] == sources() else {}


def attempt(kernel, suite):
    """Tries a kernel; returns how many scenarios passed, and those that failed."""
    log = OUT / f"{kernel}.log"
    arguments = ["--kernel", str(kernel)]
    arch = f"--arch={kernel.arch}"
    with open(log, "w", encoding="utf-8") as file:
        for what, command in (
                ("building", [IN_ROOT, f"--suite={suite}", arch, PROJECT / "scripts/build.py", *arguments]),
                ("testing", [IN_ROOT, arch, PROJECT / "scripts/test.py", *arguments])):
            say(f"{kernel.release}: {what}; log: {log}")
            status = subprocess.run(command, check=False, stdin=subprocess.DEVNULL, stdout=file,
                                    stderr=subprocess.STDOUT).returncode
            if status and what == "building":
                return {"passed": 0, "failed": ["the build"]}
    text = log.read_text(encoding="utf-8")
    totals = re.search(r"^(\d+) passed, (\d+) failed\n\Z", text, re.MULTILINE)
    failed = re.findall(r"^(?:FAILED|ERROR) \S*?::(\S+?)(?:@given)?(?: |$)", text, re.MULTILINE)
    if not totals or bool(int(totals[2])) != bool(failed) or (status and not failed):
        failed = failed or ["the run of the tests"]
    return {"passed": int(totals[1]) if totals else 0, "failed": failed}


def show(kernel, result):
    """Says what came of a kernel; a failure with kernel, scenario and log."""
    if result["failed"]:
        print(f"{kernel.release}: FAILED: {' '.join(result['failed'])}; log: {OUT / str(kernel)}.log",
              flush=True)
    else:
        print(f"{kernel.release}: {result['passed']} scenarios passed", flush=True)


def run(kernel, suite):
    """Tries a kernel, unless it passed before; returns whether it passes."""
    if Interrupted.by:
        return False
    result = result_of(kernel)
    if result and not result["failed"]:
        show(kernel, result)
        return True
    result = {"sources": sources()} | attempt(kernel, suite)
    if Interrupted.by:
        return False
    (OUT / f"{kernel}.json").write_text(json.dumps(result, indent=1) + "\n")
    show(kernel, result)
    return not result["failed"]


def table():
    """A table of all results of these sources, kernels by flavours."""
    tried = {}
    for path in OUT.glob("*.json"):
        kernel = kernels.Kernel.parse(path.stem)
        result = result_of(kernel)
        if result:
            passed, failed = result["passed"], len(result["failed"])
            cell = f"{passed}" if not failed else f"{passed} of {passed + failed}"
            flavour = kernel.part("flavour").removesuffix(kernel.arch)
            tried.setdefault((kernel.arch, kernel.order, kernel.package_version), {})[flavour] = cell
    lines = [["scenarios passed", *(f"`{flavour}*`" if flavour else "`*`" for flavour in FLAVOURS)],
             ["---", *["---:"] * len(FLAVOURS)]]
    for (arch, _, version), cells in sorted(tried.items(), reverse=True):
        lines.append([f"{version}, {arch}", *(cells.get(flavour, "") for flavour in FLAVOURS)])
    return lines


def main():
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--series", default="", help="only kernels whose release starts so, such as 7.3")
    parser.add_argument("--flavour", help="only this one: amd64 (or arm64), cloud or rt")
    parser.add_argument("--arch", choices=("amd64", "arm64"), default=ARCH,
                        help="(default: %(default)s)")
    parser.add_argument("--readme", action="store_true", help="put the table into README.md")
    options = parser.parse_args()
    if options.flavour not in (None, "cloud", "rt", options.arch):
        parser.error(f"--flavour: '{options.flavour}' is none of {options.arch}, cloud, rt")
    if not any(series.startswith(options.series) or options.series.startswith(f"{series}.")
               for series in kernels.SERIES):
        raise Failure(f"'{options.series}' is none of the series that are supported: "
                      f"{', '.join(kernels.SERIES)}")
    if "JITIMER_ROOT" not in os.environ:
        # One root can't make another.
        for suite in reversed(SUITES):
            if subprocess.run([IN_ROOT, f"--suite={suite}", f"--arch={options.arch}", "true"],
                              check=False).returncode:
                raise Failure(f"there is no tool root for {suite}")
        enter_root(f"--arch={options.arch}")
    OUT.mkdir(parents=True, exist_ok=True)
    wanted = chosen(options)
    say(f"{len(wanted)} kernels: {' '.join(kernel.release for kernel in wanted)}")
    # Several at a time, since each waits for its machine at times.
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        passed = list(pool.map(run, wanted.keys(), wanted.values()))
    text = markdown(table())
    if options.readme:
        update("make matrix", text)
    print(text)
    print(f"{passed.count(True)} passed, {passed.count(False)} failed")
    return not all(passed)


if __name__ == "__main__":
    run_main(main, root=False)
