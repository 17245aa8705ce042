# SPDX-License-Identifier: GPL-2.0
"""/proc/jitimer read as files are read: by tests/reader.c, in the guest."""

import re

import pytest

from test_jitimer import FOR_EVER, HEADER, check_all_told, check_series, run, samples

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
        # io_uring lets go of a file some time after the process has ended.
        until [ "$(cat /sys/module/jitimer/refcnt)" = 0 ]; do usleep 1000; done
        rmmod jitimer"""))


def test_each_line_comes_when_it_is_taken(vm):
    # A buffer with room for all of them, and yet each read gives what there is by then.
    first, *others = read(vm, "r4096 r4096 r4096 r4096 r4096 r4096 r4096", "tdelay=50")
    assert first[2].count("\n") == 2
    assert sum(result > 0 for _, result, _ in others) > 1
    assert others[-1][1] == 0
    check_series(samples(first[2] + "".join(text for _, _, text in others)), 50)


def test_each_line_comes_alone(virtual):
    done = read(virtual, "r4096 " * 7, "tdelay=50")
    assert [text.count("\n") for _, _, text in done] == [2, 1, 1, 1, 1, 1, 0]


def test_it_is_a_stream(vm):
    # What can't be done to it changes nothing. A reader that has no place for what it reads can
    # read it later.
    first, *refused = read(vm, "r20 l0 L0 p20,0 b z y b z v r10 b R", "tdelay=50")
    assert [entry for entry in refused if entry[0] in "lLpbz"] == [
        ("l", "ESPIPE", ""), ("L", "ESPIPE", ""), ("p", "ESPIPE", ""), *[
            ("b", "EFAULT", ""), ("z", 0, "")] * 2, ("b", "EFAULT", "")]
    check_series(samples(first[2] + "".join(text for _, _, text in refused)), 50)


def test_a_read_goes_on_over_the_end_of_a_page(vm):
    ((*_, text),) = read(vm, "f4096", f"tdelay={FOR_EVER}")
    assert len(samples(text)) == 1
    output = run(vm, """
        insmod counter.ko
        ./reader /proc/jitcounter f4096 f4096
        rmmod counter
        insmod jit.ko
        ./reader /proc/currentime f4096 f4096
        rmmod jit""")
    counter, end, time, end_of_time = operations(output)
    assert re.fullmatch(r"\d+\n", counter[2]) and end == end_of_time == ("f", 0, "")
    assert re.fullmatch(r"0x[0-9a-f]+ 0x[0-9a-f]+ \d+\.\d+\n +\d+\.\d+\n", time[2])


def test_a_first_read_without_a_place(vm):
    bad, whole = read(vm, "b R")
    assert bad == ("b", "EFAULT", "")
    check_series(samples(whole[2]), 1)


def test_where_poll_says_nothing_read_says_eagain(vm):
    # And nowhere else; byte by byte over the end of what there is, and by all that polls.
    done = read(vm, "n " + "w0 s0 e0 a0 u0 r17 " * 8, f"tdelay={FOR_EVER}")
    for i in range(0, len(done), 6):
        *polled, (_, result, _) = done[i:i + 6]
        there = result != "EAGAIN"
        assert [entry[:2] for entry in polled] == [
            ("w", POLLIN * there), ("s", 1 * there), ("e", POLLIN * there),
            ("a", POLLIN * there), ("u", POLLIN * there)]
    assert done[0][1] == POLLIN and done[-1][1] == "EAGAIN"


def test_a_read_that_is_not_to_wait(vm):
    # Though the file is one that waits.
    first, nothing = read(vm, "W4096 W4096", f"tdelay={FOR_EVER}")
    assert first[2].count("\n") == 2 and nothing == ("W", "EAGAIN", "")
    first, _, more, there, end = read(vm, "W4096 w-1 W4096 R W1", "tdelay=30 count=1")
    assert len(samples(first[2] + more[2])) == 2
    assert there == ("R", 0, "") and end == ("W", 0, "")


def test_at_the_end_of_the_file_it_is_readable(vm):
    done = read(vm, "R n w0 a0 u0 e0 s0 r1")
    assert [entry[1] for entry in done[1:]] == [POLLIN] * 4 + [1, 0]


EPOLLET, EPOLLONESHOT, EPOLLEXCLUSIVE = 1 << 31, 1 << 30, 1 << 28


@pytest.mark.parametrize("flags", [EPOLLET, EPOLLEXCLUSIVE])
def test_epoll_tells_of_each_line(vm, flags):
    done = read(vm, f"n r4096 e-1,{POLLIN | flags} r4096 e-1 r4096 e-1 R", "tdelay=30 count=3")
    assert {entry[1] for entry in done if entry[0] == "e"} == {POLLIN}
    check = [entry[2] for entry in done if entry[0] in "rR"]
    assert len(samples("".join(check))) == 4


def test_epoll_by_edges_tells_once(vm):
    done = read(vm, f"n r4096 e-1,{POLLIN | EPOLLET} e0 r4096 e0 r4096", "tdelay=30 count=1")
    assert [entry[1] for entry in done if entry[0] == "e"] == [POLLIN, 0, 0]
    assert len(samples(done[0][2] + done[3][2])) == 2


def test_epoll_once(vm):
    done = read(vm, f"n r4096 e-1,{POLLIN | EPOLLONESHOT} w-1 e0", "tdelay=30")
    assert [entry[1] for entry in done[1:]] == [POLLIN, POLLIN, 0]


@pytest.mark.parametrize("way", ["a-1", "u-1"])
def test_aio_and_io_uring_tell_when_there_is_a_line(vm, way):
    done = read(vm, f"n r4096 {way} r100 {way} r100 {way} r100", "tdelay=30")
    assert [entry[1] for entry in done if entry[0] == way[0]] == [POLLIN] * 3
    assert len(samples("".join(entry[2] for entry in done))) >= 4


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


def test_sendfile(vm):
    # To a pipe. To anything else, C's sendfile() takes from files only that can be sought.
    pipe, file, *rest = read(vm, "y Y R")
    assert pipe[1] > 0 and file == ("Y", "EINVAL", "")
    check_series(samples(pipe[2] + "".join(text for _, _, text in rest)), 1)


def test_io_uring_reads_until_the_buffer_is_full(vm):
    # Or to the end.
    part, rest = read(vm, "U150 U4096", "tdelay=30")
    assert part[1] == 150
    check_series(samples(part[2] + rest[2]), 30)


def test_which_files_are_streams(vm):
    output = run(vm, """
        for module in jitimer jit counter context wheel; do
            ls /proc >before
            insmod $module.ko
            ls /proc >after
            for file in $(diff before after | sed -n 's/^+\\([^+ ]*\\)$/\\1/p' | grep -v '^[0-9]'); do
                echo "$file $(./reader /proc/$file l0)"
            done
            rmmod $module
        done""")
    found = dict(line.split(" ", 1) for line in output.splitlines())
    texts = {name for name, told in found.items() if told == "l 0 "}
    streams = {name for name, told in found.items() if told == "l ESPIPE "}
    assert texts == {"currentime", "jitcontext", "jitcounter"}
    assert streams == set(found) - texts and {"jitimer", "jitbusy", "jitwheel"} < streams


def test_threads_share_one_series(vm):
    ((_, _, text),) = read(vm, "t4", "tdelay=5")
    lines = text.splitlines()
    assert HEADER in lines
    series = sorted(samples("\n".join([HEADER, *[line for line in lines if line != HEADER], ""])),
                    key=lambda line: line["time"])
    check_series(series, 5)


def test_closed_by_another_thread(vm):
    # The read that is under way has the file open until it is done: by a signal, here.
    first, second, third = read(vm, "r4096 c r4096 r4096", f"tdelay={FOR_EVER}")
    assert first[2].count("\n") == 2
    assert second == ("r", "EINTR", "")
    assert third == ("r", "EBADF", "")


# All ways to wait for something of a file; the last one is stuck in another file's poll().
POLLING = ["w-1", "w-1,0", "w-1,2", "w-1,4", "s-1", "s-1,2", "s-1,4", "e-1", "e-1,0", "a-1", "a-1,2",
           "u-1", "u-1,2", f"e-1,{1 | EPOLLET}", f"e-1,{1 | EPOLLONESHOT}",
           f"e-1,{1 | EPOLLEXCLUSIVE}", "F-1"]


@pytest.mark.parametrize("signal", ["", "STOP"])
def test_who_polls_has_the_module_in_use(vm, signal):
    # Unloading says so at once, and does not wait; and the file goes on meanwhile.
    output = run(vm, f"""
        insmod jitimer.ko tdelay={FOR_EVER}
        for way in {" ".join(POLLING)}; do
            : >polled
            user=1000
            case $way in F*) user=0;; esac
            ./reader as $user ./reader /proc/jitimer r4096 $way >polled 2>&1 & pid=$!
            until grep -q ^r polled && grep -q '^State:.S' /proc/$pid/status; do usleep 10000; done
            case $way in F*) until grep -q ^F polled; do usleep 10000; done;; esac
            test -z "{signal}" || kill -{signal} $pid
            if rmmod jitimer 2>refused; then echo unloaded; exit 1; fi
            grep -q 'Resource temporarily unavailable' refused
            kill -KILL $pid
            case $way in F*) kill -KILL "$(sed -n 's/^F //p' polled | tr -d " ")";; esac
            wait $pid 2>/dev/null || true
        done
        # Nobody does now, once io_uring has let go of it; and those who only read don't count.
        until [ "$(cat /sys/module/jitimer/refcnt)" = 0 ]; do usleep 1000; done
        cat /proc/jitimer >/dev/null & pid=$!
        until grep -q '^State:.S' /proc/$pid/status; do usleep 10000; done
        rmmod jitimer
        wait $pid""")
    assert output == ""


def test_a_poll_that_is_over_counts_until_the_file_is_closed(vm):
    output = run(vm, f"""
        insmod jitimer.ko tdelay={FOR_EVER}
        : >polled
        ./reader /proc/jitimer w0 r4096 r4096 >polled & pid=$!
        until grep -q ^r polled && grep -q '^State:.S' /proc/$pid/status; do usleep 10000; done
        if rmmod jitimer 2>/dev/null; then exit 1; fi
        cat /sys/module/jitimer/refcnt
        kill $pid
        wait $pid 2>/dev/null || true
        cat /sys/module/jitimer/refcnt
        rmmod jitimer""")
    assert output.split() == ["1", "0"]


def test_a_reader_whose_page_never_comes(vm):
    # Another one who shares the file gets what there is; unloading says at once that it is in use;
    # and it can be killed.
    output = run(vm, f"""
        insmod jitimer.ko tdelay={FOR_EVER}
        : >out
        ./reader /proc/jitimer k w0 r4096 n w0 r4096 q >out & pid=$!
        until [ "$(wc -l <out)" = 5 ]; do usleep 10000; done
        if rmmod jitimer 2>/dev/null; then exit 1; fi
        kill -KILL $pid
        wait $pid 2>/dev/null || true
        rmmod jitimer
        cat out""")
    never, polled, shared, nothing, again = operations(output)
    assert (never[1], polled[1], nothing[1], again[1]) == (0, POLLIN, 0, "EAGAIN")
    assert len(samples(shared[2])) == 1


@pytest.mark.parametrize("page", ["k", "k1"])
@pytest.mark.parametrize("module, file", [("jitimer", "jitimer"), ("jit", "currentime")])
def test_who_waits_for_a_page_has_the_module_in_use(vm, module, file, page):
    # Of whatever it is that does not come: unloading would wait for the read otherwise.
    output = run(vm, f"""
        insmod {module}.ko
        : >out
        ./reader /proc/{file} {page} q >out & pid=$!
        until grep -q ^k out; do usleep 10000; done
        # On PREEMPT_RT it sleeps for locks, too, before it does for the page.
        for i in $(seq 500); do
            used=$(cat /sys/module/{module}/refcnt)
            test $used = 0 || break
            usleep 10000
        done
        echo $used
        test $used = 0 || ! rmmod {module} 2>/dev/null || echo unloaded
        kill -KILL $pid
        wait $pid 2>/dev/null || true
        until [ "$(cat /sys/module/{module}/refcnt)" = 0 ]; do usleep 10000; done
        rmmod {module}""")
    assert output == "1\n"


def test_those_who_share_a_file_can_be_killed(vm):
    output = run(vm, f"""
        insmod jitimer.ko tdelay={FOR_EVER}; insmod jit.ko delay=2500
        for file in jitimer jitqueue; do
            exec 3</proc/$file
            head -c 10 <&3 >/dev/null & pid=$!
            test $file = jitimer || kill $pid
            wait $pid 2>/dev/null || true
            cat <&3 >/dev/null & one=$!
            cat <&3 >/dev/null & other=$!
            for pid in $one $other; do
                until grep -q '^State:.S' /proc/$pid/status && grep -q cat /proc/$pid/comm; do
                    usleep 10000
                done
            done
            for pid in $other $one; do kill -KILL $pid; wait $pid 2>/dev/null || echo killed; done
            exec 3<&-
        done
        rmmod jitimer; rmmod jit""")
    assert output == "killed\n" * 4


# Has the second CPU for itself, by a real-time priority, for as long as it is not told to stop.
HOG = """
taskset -p 1 $$ >/dev/null
echo 0 >/sys/kernel/debug/sched/fair_server/cpu1/runtime
hog() {
    : >hogged
    taskset 2 ./reader /dev/null h >hogged & hog=$!
    until [ -s hogged ]; do usleep 10000; done
}
unhog() { kill -KILL $hog; wait $hog 2>/dev/null || true; }
hogged_no_more() { echo 50000000 >/sys/kernel/debug/sched/fair_server/cpu1/runtime; }
"""


@pytest.mark.kernels("test")
def test_data_comes_before_a_signal(vm):
    # Both come while the reader gets no CPU; the timer is on the other one. When a second series,
    # begun later, is at its end, so is this one.
    output = run(vm, f"""{HOG}
        insmod jitimer.ko tdelay=500 count=1
        : >out
        ./reader /proc/jitimer r4096 r4096 r4096 >out & pid=$!
        until grep -q ^r out && grep -q '^State:.S' /proc/$pid/status; do usleep 1000; done
        taskset -p 2 $pid >/dev/null
        hog
        cat /proc/jitimer >/dev/null
        kill -USR1 $pid
        unhog
        wait $pid
        hogged_no_more
        rmmod jitimer
        cat out""")
    first, second, end = operations(output)
    assert end == ("r", 0, "")
    assert len(samples(first[2] + second[2])) == 2


@pytest.mark.kernels("test")
def test_a_reader_that_is_late_changes_no_line_that_another_reads(vm):
    # Both wait for the same sample. One has no CPU until the other has read half of the line, and
    # many more have come than are kept; what it finds then is a later one.
    output = run(vm, f"""{HOG}
        insmod jitimer.ko tdelay=1 count=2000
        exec 3</proc/jitimer
        dd bs=10 count=1 <&3 2>/dev/null >out
        : >late
        taskset 2 cat <&3 >late & pid=$!
        until [ "$(wc -l <late)" -gt 9 ]; do usleep 10000; done
        hog
        # And not where it has read some, and not written it.
        until grep -q wait_event_on_two /proc/$pid/stack; do unhog; hog; done
        had=$(wc -c <late)
        cat late >>out
        dd bs=10 count=1 <&3 2>/dev/null >>out
        head -n 600 /proc/jitimer >/dev/null
        unhog
        wait $pid
        hogged_no_more
        exec 3<&-
        rmmod jitimer
        tail -c +$((had + 1)) late >>out
        cat out""")
    assert check_all_told(output, 2001) > 100


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
    # It reads half a line, stops until all have come, which are many more than are kept, and goes on.
    # That they have is known from a series beside it.
    output = run(vm, """
        insmod jitimer.ko tdelay=1 count=600
        exec 3</proc/jitimer
        dd bs=110 count=1 <&3 2>/dev/null
        cat /proc/jitimer >/dev/null
        cat <&3
        exec 3<&-
        rmmod jitimer""")
    assert check_all_told(output, 601) > 100


def test_more_readers_than_there_may_be(vm):
    # Half of them are for one user, all of them for all users, and root gets in.
    output = run(vm, """
        insmod jitimer.ko readers=9 tdelay=1
        : >one; : >other
        ./reader as 1000 ./reader /proc/jitimer o3 o1 q >one & pids=$!
        until grep -q EBUSY one; do usleep 10000; done
        ./reader as 1001 ./reader /proc/jitimer o3 q >other & pids="$pids $!"
        until grep -q '^o 3' other; do usleep 10000; done
        # The other's share has changed nothing of this one's.
        ./reader as 1000 ./reader /proc/jitimer || true
        ./reader as 1002 ./reader /proc/jitimer o1
        ./reader /proc/jitimer o3
        kill -KILL $pids; wait 2>/dev/null
        ./reader as 1002 ./reader /proc/jitimer o3 o1
        echo 1 >/sys/module/jitimer/parameters/readers
        ./reader as 1002 ./reader /proc/jitimer r0 o1
        cat one
        rmmod jitimer""")
    busy = ("o", "EBUSY", "")
    assert operations(output) == [busy, busy, ("o", 3, ""), ("o", 3, ""), busy, ("r", 0, ""), busy,
                                  ("o", 3, ""), busy]


@pytest.mark.kernels("stock", "rt")
def test_a_user_namespace_brings_no_more_readers(vm):
    # Whoever is in one, or in one made in there, has the share of the user outside who made it.
    output = run(vm, """
        insmod jitimer.ko readers=8 tdelay=1
        : >one
        ./reader as 1000 ./reader /proc/jitimer o2 q >one & pid=$!
        until grep -q '^o 2' one; do usleep 10000; done
        ./reader as 1000,1 ./reader /proc/jitimer o1
        ./reader as 1000,0 ./reader /proc/jitimer o0 o1
        ./reader as 1000,0 ./reader as 7,0 ./reader /proc/jitimer o0 o1
        ./reader as 1001,1 ./reader /proc/jitimer o3 o1
        kill -KILL $pid; wait 2>/dev/null
        ./reader as 1000,2 ./reader /proc/jitimer o3 o1
        rmmod jitimer""")
    busy = ("o", "EBUSY", "")
    assert operations(output) == [busy, *[("o", 0, ""), busy] * 2, *[("o", 3, ""), busy] * 2]


# Keeps a CPU busy with a task of that name, as that user, and of that kind perhaps. Who reads there sees
# it whenever it does not see itself.
BURN = """
burn() { # as whom, its name, its kind, and on which CPU
    : >burning${4:-0}
    taskset -c ${4:-0} ./reader as $1 ./reader named "$2" ${3:+"$3"} >burning${4:-0} & burning=$!
    until [ -s burning${4:-0} ]; do usleep 10000; done
}
stop() { kill -KILL $burning; wait $burning 2>/dev/null || true; }
"""


@pytest.mark.kernels("stock", "test")
def test_hidepid(vm):
    # The options are those of the /proc that the file was opened in, the rights the opener's.
    output = run(vm, f"""{BURN}
        insmod jitimer.ko tdelay=3 count=30
        show() {{ # as whom, and where
            echo "== $3 by $1 with $2"
            mount -t proc -o $2 proc /tmp/p
            taskset -c 0 ./reader as $1 cat /tmp/p/jitimer
            umount /tmp/p
        }}
        mkdir /tmp/p
        burn 0 secret
        for options in hidepid=0 hidepid=1 hidepid=2 hidepid=ptraceable hidepid=2,gid=1000 \
            hidepid=ptraceable,gid=1000; do show 1000 $options secret; done
        show 0 hidepid=2 secret
        show 0 hidepid=ptraceable secret
        stop
        burn 1000 mine
        show 1000 hidepid=2 mine
        show 1000 hidepid=ptraceable mine
        show 1001 hidepid=2 mine
        stop
        rmdir /tmp/p
        rmmod jitimer""")
    _, *shown = output.split("== ")
    seen = []
    for text in shown:
        title, series = text.split("\n", 1)
        first, *lines = samples(series)
        # The opener itself, which reads.
        assert first["command"] == "cat" and first["pid"] > 0
        name = title.split()[0]
        for line in lines:
            assert (line["pid"] == 0) == (line["command"] in ("-", "swapper/0", "swapper/1"))
        seen.append(any(line["command"] == name for line in lines))
        if not seen[-1]:
            assert {line["command"] for line in lines} <= {"-", "cat"}
    assert seen == [True, False, False, False, True, False, True, True, True, True, False]


@pytest.mark.kernels("stock", "test")
@pytest.mark.parametrize("kind", [
    "ordinary", "in another group", "with another gid", "with another egid", "with another sgid",
    "with another uid", "with another euid", "with another suid", "with capabilities", "not dumpable"])
def test_hidepid_shows_what_could_be_traced(vm, kind):
    # As procfs itself says, which lists that task or does not.
    output = run(vm, f"""{BURN}
        insmod jitimer.ko tdelay=3 count=30
        mkdir /tmp/p
        mount -t proc -o hidepid=ptraceable proc /tmp/p
        burn 0 odd '{kind}'
        ./reader as 1000 sh -c "test -d /tmp/p/$burning" && echo listed || echo hidden
        taskset -c 0 ./reader as 1000 cat /tmp/p/jitimer
        stop
        umount /tmp/p; rmdir /tmp/p
        rmmod jitimer""")
    listed, series = output.split("\n", 1)
    assert listed == ("listed" if kind == "ordinary" else "hidden")
    shown = {line["command"] for line in samples(series)}
    assert "odd" in shown if listed == "listed" else shown <= {"-", "cat"}


@pytest.mark.kernels("stock")
@pytest.mark.parametrize("inside, inner, viewer, outer, listed", [
    (False, "1000,5", 1000, 0, "listed"), (False, "1000,5", 1001, 0, "hidden"),
    (False, "0,0 ./reader as 5,0", 100004, 0, "hidden"),
    (True, "5", 0, 1000, "listed"), (True, "5", 1, 1000, "hidden")])
def test_who_may_trace_all_of_a_user_namespace_sees_them(vm, inside, inner, viewer, outer, listed):
    # That is who made it, or one around it, from the namespace around that; and who is root in there.
    # Who is outside, even who made it, is not seen by that. Each has a CPU of its own.
    output = run(vm, f"""{BURN}
        insmod jitimer.ko tdelay=3 count=30
        mkdir /tmp/p
        mount -t proc -o hidepid=ptraceable proc /tmp/p
        cat >view <<'END'
        {BURN}
        burn "{inner}" inner "" 0
        for pid in $burning $1; do
            ./reader as {viewer} sh -c "test -d /tmp/p/$pid" && echo listed || echo hidden
        done
        for cpu in 0 1; do taskset -c $cpu ./reader as {viewer} cat /tmp/p/jitimer; echo ==; done
        stop
END
        burn {outer} outer "" 1
        rm -f burning0; chmod 777 .
        {"./reader as 1000,0" if inside else ""} sh -e view $burning
        chmod 755 .
        stop
        umount /tmp/p; rmdir /tmp/p
        rmmod jitimer""")
    found, found_outer, series = output.split("\n", 2)
    assert (found, found_outer) == (listed, "hidden")
    near_inner, near_outer, _ = ({line["command"] for line in samples(text)} if text else None
                                 for text in series.split("==\n"))
    assert ("inner" if listed == "listed" else "-") in near_inner
    assert near_inner <= {"-", "cat", *(["inner"] if listed == "listed" else [])}
    assert "-" in near_outer and near_outer <= {"-", "cat"}


@pytest.mark.kernels("stock", "test")
@pytest.mark.parametrize("options", ["hidepid=2", "hidepid=ptraceable"])
def test_a_proc_of_another_namespace_shows_no_more(vm, options):
    # One of a namespace within the reader's, which hides nothing, but has nothing, either: without
    # --fork it is the namespace of unshare's children only, of which one mounts it. And one of the
    # namespace around the reader's has all that this has.
    text = run(vm, f"""{BURN}
        insmod jitimer.ko tdelay=3 count=30
        burn 0 secret
        mkdir /tmp/p
        taskset -c 0 unshare --pid --mount sh -c 'mount -t proc proc /tmp/p; exec ./reader as 1000 cat /tmp/p/jitimer'
        stop
        echo ==
        mount -t proc -o {options} proc /tmp/p
        taskset -c 0 unshare --pid --fork sh -e -c '{BURN}
            burn 0 secret
            ./reader as 1000 cat /proc/jitimer; echo ==
            ./reader as 1000 cat /tmp/p/jitimer
            stop'
        umount /tmp/p; rmdir /tmp/p
        rmmod jitimer""")
    within, around, hidden = ({line["command"] for line in samples(part)} for part in text.split("==\n"))
    assert within == hidden == {"cat", "-"}
    assert "secret" in around


@pytest.mark.kernels("rt")
def test_hidepid_on_preempt_rt(vm):
    mine, all_of_them = run(vm, """
        insmod jitimer.ko
        mkdir /tmp/p; mount -t proc -o hidepid=2 proc /tmp/p
        ./reader as 1000 cat /tmp/p/jitimer; echo --; cat /tmp/p/jitimer
        umount /tmp/p; rmdir /tmp/p
        rmmod jitimer""").split("--\n")
    assert [line["command"] for line in samples(mine)] == ["cat"] + ["-"] * 5
    assert all(line["pid"] > 0 for line in samples(all_of_them))


@pytest.mark.kernels("stock", "test")
@pytest.mark.parametrize("name", ["x%0a# 5 lost", "# 3 lost", "%0d# 3 lost", "%1b[1A # 3 lost"])
def test_a_name_forges_no_gap(vm, name):
    output = run(vm, f"""{BURN}
        insmod jitimer.ko tdelay=3 count=20
        burn 1000 '{name}'
        taskset -c 0 cat /proc/jitimer
        stop
        rmmod jitimer""")
    series = samples(output)
    check = name.replace("%0a", "\\n").replace("%0d", "\\r").replace("%1b", "\\x1b")
    assert any(line["command"] == check for line in series)


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
