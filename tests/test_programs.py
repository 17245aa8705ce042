# SPDX-License-Identifier: GPL-2.0
"""/proc/jitimer read by the programs that people read files with, as this distribution has them."""

import base64
import io
import re
import subprocess
import tarfile

import pytest

from test_jitimer import check_all_told, run

BINARIES = ("bash", "cat", "cp", "dash", "dd", "head", "mawk", "perl", "python3", "tail")
# Besides what is in python3 itself.
LIBRARY = ("os.py", "encodings/__init__.py", "encodings/aliases.py", "encodings/utf_8.py")

# Each writes what it reads from jitimer to its output. All but the last one's end is the file's.
PROGRAMS = {
    "bash": "bash -c 'exec 3<jitimer; while IFS= read -r line <&3; do echo \"$line\"; done'",
    "dash": "dash -c 'while IFS= read -r line; do echo \"$line\"; done <jitimer'",
    "busybox-sh": "busybox sh -c 'while IFS= read -r line; do echo \"$line\"; done <jitimer'",
    "mawk": "mawk '{ print }' jitimer",
    "busybox-awk": "busybox awk '{ print }' jitimer",
    "perl": "perl -e 'open(my $f, \"<\", \"jitimer\"); print while <$f>'",
    "python-lines": "python3 -SE /lines.py",
    "python-read": "python3 -SE /read.py",
    "head": "dash -c 'while head -c 397 <&3 >part; [ -s part ]; do cat part; done 3<jitimer'",
    "cat": "cat jitimer",
    "busybox-cat": "busybox cat jitimer",
    "cp": "cp jitimer out",
    "dd": "dd if=jitimer bs=1 status=none",
    "splice": "/root/reader jitimer X",
    "tail": "tail -n +1 -f jitimer",
}


@pytest.fixture(scope="session")
def programs(tmp_path_factory):
    """An archive of the programs, and all that they are linked to."""
    paths = {f"/usr/bin/{name}" for name in BINARIES}
    linked = subprocess.run(["ldd", *paths], check=True, capture_output=True, text=True).stdout
    paths.update(re.findall(r"(?<!:)(/\S+) \(0x", linked))
    library = subprocess.run(["python3", "-c", "import os; print(os.path.dirname(os.__file__))"],
                             check=True, capture_output=True, text=True).stdout.strip()
    paths.update(f"{library}/{name}" for name in (*LIBRARY, "lib-dynload"))
    archive = tmp_path_factory.mktemp("programs") / "programs.tar"
    with tarfile.open(archive, "w", dereference=True) as tar:
        for path in sorted(paths):
            tar.add(path, recursive=False)
    return archive


@pytest.fixture
def machine(machines, programs, request):
    """A machine that has them, too."""
    with machines.make(request.param, more=[programs]) as machine:
        machine.boot()
        run(machine, "tar -xf programs.tar -C /")
        yield machine


@pytest.mark.kernels("stock", "rt")
def test_no_line_is_lost_unmarked(vm):
    # While each of them is stopped now and then, wherever it is in a line, and once for longer
    # than lines are kept: those that are not at the end of their series yet.
    start = "\n".join(f"begin {name} {command}" for name, command in PROGRAMS.items())
    text = run(vm, f"""
        PATH=/usr/bin:/bin
        echo 'for line in open("jitimer"): print(line, end="")' >/lines.py
        echo 'print(open("jitimer").read(), end="")' >/read.py
        insmod jitimer.ko tdelay=4 count=699
        begin() {{
            mkdir -p /$1; cd /$1; ln -s /proc/jitimer .
            shift
            "$@" >out & pids="$pids $!"
            until ls -l /proc/$!/fd 2>/dev/null | grep -q /proc/jitimer; do usleep 10000; done
            kill -STOP $!
        }}
        {start}
        for pause in 500000 500000 7000000 500000; do
            kill -CONT $pids 2>/dev/null || true
            usleep 300000
            kill -STOP $pids 2>/dev/null || true
            usleep $pause
        done
        kill -CONT $pids 2>/dev/null || true
        tail=$!
        wait ${{pids% *}}
        told() {{ awk '$1 == "#" {{ n += $2 }} $1 != "#" {{ n++ }} END {{ print n }}' /tail/out; }}
        until [ "$(told)" = 701 ]; do usleep 100000; done
        kill $tail
        wait $tail || true
        rmmod jitimer
        cd /; echo ==
        tar -czf - */out | base64
        rm -r {" ".join(PROGRAMS)}""")
    with tarfile.open(fileobj=io.BytesIO(base64.b64decode(text.partition("==\n")[2]))) as outputs:
        for name in PROGRAMS:
            lost = check_all_told(outputs.extractfile(f"{name}/out").read().decode(), 700)
            assert lost > 0
            print(f"{name}: all told, {lost} lost")
