# SPDX-License-Identifier: GPL-2.0
"""/proc/jitimer on the stock and on the test kernel: what it shows, and how it ends."""

import re

import pytest

from cache import PROJECT
from run import SETTLE

HEADER = "   time   delta  inirq    pid   cpu command"
GAP = re.compile(r"# (?P<lost>[1-9]\d*) lost")
LINE = re.compile(r"(?P<time> *\d+)  (?P<delta> *\d+)     (?P<inirq>[01])    (?P<pid> *\d+)   "
                  r"(?P<cpu>\d+)   (?P<command>.+)")

# How many samples are kept for a reader.
KEPT = 256

# The largest delay: a reader that waits for it waits until something else ends the wait.
FOR_EVER = (63 << 24) - 1

# Starts a reader, and waits until it has its first line and sleeps for the second.
START_READER = """
: >out
dd if=/proc/jitimer bs=4096 >out 2>err & pid=$!
until [ "$(wc -l <out)" = 2 ] && grep -q '^State:.S' /proc/$pid/status; do usleep 10000; done
"""

# Tells when unloading begins, while 64 readers wait, and when it has ended. All readers sleep; only the
# unloading goes on.
UNLOAD = f"""
insmod jitimer.ko tdelay={FOR_EVER}
: >waiting
./reader /proc/jitimer m64 >waiting & pid=$!
until grep -q '^m 64' waiting; do usleep 10000; done
read -r start rest </proc/uptime
rmmod jitimer
read -r end rest </proc/uptime
wait $pid
echo "$start $end"
"""


def run(vm, script, seconds=0):
    """Runs a script that must succeed; returns its output."""
    result = vm.run("set -e\n" + script, 600 + seconds)
    assert result.status == 0, result.output
    return result.output


def lines_of(text):
    """The lines of a file, gaps among them, as dictionaries of their columns; all are whole."""
    assert text.endswith("\n")
    header, *lines = text.splitlines()
    assert header == HEADER
    found = []
    for line in lines:
        match = LINE.fullmatch(line) or GAP.fullmatch(line)
        assert match, f"not a line of jitimer: {line!r}"
        found.append({name: value if name == "command" else int(value)
                      for name, value in match.groupdict().items()})
    return found


def samples(text):
    """The lines of a file without gaps."""
    lines = lines_of(text)
    assert not any("lost" in line for line in lines)
    return lines


def check_all_told(text, count):
    """Of that many samples, one at each jiffy or later, all are there, or told to be lost. Returns
    how many are."""
    lines = lines_of(text)
    series = [line for line in lines if "lost" not in line]
    lost = sum(line["lost"] for line in lines if "lost" in line)
    assert len(series) + lost == count
    # No more than had to be: what is kept is there after each gap.
    *_, after = text.rpartition(" lost\n")
    assert not lost or after.count("\n") >= KEPT
    before, gap = series[0], 0
    for line in lines[1:]:
        if "lost" in line:
            assert not gap, "two gaps, one after the other"
            gap = line["lost"]
            continue
        # All deltas add up, over a gap too, and each lost sample had its jiffy.
        assert line["delta"] == line["time"] - before["time"] > gap
        before, gap = line, 0
    return lost


def check_series(series, tdelay):
    """A whole series: the reader's line, then five of the timer, none before its time."""
    assert [line["inirq"] for line in series] == [0, 1, 1, 1, 1, 1]
    assert series[0]["delta"] == 0
    for before, line in zip(series, series[1:]):
        assert line["delta"] == line["time"] - before["time"]
        assert line["delta"] >= tdelay


def test_one_reader(vm):
    series = samples(run(vm, "insmod jitimer.ko; cat /proc/jitimer; rmmod jitimer"))
    check_series(series, 10)
    assert series[0]["command"] == "cat"


def test_a_line_tells_its_cpu(vm):
    # The reader's own line does: where the timer's callback runs, the kernel decides.
    outputs = run(vm, """
        insmod jitimer.ko tdelay=1
        for cpu in 0 1; do taskset -c $cpu cat /proc/jitimer; echo --; done
        rmmod jitimer""").split("--\n")[:2]
    assert [samples(output)[0]["cpu"] for output in outputs] == [0, 1]


def test_the_file_can_be_read_by_all_and_written_by_none(vm):
    output = run(vm, "insmod jitimer.ko; stat -c '%a %u' /proc/jitimer\n"
                     "if echo 1 2>/dev/null >/proc/jitimer; then echo written; fi; rmmod jitimer")
    assert output == "444 0\n"


def test_each_open_is_a_series_of_its_own(vm):
    first, second = run(vm, """
        insmod jitimer.ko tdelay=2
        cat /proc/jitimer; echo --; cat /proc/jitimer
        rmmod jitimer""").split("--\n")
    check_series(samples(first), 2)
    check_series(samples(second), 2)
    assert samples(second)[0]["time"] >= samples(first)[-1]["time"]


def test_two_readers_at_once(vm):
    outputs = run(vm, """
        insmod jitimer.ko tdelay=5
        cat /proc/jitimer >a & one=$!
        cat /proc/jitimer >b & two=$!
        wait $one; wait $two
        cat a; echo --; cat b
        rmmod jitimer""").split("--\n")
    for output in outputs:
        check_series(samples(output), 5)


def test_one_byte_at_a_time(vm):
    check_series(samples(run(vm, """
        insmod jitimer.ko tdelay=1
        dd if=/proc/jitimer bs=1 2>/dev/null
        rmmod jitimer""")), 1)


def test_at_the_end_it_stays(vm):
    output = run(vm, """
        insmod jitimer.ko tdelay=1
        exec 3</proc/jitimer
        cat <&3 >/dev/null
        cat <&3
        exec 3<&-
        rmmod jitimer""")
    assert output == ""


@pytest.mark.parametrize("signal", ["KILL", "TERM", "HUP"])
def test_a_signal_ends_the_wait(vm, signal):
    output = run(vm, f"""
        insmod jitimer.ko tdelay={FOR_EVER}
        {START_READER}
        kill -{signal} $pid
        if wait $pid 2>/dev/null; then exit 1; fi
        cat out
        rmmod jitimer""")
    assert len(samples(output)) == 1


def test_unload_while_a_reader_waits(vm):
    output = run(vm, f"""
        insmod jitimer.ko tdelay={FOR_EVER}
        {START_READER}
        rmmod jitimer
        wait $pid
        cat out""")
    assert len(samples(output)) == 1


def test_a_name_that_is_taken(vm):
    # Not even the kernel's WARN, which would be a report.
    output = run(vm, """
        insmod jitimer_original.ko name=jitimer
        if insmod jitimer.ko 2>&1; then exit 1; fi
        dmesg | tail -n 1
        rmmod jitimer_original
        insmod jitimer.ko
        cat /proc/jitimer
        rmmod jitimer""")
    refused, line, series = output.split("\n", 2)
    # Since 7.3 the kernel has EEXIST only for a module that is loaded already.
    assert "File exists" in refused or "Device or resource busy" in refused
    assert line.endswith("jitimer: /proc/jitimer is there already; "
                         "unload the module that has made it first")
    check_series(samples(series), 10)


def test_unload_while_the_file_is_open(vm):
    output = run(vm, f"""
        insmod jitimer.ko tdelay={FOR_EVER}
        exec 3</proc/jitimer
        head -c 10 <&3 >/dev/null
        rmmod jitimer
        if cat <&3; then exit 1; fi
        exec 3<&-""")
    assert "I/O error" in output or "Input/output error" in output


def test_parameter_at_load(vm):
    output = run(vm, """
        insmod jitimer.ko tdelay=23
        cat /sys/module/jitimer/parameters/tdelay; cat /proc/jitimer
        rmmod jitimer""")
    value, lines = output.split("\n", 1)
    assert value == "23"
    check_series(samples(lines), 23)


def test_the_wheel_rounds_up_as_readme_and_modinfo_say(virtual):
    # The first line of the timer's is from where the reader was; from there on all are as far apart.
    text = "".join(PROJECT.joinpath(name).read_text()
                   for name in ("README.md", "src/jitimer/jitimer.rs"))
    rounded = [(1, 1), (64, 64), (65, 72), (504, 504), (505, 512), (4032, 4032), (4033, 4096),
               *((int(tdelay), int(delta)) for tdelay, delta in re.findall(
                   r"(\d+) gives (\d+)", text))]
    assert len(rounded) == 11
    for tdelay, delta in rounded:
        series = samples(run(virtual, f"""
            insmod jitimer.ko tdelay={tdelay} count=4; cat /proc/jitimer; rmmod jitimer"""))
        assert [line["delta"] for line in series[2:]] == [delta] * 3
        assert 0 <= series[1]["delta"] - tdelay < max(8, delta)


def test_notations_of_a_parameter(vm):
    values = run(vm, """
        insmod jitimer.ko tdelay=0x10 count=010
        cd /sys/module/jitimer/parameters
        cat tdelay count
        for value in 0X1F +5 12; do echo $value >tdelay; cat tdelay; done
        cd; rmmod jitimer""").split()
    assert values == ["16", "8", "31", "5", "12"]


RANGES = {"tdelay": "1 to 1056964607", "count": "0 to 4294967295", "readers": "1 to 65536"}

# Each parameter with values that are none: out of range, and no numbers.
REFUSED = [(name, value) for name, outside in (("tdelay", ("0", str(63 << 24), " 10", "10 ")),
                                               ("count", (str(1 << 32),)),
                                               ("readers", ("0", "65537")))
           for value in (*outside, "-5", "abc", "9" * 30, "", "10x")]


@pytest.mark.kernels("stock")
@pytest.mark.parametrize("name", RANGES)
def test_parameter_refused_at_load(vm, name):
    # The kernel ends a value at a space.
    for value in (value for of, value in REFUSED if of == name and " " not in value):
        result = vm.run(f"insmod jitimer.ko {name}='{value}'; "
                        f"dmesg | grep 'jitimer: {name}' | tail -n 1")
        assert "Invalid argument" in result.output
        assert (f"{name}: invalid value '{value}': it must be a number from {RANGES[name]}"
                in result.output)


@pytest.mark.parametrize("name", RANGES)
def test_parameter_in_sysfs(vm, name):
    refused = [value for of, value in REFUSED if of == name]
    writes = "\n".join(f"""
        if echo '{value}' 2>/dev/null >{name}; then exit 1; fi
        cat {name}""" for value in refused)
    mode, *kept = run(vm, f"""
        insmod jitimer.ko {name}=7
        cd /sys/module/jitimer/parameters
        stat -c %a {name}
        {writes}
        cd; rmmod jitimer""").splitlines()
    assert mode == "644"
    assert kept == ["7"] * len(refused)
    lines = run(vm, f"dmesg | grep 'jitimer: {name}' | tail -n {len(refused)}").splitlines()
    for value, line in zip(refused, lines, strict=True):
        assert f"invalid value '{value}': it must be a number from {RANGES[name]}" in line


def test_parameters_hold_for_those_who_open_the_file_after(vm):
    output = run(vm, """
        insmod jitimer.ko tdelay=1
        exec 3</proc/jitimer
        echo 7 >/sys/module/jitimer/parameters/tdelay
        echo 3 >/sys/module/jitimer/parameters/count
        cat <&3; echo --; cat /proc/jitimer
        exec 3<&-
        rmmod jitimer""")
    old, new = output.split("--\n")
    check_series(samples(old), 1)
    series = samples(new)
    assert len(series) == 4
    assert all(line["delta"] >= 7 for line in series[1:])


@pytest.mark.kernels("test")
def test_what_was_opened_is_freed(vm):
    # Each opening allocates charged memory, and starts a series: many of them, left behind, would
    # stand out. Shrinking a cache empties KASAN's quarantine for it.
    before, after = run(vm, f"""
        objects() {{
            for cache in /sys/kernel/slab/kmalloc-cg-*; do echo 1 >$cache/shrink; done
            awk '{{ sum += $1 }} END {{ print sum }}' /sys/kernel/slab/kmalloc-cg-*/objects
        }}
        insmod jitimer.ko tdelay={FOR_EVER}
        objects
        for i in $(seq 200); do read -r header </proc/jitimer; done
        objects
        rmmod jitimer""").split()
    assert int(before) > 0
    assert abs(int(after) - int(before)) < 100


@pytest.mark.kernels("test")
def test_loading_leaves_no_mount(vm):
    # Whether the name is taken it sees in a procfs that it mounts.
    before, after = run(vm, """
        mounts() {
            echo 1 >/sys/kernel/slab/mnt_cache/shrink
            awk '{ print $1 }' /sys/kernel/slab/mnt_cache/objects
        }
        mounts
        for i in $(seq 10); do insmod jitimer.ko; rmmod jitimer; done
        insmod jitimer_original.ko name=jitimer
        for i in $(seq 10); do if insmod jitimer.ko 2>/dev/null; then exit 1; fi; done
        rmmod jitimer_original
        mounts""").split()
    assert int(before) > 0
    # The last ones may be there yet.
    assert abs(int(after) - int(before)) < 5


# It takes kmemleak.
@pytest.mark.but_not("race")
@pytest.mark.kernels("test")
def test_nothing_leaks(vm):
    # kmemleak looks at nothing that is younger than five seconds, and takes what changed since its
    # last scan for used.
    output = run(vm, f"""
        echo clear >/sys/kernel/debug/kmemleak
        insmod jitimer.ko tdelay={FOR_EVER}
        for i in 1 2 3; do
            {START_READER}
            kill -KILL $pid
            if wait $pid 2>/dev/null; then exit 1; fi
        done
        {START_READER}
        rmmod jitimer
        wait $pid
        sleep 6
        echo scan >/sys/kernel/debug/kmemleak
        echo scan >/sys/kernel/debug/kmemleak
        cat /sys/kernel/debug/kmemleak""")
    assert output == ""


def test_unloading_takes_no_time(virtual):
    start, end = map(float, run(virtual, UNLOAD).split())
    assert end - start < 1


def test_exact_under_virtual_time(virtual):
    series = samples(run(virtual, f"{SETTLE}; insmod jitimer.ko; cat /proc/jitimer; rmmod jitimer"))
    check_series(series, 10)
    assert [line["delta"] for line in series] == [0, 10, 10, 10, 10, 10]
