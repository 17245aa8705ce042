# SPDX-License-Identifier: GPL-2.0
"""/proc/jitimer under torture. `make test` runs a short form of each scenario; `make torture` the
whole, with more CPUs. What is random comes from a seed, which is printed at the start."""

import random
import re

import pytest

from test_jitimer import FOR_EVER, UNLOAD, run

# How many objects there are in the slab caches that jitimer's files come from. Shrinking a cache
# empties KASAN's quarantine for it.
OBJECTS = """
objects() {
    for cache in /sys/kernel/slab/kmalloc-cg-* /sys/kernel/slab/*seq_file*; do
        echo 1 >$cache/shrink
    done
    awk '{ sum += $1 } END { print "objects " sum }' /sys/kernel/slab/kmalloc-cg-*/objects \
        /sys/kernel/slab/*seq_file*/objects
}
"""


@pytest.fixture
def times(request):
    """How often to do something: little in `make test`, much in `make torture`."""
    return lambda few, many: many if request.config.getoption("torture") else few


@pytest.fixture
def rng(request):
    """Random numbers for this test, by the seed."""
    return random.Random(f"{request.config.getoption('seed')} {request.node.nodeid}")


def test_loaded_and_unloaded_with_readers_running(vm, rng, times):
    rounds = times(5, 1000)
    output = run(vm, f"./torture load jitimer.ko 'tdelay=1 count=0' /proc/jitimer {rounds} 60000 "
                     f"{rng.randrange(10**9)}", 60 + 10 * rounds)
    assert output == f"{rounds} times loaded and unloaded\n"


def test_readers_killed_at_random_moments(vm, rng, times):
    rounds = times(20, 2500)
    output = run(vm, f"""{OBJECTS}
        kill_readers() {{
            ./torture kill /proc/jitimer $1 80000 {rng.randrange(10**9)}
        }}
        insmod jitimer.ko tdelay=1 count=0
        kill_readers 10 >/dev/null
        test ! -d /sys/kernel/slab/kmalloc-cg-64 || objects
        cat /sys/module/jitimer/refcnt
        kill_readers {rounds}
        cat /sys/module/jitimer/refcnt
        test ! -d /sys/kernel/slab/kmalloc-cg-64 || objects
        rmmod jitimer""", 2 * rounds)
    print(output)
    assert re.findall(r"^\d+$", output, re.MULTILINE) == ["0", "0"]
    assert f"{4 * rounds} readers, {4 * rounds} killed\n" in output
    counts = [int(count) for count in re.findall(r"objects (\d+)", output)]
    if counts and rounds > 100:
        assert abs(counts[1] - counts[0]) < 200


def test_cpus_taken_offline_under_waiting_timers(vm, rng, times):
    rounds = times(3, 200)
    cpus = int(run(vm, "nproc"))
    picks = " ".join(str(rng.randrange(1, cpus)) for _ in range(rounds))
    output = run(vm, f"""
        insmod jitimer.ko tdelay=5 count=0
        for i in 1 2 3 4 5 6 7 8; do cat /proc/jitimer >out$i & done
        for cpu in {picks}; do
            echo 0 >/sys/devices/system/cpu/cpu$cpu/online
            for i in 1 2 3 4 5 6 7 8; do : >out$i; done
            # Each goes on: it has lines from after that.
            for i in 1 2 3 4 5 6 7 8; do until [ -s out$i ]; do usleep 10000; done; done
            echo 1 >/sys/devices/system/cpu/cpu$cpu/online
        done
        kill $(jobs -p)
        wait
        rmmod jitimer
        echo went on""", 20 * rounds)
    assert output == "went on\n"


def test_many_readers_at_once(vm, times):
    # 64 readers, each with a series of its own, whole and in order; what was lost is told.
    count = times(25, 15000)
    output = run(vm, f"""
        insmod jitimer.ko tdelay=1 count={count}
        for i in $(seq 64); do cat /proc/jitimer >series$i & done
        wait
        awk 'FNR == 1 {{ if (NR > 1) {{ print lines; lines = 0 }}; next }}
             /^# [0-9]+ lost$/ {{ lines += $2; next }}
             FNR > 2 && $2 != $1 - before {{ print FILENAME ", line " FNR ": " $0; exit 1 }}
             {{ before = $1; lines++ }}
             END {{ print lines }}' series*
        rm series*
        rmmod jitimer""", count / 10)
    assert output.split() == [str(count + 1)] * 64


def test_unloading_with_many_readers_waiting(vm, times, request):
    output = run(vm, f"""
        for i in $(seq {times(2, 50)}); do
            {UNLOAD}
        done""", times(0, 1000))
    longest = max(float(end) - float(start)
                  for start, end in (line.split() for line in output.splitlines()))
    print(f"rmmod with 64 readers waiting took {longest:.2f} s at most")
    # A figure for a kernel as people have it, on a machine that does nothing else.
    if times(False, True) and request.node.callspec.params["machine"] != "test":
        assert longest < 1


def test_unloading_while_others_poll(vm, times):
    # Some begin, some end, some have just opened the file; and one is stuck in another file's poll,
    # of whose server it tells.
    output = run(vm, f"""
        kill_stuck() {{
            kill -KILL $stuck $(sed -n 's/^F \\([0-9]*\\).*/\\1/p' stuck) 2>/dev/null || true
        }}
        for round in $(seq {times(30, 200)}); do
            insmod jitimer.ko tdelay=1 count=0
            : >stuck
            ./reader /proc/jitimer F-1 >stuck & stuck=$!
            for way in w s e a u; do
                ./reader /proc/jitimer r4096 ${{way}}9 r4096 ${{way}}9 r4096 ${{way}}9 >/dev/null &
            done
            ./torture unload jitimer & unloading=$!
            until [ -s stuck ]; do usleep 1000; done
            kill_stuck
            wait $unloading
            wait
        done""", times(0, 2000))
    assert output == ""


FAIL = """
cd /sys/kernel/debug
for fault in failslab fail_page_alloc; do
    echo N >$fault/ignore-gfp-wait
    echo 0 >$fault/verbose
done
echo 0 >fail_page_alloc/min-order
cd /root
"""


# It takes kmemleak.
@pytest.mark.but_not("race")
@pytest.mark.kernels("test")
def test_every_allocation_of_a_reader_fails_once(vm, times):
    # Of one that has all in its own memory, and of one that has more. Nothing of what failed is left:
    # no memory, as kmemleak sees it, and no reader that is counted.
    run(vm, "echo clear >/sys/kernel/debug/kmemleak")
    for _ in range(times(1, 5)):
        output = run(vm, f"""{FAIL}
            for count in 5 300; do
                insmod jitimer.ko tdelay=1 count=$count readers=1
                ./torture fail /proc/jitimer
                ./reader as 1000 ./reader /proc/jitimer r0
                cat /proc/jitimer | wc -l
                rmmod jitimer
            done""")
        found = re.fullmatch(r"(\d+) allocations failed, (\d+) calls\nr 0 \n7\n"
                             r"(\d+) allocations failed, (\d+) calls\nr 0 \n302\n", output)
        few, few_refused, many, many_refused = found.groups()
        print(f"{few} and {many} allocations failed, {few_refused} and {many_refused} of them to the "
              "reader's notice")
    assert run(vm, """
        sleep 6
        echo scan >/sys/kernel/debug/kmemleak
        echo scan >/sys/kernel/debug/kmemleak
        cat /sys/kernel/debug/kmemleak""") == ""


@pytest.mark.kernels("test")
def test_every_allocation_of_loading_fails_once(vm, times):
    output = run(vm, f"""{FAIL}
        ./torture fail-load jitimer.ko {times(29, 1)}
        insmod jitimer.ko
        cat /proc/jitimer
        rmmod jitimer""", 1200)
    failed, refused = map(int, re.match(r"(\d+) allocations failed, (\d+) calls", output).groups())
    print(f"{failed} allocations failed, {refused} of them to the loader's notice")
    assert failed >= refused > 0


@pytest.mark.kernels("stock")
def test_memory_is_charged_to_the_reader(vm):
    # What a group of one reader that has 300 files open is charged, beside another file.
    output = run(vm, f"""
        mkdir -p /cgroup
        mount -t cgroup2 none /cgroup
        echo +memory >/cgroup/cgroup.subtree_control
        insmod jitimer.ko tdelay={FOR_EVER} count=0
        for file in jitimer uptime; do
            mkdir /cgroup/$file
            : >opened
            sh -c 'echo $$ >/cgroup/'$file'/cgroup.procs
                exec ./reader /proc/'$file' o300 q' >opened & pid=$!
            until grep -q '^o 300' opened; do usleep 10000; done
            cat /cgroup/$file/memory.current
            kill -KILL $pid
            wait $pid 2>/dev/null || true
        done
        rmmod jitimer
        until rmdir /cgroup/jitimer /cgroup/uptime; do usleep 10000; done
        umount /cgroup""")
    ours, other = map(int, output.split())
    # Most of it is the samples that are kept: a time and a name, and more.
    assert ours - other > 300 * 256 * (8 + 16)
