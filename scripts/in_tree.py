#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Builds and runs the patch series (scripts/series.py) in the kernel's tree, and checks it as its
maintainers would.

What is built stays in the cache, and is gone on with the next time. The last line is
'N passed, N failed'.
"""

import argparse
import re
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

from cache import CACHE, LOGS, Failure, key, lock, need_space, run_main, say, step, toolchain, use
import debug_kernel
import series
from vm import Reported, Vm

FRAGMENTS = (debug_kernel.FRAGMENT, series.HAND / "in-tree.config")
# The tests to run: KUnit takes one pattern a boot. The doctests of the files that the series changes,
# among others, and its suites; but not hrtimer's doctests, which WARN, with debugobjects, as they are
# in the tree: see the reports that go with the series.
GLOBS = ("rust_doctests_kernel.*_time_[tj]*", "rust_doctests_kernel.*_kernel_[isw]*", "rust_[jst]*")


# What else is built after a patch.
OBJECTS = {"6-sample": ["samples/rust/rust_timer.o"],
           "7-hangcheck": ["drivers/char/hangcheck_timer_rust.o"]}


class Tree:
    """A kernel's source with the series in it, or a part of that, and where it is built."""

    def __init__(self, linux):
        self.linux = linux
        made_from = key(toolchain(), CACHE, *(path.read_bytes() for path in FRAGMENTS))
        self.folder = CACHE / f"in-tree-{linux.name.removeprefix('source-')}-{made_from}"
        self.source, self.out = self.folder / "linux", self.folder / "out"

    def make(self, out, *targets):
        """The command that makes something."""
        return [*debug_kernel.MAKE, "-C", self.source, f"O={out}", *targets]

    def prepare(self):
        """Has the source there. It shares its files with the kernel's in the cache."""
        if not self.source.exists():
            need_space(4, "the kernel with the series")
            new = self.folder / "linux.new"
            shutil.rmtree(new, ignore_errors=True)
            self.folder.mkdir(parents=True, exist_ok=True)
            subprocess.run(["cp", "--archive", "--link", self.linux, new], check=True)
            new.rename(self.source)
        use(self.folder)

    def put(self, repo, commit):
        """Has the files there as they are after a patch."""
        root = series.run("git", "rev-list", "--max-parents=0", "series", cwd=repo).strip()
        for name in series.run("git", "diff", "--name-only", root, "series", cwd=repo).split():
            self.put_file(repo, commit, name)

    def put_file(self, repo, commit, name):
        """The same of one file. If it stays the same, so does its time."""
        file = self.source / name
        result = subprocess.run(["git", "show", f"{commit}:{name}"], cwd=repo, check=False,
                                capture_output=True)
        if result.returncode:
            file.unlink(missing_ok=True)
        elif not file.exists() or file.read_bytes() != result.stdout:
            file.parent.mkdir(parents=True, exist_ok=True)
            # Not into what the source in the cache shares.
            file.unlink(missing_ok=True)
            file.write_bytes(result.stdout)

    def configure(self, out, fragments=FRAGMENTS):
        """Makes the configuration; fails if a wanted line is not in it."""
        out.mkdir(parents=True, exist_ok=True)
        wanted = "".join(path.read_text() for path in fragments)
        fragment = out / "fragment"
        if fragment.exists() and fragment.read_text() == wanted and (out / ".config").exists():
            return
        fragment.write_text(wanted)
        (out / ".config").unlink(missing_ok=True)
        step("configuring the kernel with the series", "in-tree",
             self.make(out, f"KCONFIG_ALLCONFIG={fragment}", "allnoconfig"))
        for path in fragments:
            debug_kernel.check_options(out / ".config", path)


def built_without_warning(what, log_name, command):
    """Runs a step, of which rustc must have nothing to say."""
    log = LOGS / f"{log_name}.log"
    before = log.stat().st_size if log.exists() else 0
    step(what, log_name, command)
    with open(log, encoding="utf-8", errors="replace") as file:
        file.seek(before)
        found = re.findall(r"^ *(?:warning|WARNING)\b.*\n?.*", file.read(), re.MULTILINE)
    if found:
        raise Failure(f"{what}: {found[0]}; the whole log: {log}")


def each_patch(tree, repo):
    """Builds the kernel crate after each patch, if that did not go well before with the same tree."""
    names = list(series.GENERATED)
    record = tree.folder / "passed"
    passed = record.read_text().split() if record.exists() else []
    for number, name in enumerate(names, 1):
        commit = f"series~{len(names) - number}"
        state = series.run("git", "rev-parse", f"{commit}^{{tree}}", cwd=repo).strip()
        if state in passed:
            continue
        tree.put(repo, commit)
        # Configured once, by all of the series: another configuration has all of it built anew.
        for kconfig in ("rust/kernel/Kconfig.test", "samples/rust/Kconfig", "drivers/char/Kconfig"):
            tree.put_file(repo, "series", kconfig)
        tree.configure(tree.out)
        built_without_warning(f"building the kernel crate after patch {number}, {name}", "in-tree",
                              tree.make(tree.out, "rust/kernel.o", *OBJECTS.get(name, ())))
        passed.append(state)
        record.write_text("\n".join(passed))
    tree.put(repo, "series")
    return f"{len(names)} patches"


class Checks:
    """What passed, and what did not."""

    def __init__(self):
        self.passed = self.failed = 0

    def check(self, name, function, *arguments):
        """Runs one, which fails by an exception; says what it gives back."""
        start = time.monotonic()
        try:
            found = function(*arguments)
        except Failure as failure:
            self.failed += 1
            print(f"FAILED {name}: {failure}", flush=True)
            return
        self.passed += 1
        said = f": {found}" if found else ""
        print(f"passed {name} ({time.monotonic() - start:.0f} s){said}", flush=True)


def examples(path):
    """How many of a file's examples are doctests."""
    fences = re.findall(r"^ *//[/!] ```(.*)$", path.read_text(), re.MULTILINE)
    return sum(language in ("", "rust") for language in fences[::2])


def boot(tree, glob):
    """Boots the kernel, which runs those tests of its own; gives back what each came to."""
    with Vm(tree.out / debug_kernel.IMAGE, arch="amd64", memory=1024,
            append=f"kunit.enable=1 kunit.filter_glob={glob}") as vm:
        vm.boot(600)
        found = re.findall(r"^\[[ .\d]*\] {5,}(not )?ok \d+ (\w+)", vm.console(), re.MULTILINE)
        vm.check()
    failed = [name for bad, name in found if bad]
    if failed or not found:
        raise Failure(f"these failed: {' '.join(failed)}" if found else "none has run")
    return sorted(name for _, name in found)


def doctests(tree):
    """Runs the new doctests: each must be among what ran."""
    found = boot(tree, GLOBS[0])
    for name in ("timer", "jiffies"):
        wanted = examples(tree.source / f"rust/kernel/time/{name}.rs")
        ran = [test for test in found if re.fullmatch(rf"rust_doctest_kernel_time_{name}_rs_\d+", test)]
        if len(ran) != wanted:
            raise Failure(f"{len(ran)} of {wanted} doctests of time/{name}.rs ran: {' '.join(ran)}")
    return " ".join(found)


def suites(tree):
    """Runs the new suites: each case must be among what ran."""
    found = boot(tree, GLOBS[2])
    tests = (tree.source / "rust/kernel/time/timer/tests.rs").read_text()
    wanted = re.findall(r"#\[test\]\n *fn (\w+)", tests)
    missing = set(wanted) - set(found)
    if not wanted or missing:
        raise Failure(f"these did not run: {' '.join(sorted(missing))}")
    return f"{len(wanted)} cases"


def hrtimer(tree):
    """The doctests of hrtimer still WARN, as a report says that goes with the series."""
    try:
        boot(tree, "rust_doctests_kernel.*_time_hrtimer*")
    except Reported as reported:
        if "is on stack" in str(reported) or "debugobjects.c" in str(reported):
            return "ODEBUG"
        raise
    raise Failure("they don't any more: take reports/1-hrtimer-on-stack.txt out of the series")


def modules(tree):
    """Loads and unloads the sample and the driver, which see time pass."""
    files = [tree.out / "samples/rust/rust_timer.ko",
             tree.out / "drivers/char/hangcheck_timer_rust.ko"]
    with Vm(tree.out / debug_kernel.IMAGE, files, arch="amd64", memory=1024,
            append="kunit.enable=0") as vm:
        vm.boot(600)
        said = vm.run("""set -e
            dmesg -c >/dev/null
            # The driver's clock is the measure: it says so each time that a second has passed.
            insmod rust_timer.ko
            insmod hangcheck_timer_rust.ko hangcheck_tick=1 hangcheck_margin=0
            until [ "$(dmesg | grep -c 'value past margin')" = 3 ]; do usleep 10000; done
            rmmod rust_timer
            rmmod hangcheck_timer_rust
            # A margin that nothing exceeds, for as long.
            insmod rust_timer.ko
            insmod hangcheck_timer_rust.ko hangcheck_tick=1 hangcheck_margin=300
            sleep 4
            rmmod hangcheck_timer_rust
            rmmod rust_timer
            dmesg""", 120).output
    beats = [int(count) for count in re.findall(r"rust_timer: (\d+) beats", said)]
    if len(beats) != 2 or not all(2 <= count <= 60 for count in beats):
        raise Failure(f"the sample has not counted the seconds: {said}")
    if said.count("value past margin") != 3:
        raise Failure(f"the driver has not told of what is past its margin, and only that: {said}")
    return f"{beats[0]} and {beats[1]} beats"


def instructions(objects):
    """How many instructions each function has, by its name."""
    found, name = {}, None
    for line in series.run("llvm-objdump-19", "--disassemble", "--no-show-raw-insn",
                           *objects).splitlines():
        if match := re.fullmatch(r"[0-9a-f]+ <(\w+)>:", line):
            name = match[1]
            found[name] = 0
        # What fills the space between functions does not run; a prefix is a line of its own.
        elif name and (match := re.match(r" +[0-9a-f]+: +\t(\w+)", line)):
            found[name] += not re.fullmatch(r"nop\w*|int3|lock", match[1])
    return found


def costs(tree):
    """Compares what is done with a timer and a lock with the same in C, in a kernel as it is used."""
    out, folder = tree.folder / "lean", tree.folder / "cost"
    tree.configure(out, [series.HAND / "cost/kernel.config"])
    shutil.copytree(series.HAND / "cost", folder, dirs_exist_ok=True)
    step("building the kernel crate without checkers", "in-tree-lean",
         tree.make(out, "prepare", "rust/kernel.o"))
    step("building the same in C and in Rust", "in-tree-lean",
         tree.make(out, f"M={folder}", "cost_c.o", "cost_rs.o"))
    found = instructions([folder / "cost_c.o", folder / "cost_rs.o"])
    callbacks = [name for name in found if "expired" in name]
    if len(callbacks) != 1:
        raise Failure(f"there is not one callback: {' '.join(found)}")
    found["cost_rs_callback"] = found[callbacks[0]]
    pairs = {name.removeprefix("cost_c_"): (found.get(name.replace("_c_", "_rs_")), count)
             for name, count in found.items() if name.startswith("cost_c_")}
    text = ", ".join(f"{name} {ours} / {theirs}" for name, (ours, theirs) in pairs.items())
    if not pairs or any(ours is None or ours > theirs for ours, theirs in pairs.values()):
        raise Failure(f"instructions, Rust / C: {text}")
    return text


def checkpatch(tree, out):
    """Only a human may sign off."""
    result = subprocess.run(
        ["scripts/checkpatch.pl", "--strict", "--no-signoff", "--terse", "--show-types",
         *sorted(out.glob("0*[1-9]-*.patch"))], cwd=tree.source, check=False, text=True,
        stdin=subprocess.DEVNULL, capture_output=True)
    said = result.stdout + result.stderr
    explained = (series.HAND / "checkpatch.txt").read_text()
    allowed = re.findall(r"^([A-Z_]+): ", explained, re.MULTILINE)
    left = [line for line in said.splitlines()
            if re.search(r"(ERROR|WARNING|CHECK):", line)
            and not any(f"WARNING:{name}:" in line for name in allowed)]
    if left or "total:" not in said:
        raise Failure("\n".join(left) or said)
    return re.sub(r"\n.*", "", said.splitlines()[-1])


def maintainers(tree, out):
    """All that is changed has somebody to send it to."""
    for patch in sorted(out.glob("0*[1-9]-*.patch")):
        said = series.run("scripts/get_maintainer.pl", "--no-git", "--no-git-fallback",
                          "--nokeywords", patch, cwd=tree.source)
        if "maintainer" not in said and "supporter" not in said:
            raise Failure(f"{patch.name}: there is no maintainer: {said}")


def in_uml(tree, out):
    """Runs the doctests by kunit.py, in User Mode Linux."""
    step("running the doctests in User Mode Linux", "in-tree-uml",
         ["tools/testing/kunit/kunit.py", "run", "--build_dir", out, "--make_options", "LLVM=-19",
          "--kunitconfig", tree.source / "rust/.kunitconfig", "rust_doctests_kernel.*_time_[tj]*"],
         cwd=tree.source)


def clean_tree(tree):
    """rustfmt has nothing to change."""
    step("looking at the format of the Rust in the tree", "in-tree",
         tree.make(tree.out, "rustfmtcheck"))


def whole(tree, checks):
    """Builds, boots, and looks at, all of it."""
    checks.check("the kernel, the sample and the driver build", built_without_warning,
                 "building the kernel with the series (ten minutes, the first time)", "in-tree",
                 tree.make(tree.out, "bzImage", "modules"))
    if checks.failed:
        return
    checks.check("doctests", doctests, tree)
    checks.check("doctests of what is used with it",
                 lambda: f"{len(boot(tree, GLOBS[1]))} of them")
    checks.check("KUnit suites", suites, tree)
    checks.check("hrtimer's doctests WARN, as reported", hrtimer, tree)
    checks.check("the sample and the driver in use", modules, tree)
    checks.check("rustfmtcheck", clean_tree, tree)
    clippy = tree.folder / "clippy"
    tree.configure(clippy)
    checks.check("clippy", built_without_warning, "having clippy look", "in-tree-clippy",
                 tree.make(clippy, "CLIPPY=1", "rust/kernel.o", "samples/rust/rust_timer.o",
                           "drivers/char/hangcheck_timer_rust.o"))
    checks.check("it costs what C costs", costs, tree)
    checks.check("rustdoc", built_without_warning, "making the documentation", "in-tree-doc",
                 tree.make(tree.out, "rustdoc"))


def main():
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--short", action="store_true",
                        help="no more than the kernel crate after each patch")
    parser.add_argument("--uml", action="store_true",
                        help="the doctests, in User Mode Linux, instead of a kernel in qemu")
    options = parser.parse_args()
    tree, checks = Tree(series.find_source()), Checks()
    with lock(tree.folder.name), tempfile.TemporaryDirectory() as folder:
        repo = Path(folder)
        series.make(tree.linux, repo)
        series.write(repo, series.OUT)
        tree.prepare()
        checks.check("the kernel crate builds after each patch", each_patch, tree, repo)
        if options.uml and not checks.failed:
            checks.check("doctests in User Mode Linux", in_uml, tree, tree.folder / "uml")
        elif not options.short and not checks.failed:
            whole(tree, checks)
        if not options.short:
            checks.check("checkpatch --strict", checkpatch, tree, series.OUT)
            checks.check("get_maintainer", maintainers, tree, series.OUT)
    print(f"{checks.passed} passed, {checks.failed} failed")
    return bool(checks.failed)


if __name__ == "__main__":
    run_main(main)
