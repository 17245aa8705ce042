# SPDX-License-Identifier: GPL-2.0
"""The fuzzer: it finds nothing in jitimer; what is put in on purpose it finds, and makes small."""

import re
import shutil

import pytest

import build
from cache import PROJECT, Failure
import fuzz

# Faults of the twin in C, which is built in no time: what is replaced by what, the kinds of what is
# to be found then, and a program that comes to it, if not all do.
FAULTS = {
    # poll() says that there is something to read where there is nothing.
    "mask": ([("? EPOLLIN | EPOLLRDNORM : 0;", "? EPOLLIN | EPOLLRDNORM : EPOLLIN;")],
             {"eagain", "asleep", "eintr"}, None),
    # It says nothing to those who wait.
    "key": ([("wake_up_all(&r->wait);", "wake_up_poll(&r->wait, EPOLLOUT);")], {"asleep"},
            ["a load count=300 readers=2", "b open 0", "a edge 0", "a read 0 44 uring", "a open 1"]),
    # The rest of a line, read later, is its beginning.
    "torn": ([("iocb->ki_pos = r->offset;", "iocb->ki_pos = 0;")], {"stream"}, None),
    # Who has polled has the module in use for ever.
    "held": ([("\tif (r->held)\n\t\tmodule_put(THIS_MODULE);\n", "")], {"held"},
             ["a load", "b open 0", "b poll 0 poll 0 1"]),
    # Who must not block does.
    "nonblock": ([("file->f_flags & O_NONBLOCK || ", "")], {"asleep", "errno"},
                 [f"a load tdelay={fuzz.FOR_EVER}", "a open 0 n", "a read 0 4096 read",
                  "a& read 0 1 read"]),
    # A read waits until it has all that was asked for.
    "full": ([("nonblocking || total", "nonblocking")], {"asleep"},
             [f"a load tdelay={fuzz.FOR_EVER}", "a open 0", "a& read 0 4096 read"]),
    # Who waits is not woken when the module goes.
    "going": ([("\twake_up_all(&unload_wait);\n", "")], {"asleep"},
              [f"a load tdelay={fuzz.FOR_EVER}", "a open 0", "a read 0 4096 read",
               "a read 0 1 read", "b& unload"]),
}


@pytest.fixture
def faulty(request):
    """A machine with a stock kernel, and the twin with a fault; what it may be, and a program."""
    replacements, kinds, program = FAULTS[request.param]
    # The same for all, so that only the twin is built again.
    source = build.OUT / "fuzz-fault-source"
    source.mkdir(parents=True, exist_ok=True)
    for name in ("Kbuild", "src", "scripts", "tests"):
        if (PROJECT / name).is_dir():
            shutil.copytree(PROJECT / name, source / name, dirs_exist_ok=True)
        else:
            shutil.copy2(PROJECT / name, source / name)
    twin = source / "tests/twins/jitimer_twin.c"
    text = twin.read_text()
    for old, new in replacements:
        assert text.count(old) == 1
        text = text.replace(old, new)
    twin.write_text(text)
    with fuzz.machine_for("stock", "KTIMER_TWIN=y", source=source,
                          build_name="fuzz-fault") as machine:
        yield machine, kinds, program


@pytest.mark.parametrize("faulty", ["mask", "key", "torn"], indirect=True)
def test_a_fault_is_found_and_made_small(faulty, tmp_path):
    machine, kinds, _ = faulty
    with open(tmp_path / "log", "w", encoding="utf-8") as log:
        # One that a busy machine has come to may not come again, and is not to be made small.
        for seed in "31245":
            calls, outcome, _ = fuzz.fuzz(machine, seed, log, sequences=200)
            assert calls, "it was not found"
            assert outcome.kinds & kinds
            small, last, often = fuzz.minimise(machine, calls, outcome, times=2)
            assert last.kinds & kinds
            path = tmp_path / "found.txt"
            fuzz.show(path, "stock", small, last, often, log)
            if not often.startswith("none of"):
                break
    # Loading it, opening the file, and what it takes to see it.
    assert len(small) <= 8
    assert fuzz.read_program(path) == small


@pytest.mark.parametrize("faulty", ["key", "nonblock", "full", "going"], indirect=True)
def test_who_sleeps_and_should_not_is_found(faulty):
    machine, kinds, program = faulty
    # On a busy machine it need not sleep yet when it is looked at.
    assert any((outcomes := machine.run([program] * 2))[-1].kinds == kinds for _ in range(3))
    # With what is found it ends: no call comes after it, and no program.
    assert not any(outcome.findings for outcome in outcomes[:-1])
    assert not any("open 1" in line for line in outcomes[-1].trace)


@pytest.mark.parametrize("faulty", ["held"], indirect=True)
def test_what_is_in_the_way_of_the_next_one_is_found(faulty):
    machine, kinds, program = faulty
    outcome, = machine.run([program] * 2)
    assert outcome.kinds == kinds
    # The next one has another machine.
    outcome, = machine.run([["a load", "b open 0", "b close 0"]])
    assert outcome.findings == [] and machine.boots == 2


def test_nothing_is_found(tmp_path):
    # About a minute; as much on a machine that is busy.
    with fuzz.machine_for("test") as machine, open(tmp_path / "log", "w", encoding="utf-8") as log:
        calls, outcome, count = fuzz.fuzz(machine, "1", log, sequences=15)
        if calls:
            fuzz.show(tmp_path / "found.txt", "test", *fuzz.minimise(machine, calls, outcome), log)
    assert not outcome
    # It knows what was read of nearly all of them.
    assert count.pop("unsure") < count["files"] / 10
    assert all(count.values())


def test_what_may_be_is_not_found():
    programs = [
        # A child has the descriptors that there were when it was made, which may be none yet.
        *[["a load count=7", "c& open 0", "d exec 0 1"]] * 40,
        # Of the last line's end "/" and "0", in whichever order they were asked for.
        *[["a load tdelay=1 count=1",
           *[call for file in range(10)
             for call in (f"a open {file}", f"a read {file} 4096 read", f"a read {file} 45 read",
                          f"d& read {file} 100 read", f"c& read {file} 1 read",
                          f"a read {file} 10 read")]]] * 25,
        # Who reads "apper/0\n" of a line may seem to have read it before "sw", and sleeps.
        *[["a load tdelay=50 count=0", "b open 0", "b read 0 4096 read", "d& drain 0 1",
           "c& drain 0 4096", "b sleep 220"]] * 15]
    with fuzz.machine_for("stock") as machine:
        outcomes = machine.run(programs)
    assert not [outcome.findings for outcome in outcomes if outcome.findings]
    assert len(outcomes) == len(programs)


def test_a_program_is_made_as_short_as_it_fails():
    needed = ["a load", "b& open 0", "c& read 0 1 read"]
    calls = [f"d sleep {number}" for number in range(50)]
    calls[30:30], calls[20:20], calls[3:3] = needed[2:], needed[1:2], needed[:1]

    def fails(less):
        places = [" ".join(less).find(call.split("&")[-1].split(" ", 1)[1]) for call in needed]
        return -1 not in places and places == sorted(places) and "c& read 0 1 read" in less
    assert fails(calls)
    assert fuzz.shorten(calls, fails, float("inf")) == ["a load", "b open 0", "c& read 0 1 read"]


def test_programs_are_made_up_by_the_seed():
    one, same, other = (fuzz.Maker(fuzz.random.Random(seed)) for seed in ("1", "1", "2"))
    programs = [one.program() for _ in range(20)]
    assert programs == [same.program() for _ in range(20)]
    assert programs != [other.program() for _ in range(20)]
    # In which all calls come up.
    source = PROJECT.joinpath("tests/fuzz.c").read_text()
    known = set(re.findall(r'!strcmp\(op, "(\w+)"\)', source)) | {"cont"}
    programs += [one.program() for _ in range(200)]
    assert {call.split()[1] for calls in programs for call in calls} == known


def test_a_program_that_is_not_there(tmp_path):
    with pytest.raises(Failure, match="can't read the program '/none': No such file"):
        fuzz.read_program(fuzz.Path("/none"))
    (tmp_path / "empty").write_text("# nothing\n")
    with pytest.raises(Failure, match="there is no call in"):
        fuzz.read_program(tmp_path / "empty")
