# SPDX-License-Identifier: GPL-2.0
"""The script that breaks the sources to see whether tests notice: on a tree of one file."""

import json
import os
import signal
import subprocess
import sys

import pytest

from cache import Failure, PROJECT
import mutants

FILE = "src/lib.rs"

SOURCE = """\
fn stop(&self) {
    // SAFETY: It is initialised.
    unsafe { bindings::timer_delete(self.raw()) };
    self.stage.store(Self::EMPTY, Release);
    let flags = Self::ONE | Self::TWO;
    self.waiters.notify_all(); // All of them.
}
"""

# As cargo-mutants prints it.
THEIRS = [{"file": f"samples/../{FILE}", "diff": """\
--- src/lib.rs
+++ replace stop with ()
@@ -1,7 +1,3 @@
 fn stop(&self) {
-    // SAFETY: It is initialised.
-    unsafe { bindings::timer_delete(self.raw()) };
-    self.stage.store(Self::EMPTY, Release);
-    let flags = Self::ONE | Self::TWO;
-    self.waiters.notify_all(); // All of them.
+    () /* ~ changed by cargo-mutants ~ */
 }
"""}]

# It notices one of the mutants only, and what does not end.
TEST = """\
from pathlib import Path

def test_it():
    text = Path("src/lib.rs").read_text()
    while "for ever" in text:
        pass
    assert "timer_delete(" in text
"""


@pytest.fixture
def trees(tmp_path, monkeypatch):
    """Two copies of a tree."""
    monkeypatch.setattr(mutants, "OUT", tmp_path)
    monkeypatch.setattr(mutants, "TREES", [tmp_path / name for name in ("first", "second")])
    monkeypatch.setattr(mutants, "RESULTS", tmp_path / "results.json")
    monkeypatch.setattr(mutants, "STAGES", [("src/", (("tests/test_it.py",),))])
    monkeypatch.setattr(mutants, "state", lambda *_: "this")
    for tree in mutants.TREES:
        for name, text in ((FILE, SOURCE), ("tests/test_it.py", TEST), ("tests/conftest.py", """\
def pytest_addoption(parser):
    parser.addoption("--first-failure", action="store_true")
""")):
            mutants.put(tree / name, text.encode())
    (tmp_path / "log").mkdir()
    return mutants.TREES


def test_own_rules_for_c():
    source = """\
static bool may(const struct cred *cred)
{
	rcu_read_lock();
	if (cred == one && ns_capable(&init_user_ns, ALL))
		return true;
	visible = visible && other(cred) == ONE;
	return is_fine(cred);
}
"""
    found = {mutant.diff().split("\n", 1)[1] for mutant in mutants.own("src/helper.c", source)}
    _, _, lock, cond, answer, visible, call, _ = source.splitlines()
    changes = [(lock, None), (visible, None), (answer, "\t\treturn false;"), (call, "\treturn !is_fine(cred);"),
               *((cond, f"\tif ({new})") for new in (
                   "ns_capable(&init_user_ns, ALL)", "cred == one",
                   "cred != one && ns_capable(&init_user_ns, ALL)",
                   "!(cred == one && ns_capable(&init_user_ns, ALL))",
                   "cred == one && ns_capable(current_user_ns(), ALL)")),
               *((visible, f"\tvisible = {new};") for new in (
                   "other(cred) == ONE", "visible", "visible && other(cred) != ONE"))]
    assert found == {f"-{old}" + (f"\n+{new}" if new else "") for old, new in changes}


def test_own_rules():
    found = {mutant.diff().split(": ", 1)[1] for mutant in mutants.own(FILE, SOURCE)}
    delete, store, flags, notify = SOURCE.splitlines()[2:6]
    changes = [("left out", line, None) for line in (delete, store, notify)]
    changes += [(f"{name} for timer_delete", delete, delete.replace("timer_delete", name))
                for name in ("timer_delete_sync", "timer_shutdown", "timer_shutdown_sync")]
    changes += [("'Relaxed' for 'Release'", store, store.replace("Release", "Relaxed")),
                ("'' for 'Self::ONE | '", flags, "    let flags = Self::TWO;"),
                ("'' for ' | Self::TWO'", flags, "    let flags = Self::ONE;"),
                ("'as_raw()' for 'notify_all()'", notify, notify.replace("notify_all", "as_raw"))]
    assert found == {"\n".join([what, f"-{old}", *([] if new is None else [f"+{new}"])])
                     for what, old, new in changes}


def test_what_cargo_mutants_makes():
    (mutant,) = mutants.theirs(json.dumps(THEIRS))
    assert (mutant.file, mutant.line, mutant.what) == (FILE, 2, "replace stop with ()")
    assert mutant.apply(SOURCE) == "fn stop(&self) {\n    ()\n}\n"
    with pytest.raises(Failure, match="is not what 'replace stop with"):
        mutant.apply("\n" + SOURCE)


def change(old, new):
    """A mutant of the tree's file."""
    (line,) = [line for line in SOURCE.splitlines() if old in line]
    return mutants.Mutant(FILE, SOURCE.splitlines().index(line) + 1, "x", (line,),
                          (line.replace(old, new),))


def test_killed_or_not(trees, monkeypatch, capfd):
    killed, survivor, equivalent, endless = (
        change("timer_delete", "timer_shutdown"), change("Release", "Relaxed"),
        change("Self::ONE | ", ""), change("// All", "// for ever, all"))
    listed = mutants.equivalents("""# What it is.

src/lib.rs:
-let flags = Self::ONE | Self::TWO;
+let flags = Self::TWO;
Two has one.
""")
    assert listed == {equivalent.identity(): "Two has one."}
    assert mutants.Run([killed, survivor, equivalent], listed).go() == [survivor]
    for tree in trees:
        assert (tree / FILE).read_text() == SOURCE
    assert "SURVIVES" in capfd.readouterr().err
    monkeypatch.setattr(mutants, "LIMIT", 5)
    run = mutants.Run([killed, survivor, equivalent, endless], listed)
    assert run.go() == [survivor]
    assert run.came(killed) == "tests/test_it.py::test_it"
    assert run.came(endless) == "time"
    assert run.table()[-1] == ["all", "4", "2", "0", "1", "1", "1"]
    # All of that is known the next time; of other tests, what is killed, and of other sources nothing.
    monkeypatch.setattr(mutants.Tests, "run", None)
    assert mutants.Run([killed, survivor], listed).go() == [survivor]
    monkeypatch.setattr(mutants, "state", lambda _, killed: "this" if killed else "another")
    assert sorted(mutants.Run([], listed).results) == sorted([killed.diff(), endless.diff()])
    monkeypatch.setattr(mutants, "state", lambda *_: "another")
    assert not mutants.Run([], listed).results


def test_what_a_result_holds_for(tmp_path, monkeypatch):
    monkeypatch.setattr(mutants, "PROJECT", tmp_path)
    monkeypatch.setattr(mutants, "EQUIVALENT", tmp_path / "tests/equivalent")
    for name in ("src/ktimer/timer.rs", "src/jitimer/jitimer.rs", "samples/kt.rs", "Kbuild",
                 "tests/test_it.py", "tests/equivalent", "README.md"):
        mutants.put(tmp_path / name, b"")
    subprocess.run(["git", "init", "--quiet", tmp_path], check=True)
    found = {}
    for changed in (None, *mutants.tracked()):
        if changed:
            mutants.put(tmp_path / changed, b"changed\n")
        mutants.state.cache_clear()
        now = {(file, killed): mutants.state(file, killed)
               for file in ("src/ktimer/timer.rs", "samples/kt.rs", "") for killed in (True, False)}
        other = {each for each in now if found and now[each] != found[each]}
        found = now
        of_all = {each for each in now if "timer" not in each[0]}
        assert other == {
            None: set(), "README.md": set(), "tests/equivalent": set(), "Kbuild": set(now),
            "src/ktimer/timer.rs": set(now), "src/jitimer/jitimer.rs": of_all,
            "samples/kt.rs": of_all,
            "tests/test_it.py": {each for each in now if not each[1]}}[changed], changed
    mutants.state.cache_clear()


def test_tests_that_fail_anyway_kill_nothing(trees):
    for tree in trees:
        mutants.put(tree / "tests/test_it.py", b"def test_it():\n    assert False\n")
    with pytest.raises(Failure, match="test_it fails as it is"):
        mutants.Run([change("Release", "Relaxed")], {}).go()


def test_one_in_each_copy_at_once(trees, monkeypatch):
    # Neither ends without the other.
    monkeypatch.setattr(mutants, "LIMIT", 20)
    for tree in trees:
        mutants.put(tree / "tests/test_it.py", b"""\
from pathlib import Path

def test_it():
    Path("here").touch()
    while not all(Path("..", tree, "here").exists() for tree in ("first", "second")):
        pass
""")
    both = [change("Release", "Relaxed"), change("timer_delete", "timer_shutdown")]
    assert mutants.Run(both, {}).go() == both


def test_an_interrupt_leaves_nothing_running(trees):
    # Each test starts a process, and who reads from those sees their end.
    os.mkfifo(mutants.OUT / "fifo")
    for tree in trees:
        mutants.put(tree / "tests/test_it.py", b"""\
import subprocess

def test_it():
    subprocess.run(["sh", "-c", "exec >../fifo; echo; sleep infinity"])
""")
    script = f"""if True:
        import pathlib, sys
        sys.path.insert(0, {str(PROJECT / "scripts")!r})
        import cache, mutants
        mutants.OUT = pathlib.Path({str(mutants.OUT)!r})
        mutants.RESULTS = mutants.OUT / "results.json"
        mutants.TREES = [mutants.OUT / name for name in ("first", "second")]
        mutants.STAGES = {mutants.STAGES!r}
        mutants.state = lambda *_: "this"
        changes = [mutants.Mutant({FILE!r}, number, "x", (old,), ()) for number, old in
                   enumerate({SOURCE.splitlines()!r}, 1)]
        cache.run_main(mutants.Run(changes, {{}}).go, root=False)
    """
    with subprocess.Popen(["env", "--default-signal", sys.executable, "-c", script]) as process:
        with open(mutants.OUT / "fifo", encoding="ascii") as fifo:
            assert all(fifo.readline() for _ in trees)
            process.send_signal(signal.SIGINT)
            try:
                assert process.wait(20) == 128 + signal.SIGINT
            finally:
                process.kill()
            assert fifo.read() == ""
    for tree in trees:
        assert (tree / FILE).read_text() == SOURCE
    assert not mutants.RESULTS.exists()


@pytest.mark.parametrize("text", ["src/lib.rs\n-a\n+b\nNo colon.", "src/lib.rs:\n-a\n+b\n",
                                  "src/lib.rs:\nNo change.\n"])
def test_list_of_equivalent_ones(text):
    with pytest.raises(Failure, match="not a file with a colon"):
        mutants.equivalents(text)


def test_each_file_has_tests_and_the_list_can_be_read():
    for path in (mutants.PROJECT / "src").rglob("*.rs"):
        assert mutants.stages(str(path.relative_to(mutants.PROJECT)))
    mutants.equivalents(mutants.EQUIVALENT.read_text())
