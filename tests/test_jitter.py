# SPDX-License-Identifier: GPL-2.0
"""scripts/jitter: what it makes of recordings, good and bad."""

import contextlib
import fcntl
import json
import os
import re
import resource
import shutil
import signal
import stat
import struct
import subprocess
import sys
import termios
from xml.etree import ElementTree

import pexpect
import pytest

from cache import PROJECT
from test_jitimer import HEADER, run

SCRIPT = str(PROJECT / "scripts/jitter")


def recording(deltas, lost=(), start=4294892296, command="cat"):
    """A recording with these deltas; so many samples are lost before the line with a number."""
    lost = dict(lost)
    lines = [HEADER]
    time = start
    for number, delta in enumerate([0, *deltas]):
        time = (time + delta) % (1 << 64)
        if number in lost:
            lines.append(f"# {lost[number]} lost")
        lines.append(f"{time:>9}  {delta:>3}     {int(number > 0)}       110   1   {command}")
    return "\n".join(lines) + "\n"


def jitter(*arguments, **kwargs):
    """Runs it."""
    return subprocess.run([SCRIPT, *arguments], check=False, **{
        "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, **kwargs})


def figures(text):
    """What it says of a recording."""
    result = jitter("--json", input=text)
    assert not result.returncode, result.stderr
    return json.loads(result.stdout)[0]


def rows_of(text):
    """The rows of a histogram: first and last value, the bar's length, and how many are in it."""
    found = re.findall(r"^ *(\d+)(?: to (\d+))? \|(#*) +([\d,]+)$", text, re.M)
    return [(int(first), int(last or first), len(bar), int(count.replace(",", "")))
            for first, last, bar, count in found]


def interrupt(process, text):
    """As Ctrl-C does, when it has read that from its standard input, and waits for more."""
    process.stdin.write(text)
    process.stdin.flush()
    while (struct.unpack("i", fcntl.ioctl(process.stdin, termios.FIONREAD, bytes(4)))[0]
           or "\nState:\tS" not in open(f"/proc/{process.pid}/status", encoding="ascii").read()):
        assert process.poll() is None
    process.send_signal(signal.SIGINT)


@pytest.fixture(autouse=True)
def no_size(monkeypatch):
    """The terminal's size is its own, whatever who runs this has exported, or readline, which does
    so behind os.environ."""
    for name in ("COLUMNS", "LINES"):
        monkeypatch.delenv(name, raising=False)
        os.unsetenv(name)


@pytest.fixture
def files(tmp_path):
    """Two recordings."""
    (tmp_path / "idle.txt").write_text(recording([10] * 30 + [11] * 3))
    (tmp_path / "busy.txt").write_text(recording([10] * 20 + [12, 500], lost=[(5, 7)]))
    return tmp_path


def test_on_the_terminal(files):
    result = jitter(files / "idle.txt", files / "busy.txt", "--label", "It's idle")
    assert result.returncode == 0 and not result.stderr
    lines = result.stdout.splitlines()
    assert lines[:2] == ["It's idle: 33 deltas",
                         "min 10, median 10, 99 % 11, 99.9 % 11, max 11 jiffies, at 311"]
    # The same rows in both, as wide as the terminal; the longest bar is all of that, and what is
    # there shows.
    assert [len(line) for line in (lines[2], lines[8])] == [79, 79]
    idle, busy = rows_of("\n".join(lines[2:6])), rows_of("\n".join(lines[8:]))
    assert [row[:2] for row in idle] == [row[:2] for row in busy] == [
        (10, 10), (11, 11), (12, 12), (500, 500)]
    assert [row[3] for row in idle] == [30, 3, 0, 0] and idle[0][2] > 60
    assert [row[2] for row in idle[1:]] == [-(-idle[0][2] // 10), 0, 0]
    # The delta over the gap is none of a timer's.
    assert lines[6] == "busy: 21 deltas, 7 samples lost"
    assert [row[3] for row in busy] == [19, 0, 1, 1]


def test_from_a_pipe():
    result = jitter(input=recording([4, 5]))
    assert result.stdout.startswith("standard input: 2 deltas\nmin 4,")


@pytest.mark.kernels("stock")
def test_from_the_machine(vm):
    output = run(vm, "insmod jitimer.ko tdelay=1 count=50; cat /proc/jitimer; rmmod jitimer")
    result = jitter("-", input=output)
    assert result.returncode == 0, result.stderr
    assert result.stdout.startswith("standard input: 50 deltas\nmin ")


def test_figures(files):
    result = jitter("--json", files / "idle.txt", files / "busy.txt")
    assert result.returncode == 0 and not result.stderr
    idle, busy = json.loads(result.stdout)
    assert idle == {"label": "idle", "deltas": 33, "lost": 0, "partial": None, "min": 10,
                    "median": 10, "p99": 11, "p999": 11, "max": 11, "max_at": 311}
    # The one over the gap is not among them.
    assert (busy["deltas"], busy["lost"], busy["max"], busy["max_at"]) == (21, 7, 500, 712)


@pytest.mark.parametrize("deltas, median, p99, p999", [
    ([1] * 990 + [2] * 10, 1, 1, 2), ([1] * 989 + [2] * 11, 1, 2, 2), ([1] * 999 + [2], 1, 1, 1),
    ([1] * 998 + [2] * 2, 1, 1, 2), ([1, 2], 1, 2, 2), ([1, 2, 3], 2, 3, 3), ([7], 7, 7, 7),
    (range(1, 101), 50, 99, 100),
])
def test_nearest_ranks(deltas, median, p99, p999):
    given = figures(recording(deltas))
    assert (given["median"], given["p99"], given["p999"]) == (median, p99, p999)


def test_a_counter_that_wraps():
    given = figures(recording([10, 20, 10], start=(1 << 64) - 15))
    assert (given["deltas"], given["max"], given["max_at"]) == (3, 20, 30)
    given = figures(recording([1, (1 << 64) - 1]))
    assert (given["max"], given["max_at"]) == ((1 << 64) - 1, 0)


def test_a_command_that_is_no_text():
    # With what ends there, a letter is cut in two.
    text = recording([10] * 50_000, command="für").encode()
    assert figures(text.decode())["deltas"] == 50_000
    result = jitter(input=text.replace("ü".encode(), b"\xff"), text=False)
    assert result.returncode == 0 and b"50,000 deltas" in result.stdout


@pytest.mark.parametrize("far", [10 ** 6, (1 << 60) + 1])
def test_one_far_from_all_others(far):
    # All the others are apart, and the bars of all show.
    rows = rows_of(jitter(input=recording([100] * 900 + [101] * 50 + [400] * 49 + [far])).stdout)
    assert [row[:2] + row[3:] for row in rows] == [
        (100, 100, 900), (101, 101, 50), (400, 400, 49), (far, far, 1)]
    assert all(bar for _, _, bar, _ in rows)


def test_values_that_are_near_each_other():
    # Where all have room, there is a row for what is missing, too.
    rows = rows_of(jitter(input=recording([4, 4, 9])).stdout)
    assert [row[1:2] + row[3:] for row in rows] == [(4, 2), (5, 0), (6, 0), (7, 0), (8, 0), (9, 1)]


def test_many_values_in_few_rows():
    values = [*range(1, 2000), 10 ** 9]
    rows = rows_of(jitter(input=recording(values)).stdout)
    assert len(rows) <= 20
    # Each value is in one of them, and in none that is wide beside it.
    for first, last, _, count in rows:
        assert count == sum(first <= value <= last for value in values)
        assert last < 2 * first
    assert sum(row[3] for row in rows) == len(values)
    assert rows[0][:2] == (1, 1) and rows[-1][:2] == (10 ** 9, 10 ** 9)


@pytest.mark.parametrize("columns", [1, 20, 40, 120, 300])
def test_its_width(files, columns):
    result = jitter(files / "busy.txt", env={**os.environ, "COLUMNS": str(columns)})
    assert result.returncode == 0, result.stderr
    lines = result.stdout.splitlines()
    assert columns < 20 or max(map(len, lines)) < columns
    # Bars have the room that there is.
    assert max(row[2] for row in rows_of(result.stdout)) == max(columns - 9, 10)


def test_names_are_no_commands(files):
    # Neither the terminal's nor gnuplot's.
    name = os.fsencode(files) + b"/\x1b[31m\xff'\n`exit`.txt"
    shutil.copy(files / "idle.txt", name)
    result = jitter("-o", files / "picture.svg", name)
    assert result.returncode == 0, result.stderr
    assert result.stdout.startswith("?[31m?'?`exit`: 33 deltas\n")
    texts = "".join(ElementTree.parse(files / "picture.svg").getroot().itertext())
    assert "?[31m?'?`exit`: 33 deltas" in texts
    result = jitter(b"\x1b\n\xff")
    assert result.stderr == "jitter: ???: No such file or directory\n"


@pytest.mark.parametrize("arguments, status, said", [
    ([], 0, "partial: interrupted"), (["--max", "20"], 2, "can't be judged"),
    (["--max", "9"], 1, "max is 10 jiffies, more than 9"),
])
def test_interrupted(arguments, status, said):
    # Whoever runs the tests may have it ignored.
    process = subprocess.Popen(["env", "--default-signal=INT", SCRIPT, *arguments],
                               stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                               stderr=subprocess.STDOUT, text=True)
    interrupt(process, recording([10] * 20000))
    output, _ = process.communicate()
    assert process.returncode == status and said in output
    assert "20,000 deltas, partial: interrupted" in output


def test_interrupted_before_there_is_something(files):
    process = subprocess.Popen(["env", "--default-signal=INT", SCRIPT, "--max", "20", "-",
                                files / "idle.txt"], stdin=subprocess.PIPE,
                               stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    interrupt(process, HEADER + "\n")
    output, _ = process.communicate()
    assert process.returncode == 130 and not output


def test_interrupted_before_others(files):
    process = subprocess.Popen(["env", "--default-signal=INT", SCRIPT, "-o", files / "picture.svg",
                                "-", files / "idle.txt"], text=True, stdin=subprocess.PIPE,
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    interrupt(process, recording([10] * 20000))
    output, errors = process.communicate()
    assert process.returncode == 2 and "partial: interrupted" in output
    assert errors == f"jitter: {files}/idle.txt: not read: interrupted\n"
    assert not (files / "picture.svg").exists()


def elements(path):
    """What is drawn in an SVG: points and boxes by colour, each with its x and y from and to."""
    points, boxes = {}, {}
    for element in ElementTree.parse(path).getroot().iter():
        if place := re.search(r"translate\(([\d.]+),([\d.]+)\)", element.get("transform", "")):
            if element.tag.endswith("use"):
                x, y = map(float, place.groups())
                points.setdefault(element.get("color"), []).append((x, x, y, y))
        elif element.tag.endswith("polygon"):
            corners = [tuple(map(float, corner.split(",")))
                       for corner in element.get("points").split()]
            boxes.setdefault(element.get("fill"), []).append(
                tuple(each(corner[axis] for corner in corners)
                      for axis in (0, 1) for each in (min, max)))
    return points, boxes


def test_pictures(files):
    for name in ("picture.png", "picture.svg"):
        result = jitter("-o", files / name, files / "idle.txt", files / "busy.txt")
        assert result.returncode == 0 and not result.stderr, result.stderr
    assert (files / "picture.png").read_bytes().startswith(b"\x89PNG\r\n")
    texts = "".join(ElementTree.parse(files / "picture.svg").getroot().itertext())
    assert "idle: 33 deltas" in texts and "busy: 21 deltas, 7 samples lost" in texts
    assert sorted(path.name for path in files.iterdir()) == [
        "busy.txt", "idle.txt", "picture.png", "picture.svg"]
    for name in ("picture.png", "picture.svg"):
        # As any new file.
        (files / "new").touch()
        assert stat.filemode((files / name).stat().st_mode) == stat.filemode(
            (files / "new").stat().st_mode)


def test_nothing_hides_another(files):
    (files / "third.txt").write_text(recording([10] * 5 + [11, 12] * 4 + [10 ** 6]))
    result = jitter("-o", files / "picture.svg", *(files / f"{name}.txt" for name in (
        "idle", "busy", "third")))
    assert result.returncode == 0, result.stderr
    points, boxes = elements(files / "picture.svg")
    # Each has all of its points, in a place of its own.
    assert sorted(map(len, points.values())) == [14, 21, 33]
    places = [[each(value) for each, value in zip((min, max, min, max), zip(*found))]
              for found in points.values()]
    # The bars of each, and one in the key; all of them apart.
    assert sorted(map(len, boxes.values())) == [2 + 1, 3 + 1, 4 + 1]
    places += [box for found in boxes.values() for box in found]
    for number, one in enumerate(places):
        for other in places[:number]:
            # Numbers in it are rounded.
            assert (one[0] > other[1] - 0.1 or one[1] < other[0] + 0.1
                    or one[2] > other[3] - 0.1 or one[3] < other[2] + 0.1), (one, other)


@pytest.mark.parametrize("deltas", [
    range(4, 13), [0, 1, 1000], range(4, 24), [*range(4, 24), 30], [*range(4, 13), 14, 15, 100, 101, 10 ** 6],
    [10 ** 9, 3 * 10 ** 9], range(1, 2000),
])
def test_the_names_of_rows_are_apart(files, deltas):
    result = jitter("-o", files / "picture.svg", input=recording(deltas))
    assert result.returncode == 0, result.stderr
    names = [str(first) if first == last else f"{first} to {last}"
             for first, last, _, _ in rows_of(result.stdout)]
    found = []
    for group in ElementTree.parse(files / "picture.svg").getroot().iter():
        if "".join(group.itertext()).strip() in names and group.get("transform"):
            x, y, _, turned = re.fullmatch(r"translate\(([\d.]+),([\d.]+)\)( rotate\(([\d.]+)\))?",
                                           group.get("transform")).groups()
            found.append((float(y), float(x), len("".join(group.itertext()).strip()), turned))
    # The lowest numbers; others are on the axes above.
    found = sorted(each for each in found if each[0] > max(found)[0] - 1)
    assert len(found) == len(names)
    for (_, left, length, turned), (_, right, more, _) in zip(found, found[1:]):
        # A letter is about 7 pixels wide, and 12 high.
        assert right - left > (24 if turned else (length + more) / 2 * 7 + 5)


def test_a_huge_recording(files):
    (files / "huge.txt").write_text(recording([10] * 100_000 + [99] + [10] * 100_000))
    result = jitter("-o", files / "huge.svg", files / "huge.txt")
    assert result.returncode == 0, result.stderr
    assert "200,001 deltas" in result.stdout and "max 99" in result.stdout
    assert "extremes of intervals" in (files / "huge.svg").read_text()
    assert (files / "huge.svg").stat().st_size < 2_000_000
    # The one is among those that are drawn.
    (points,) = elements(files / "huge.svg")[0].values()
    assert len({point[2] for point in points}) == 2


def test_cut_short(files):
    text = recording([10, 10, 10])
    result = jitter("-o", files / "cut.svg", input=text[:-6])
    assert result.returncode == 0
    assert "2 deltas, partial: line 5 is cut short" in result.stdout
    assert "partial: line 5 is cut short" in (files / "cut.svg").read_text()


def test_an_error_while_reading():
    # One end of a terminal, when the other is closed.
    ours, theirs = os.openpty()
    os.write(theirs, recording([10, 11]).encode())
    os.close(theirs)
    result = jitter(stdin=ours)
    os.close(ours)
    assert result.returncode == 2
    assert result.stdout.startswith("standard input: 2 deltas, partial: Input/output error after")
    assert result.stderr == "jitter: standard input: Input/output error after line 4\n"


@pytest.mark.parametrize("text, message", [
    ("", "standard input: empty"),
    ("time value\n1 2\n", "not a recording of /proc/jitimer: it begins with 'time value"),
    (HEADER[:20], "not a recording of /proc/jitimer: it begins with '   time   delta"),
    (HEADER, "there is no delta"),
    (HEADER + "\n", "there is no delta"),
    (recording([]), "there is no delta"),
    (recording([])[:-2], "no sample right after another; line 2 is cut short"),
    (recording([10], lost=[(1, 3)]), "there is no delta"),
    (recording([1, 1]) + "x\n" + recording([1]), "line 5 is none of /proc/jitimer: 'x"),
    (recording([1, 1]) + recording([1]), "line 5 is none of /proc/jitimer: '   time "),
    (recording([1]).replace("    0 ", "  nan ", 1), "line 2 is none of /proc/jitimer"),
    (recording([1]).replace("    1 ", "   -1 ", 1), "line 3 is none of /proc/jitimer"),
    (recording([1]).replace("    1 ", "    ٣ ", 1), "line 3 is none of /proc/jitimer"),
    (recording([1]).replace("   1    ", " " + "9" * 20 + " "), "line 3: its delta, 9"),
    (recording([1], start=(1 << 64) - 1).replace(" 0    1 ", f"{1 << 64}    1 "),
     "line 3: its delta, 1, is not from the line before"),
    # Lines are missing, from the middle and from the top, or of another recording.
    (re.sub(r".* 2 .*\n", "", recording([1, 2, 3])), "line 4: its delta, 3, is not from the line"),
    (re.sub(r".* 0 .*\n", "", recording([1, 2, 3])), "line 2: its delta, 1, is not from the line"),
    (recording([1, 2]) + recording([1], start=5).partition("\n")[2], "line 5: its delta, 0,"),
    (recording([1, 2], lost=[(2, 1)]).replace("    2 ", "    3 "), "line 5: its delta, 3,"),
])
def test_no_recording(files, text, message):
    result = jitter("-o", files / "none.png", input=text)
    assert result.returncode == 2
    assert message in result.stderr and result.stderr.count("\n") == 1
    assert not (files / "none.png").exists()


@pytest.mark.parametrize("before", ["", recording([1, 2])])
def test_what_has_no_lines(files, before):
    # It does not try to read it to its end, or would be ended: neither seconds nor memory suffice.
    (files / "before").write_text(before)
    result = subprocess.run(
        ["bash", "-c", 'ulimit -t 10 -v 500000; cat "$1" /dev/zero | "$2"', "bash",
         files / "before", SCRIPT], capture_output=True, check=False)
    assert result.returncode == 2
    assert rb"\x00\x00" in result.stderr and result.stderr.count(b"\n") == 1


@pytest.mark.parametrize("arguments, message", [
    (["-o", "x.jpg"], "must end in .png or .svg"), (["-o", "none/x.png"], "no folder 'none'"),
    (["-o", "x" * 300 + "/x.png"], "no folder 'xxx"),
    (["--label", "a", "--label", "b"], "2 labels for 1 recording"),
    (["none.txt"], "No such file"), (["/"], "Is a directory"), (["/proc/self/mem"], "output error"),
    (["--max", "nan"], "'nan'"), (["--max", "-1"], "'-1'"), (["--p999", "1.5"], "'1.5'"),
])
def test_bad_arguments(arguments, message):
    result = jitter(*arguments, stdin=subprocess.DEVNULL)
    assert result.returncode == 2 and message in result.stderr
    assert result.stderr.count("\n") == 1 and not result.stdout


def test_help():
    result = jitter("--help")
    assert result.returncode == 0 and not result.stderr
    for word in ("--max N", "--p99 N", "--p999 N", "--json", "--live", "max_at", "99.9 % is more",
                 "\n  130 "):
        assert word in result.stdout


@pytest.mark.parametrize("arguments, exceeded", [
    (["--max", "500"], None), (["--max", "499"], "max is 500 jiffies, more than 499"),
    (["--p999", "499"], "99.9 % is 500 jiffies"), (["--p99", "12", "--max", "500"], "99 % is 500"),
    (["--max", "0", "--p99", "0"], "max is 500"),
])
def test_as_a_gate(files, arguments, exceeded):
    (files / "busy.txt").write_text(recording([10] * 20 + [500]))
    (files / "idle.txt").write_text(recording([0] * 20))
    result = jitter(*arguments, files / "idle.txt", files / "busy.txt")
    assert result.returncode == (1 if exceeded else 0)
    assert f"busy: {exceeded}" in result.stderr if exceeded else not result.stderr
    assert "idle: " not in result.stderr and "busy: 21 deltas" in result.stdout


@pytest.mark.parametrize("text", [
    recording([10, 10, 500], lost=[(2, 1)]), recording([10, 500, 10])[:-1],
])
def test_what_no_gate_can_judge(text):
    # Whatever is missing may have exceeded it.
    result = jitter("--max", "500", input=text)
    assert result.returncode == 2
    assert "standard input: whether it exceeds a gate can't be judged" in result.stderr
    assert "standard input: 2 deltas" in result.stdout
    # And nothing makes up for what has.
    result = jitter("--max", "499", input=text)
    assert result.returncode == 1
    assert result.stderr == "jitter: standard input: max is 500 jiffies, more than 499\n"
    assert jitter(input=text).returncode == 0


def test_more_recordings_than_files_may_be_open(files):
    result = jitter("--json", *[files / "idle.txt"] * 40, preexec_fn=lambda: resource.setrlimit(
        resource.RLIMIT_NOFILE, (20, 20)))
    assert result.returncode == 0, result.stderr
    assert len(json.loads(result.stdout)) == 40


def test_a_gate_and_others_that_cannot_be_read(files):
    for names in (["none.txt", "busy.txt"], ["busy.txt", "none.txt"]):
        arguments = ["-o", files / "picture.svg", *(files / name for name in names)]
        result = jitter("--max", "499", *arguments)
        assert result.returncode == 1
        assert "busy: max is 500" in result.stderr and "none.txt: No such file" in result.stderr
        result = jitter(*arguments)
        assert result.returncode == 2 and "busy: 21 deltas" in result.stdout
        # It would be one of busy alone.
        assert not (files / "picture.svg").exists()


@contextlib.contextmanager
def closed_pipe():
    """A pipe that nobody reads."""
    read, write = os.pipe()
    os.close(read)
    yield write
    os.close(write)


@contextlib.contextmanager
def full_disk():
    """What takes nothing."""
    with open("/dev/full", "w", encoding="ascii") as full:
        yield full


@pytest.mark.parametrize("output, status, said", [
    # Whoever reads it has seen enough.
    (closed_pipe, 0, ""), (full_disk, 2, "jitter: writing: No space left on device\n"),
])
@pytest.mark.parametrize("options", [[], ["--json"]])
def test_output_that_goes_nowhere(files, output, status, said, options):
    with output() as stdout:
        result = jitter(*options, files / "busy.txt", stdout=stdout)
        assert (result.returncode, result.stderr) == (status, said)
        # A gate that holds changes nothing; one that is exceeded does.
        result = jitter(*options, "--max", "20", files / "idle.txt", stdout=stdout)
        assert (result.returncode, result.stderr) == (status, said)
        result = jitter(*options, "--max", "499", files / "busy.txt", stdout=stdout)
        assert result.returncode == 1
        assert result.stderr == "jitter: busy: max is 500 jiffies, more than 499\n" + said
        # Nor if that can't be told.
        result = jitter(*options, "--max", "499", files / "busy.txt", stdout=stdout, stderr=stdout)
        assert result.returncode == 1
        result = jitter("--help", stdout=stdout)
        assert (result.returncode, result.stderr) == (status, said)


@pytest.mark.parametrize("closed, statuses", [
    ("<&-", (0, 1)), (">&-", (2, 1)), ("2>&-", (0, 1)), ("<&- >&- 2>&-", (2, 1))])
def test_what_is_closed(files, closed, statuses):
    for allowed, status in zip(("500", "10"), statuses):
        result = subprocess.run(["bash", "-c", f'"$@" {closed}', "bash", SCRIPT, "--max", allowed,
                                 files / "idle.txt"], capture_output=True, text=True, check=False)
        assert result.returncode == status, result.stderr
        if "2>" not in closed:
            assert result.stderr == (
                "jitter: idle: max is 11 jiffies, more than 10\n" * (status == 1)
                + "jitter: writing: Bad file descriptor\n" * (closed == ">&-"))
    assert (files / "idle.txt").read_text() == recording([10] * 30 + [11] * 3)


def test_a_folder_that_takes_no_picture(files):
    for options, status in ([], 2), (["--max", "499"], 1):
        result = jitter(*options, "-o", "/proc/self/picture.svg", files / "busy.txt")
        assert result.returncode == status
        assert "jitter: /proc/self/picture.svg: " in result.stderr.splitlines()[-1]
        assert len(result.stderr.splitlines()) == status % 2 + 1
        assert "busy: 21 deltas" in result.stdout


def test_a_disk_that_is_full_of_a_picture(files):
    # A file that may not be that large does as well. What was there stays.
    (files / "picture.svg").write_text("before")
    result = jitter("-o", files / "picture.svg", files / "idle.txt",
                    preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000)))
    assert result.returncode == 2
    assert result.stderr == f"jitter: {files}/picture.svg: File too large\n"
    assert (files / "picture.svg").read_text() == "before"
    assert sorted(path.name for path in files.iterdir()) == ["busy.txt", "idle.txt", "picture.svg"]


def test_without_gnuplot(files):
    shutil.copy(SCRIPT, files / "jitter")
    result = subprocess.run([sys.executable, files / "jitter", "-o", files / "picture.svg",
                             files / "idle.txt"], capture_output=True, text=True, check=False,
                            env={"PATH": str(files)})
    assert result.returncode == 2 and "idle: 33 deltas" in result.stdout
    assert result.stderr == (f"jitter: {files}/picture.svg: there is no gnuplot to draw it: "
                             "No such file or directory\n")


@pytest.mark.parametrize("lines, columns", [(12, 100), (12, 20)])
def test_live(files, lines, columns):
    # It grows in place, also when there is nothing new to read; what there is in the end stays.
    os.mkfifo(files / "fifo")
    process = pexpect.spawn(SCRIPT, ["--live", str(files / "fifo")], encoding="utf-8",
                            dimensions=(lines, columns))
    text = recording([10] * 20 + [11] * 5 + list(range(100, 200))).splitlines(keepends=True)
    with open(files / "fifo", "w", encoding="ascii") as fifo:
        process.expect("fifo: no delta yet")
        for start, end in ((0, 22), (22, 27), (27, None)):
            fifo.writelines(text[start:end])
            fifo.flush()
            process.expect(f"fifo: {len(text[:end]) - 2} deltas")
        process.expect("\x1b\\[J")
        # All of it fits, as far as it can.
        shown = process.before.replace("\x1b[K", "").split("\r\n")
        assert len(shown) <= lines and all(len(line) < columns for line in shown)
        assert columns < 80 or " to 199 |#" in shown[-2]
    process.expect("fifo: 125 deltas(.|\n)*min 10, (.|\n)*10 \\|#+ +20")
    process.expect(pexpect.EOF)
    process.close()
    assert process.exitstatus == 0
    assert jitter("--live", files / "idle.txt").returncode == 2


def test_progress(files):
    # Told where somebody sees it, as long as it goes on.
    os.mkfifo(files / "fifo")
    process = pexpect.spawn("bash", ["-c", '"$1" fifo >out', "bash", SCRIPT], cwd=files,
                            encoding="utf-8")
    lines = recording([10] * 30).splitlines(keepends=True)
    with open(files / "fifo", "w", encoding="ascii") as fifo:
        for start, end in ((0, 22), (22, None)):
            fifo.writelines(lines[start:end])
            fifo.flush()
            process.expect(f"\rfifo: {len(lines[:end]) - 2} deltas")
    process.expect(pexpect.EOF)
    assert process.before.endswith("\r\x1b[K")
    process.close()
    assert process.exitstatus == 0
    assert (files / "out").read_text().startswith("fifo: 30 deltas\n")
