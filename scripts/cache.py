# SPDX-License-Identifier: GPL-2.0
"""The cache outside the tree, and the long steps that fill it.

What is in the cache has a name that tells what it was made from. It is made under another name, and
renamed when it is whole; so what is there under its own name is whole, and an interrupted step goes
on, or starts again, the next time.
"""

import contextlib
import errno
import fcntl
import functools
import hashlib
import os
import platform
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

PROJECT = Path(__file__).resolve().parent.parent
# As scripts/in-root has it.
if not os.environ.get("HOME"):
    os.environ.pop("HOME", None)
CACHE = Path(os.environ.get("JITIMER_CACHE") or Path(
    os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache", "jitimer")).resolve()
LOGS = CACHE / "log"
TAG = "Signature: 8a477f597d28d172789f06886806bc55\n"

# Debian's name of this machine's architecture.
ARCH = {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine())

SIGNALS = (signal.SIGHUP, signal.SIGINT, signal.SIGTERM)

# What tools say is read here.
os.environ["LC_ALL"] = "C.UTF-8"
os.environ.pop("LANGUAGE", None)


class Failure(Exception):
    """Something that the user has to mend; the text says what, and how."""

    # What the command ends with.
    status = 1


class NoSpace(Failure):
    """Something could not be written whole."""


class Interrupted(KeyboardInterrupt):
    """A signal has come that ends this process. All that it had started has ended."""

    # Which one, once one has come.
    by = None


def interrupt(number, _frame):
    """Ends what the main thread is at."""
    Interrupted.by = number
    for each in SIGNALS:
        signal.signal(each, signal.SIG_IGN)
    raise Interrupted


def end_all(reader):
    """Waits for a signal; then ends all that this process has started, and its threads go on to start.

    It can only where this is what scripts/in-root runs, in a namespace of processes which has no
    others. Elsewhere there are no threads, and `step` ends its command.
    """
    Interrupted.by = os.read(reader, 1)[0]
    # Another thread may have got it, which the main thread, in a system call, would not notice.
    signal.pthread_kill(threading.main_thread().ident, Interrupted.by)
    while os.getppid() == 1 and os.environ.get("JITIMER_PIDS") == os.readlink("/proc/self/ns/pid"):
        with contextlib.suppress(ProcessLookupError):
            os.kill(-1, signal.SIGKILL)
        time.sleep(0.1)


def enter_root(*options, folder="."):
    """Goes on with this command in a tool root (see scripts/in-root), if it isn't in one."""
    if "JITIMER_ROOT" not in os.environ:
        in_root, script = PROJECT / "scripts/in-root", os.path.realpath(sys.argv[0])
        os.chdir(folder)
        os.execv(in_root, [in_root, *options, script, *sys.argv[1:]])


def run_main(function, *, root=True):
    """Runs a command's main function, inside the tool root if it needs that, and exits."""
    name = Path(sys.argv[0]).name
    if root:
        enter_root()
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    signal.set_wakeup_fd(writer)
    threading.Thread(target=end_all, args=[reader], daemon=True).start()
    for number in SIGNALS:
        # One that is to be ignored, as by nohup, is.
        if signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, interrupt)
    status = 1
    try:
        status = function()
    except Failure as failure:
        print(f"{name}: {failure}", file=sys.stderr)
        status = failure.status
    except Interrupted:
        pass
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        print(f"{name}: there is no space left for {error.filename or CACHE}", file=sys.stderr)
    if Interrupted.by:
        # Nobody may be there to read it.
        with contextlib.suppress(OSError):
            sys.stdout.flush()
            print(f"\n{name}: interrupted; run it again to go on", file=sys.stderr, flush=True)
        os._exit(128 + Interrupted.by)
    sys.exit(status)


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


@functools.cache
def claim(folder):
    """Makes the cache, unless the folder is somebody's; it stays while this runs."""
    tag = folder / "CACHEDIR.TAG"
    try:
        others = [] if not folder.exists() else sorted(
            path.name for path in folder.iterdir()
            if path.name != "lost+found" and not (path == tag and not tag.stat().st_size))
        if others and not (tag.exists() and tag.read_text() == TAG):
            raise Failure(f"'{folder}' is no cache of this project: it has '{others[0]}'; set "
                          "JITIMER_CACHE to a folder of its own")
        folder.mkdir(parents=True, exist_ok=True)
        if not others:
            tag.write_text(TAG)
            (folder / ".gitignore").write_text("*\n")
        (folder / "lock").mkdir(exist_ok=True)
        file = open(folder / "lock/use", "w", encoding="ascii")  # pylint: disable=consider-using-with
    except OSError as error:
        raise Failure(f"can't write the cache '{folder}' ({error.strerror}); set JITIMER_CACHE to a "
                      "folder that you may write, and that has space") from None
    take(file, fcntl.LOCK_SH)
    return file


def take(file, how=fcntl.LOCK_EX):
    """Locks a file; says so where that takes waiting."""
    try:
        fcntl.flock(file, how | fcntl.LOCK_NB)
    except BlockingIOError:
        say(f"waiting for another run that holds {file.name}")
        fcntl.flock(file, how)


@contextlib.contextmanager
def lock(name):
    """Holds a lock of the cache."""
    claim(CACHE)
    path = CACHE / "lock" / name
    try:
        file = open(path, "w", encoding="ascii")  # pylint: disable=consider-using-with
    except OSError as error:
        raise Failure(f"can't write '{path}' ({error.strerror}); is it another user's?") from None
    with file:
        take(file)
        yield


def discard(folder):
    """Removes a folder of the cache, unless somebody is at it; what is left of it has another name."""
    with open(CACHE / "lock" / folder.name.removesuffix(".new"), "w", encoding="ascii") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        new = folder.with_name(f"{folder.name.removesuffix('.new')}.new")
        if folder != new and folder.exists():
            shutil.rmtree(new, ignore_errors=True)
            folder.rename(new)
        if new.exists():
            shutil.rmtree(new)
    return True


def need_space(gigabytes, what):
    """Fails unless the cache has room for something, before it is half made."""
    free = shutil.disk_usage(CACHE).free / 1e9
    if free < gigabytes:
        raise Failure(f"{what} needs {gigabytes} GB in {CACHE}, and {free:.1f} GB are free")


@contextlib.contextmanager
def made_whole(path, *, resume=False):
    """Gives a folder to make something in, which becomes `path` when that went well.

    When it did not, the folder goes. With `resume` it stays if that was interrupted, for the next
    run to go on there; after a failure, what is there may be no good.
    """
    new = path.with_name(path.name + ".new")
    if not resume:
        shutil.rmtree(new, ignore_errors=True)
    new.mkdir(parents=True, exist_ok=True)
    try:
        yield new
    except BaseException as reason:
        if not (resume and isinstance(reason, Interrupted)):
            shutil.rmtree(new, ignore_errors=True)
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
        # What is half made has its lock's time; its own may be that of what was unpacked there.
        lock_of = CACHE / "lock" / other.stem
        used = lock_of if other.suffix == ".new" and lock_of.exists() else other
        with contextlib.suppress(FileNotFoundError):
            if other.is_dir() and time.time() - used.stat().st_mtime > 14 * 24 * 3600:
                discard(other)


def step(what, log_name, command, *, hints=(), **kwargs):
    """Runs a long command with its output in a log, showing that it goes on.

    Fails with the end of the log, and with the first of the `hints` (a text to look for in the log,
    and what it means) that fits.
    """
    if Interrupted.by:
        raise Interrupted
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
    if -process.returncode in SIGNALS:
        # Of a signal to the whole group the command may hear before this does.
        Interrupted.by = Interrupted.by or -process.returncode
    if Interrupted.by:
        raise Interrupted
    if sys.stderr.isatty():
        print(" " * 79, end="\r", file=sys.stderr, flush=True)
    if process.returncode == 0:
        return
    with open(log, encoding="utf-8") as file:
        file.seek(begin)
        text = file.read()
    print("".join(f"    {line}\n" for line in text.splitlines()[-40:]), end="", file=sys.stderr)
    if "No space left on device" in text or shutil.disk_usage(CACHE).free < 1e6:
        raise NoSpace(f"there is no space left in {CACHE}")
    for sign, meaning in hints:
        if sign in text:
            raise Failure(meaning)
    raise Failure(f"failed: {what}; the whole log: {log}")
