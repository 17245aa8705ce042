# SPDX-License-Identifier: GPL-2.0
"""scripts/jitter: what it makes of recordings, good and bad."""

import signal
import subprocess
from xml.etree import ElementTree

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
    assert lines[0] == "It's idle: 33 deltas; min 10, median 10, 99 % 11, max 11 jiffies"
    assert [line.split()[0] for line in lines[1:3]] == ["10", "11"]
    assert [line.split()[-1] for line in lines[1:3]] == ["30", "3"]
    assert lines[1].count("#") == 10 * lines[2].count("#") == 50
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
    assert result.returncode == 1
    assert message in result.stderr and result.stderr.count("\n") == 1
    assert not (files / "none.png").exists()


@pytest.mark.parametrize("arguments, message", [
    (["-o", "x.jpg"], "must end in .png or .svg"), (["-o", "none/x.png"], "no folder 'none'"),
    (["--label", "a", "--label", "b"], "2 labels for 1 recordings"), (["none.txt"], "No such file"),
])
def test_bad_arguments(arguments, message):
    result = jitter(*arguments, stdin=subprocess.DEVNULL)
    assert result.returncode in (1, 2) and message in result.stderr
