# SPDX-License-Identifier: GPL-2.0
"""/proc/jitimer read as files are read: by tests/reader.c, in the guest."""

import re

import pytest

from test_jitimer import FOR_EVER, HEADER, check_series, run, samples

POLLIN = 1


def operations(output):
    """What reader printed: the operation's letter, its result, and the text."""
    found = []
    for line in output.splitlines():
        match = re.fullmatch(r"(\w) (\S+) (.*)", line)
        assert match, f"reader printed {line!r}"
        result = int(match[2]) if re.fullmatch(r"-?\d+", match[2]) else match[2]
        found.append((match[1], result, match[3].replace("\\n", "\n")))
    return found


def read(vm, arguments, parameters="tdelay=1"):
    """Loads jitimer, and has reader do something with its file."""
    return operations(run(vm, f"""
        insmod jitimer.ko {parameters}
        ./reader /proc/jitimer {arguments}
        rmmod jitimer"""))


def test_each_line_comes_when_it_is_taken(vm):
    # A buffer with room for all of them, and yet each read gives what there is by then.
    first, *others = read(vm, "r4096 r4096 r4096 r4096 r4096 r4096 r4096", "tdelay=50")
    assert first[2].count("\n") == 2
    assert sum(result > 0 for _, result, _ in others) > 1
    assert others[-1][1] == 0
    check_series(samples(first[2] + "".join(text for _, _, text in others)), 50)


def test_what_was_read_can_be_read_again(vm):
    (_, _, whole), *others = read(vm, "R l0 R p4096,0 p20,50 p1,0 l60 r30 l0 r5 r5")
    check_series(samples(whole), 1)
    assert others == [
        ("l", 0, ""), ("R", 0, whole), ("p", len(whole), whole), ("p", 20, whole[50:70]),
        ("p", 1, whole[0]), ("l", 60, ""), ("r", 30, whole[60:90]), ("l", 0, ""),
        ("r", 5, whole[:5]), ("r", 5, whole[5:10])]


def test_past_the_end_there_is_nothing(vm):
    whole, *others = read(vm, "R p10,100000 l100000 r10 r10 l0 R L0 L-5")
    assert others[:4] == [("p", 0, ""), ("l", 100000, ""), ("r", 0, ""), ("r", 0, "")]
    assert others[5] == whole
    assert [result for _, result, _ in others[6:]] == ["EINVAL", "EINVAL"]


def test_past_the_lines_that_there_are_is_past_the_end(vm):
    # Of a series that goes on; where the reader stood, it still stands.
    first, past, again, second = read(vm, "r4096 p100,100000 p100,100000 r4096", "tdelay=50")
    assert past == again == ("p", 0, "")
    check_series([*samples(first[2]), *samples(HEADER + "\n" + second[2]),
                  *[{"inirq": 1, "delta": 50, "time": samples(HEADER + "\n" + second[2])[0]["time"]
                     + 50 * n} for n in range(1, 5)]], 50)


def test_poll_and_select_tell_that_there_is_no_line(vm):
    done = read(vm, "n w0 r4096 w0 s0 e0 w50 r4096", f"tdelay={FOR_EVER}")
    assert done[0] == ("w", POLLIN, "")
    assert done[2:] == [("w", 0, ""), ("s", 0, ""), ("e", 0, ""), ("w", 0, ""), ("r", "EAGAIN", "")]


def test_poll_and_select_tell_when_there_is_a_line(vm):
    # For ever, since at the end of a timeout they look once more, woken or not.
    done = read(vm, "n r4096 w-1 r100 s-1 r100 e-1 r100 w-1 r100 s-1 r100 w0 s0 e0 r100",
                "tdelay=30")
    assert [entry[:2] for entry in done[1:11:2]] == [
        ("w", POLLIN), ("s", 1), ("e", POLLIN), ("w", POLLIN), ("s", 1)]
    assert done[11:] == [("w", POLLIN, ""), ("s", 1, ""), ("e", POLLIN, ""), ("r", 0, "")]
    check_series(samples("".join(text for _, _, text in done)), 30)


def test_after_the_header_alone_poll_says_there_is_more(vm):
    (_, length, header), polled, (_, _, line) = read(vm, f"r{len(HEADER) + 1} w0 r4096",
                                                     f"tdelay={FOR_EVER}")
    assert (length, header) == (len(HEADER) + 1, HEADER + "\n")
    assert polled == ("w", POLLIN, "")
    assert samples(header + line)[0]["inirq"] == 0


def test_splice(vm):
    done = read(vm, "x4096 x4096 x4096 x4096 x4096 x4096 x4096")
    check_series(samples("".join(text for _, _, text in done)), 1)
    assert done[-1][1] == 0


def test_threads_share_one_series(vm):
    ((_, _, text),) = read(vm, "t4", "tdelay=5")
    lines = text.splitlines()
    assert sorted(lines)[-1] == HEADER or HEADER in lines
    series = sorted(samples("\n".join([HEADER, *[line for line in lines if line != HEADER]])),
                    key=lambda line: line["time"])
    check_series(series, 5)


def test_closed_by_another_thread(vm):
    # The read that is under way has the file open until it is done: by a signal, here.
    first, second, third = read(vm, "r4096 c r4096 r4096", f"tdelay={FOR_EVER}")
    assert first[2].count("\n") == 2
    assert second == ("r", "EINTR", "")
    assert third == ("r", "EBADF", "")


def test_unload_while_somebody_polls(vm):
    output = run(vm, f"""
        insmod jitimer.ko tdelay={FOR_EVER}
        : >polled
        ./reader /proc/jitimer r4096 e-1 w-1 r10 >polled & pid=$!
        until grep -q ^r polled && grep -q '^State:.S' /proc/$pid/status; do usleep 10000; done
        rmmod jitimer
        wait $pid
        cat polled""")
    _, epolled, polled, after = operations(output)
    assert epolled[1] & POLLIN
    assert polled[1] & POLLIN
    # The file ends when unloading begins, and is gone when that is done.
    assert after[1] in (0, "EIO")


@pytest.mark.kernels("test")
def test_unload_waits_for_a_poller_that_gets_no_cpu(vm):
    # It has been woken, but is on the wait queue until it runs; and that it can't.
    output = run(vm, f"""
        taskset -p 1 $$ >/dev/null
        echo 0 >/sys/kernel/debug/sched/fair_server/cpu1/runtime
        insmod jitimer.ko tdelay={FOR_EVER}
        : >polled
        taskset 2 ./reader /proc/jitimer r4096 w-1 >polled & poller=$!
        until grep -q ^r polled && grep -q '^State:.S' /proc/$poller/status; do usleep 10000; done
        : >hogged
        taskset 2 ./reader /dev/null h >hogged & hog=$!
        until [ -s hogged ]; do usleep 10000; done
        rmmod jitimer & unloading=$!
        until grep Pollers /proc/$unloading/stack >stack; do
            if grep '^State:.Z' /proc/$unloading/status; then break; fi
            usleep 10000
        done
        kill -KILL $hog
        wait $unloading
        wait $poller
        echo 50000000 >/sys/kernel/debug/sched/fair_server/cpu1/runtime
        cat polled""")
    polled = operations(output)[1]
    assert polled[1] & POLLIN


def test_series_without_end(vm):
    # Until the reader stops; much more than is kept for one.
    series = samples(run(vm, """
        insmod jitimer.ko tdelay=1 count=0
        head -n 402 /proc/jitimer
        rmmod jitimer"""))
    assert len(series) == 401
    assert [line["inirq"] for line in series] == [0] + [1] * 400
    for before, line in zip(series, series[1:]):
        assert line["delta"] == line["time"] - before["time"] >= 1


def test_count(vm):
    lines = run(vm, """
        for count in 1 2 7 300; do
            insmod jitimer.ko tdelay=1 count=$count
            cat /proc/jitimer | wc -l
            rmmod jitimer
        done""").split()
    assert lines == ["3", "4", "9", "302"]


def test_a_slow_reader_is_told_what_it_lost(vm):
    # It reads two lines, stops until many more have come than are kept, and goes on. That they have
    # is known from a series beside it.
    output = run(vm, """
        insmod jitimer.ko tdelay=1 count=0
        exec 3</proc/jitimer
        first=$(dd bs=4096 count=1 <&3 2>/dev/null)
        head -n 600 /proc/jitimer >/dev/null
        echo "$first"
        head -n 300 <&3
        exec 3<&-
        rmmod jitimer""", 300)
    lines = output.splitlines()
    gaps = [(number, re.search(r" \[(\d+) lost\]$", line)) for number, line in enumerate(lines)]
    gaps = [(number, int(gap[1])) for number, gap in gaps if gap]
    assert len(gaps) >= 1
    number, lost = gaps[0]
    assert lost > 100
    series = samples("\n".join(re.sub(r" \[\d+ lost\]$", "", line) for line in lines))
    # All deltas add up, over the gap too, and each lost sample had its jiffy.
    for before, line in zip(series, series[1:]):
        assert line["delta"] == line["time"] - before["time"]
    assert series[number - 1]["delta"] > lost


def test_more_readers_than_there_may_be(vm):
    first, more, *_ = operations(run(vm, """
        insmod jitimer.ko readers=8 tdelay=1
        ./reader /proc/jitimer o7 o1 || true
        cat /proc/jitimer >/dev/null
        echo 9 >/sys/module/jitimer/parameters/readers
        ./reader /proc/jitimer o8
        rmmod jitimer"""))
    assert first == ("o", 7, "")
    assert more == ("o", "EBUSY", "")


def test_in_a_pid_namespace(vm):
    # The reader is number 1 there, and sees neither the idle tasks nor the kernel's threads.
    series = samples(run(vm, """
        insmod jitimer.ko tdelay=3 count=30
        unshare --pid --fork cat /proc/jitimer
        rmmod jitimer"""))
    assert series[0]["pid"] == 1 and series[0]["command"] == "cat"
    assert {"-"} <= {line["command"] for line in series[1:]} <= {"-", "cat"}
    for line in series:
        assert line["pid"] == (1 if line["command"] == "cat" else 0)


@pytest.mark.kernels("stock", "test")
def test_outside_of_it_idle_tasks_are_seen(vm):
    series = samples(run(vm, """
        insmod jitimer.ko tdelay=3 count=30
        cat /proc/jitimer
        rmmod jitimer"""))
    assert any(line["command"].startswith("swapper/") and line["pid"] == 0 for line in series)
    assert all(line["command"] != "-" for line in series)


@pytest.mark.kernels("rt")
def test_on_preempt_rt_the_callback_is_in_a_thread(vm):
    series = samples(run(vm, "insmod jitimer.ko; cat /proc/jitimer; rmmod jitimer"))
    assert {line["command"].split("/")[0] for line in series[1:]} <= {"ktimers", "ksoftirqd"}
    assert all(line["pid"] > 0 for line in series)


def test_the_columns_are_those_of_the_original(vm):
    original, ours = run(vm, """
        insmod jitimer_original.ko; insmod jitimer.ko
        cat /proc/jitimer_original; echo --; cat /proc/jitimer
        rmmod jitimer; rmmod jitimer_original""").split("--\n")
    # The book's timer goes by when it was due: after a late line comes one that is early.
    check_series(samples(original), 0)
    check_series(samples(ours), 10)
