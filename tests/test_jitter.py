# SPDX-License-Identifier: GPL-2.0
"""scripts/jitter: what it makes of recordings, good and bad."""

import json
import os
import signal
import subprocess
from xml.etree import ElementTree

import pexpect
import pytest

from cache import PROJECT
from test_jitimer import HEADER, run


def recording(deltas, lost=()):
    """A recording with these deltas; so many samples are lost before the line with a number."""
    lost = dict(lost)
    lines = [HEADER]
    time = 4294892296
    for number, delta in enumerate([0, *deltas]):
        time += delta
        if number in lost:
            lines.append(f"# {lost[number]} lost")
        lines.append(f"{time:>9}  {delta:>3}     {int(number > 0)}       110   1   cat")
    return "\n".join(lines) + "\n"


def jitter(*arguments, **kwargs):
    """Runs it."""
    return subprocess.run([PROJECT / "scripts/jitter", *arguments], capture_output=True, text=True,
                          check=False, **kwargs)


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
    assert lines[0] == ("It's idle: 33 deltas; min 10, median 10, 99 % 11, 99.9 % 11, "
                        "max 11 jiffies, at 311")
    assert [line.split()[0] for line in lines[1:3]] == ["10", "11"]
    assert [line.split()[-1] for line in lines[1:3]] == ["30", "3"]
    # As wide as the terminal; the longest bar is all of that, and what is there shows.
    assert len(lines[1]) == 79 and lines[1].count("#") > 60
    assert lines[2].count("#") == -(-lines[1].count("#") // 10)
    # The delta over the gap is none of a timer's.
    assert lines[3].startswith("busy: 21 deltas, 7 samples lost; min 10,")
    assert lines[4].split()[0::4] == ["10", "20"]
    assert lines[-1].split()[-1] == "1"


def test_from_a_pipe():
    result = jitter(input=recording([4, 5]))
    assert result.stdout.startswith("standard input: 2 deltas; min 4,")


@pytest.mark.kernels("stock")
def test_from_the_machine(vm):
    output = run(vm, "insmod jitimer.ko tdelay=1 count=50; cat /proc/jitimer; rmmod jitimer")
    result = jitter("-", input=output)
    assert result.returncode == 0, result.stderr
    assert result.stdout.startswith("standard input: 50 deltas; min ")


def test_live_until_interrupted():
    # Whoever runs the tests may have it ignored.
    process = subprocess.Popen(["env", "--default-signal=INT", PROJECT / "scripts/jitter"],
                               stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    # More than any buffer in between holds.
    process.stdin.write(recording([10] * 20000))
    process.stdin.flush()
    process.send_signal(signal.SIGINT)
    output, _ = process.communicate()
    assert process.returncode == 0
    assert "partial: interrupted" in output


def test_pictures(files):
    for name in ("picture.png", "picture.svg"):
        result = jitter("-o", files / name, files / "idle.txt", files / "busy.txt")
        assert result.returncode == 0, result.stderr
        assert name in result.stdout.splitlines()[-1]
    assert (files / "picture.png").read_bytes().startswith(b"\x89PNG\r\n")
    texts = "".join(ElementTree.parse(files / "picture.svg").getroot().itertext())
    assert "idle: 33 deltas" in texts and "busy: 21 deltas, 7 samples lost" in texts
    assert sorted(path.name for path in files.iterdir()) == [
        "busy.txt", "idle.txt", "picture.png", "picture.svg"]


def test_a_huge_recording(files):
    (files / "huge.txt").write_text(recording([10] * 100_000 + [99] + [10] * 100_000))
    result = jitter("-o", files / "huge.svg", files / "huge.txt")
    assert result.returncode == 0, result.stderr
    assert "200,001 deltas" in result.stdout and "max 99" in result.stdout
    assert "extremes of intervals" in (files / "huge.svg").read_text()
    assert (files / "huge.svg").stat().st_size < 2_000_000


def test_cut_short(files):
    text = recording([10, 10, 10])
    result = jitter("-o", files / "cut.svg", input=text[:-6])
    assert result.returncode == 0
    assert "2 deltas, partial: line 5 is cut short" in result.stdout
    assert "partial: line 5 is cut short" in (files / "cut.svg").read_text()


@pytest.mark.parametrize("text, message", [
    ("", "standard input: empty"),
    ("time value\n1 2\n", "not a recording of /proc/jitimer: it begins with 'time value"),
    (HEADER + "\n", "fewer than two samples"),
    (recording([]), "fewer than two samples"),
    (recording([1, 1]) + "x\n" + recording([1]), "line 5 is none of /proc/jitimer: 'x"),
    (recording([1]).replace("   1    ", " " + "9" * 20 + " "), "the number is too large"),
])
def test_no_recording(files, text, message):
    result = jitter("-o", files / "none.png", input=text)
    assert result.returncode == 2
    assert message in result.stderr and result.stderr.count("\n") == 1
    assert not (files / "none.png").exists()


@pytest.mark.parametrize("arguments, message", [
    (["-o", "x.jpg"], "must end in .png or .svg"), (["-o", "none/x.png"], "no folder 'none'"),
    (["--label", "a", "--label", "b"], "2 labels for 1 recordings"), (["none.txt"], "No such file"),
])
def test_bad_arguments(arguments, message):
    result = jitter(*arguments, stdin=subprocess.DEVNULL)
    assert result.returncode == 2 and message in result.stderr


def test_figures(files):
    result = jitter("--json", files / "idle.txt", files / "busy.txt")
    assert result.returncode == 0 and not result.stderr
    idle, busy = json.loads(result.stdout)
    assert idle == {"label": "idle", "deltas": 33, "lost": 0, "partial": None, "min": 10,
                    "median": 10, "p99": 11, "p999": 11, "max": 11, "max_at": 311}
    # The one over the gap is not among them.
    assert (busy["deltas"], busy["lost"], busy["max"], busy["max_at"]) == (21, 7, 500, 712)


@pytest.mark.parametrize("arguments, exceeded", [
    (["--max", "500"], None), (["--max", "499"], "max is 500 jiffies, more than 499"),
    (["--p999", "499"], "99.9 % is 500 jiffies"), (["--p99", "12", "--max", "500"], "99 % is 500"),
])
def test_as_a_gate(files, arguments, exceeded):
    result = jitter(*arguments, files / "idle.txt", files / "busy.txt")
    assert result.returncode == (1 if exceeded else 0)
    assert f"busy: {exceeded}" in result.stderr if exceeded else not result.stderr


def test_quantiles_of_many():
    # One in a hundred, and one in a thousand, is not among the 99 and the 99.9 %.
    figures = json.loads(jitter("--json", input=recording(
        [1] * 989 + [2] * 10 + [3])).stdout)[0]
    assert (figures["p99"], figures["p999"], figures["max"]) == (2, 3, 3)
    figures = json.loads(jitter("--json", input=recording([1] * 990 + [2] * 10)).stdout)[0]
    assert (figures["median"], figures["p99"]) == (1, 2)


def test_one_far_from_all_others(files):
    # All in all the others' rows are apart, and the bars of both show.
    (files / "far.txt").write_text(recording([10] * 900 + [40] * 90 + [10 ** 6]))
    result = jitter("-o", files / "far.svg", files / "far.txt")
    rows = [line.split() for line in result.stdout.splitlines()[1:-1] if "|" in line]
    assert [row[-1] for row in rows] == ["900", "90", "1"]
    assert rows[0][0] == "10" and int(rows[-1][2]) >= 10 ** 6
    assert all("#" in line for line in result.stdout.splitlines() if "|" in line)


def test_its_width(files):
    result = jitter(files / "idle.txt", env={**os.environ, "COLUMNS": "120"})
    assert len(result.stdout.splitlines()[1]) == 119


def test_whoever_reads_it_has_seen_enough(files):
    result = subprocess.run(["bash", "-c", "set -o pipefail; \"$1\" \"$2\" | head -n 0", "bash",
                             PROJECT / "scripts/jitter", files / "idle.txt"], check=False,
                            text=True, capture_output=True)
    assert not result.stderr and not result.returncode
    with open("/dev/full", "w", encoding="ascii") as full:
        result = subprocess.run([PROJECT / "scripts/jitter", files / "idle.txt"], stdout=full,
                                stderr=subprocess.PIPE, text=True, check=False)
    assert result.returncode == 2
    assert result.stderr == "jitter: writing: No space left on device\n"


def test_a_folder_that_takes_no_picture(files):
    result = jitter("-o", "/proc/self/picture.svg", files / "idle.txt")
    assert result.returncode == 2
    assert "jitter: /proc/self/picture.svg: " in result.stderr and result.stderr.count("\n") == 1


def test_live(files):
    # It grows in place; what there is in the end stays.
    os.mkfifo(files / "fifo")
    process = pexpect.spawn(str(PROJECT / "scripts/jitter"), ["--live", str(files / "fifo")],
                            encoding="utf-8", dimensions=(24, 100))
    with open(files / "fifo", "w", encoding="ascii") as fifo:
        fifo.write(recording([10] * 20))
        fifo.flush()
        process.expect("20 deltas")
        fifo.write(recording([10] * 5).split("\n", 2)[2])
    process.expect("2[45] deltas; min 10.*10 \\|#+ +2[45]")
    process.expect(pexpect.EOF)
    process.close()
    assert process.exitstatus == 0
    assert jitter("--live", files / "idle.txt").returncode == 2
