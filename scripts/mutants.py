#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Breaks the sources, one small change at a time, and sees whether a test notices.

The changes, mutants, are made by cargo-mutants, and by a few rules of this script where that has
none: a C function for its neighbour, a statement left out, an ordering weakened; and in the C of the
helpers. Each is built in a copy of the tree, of which each CPU has two, as tests wait much, and goes
through the tests that concern its file, until one fails: it is killed. One that survives is printed, and
wants a stricter test; or, if it does the same as what it was made from, a place in
tests/mutants.equivalent, with the reason.

What came of a mutant stays in build/mutants, and is not tried again until its crate's sources change;
one that survived is tried when tests have changed, too. Status 1 if any survived.
"""

import argparse
from concurrent.futures import ThreadPoolExecutor, as_completed
import dataclasses
import difflib
import functools
import json
import os
import queue
import random
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import build
from cache import CACHE, PROJECT, Failure, Interrupted, key, lock, made_whole, run_main, say, step
from readme import markdown

OUT = build.OUT / "mutants"
RESULTS = OUT / "results.json"
TREES = [OUT / f"tree-{number}" for number in range(2 * os.cpu_count())]
EQUIVALENT = PROJECT / "tests/mutants.equivalent"

CARGO_MUTANTS = "25.3.1"

# Rust that is not compiled as a part of these can't be broken here.
CRATES = ("src/ktimer/ktimer.rs", "src/common/common.rs", "src/jitimer/jitimer.rs",
          *(str(path.relative_to(PROJECT)) for path in sorted(PROJECT.glob("samples/*.rs"))),
          "samples/template/heart_main.rs")

# In seconds: how long the tests of a stage may take.
LIMIT = 900

CALLS = ("tests/test_calls.py", "-k", "not preempt_rt")
CALLS_RT = ("tests/test_calls.py", "-k", "preempt_rt", "--modules=")
# The suites once, and not what goes on to run them otherwise.
KUNIT = ("tests/test_kunit.py", "--modules=", "-k", "not offline and not again")
# Where cases are skipped.
SKIPPED = ("tests/test_kunit.py", "--modules=", "-k", "offline or again")
FAULTS = ("tests/test_faults.py", "--modules=KTIMER_ORIGINAL=m")


def scenarios(name, *more):
    """The arguments for a file of scenarios, on the stock kernel only."""
    # Each takes some seconds there; one that hangs has none to lose.
    samples = " KTIMER_SAMPLES=m" if name in ("reader", "samples") else ""
    return (f"tests/test_{name}.py", "--on=stock", f"--modules=KTIMER_ORIGINAL=m{samples}",
            "--patience=90", *more)


JITIMER = (scenarios("jitimer"), scenarios("reader"), scenarios("samples"), scenarios("programs"),
           ("tests/test_jitimer.py", "--on=test"))

CONTEXT = (scenarios("samples", "-k", "context"), KUNIT)
CURRENTIME = scenarios("samples", "-k", "jit or currentime")

# What concerns a file, the cheapest first: pytest's arguments, one run after the other. The first path
# that a file's begins with counts.
STAGES = (
    ("src/ktimer/extra/", (KUNIT, FAULTS)),
    # It is compiled for PREEMPT_RT only.
    ("src/ktimer/helpers/spinlock.c", (CALLS_RT,)),
    ("src/ktimer/", (CALLS, KUNIT, FAULTS)),
    ("src/common/helpers/viewer.c", (scenarios("reader", "-k", "hidepid or trace or namespace or readers"),
                                     scenarios("reader"))),
    ("src/common/kunit.rs", (SKIPPED,)),
    ("src/common/helpers/kunit.c", (SKIPPED,)),
    ("src/common/context.rs", (*CONTEXT, scenarios("jitimer", "-k", "one_reader"))),
    *((f"src/common/helpers/{name}.c", CONTEXT) for name in ("hardirq", "interrupt", "preempt")),
    ("src/common/helpers/jiffies.c", (CURRENTIME,)),
    ("src/common/helpers/proc_fs.c", (scenarios("jitimer", "-k", "one_reader or taken"),
                                      ("tests/test_jitimer.py", "--on=test", "-k", "mount"),
                                      ("tests/test_torture.py", "--on=test", "-k", "loading_fails_once"))),
    ("src/common/time.rs", (CURRENTIME,)),
    ("src/common/tasklet.rs", (scenarios("samples", "-k", "tasklet or context"), KUNIT)),
    # Most of it is about how many readers there may be.
    ("src/jitimer/jitimer.rs", (scenarios("reader", "-k", "more_readers"), *JITIMER)),
    ("src/", JITIMER),
    # One of that file compares texts, and would be killed by any change.
    ("samples/template/", (("tests/test_readme.py", "-k", "its_test_passes"),)),
    *((f"samples/{name}", (scenarios("samples", "-k", words),))
      for name, words in (("kt", "kt"), ("oneshot", "oneshot"), ("counter", "counter"),
                          ("jit", "jit or currentime"), ("context", "context"),
                          ("wheel", "wheel or where_it_was_armed or goes_offline"))),
)


@dataclasses.dataclass(frozen=True)
class Mutant:
    """A change of one file."""

    file: str
    line: int
    what: str
    # The lines that go, and those that come.
    old: tuple
    new: tuple

    def apply(self, text):
        """The file's text with the change."""
        lines = text.splitlines()
        start = self.line - 1
        end = start + len(self.old)
        if tuple(lines[start:end]) != self.old:
            raise Failure(f"mutants: {self.file}:{self.line} is not what '{self.what}' was made from")
        return "\n".join([*lines[:start], *self.new, *lines[end:]]) + "\n"

    def diff(self):
        """How it is shown."""
        return "\n".join([f"{self.file}:{self.line}: {self.what}", *(f"-{line}" for line in self.old),
                          *(f"+{line}" for line in self.new)])

    def identity(self):
        """What it is, wherever in its file it is: the key in the list of those that are equivalent."""
        return (self.file, *(f"-{line.strip()}" for line in self.old),
                *(f"+{line.strip()}" for line in self.new))


# Functions that do almost the same as another one: each is exchanged for each of its row.
NEIGHBOURS = (
    ("timer_delete", "timer_delete_sync", "timer_shutdown", "timer_shutdown_sync"),
    ("mod_timer", "timer_reduce", "mod_timer_pending"),
    ("add_timer_on", "add_timer_local", "add_timer_global"),
    ("spin_lock", "spin_lock_bh"), ("spin_unlock", "spin_unlock_bh"),
    ("spin_trylock", "spin_trylock_bh"),
    ("round_jiffies", "round_jiffies_up"),
    ("round_jiffies_relative", "round_jiffies_up_relative"),
    ("__round_jiffies_relative", "__round_jiffies_up_relative"),
    ("ktime_get_real_ts64", "ktime_get_coarse_real_ts64"),
    ("tasklet_schedule", "tasklet_hi_schedule"),
    ("in_interrupt", "in_softirq", "in_serving_softirq", "in_hardirq", "in_atomic", "irqs_disabled"),
    ("timer_init_key", "timer_init_key_on_stack"),
)

# Others of the same kind: what is looked for, and what comes instead.
WORDS = (
    (r"\b(?:Acquire|Release|Full)\b(?=[,)])", "Relaxed"),
    (r"\b[A-Z]\w+::[A-Z_]+ \| ", ""),
    (r" \| (?:[A-Z]\w+::)?[A-Z_]{3,}\b", ""),
    (r"Jiffies::now\(\) \+ ", ""),
    (r"\.(?:expires|due)\(\)", ".now"),
    (r"(?<=\.)rearm\(", "arm(Jiffies::now() + "),
    (r"(?<=\.)arm\((?!Jiffies::from)", "reduce("),
    (r"(?<=\.)notify_all\(\)", "as_raw()"),
    (r"(?<=\.)min\(", "max("),
    (r"(?<=\.)max\(", "min("),
    (r"(?<=\.)saturating_(add|sub|mul)\(", r"wrapping_\1("),
)

# The same in C: one part of a condition left out, a condition or an answer turned round, other rights.
TERM = r"!?[\w>.*-]+(?:\((?:[^()]|\([^()]*\))*\))?(?: (?:==|!=|<|>) &?[\w>.-]+)?"
WORDS_OF_C = (
    (rf"(?<![\w>.*!-])(?<![\w)] ){TERM} (?:&&|\|\|)(?: |$)", ""),
    (rf" (?:&&|\|\|) {TERM}(?=[;)])", ""),
    (r"\bif \((.*)\)$", r"if (!(\1))"),
    (r"\breturn (?=\w+\()", "return !"),
    (r"\breturn true\b", "return false"),
    (r"\breturn false\b", "return true"),
    (r"(?<= )==(?= )", "!="),
    (r"(?<= )!=(?= )", "=="),
    (r"&init_user_ns\b", "current_user_ns()"),
)

# A statement that is a line, and does something: it is left out. A call of a method, or of a function;
# an assignment; what is in an unsafe block.
STATEMENT = re.compile(r"""(?!(?:pub|use|const)\b)(?:
    (?:self\b | \*?[a-z_]\w*(?:\.|::|\() | (?:[A-Z]\w+::)+[a-z_]\w*\()[^{}]*; |
    \*?[a-z_.]+\ [|+&-]?=\ [^{}]*; |
    unsafe\ \{\ [^{}]*\ \}[;,]?)""", re.VERBOSE)


def own(file, text):
    """The mutants that the rules of this script make of a file."""
    found = []
    lines = text.splitlines()
    signature = ""
    for number, line in enumerate(lines, 1):
        code = line.split("//")[0]
        if re.search(r"\bfn \w", code):
            signature = ""
        if not signature.rstrip().endswith(("{", ";")):
            signature += code
        if not code.strip() or re.match(r"\s*(?:use|pub use|#|mod|\*)", code):
            continue

        def add(what, new, number=number, line=line):
            if new != line:
                found.append(Mutant(file, number, what, (line,), () if new is None else (new,)))

        for row in NEIGHBOURS:
            for name in row:
                for match in re.finditer(rf"(?<=bindings::){name}\b", code):
                    for other in row:
                        if other != name:
                            add(f"{other} for {name}", line[:match.start()] + other + line[match.end():])
        for pattern, replacement in WORDS_OF_C if file.endswith(".c") else WORDS:
            for match in re.finditer(pattern, code):
                new = match.expand(replacement)
                add(f"'{new}' for '{match[0]}'", line[:match.start()] + new + line[match.end():])
        # It is whole if what is before it is, too.
        before = next((other.split("//")[0].strip() for other in reversed(lines[:number - 1])
                       if other.split("//")[0].strip()), "")
        # What is last in a function that gives a value is that. (That of a lock's guard is none.)
        is_value = (not code.rstrip().endswith((";", ",")) and "->" in signature
                    and "GuardState" not in signature)
        if (STATEMENT.fullmatch(code.strip()) and not is_value
                and before.endswith((";", "{", "}", "]", "=>"))):
            add("left out", None)
    return found


def cargo_mutants():
    """cargo-mutants, which is built once."""
    folder = CACHE / f"cargo-mutants-{CARGO_MUTANTS}"
    with lock(folder.name):
        if not folder.exists():
            with made_whole(folder) as new:
                step("building cargo-mutants (some minutes)", folder.name,
                     ["cargo", "install", "--locked", "--quiet", "--root", new, "--version",
                      f"={CARGO_MUTANTS}", "cargo-mutants"],
                     env=os.environ | {"CARGO_HOME": str(new / "home")})
                shutil.rmtree(new / "home", ignore_errors=True)
                shutil.rmtree(new / "target", ignore_errors=True)
    return folder / "bin/cargo-mutants"


def listed(tree):
    """What cargo-mutants makes of the crates in a tree, as it prints it."""
    with tempfile.TemporaryDirectory() as folder:
        top = Path(folder)
        for name in ("src", "samples"):
            shutil.copytree(tree / name, top / name)
        # It asks for the crates' roots only, and builds nothing.
        manifest = '[package]\nname = "tree"\nversion = "0.0.0"\nedition = "2021"\n'
        for number, crate in enumerate(CRATES):
            kind = "[[bin]]" if number else "[lib]"
            manifest += f'{kind}\nname = "crate{number}"\npath = "{crate}"\n'
        (top / "Cargo.toml").write_text(manifest)
        result = subprocess.run([cargo_mutants(), "mutants", "--dir", top, "--list", "--json", "--diff"],
                                check=False, capture_output=True, text=True,
                                env=os.environ | {"CARGO_HOME": str(top / "home"),
                                                  "CARGO_NET_OFFLINE": "true"})
    if result.returncode:
        raise Failure(f"mutants: cargo-mutants fails: {result.stderr.strip()}")
    return result.stdout


def theirs(text):
    """The mutants in what cargo-mutants prints."""
    found = []
    for item in json.loads(text):
        head, place, *rest = item["diff"].split("@@")
        lines = "@@".join(rest).splitlines()[1:]
        changed = [number for number, line in enumerate(lines) if not line.startswith(" ")]
        lines = lines[changed[0]:changed[-1] + 1]
        found.append(Mutant(
            os.path.normpath(item["file"]), int(re.match(r" -(\d+)", place)[1]) + changed[0],
            re.search(r"^\+\+\+ (.*)", head, re.MULTILINE)[1],
            tuple(line[1:] for line in lines if line[0] in "- "),
            tuple(line[1:].replace(" /* ~ changed by cargo-mutants ~ */", "")
                  for line in lines if line[0] in "+ ")))
    return found


def all_mutants(tree=PROJECT):
    """Each mutant once, in an order that only the sources decide."""
    found = theirs(listed(tree))
    for top in ("src", "samples"):
        for path in sorted((tree / top).rglob("*.*")):
            if path.suffix in (".rs", ".c") and path.name != "bindings_generated.rs":
                found += own(str(path.relative_to(tree)), path.read_text())
    unique = {(mutant.file, mutant.line, mutant.old, mutant.new): mutant for mutant in reversed(found)}
    return sorted(unique.values(), key=lambda each: (each.file, each.line, each.what))


def equivalents(text):
    """The mutants that are listed as equivalent, by identity, with the reason for each."""
    found = {}
    for block in re.split(r"\n\s*\n", text):
        lines = [line for line in block.splitlines() if not line.startswith("#")]
        if not lines:
            continue
        changed = tuple(line[0] + line[1:].strip() for line in lines[1:] if line[0] in "-+")
        reason = " ".join(line.strip() for line in lines[1:] if line[0] not in "-+")
        if not changed or not reason or not lines[0].endswith(":"):
            raise Failure(f"{EQUIVALENT.relative_to(PROJECT)}: not a file with a colon, the lines of a "
                          f"change, and a reason:\n{block}")
        found[(lines[0][:-1], *changed)] = reason
    return found


def stages(file):
    """The tests that concern a file."""
    for prefix, found in STAGES:
        if file.startswith(prefix):
            return found
    raise Failure(f"mutants: no tests concern {file}; see STAGES in scripts/mutants.py")


def tracked():
    """The files of the tree."""
    result = subprocess.run(["git", "-c", "safe.directory=*", "ls-files", "-z", "--cached", "--others",
                             "--exclude-standard"], cwd=PROJECT, check=True, capture_output=True)
    return [name for name in result.stdout.decode().split("\0") if name and (PROJECT / name).is_file()]


@functools.cache
def state(file, killed):
    """A key of what a result holds for: the sources that a file's mutants are built from, and, as long
    as nothing has killed one, what it was tried by."""
    tops = ("Kbuild", *(("src/ktimer/",) if file.startswith("src/ktimer/") else ("src/", "samples/")),
            *(() if killed else ("tests/", "scripts/")))
    return key(*(part for name in tracked() if name.startswith(tops)
                 and name not in ("scripts/mutants.py", str(EQUIVALENT.relative_to(PROJECT)))
                 and not name.startswith("scripts/series")
                 for part in (name, (PROJECT / name).read_bytes())))


def lay(tree):
    """Has a copy as the tree is. A file that stays the same keeps its time, so that make has as
    little to do as can be."""
    names = tracked()
    for path in sorted(tree.rglob("*"), reverse=True) if tree.exists() else []:
        name = str(path.relative_to(tree))
        if path.is_file() and not name.startswith("build/") and name not in names:
            path.unlink()
    for name in names:
        put(tree / name, (PROJECT / name).read_bytes())
        shutil.copymode(PROJECT / name, tree / name)


def put(path, content):
    """Writes a file of a copy, if that changes it."""
    if not path.is_file() or path.read_bytes() != content:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


class Tests:
    """Runs of tests in copies of the tree, which all end when one of them can't go on."""

    def __init__(self):
        self.lock = threading.Lock()
        self.running = set()
        self.ended = False

    def start(self, tree, tests, file):
        """Starts tests. They have a process group of their own: what they start is to end with them."""
        with self.lock:
            if self.ended:
                raise Interrupted
            process = subprocess.Popen(
                [sys.executable, "-m", "pytest", "--exitfirst", "--tb=short", "-p", "no:cacheprovider",
                 "--first-failure", *tests], cwd=tree, stdin=subprocess.DEVNULL,
                stdout=file, stderr=subprocess.STDOUT, process_group=0,
                env=os.environ | {"PYTHONDONTWRITEBYTECODE": "1"})
            self.running.add(process)
        return process

    def end_all(self):
        """Ends those that run, and has no more begin."""
        with self.lock:
            for process in self.running:
                end(process)
            self.ended = True

    def run(self, tree, tests, log):
        """Runs tests until one fails; returns what failed, or nothing."""
        with open(log, "a", encoding="utf-8") as file:
            file.write(f"\n==> {' '.join(tests)}\n")
            file.flush()
            begin = file.tell()
            process = self.start(tree, tests, file)
            try:
                status = process.wait(LIMIT)
            except subprocess.TimeoutExpired:
                status = None
            with self.lock:
                end(process)
                self.running.remove(process)
                if self.ended or Interrupted.by:
                    raise Interrupted
        return "time" if status is None else outcome(tests, log, begin, status)


def end(process):
    """Ends tests, and what they have started."""
    if process.poll() is None:
        os.killpg(process.pid, 9)
        process.wait()


def outcome(tests, log, begin, status):
    """What failed of tests that ended with a status, by what they have printed; or nothing."""
    text = log.read_text(encoding="utf-8", errors="replace")[begin:]
    if status == 0:
        return None
    failed = re.search(r"^(?:FAILED|ERROR) (\S+)", text, re.MULTILINE)
    if status != 1 or not failed:
        raise Failure(f"mutants: pytest can't run {' '.join(tests)}; log: {log}")
    for sign, what in (("failed: building", "build"), ("TimedOut: no end of", "time")):
        if sign in text:
            return what
    case = re.search(r"\bnot ok \d+ (\w+)", text)
    return f"{failed[1].split('::')[0]}: {case[1]}" if case else failed[1]


class Run:
    """The mutants that are to be tried, and what came of them."""

    def __init__(self, mutants, listed_equivalent):
        self.mutants, self.equivalent = mutants, listed_equivalent
        self.results = {}
        self.tests = Tests()
        self.lock = threading.RLock()
        # The copies that nobody uses.
        self.trees = queue.SimpleQueue()
        if RESULTS.exists():
            known = json.loads(RESULTS.read_text())
            self.results = {name: each for name, each in known.items()
                            if each["state"] == state(each["file"], bool(each["killed by"]))}

    def keep(self, name, file, killed):
        """Keeps what has come of a change of a file."""
        with self.lock:
            self.results[name] = {"file": file, "killed by": killed, "state": state(file, bool(killed))}
            new = RESULTS.with_suffix(".new")
            new.write_text(json.dumps(self.results, indent=1) + "\n")
            new.rename(RESULTS)

    def came(self, mutant):
        """What has killed one that was tried, if anything has."""
        return self.results[mutant.diff()]["killed by"]

    def passes_as_it_is(self, tree, tests):
        """Fails if the tests fail without any change: then they would kill anything."""
        name = f"as it is: {' '.join(tests)}"
        with self.lock:
            if name in self.results:
                return
            log = OUT / "log" / "as-it-is.log"
            say(f"{name}; log: {log}")
            failed = self.tests.run(tree, tests, log)
            if failed:
                raise Failure(f"mutants: {failed} fails as it is; log: {log}")
            self.keep(name, "", None)

    def attempt(self, mutant):
        """Tries a mutant. What fails anyway kills nothing."""
        log = OUT / "log" / f"{key(mutant.diff())}.log"
        log.write_text(mutant.diff() + "\n")
        start = time.monotonic()
        tree = self.trees.get()
        path = tree / mutant.file
        original = path.read_text()
        try:
            put(path, mutant.apply(original).encode())
            for tests in stages(mutant.file):
                failed = self.tests.run(tree, tests, log)
                if failed:
                    break
            put(path, original.encode())
            if failed:
                self.passes_as_it_is(tree, tests)
        finally:
            put(path, original.encode())
            self.trees.put(tree)
        self.keep(mutant.diff(), mutant.file, failed)
        say(f"{self.mutants.index(mutant) + 1} of {len(self.mutants)}: {mutant.file}:{mutant.line}: "
            f"{mutant.what}: {failed or 'SURVIVES'}, {time.monotonic() - start:.0f} s; log: {log.name}")

    def go(self):
        """Tries those of which nothing is known yet, in each copy one at a time; returns those that
        survive."""
        for tree in TREES:
            self.trees.put(tree)
        wanted = [mutant for mutant in self.mutants if mutant.identity() not in self.equivalent]
        new = [mutant for mutant in wanted if mutant.diff() not in self.results]
        say(f"{len(new)} of {len(self.mutants)} mutants to try, {len(TREES)} at once; logs: {OUT / 'log'}")
        with ThreadPoolExecutor(len(TREES)) as pool:
            try:
                for done in as_completed([pool.submit(self.attempt, mutant) for mutant in new]):
                    done.result()
            except BaseException:
                self.tests.end_all()
                pool.shutdown(cancel_futures=True)
                raise
        return [mutant for mutant in wanted if self.came(mutant) is None]

    def table(self):
        """How many came to what, by file."""
        rows = [["file", "made", "killed", "by the build", "by time", "equivalent", "surviving"],
                ["---", *["---:"] * 6]]
        for file in [*sorted({mutant.file for mutant in self.mutants}), ""]:
            of_file = [mutant for mutant in self.mutants if mutant.file.startswith(file)]
            same = [mutant for mutant in of_file if mutant.identity() in self.equivalent]
            came = [self.came(mutant) for mutant in of_file if mutant not in same]
            survived = came.count(None)
            rows.append([file or "all", *map(str, (
                len(of_file), len(came) - survived, came.count("build"), came.count("time"), len(same),
                survived))])
        return rows


def main():
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, metavar="N", help="only so many, chosen at random")
    parser.add_argument("--seed", default="1", help="where random numbers start (default: 1)")
    parser.add_argument("--file", action="append", metavar="F",
                        help="only of files whose path has this in it; may be repeated")
    parser.add_argument("--list", action="store_true", help="show them, and try none")
    options = parser.parse_args()
    every = all_mutants()
    equivalent = equivalents(EQUIVALENT.read_text())
    stale = set(equivalent) - {mutant.identity() for mutant in every}
    if stale:
        raise Failure(f"{EQUIVALENT.relative_to(PROJECT)}: there is no such mutant any more:\n"
                      + "\n\n".join("\n".join(each) for each in sorted(stale)))
    chosen = [mutant for mutant in every
              if not options.file or any(name in mutant.file for name in options.file)]
    if not chosen:
        raise Failure(f"mutants: none is of a file with {' or '.join(map(repr, options.file))} in its "
                      "path")
    if options.count is not None and options.count < len(chosen):
        chosen = sorted(random.Random(options.seed).sample(chosen, options.count), key=every.index)
    if options.list:
        print("\n\n".join(mutant.diff() for mutant in chosen))
        return 0
    (OUT / "log").mkdir(parents=True, exist_ok=True)
    with lock(f"mutants-{key(OUT)}"):
        for tree in TREES:
            lay(tree)
        run = Run(chosen, equivalent)
        survivors = run.go()
    for mutant in survivors:
        print(f"\nSURVIVES: {mutant.diff()}")
    print()
    print(markdown(run.table()), end="")
    return bool(survivors)


if __name__ == "__main__":
    run_main(main)
