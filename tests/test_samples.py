# SPDX-License-Identifier: GPL-2.0
"""The samples: what their stories say."""

import re

import pytest

from test_jitimer import check_series, run, samples
from test_reader import operations


def log(vm, module, script):
    """Runs a script; returns what a module has printed meanwhile."""
    output = run(vm, f"dmesg -c >/dev/null; {script}; dmesg")
    return [line for line in re.findall(rf"\] {module}: (.*)", output)
            # What the loader says of the first module that is not the kernel's own.
            if not line.startswith(("loading out-of-tree module", "module verification failed"))]


def test_kt(vm):
    printed = log(vm, "kt", "insmod kt.ko period_ms=100; sleep 1; rmmod kt")
    assert printed[:4] == ["Entering: kt_init", "kt_timer is started",
                           "Before kt_do_the_work, count = 0", "After kt_do_the_work, count = 1"]
    callbacks = printed[4:-2]
    assert len(callbacks) >= 5 and set(callbacks) == {"Entering: timer_callback"}
    assert printed[-2:] == ["exiting kt module", f"kt_global_data.count = [{1 + len(callbacks)}]"]


def test_kt_every_ten_seconds(virtual):
    printed = log(virtual, "kt", """
        insmod kt.ko
        sleep 39.5; echo 'kt: not yet' >/dev/kmsg
        sleep 1; rmmod kt""")
    not_yet = printed.index("not yet")
    assert printed[:not_yet].count("Entering: timer_callback") == 3
    assert printed[not_yet:].count("Entering: timer_callback") == 1
    assert printed[-1] == "kt_global_data.count = [5]"


def test_kt_does_not_drift(virtual):
    # Two ticks each. A timer that is armed from when it runs, which is a tick after it was due, would
    # get to two thirds of that.
    printed = log(virtual, "kt", "insmod kt.ko period_ms=8; sleep 2.1; rmmod kt")
    assert printed.count("Entering: timer_callback") >= 2000 // 8


def test_oneshot(virtual):
    assert log(virtual, "oneshot", """
        insmod oneshot.ko
        sleep 4.9; echo 'oneshot: not yet' >/dev/kmsg
        sleep 0.5; echo 'oneshot: now' >/dev/kmsg
        sleep 20; rmmod oneshot""") == [
            "Initializing a module with timer.", "not yet", "This line is printed after 5000 ms.",
            "now", "Goodbye, cruel world!"]


def test_oneshot_unloaded_earlier(vm):
    assert log(vm, "oneshot", "insmod oneshot.ko delay_ms=3000; rmmod oneshot; sleep 3.5") == [
        "Initializing a module with timer.", "Goodbye, cruel world!"]


def test_oneshot_says_it_once(vm):
    printed = log(vm, "oneshot", "insmod oneshot.ko delay_ms=20; sleep 1; rmmod oneshot")
    assert printed.count("This line is printed after 20 ms.") == 1


def test_counter_does_not_drift(virtual):
    # The file is read half a period after an increment.
    counts = run(virtual, """
        insmod counter.ko
        sleep 0.1
        for i in 1 2 3 4 5; do sleep 10; cat /proc/jitcounter; done
        rmmod counter""").split()
    assert counts == ["50", "100", "150", "200", "250"]


def test_counter(vm):
    first, second = run(vm, """
        insmod counter.ko period_ms=8
        until [ "$(cat /proc/jitcounter)" -gt 5 ]; do usleep 10000; done
        cat /proc/jitcounter; sleep 1; cat /proc/jitcounter
        rmmod counter""").split()
    # 125 periods of two ticks, whether the callback was late or not.
    assert int(second) - int(first) >= 124


@pytest.mark.kernels("test")
def test_counter_counts_periods_that_it_missed(vm):
    # The callbacks of the races keep the timers of one CPU waiting for ticks, and of the other, too.
    races = "ktimer_races.*_waits_for_a_callback_elsewhere"
    output = run(vm, f"""
        printf '{races}' >/sys/module/kunit/parameters/filter_glob
        insmod jit.ko
        look() {{ cat /proc/jitcounter; head -n 1 /proc/currentime; cat /proc/jitcounter; }}
        for cpu in 0 1; do
            taskset -c $cpu insmod counter.ko period_ms=4
            look
            for i in $(seq 10); do insmod ktimer_kunit.ko; rmmod ktimer_kunit; done
            look
            rmmod counter
        done
        rmmod jit
        printf '*' >/sys/module/kunit/parameters/filter_glob""", 300).split()
    assert len(output) == 2 * 2 * 5
    for start in 0, 10:
        # Before and after: the count, jiffies in two widths and the time, and the count again.
        (least, jiffies, *_, most), (least_then, jiffies_then, *_, most_then) = (
            output[start:start + 5], output[start + 5:start + 10])
        passed = int(jiffies_then, 16) - int(jiffies, 16)
        # One is due between the tick and its softirq.
        assert int(least_then) - int(most) - 1 <= passed <= int(most_then) - int(least) + 1


@pytest.mark.parametrize("way", ["jitbusy", "jitsched", "jitqueue", "jitschedto"])
def test_jit_waits(vm, way):
    # As the book does it; jiffies have ten digits here.
    lines = run(vm, f"insmod jit.ko delay=10; dd if=/proc/{way} bs=22 count=4 2>/dev/null; "
                    "rmmod jit").splitlines()
    assert len(lines) == 4
    for line in lines:
        before, after = map(int, line.split())
        assert after - before >= 10


def test_jit_waits_no_longer(virtual):
    lines = run(virtual, """
        insmod jit.ko delay=10
        for way in jitbusy jitsched jitqueue jitschedto; do
            dd if=/proc/$way bs=22 count=4 2>/dev/null
        done
        rmmod jit""").splitlines()
    assert len(lines) == 16
    for line in lines:
        before, after = map(int, line.split())
        assert 10 <= after - before <= 11


def test_jit_ways_to_wait_leave_the_cpu_to_others(virtual):
    # To the other one of two that wait, or idle: how long, and how often, in half a second.
    output = run(virtual, """
        insmod jit.ko delay=250
        switches() { sed -n 's/^nonvoluntary_ctxt_switches:.//p' /proc/$one/status; }
        for way in jitbusy jitsched jitqueue jitschedto; do
            cat /proc/$way >/dev/null & one=$!
            cat /proc/$way >/dev/null & other=$!
            for pid in $one $other; do
                until ls -l /proc/$pid/fd 2>/dev/null | grep -q $way; do usleep 10000; done
            done
            read -r rest idle </proc/uptime; before=$(switches)
            usleep 500000
            read -r rest idle_then </proc/uptime; after=$(switches)
            echo "$idle $idle_then $before $after"
            kill $one $other; wait 2>/dev/null || true
        done
        rmmod jit""")
    found = [list(map(float, line.split())) for line in output.splitlines()]
    idle = [then - before for before, then, *_ in found]
    switches = [then - before for *_, before, then in found]
    busy, sched, queue, schedto = idle
    assert max(busy, sched) < 0.1
    assert min(queue, schedto) > 0.4
    busy, sched, queue, schedto = switches
    # Who is busy is sent away when its share is over only.
    assert sched > 20 * busy > 0
    assert max(queue, schedto) < 10


@pytest.mark.parametrize("way", ["jitbusy", "jitsched", "jitqueue", "jitschedto"])
@pytest.mark.parametrize("end", ["kill -TERM $pid", "rmmod jit; unloaded=1"])
def test_jit_wait_ends(vm, way, end):
    # At a signal, or with the module, and at once; a line would take ten seconds.
    output = run(vm, f"""
        insmod jit.ko delay=2500
        : >out
        cat /proc/{way} >out & pid=$!
        until ls -l /proc/$pid/fd 2>/dev/null | grep -q {way}; do usleep 10000; done
        read -r start rest </proc/uptime
        {end}
        wait $pid 2>/dev/null || true
        read -r stop rest </proc/uptime
        test -n "$unloaded" || rmmod jit
        echo "$start $stop"
        cat out""")
    start, stop = map(float, output.split())
    assert stop - start < 5


def test_a_file_that_nobody_waits_for_is_always_readable(vm):
    # Reading it takes its time then, and so can't be without that.
    done = operations(run(vm, """
        insmod jit.ko delay=1
        ./reader /proc/jitqueue w0 s0 e0 W4096 r4096 w0
        rmmod jit"""))
    assert [entry[:2] for entry in done[:4]] == [("w", 1), ("s", 1), ("e", 1), ("W", "EOPNOTSUPP")]
    assert done[4][1] == 22 and done[5] == ("w", 1, "")


def test_jitbusy_and_jitimer(vm):
    # The experiment of the book: the timer runs, though the CPU is busy in the kernel.
    output = run(vm, """
        insmod jit.ko delay=250; insmod jitimer.ko
        for cpu in $(seq $(nproc)); do cat /proc/jitbusy >busy$cpu & done
        until [ -s busy1 ]; do usleep 10000; done
        cat /proc/jitimer
        kill $(jobs -p); wait 2>/dev/null
        rmmod jitimer; rmmod jit""")
    series = samples(output)
    check_series(series, 10)
    # On time, that is: on a machine of two threads that share what they run on, within a second.
    assert all(line["delta"] <= 260 for line in series)


def test_jitbusy_and_jitimer_under_virtual_time(virtual):
    output = run(virtual, """
        insmod jit.ko delay=250; insmod jitimer.ko
        cat /proc/jitbusy >busy & pid=$!
        until [ -s busy ]; do usleep 10000; done
        cat /proc/jitimer
        kill $pid; wait $pid 2>/dev/null || true
        rmmod jitimer; rmmod jit""")
    assert [line["delta"] for line in samples(output)] == [0, 10, 10, 10, 10, 10]


def test_currentime(vm):
    first, second, *_ = run(vm, "insmod jit.ko; cat /proc/currentime; cat /proc/currentime; "
                                "rmmod jit").splitlines()
    jiffies, jiffies_64, real = first.split()
    assert int(jiffies, 16) == int(jiffies_64, 16)
    # The coarse time is that of the last tick, which may have come after the other was read.
    assert abs(float(real) - float(second)) < 1
    assert float(real) > 1e9


def test_currentime_has_the_coarse_time_second(virtual):
    # That of the last tick: earlier than the other, but where a tick comes between the two; and the
    # same for all that is read within a tick.
    lines = run(virtual, "insmod jit.ko; for i in $(seq 40); do cat /proc/currentime; done; "
                         "rmmod jit").splitlines()
    exact = [line.split()[2] for line in lines[::2]]
    coarse = [line.strip() for line in lines[1::2]]
    assert len(exact) == len(coarse) == 40
    assert sum(one > other for one, other in zip(exact, coarse)) >= 39
    assert len(set(coarse)) < len(set(exact)) == 40


@pytest.mark.parametrize("name, ours, other", [("jitasklet", "TASKLET", "HI"),
                                               ("jitasklethi", "HI", "TASKLET")])
def test_jit_tasklets_have_their_priority(virtual, name, ours, other):
    # A softirq each; the kernel itself has next to none of either.
    before, after = [
        {row[0].rstrip(":"): sum(map(int, row[1:])) for row in map(str.split, text.splitlines()[1:])}
        for text in run(virtual, f"""
            insmod jit.ko
            cat /proc/softirqs; echo --
            for i in $(seq 10); do cat /proc/{name} >/dev/null; done
            cat /proc/softirqs
            rmmod jit""").split("--\n")]
    assert after[ours] - before[ours] >= 10 * 5
    assert after[other] - before[other] < 10


@pytest.mark.parametrize("name", ["jitasklet", "jitasklethi"])
def test_jit_tasklets(vm, name):
    series = samples(run(vm, f"insmod jit.ko; cat /proc/{name}; rmmod jit"))
    check_series(series, 0)
    assert series[-1]["time"] - series[0]["time"] < 250


def test_context(vm):
    header, *lines = run(vm, "insmod context.ko; cat /proc/jitcontext; rmmod context").splitlines()
    names = header.split()[1:]
    table = {line.split()[0]: dict(zip(names, line.split()[1:])) for line in lines}
    yes = {where: {name for name, value in row.items() if value == "1"}
           for where, row in table.items()}
    rt = "-rt-" in run(vm, "uname -r")
    bottom_half = {"interrupt", "softirq", "serving"}
    assert yes["process"] == set()
    assert yes["SpinLockBh"] - {"atomic"} == {"interrupt", "softirq"}
    for where in ("timer", "tasklet", "BH-work"):
        assert yes[where] - {"atomic"} == bottom_half
    assert yes["timer-IRQSAFE"] - {"atomic"} == bottom_half | {"irqs-off"}
    assert "interrupt" in yes["hrtimer"]
    assert ("hardirq" in yes["hrtimer"]) == (not rt)
    assert len(lines) == 8
    if not rt:
        # There, part of it is counted elsewhere.
        assert yes["hrtimer"] >= {"hardirq", "irqs-off"}
        for where, row in table.items():
            count = int(row["preempt-count"], 16)
            # How much of the rest is for what differs from kernel to kernel.
            softirq, hardirq = count & 0xff00, count >> 16
            assert row == {
                "interrupt": f"{int(bool(softirq or hardirq))}", "softirq": f"{int(bool(softirq))}",
                "serving": f"{int(bool(count & 0x100))}", "hardirq": f"{int(bool(hardirq))}",
                "atomic": f"{int(bool(count))}", "irqs-off": row["irqs-off"],
                "preempt-count": f"{count:08x}"}, where


def wheel(text):
    """The lines of /proc/jitwheel."""
    header, *lines = text.splitlines()
    assert header.split() == ["delay", "level", "granularity", "due", "ran", "late", "percent"]
    return [dict(zip(header.split(), map(float, line.split()))) for line in lines]


def check_wheel(rows):
    """What must hold on a machine however busy: never early, and the levels are the wheel's."""
    for row in rows:
        assert row["ran"] - row["due"] == row["late"] > 0
        assert row["granularity"] == 8 ** row["level"]
        assert abs(row["percent"] - 100 * row["late"] / row["delay"]) < 0.001
    assert [row["delay"] for row in rows[:4]] == [1, 62, 64, 503]


def test_wheel(vm):
    rows = wheel(run(vm, "insmod wheel.ko longest=510; cat /proc/jitwheel; rmmod wheel", 120))
    check_wheel(rows)
    assert len(rows) == 5


def test_wheel_exactly(virtual):
    # The timer runs when its list is due, to the jiffy.
    rows = wheel(run(virtual, "sleep 10; insmod wheel.ko longest=4031; cat /proc/jitwheel; "
                              "rmmod wheel", 200))
    check_wheel(rows)
    assert len(rows) == 6
    for row in rows:
        granularity = row["granularity"]
        assert row["ran"] == (row["due"] // granularity + 1) * granularity
        assert row["late"] <= max(1, row["delay"] / 7.8)


def test_unloading_wakes_who_waits_for_the_wheel(virtual):
    # The line after these takes two minutes.
    before, after = run(virtual, """
        insmod wheel.ko longest=33000
        : >levels
        cat /proc/jitwheel >levels 2>/dev/null & pid=$!
        until [ "$(wc -l <levels)" = 8 ]; do usleep 100000; done
        cut -d' ' -f1 /proc/uptime
        rmmod wheel
        wait $pid 2>/dev/null || true
        cut -d' ' -f1 /proc/uptime""").split()
    assert float(after) - float(before) < 1


def test_a_timer_runs_where_it_was_armed(vm):
    output = run(vm, """
        insmod wheel.ko
        for cpu in 0 1; do taskset -c $cpu cat /proc/jitcpu; done
        rmmod wheel""")
    rows = [line.split() for line in output.splitlines()]
    assert [row[:2] for row in rows if row[0] != "timer"] == [
        ["pinned", "0"], ["not-pinned", "0"], ["pinned", "1"], ["not-pinned", "1"]]
    assert [row[2] for row in rows if row[0] == "pinned"] == ["0", "1"]


def test_a_timer_moves_away_from_a_cpu_that_goes_offline(vm):
    # Taking a CPU away takes a slow machine some time: the timer must not be due before.
    for delay in 400, 1600, 6400, 25600:
        output = run(vm, f"""
            insmod wheel.ko delay={delay}
            : >out
            taskset -c 1 cat /proc/jitcpu >out & pid=$!
            until grep -q wait_event /proc/$pid/wchan; do usleep 10000; done
            echo 0 >/sys/devices/system/cpu/cpu1/online
            until grep -q pinned out; do usleep 10000; done
            kill $pid
            wait $pid 2>/dev/null || true
            echo 1 >/sys/devices/system/cpu/cpu1/online
            rmmod wheel
            cat out""")
        row = output.splitlines()[1].split()
        if row != ["pinned", "1", "1"]:
            break
    assert row == ["pinned", "1", "0"]


@pytest.mark.kernels("stock")
@pytest.mark.parametrize("parameter, most", [
    ("kt period_ms", 86_400_000), ("oneshot delay_ms", 86_400_000),
    ("counter period_ms", 86_400_000), ("jit delay", 2500), ("wheel longest", (63 << 24) - 1),
    ("wheel delay", (63 << 24) - 1)])
@pytest.mark.parametrize("value", ["0", "too large", "99999999999999999999"])
def test_parameters_out_of_range(vm, parameter, most, value):
    value = value.replace("too large", str(most + 1))
    module, name = parameter.split()
    result = vm.run(f"insmod {module}.ko {name}={value}; "
                    f"dmesg | grep '{module}: {name}' | tail -n 1")
    assert "Invalid argument" in result.output
    assert re.search(rf"invalid value '{value}': it must be a number from 1 to {most}\b",
                     result.output)


@pytest.mark.kernels("stock")
def test_parameters_that_count_at_loading_only_stay(vm):
    modes = run(vm, """
        for name in counter jit kt oneshot wheel; do
            insmod $name.ko
            cd /sys/module/$name/parameters
            stat -c "$name %n %a" *
            cd /root
            rmmod $name
        done""")
    assert modes.splitlines() == [
        "counter period_ms 444", "jit delay 644", "kt period_ms 444", "oneshot delay_ms 444",
        "wheel delay 644", "wheel longest 644"]


@pytest.mark.parametrize("file", ["currentime", "jitbusy"])
def test_a_file_of_a_module_that_fails_to_load_was_never_open(vm, file):
    # The last name is taken. Who has opened an earlier file would be waited for.
    output = run(vm, f"""
        insmod jitimer_original.ko name=jitasklethi
        : >out
        ./reader early /proc/{file} >out & pid=$!
        until [ -s out ]; do usleep 10000; done
        for i in $(seq 3); do if insmod jit.ko 2>/dev/null; then exit 1; fi; done
        kill $pid
        wait $pid 2>/dev/null || true
        cat out
        rmmod jitimer_original""")
    assert output == "e 0 \n"
