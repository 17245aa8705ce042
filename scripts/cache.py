# SPDX-License-Identifier: GPL-2.0
"""The cache outside the tree, and the long steps that fill it.

What is in the cache has a name that tells what it was made from. It is made under another name, and
renamed when it is whole; so what is there under its own name is whole, and an interrupted step goes
on, or starts again, the next time.
"""

import contextlib
import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

PROJECT = Path(__file__).resolve().parent.parent
# As scripts/in-root has it.
CACHE = Path(os.environ.get("JITIMER_CACHE") or Path(
    os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache", "jitimer"))
LOGS = CACHE / "log"


class Failure(Exception):
    """Something that the user has to mend; the text says what, and how."""


def enter_root(*options, folder="."):
    """Goes on with this command in a tool root (see scripts/in-root), if it isn't in one."""
    if "JITIMER_ROOT" not in os.environ:
        in_root, script = PROJECT / "scripts/in-root", os.path.abspath(sys.argv[0])
        os.chdir(folder)
        os.execv(in_root, [in_root, *options, script, *sys.argv[1:]])


def run_main(function, *, root=True):
    """Runs a command's main function, inside the tool root if it needs that, and exits."""
    name = Path(sys.argv[0]).name
    if root:
        enter_root()
    try:
        sys.exit(function())
    except Failure as failure:
        print(f"{name}: {failure}", file=sys.stderr)
        sys.exit(1)
    except KeyboardInterrupt:
        print(f"\n{name}: interrupted; run it again to go on", file=sys.stderr)
        sys.exit(130)


def say(text):
    """Tells the user what is going on; standard output is for results."""
    print(f"==> {text}", file=sys.stderr, flush=True)


def key(*parts):
    """A short name for what something was made from."""
    digest = hashlib.sha256()
    for part in parts:
        digest.update(part if isinstance(part, bytes) else str(part).encode())
        digest.update(b"\0")
    return digest.hexdigest()[:12]


def toolchain():
    """What tells these compilers from those of another tool root, or system."""
    if "JITIMER_TOOLCHAIN" in os.environ:
        return os.environ["JITIMER_TOOLCHAIN"]
    return key(*(subprocess.run([name, "--version"], check=True, capture_output=True).stdout
                 for name in ("rustc", "bindgen", "ld")))


@contextlib.contextmanager
def lock(name):
    """Holds a lock of the cache; says so where that takes waiting."""
    path = CACHE / "lock" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "w", encoding="ascii") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say(f"waiting for another run that holds {file.name}")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def need_space(gigabytes, what):
    """Fails unless the cache has room for something, before it is half made."""
    free = shutil.disk_usage(CACHE).free / 1e9
    if free < gigabytes:
        raise Failure(f"{what} needs {gigabytes} GB in {CACHE}, and {free:.1f} GB are free")


@contextlib.contextmanager
def made_whole(path, *, resume=False):
    """Gives a folder to make something in, which becomes `path` when that went well.

    When it did not, the folder goes; with `resume` it stays, for the next run to go on there.
    """
    new = path.with_name(path.name + ".new")
    if not resume:
        shutil.rmtree(new, ignore_errors=True)
    new.mkdir(parents=True, exist_ok=True)
    try:
        yield new
    except BaseException:
        if not resume:
            shutil.rmtree(new)
        raise
    os.utime(new)
    new.rename(path)


def use(folder):
    """Marks a folder of the cache as used now; removes its like that nobody used for two weeks.

    What another clone of the project needs, of another version, stays meanwhile.
    """
    os.utime(folder)
    kind = folder.name.split("-")[0]
    for other in CACHE.glob(f"{kind}-*"):
        # What is being made may have the time of what was unpacked there.
        if other.suffix == ".new" or not other.is_dir():
            continue
        if time.time() - other.stat().st_mtime > 14 * 24 * 3600:
            shutil.rmtree(other)


def step(what, log_name, command, *, hints=(), **kwargs):
    """Runs a long command with its output in a log, showing that it goes on.

    Fails with the end of the log, and with the first of the `hints` (a text to look for in the log,
    and what it means) that fits.
    """
    LOGS.mkdir(parents=True, exist_ok=True)
    log = LOGS / f"{log_name}.log"
    say(f"{what}; log: {log}")
    start = shown = time.monotonic()
    lines = 0
    with open(log, "a", encoding="utf-8") as file:
        file.write(f"\n==> {what}: {' '.join(map(str, command))}\n")
        file.flush()
        begin = file.tell()
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                              stdin=subprocess.DEVNULL, errors="replace", **kwargs) as process:
            try:
                for line in process.stdout:
                    file.write(line)
                    lines += 1
                    now = time.monotonic()
                    if now - shown >= (0.5 if sys.stderr.isatty() else 30):
                        shown = now
                        progress = f"    {now - start:4.0f} s, {lines} lines: {line.strip()[:60]}"
                        end = "\r" if sys.stderr.isatty() else "\n"
                        print(f"{progress:<79}", end=end, file=sys.stderr, flush=True)
            except BaseException:
                process.terminate()
                raise
    if sys.stderr.isatty():
        print(" " * 79, end="\r", file=sys.stderr, flush=True)
    if process.returncode == 0:
        return
    with open(log, encoding="utf-8") as file:
        file.seek(begin)
        text = file.read()
    print("".join(f"    {line}\n" for line in text.splitlines()[-40:]), end="", file=sys.stderr)
    for sign, meaning in (*hints, ("No space left on device", f"there is no space left in {CACHE}")):
        if sign in text:
            raise Failure(meaning)
    raise Failure(f"failed: {what}; the whole log: {log}")
