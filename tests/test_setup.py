# SPDX-License-Identifier: GPL-2.0
"""The set-up: nothing breaks it, and nothing is left of it where it ended early.

Most of this makes roots by a stand-in for mmdebstrap, which is as quick as can be; `make torture`
has the real one.
"""

import os
import pwd
import re
import select
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

import build
import cache
from cache import CACHE, PROJECT
import kernels
import rust_kdir

SIGNALS = ("HUP", "INT", "TERM", "KILL")

# It mounts what mmdebstrap mounts, starts processes that a signal to the group does not reach, and
# stops where it is told to; the root that it makes has what in-root itself runs in there.
MMDEBSTRAP = r"""#!/bin/bash
set -euo pipefail
for target; do [[ $target != */root-*.new ]] || break; done
pack=''
[[ $target = */root-*.new ]] || { pack=yes; target=$(mktemp --directory); }
stage() {
    echo "I: $1" >&2
    [ "$1" != "${STOP-}" ] || { setsid sleep infinity & sleep infinity; }
}
trap '' INT
[ ! "${SHOW-}" ] || echo "I: ${SHOW}: $* ${http_proxy-}" >&2
stage downloading
mkdir "$target"/{proc,sys,dev,tmp,etc,usr,usr/bin,var,var/lib,var/lib/apt,var/cache,var/cache/apt}
touch "$target/etc/resolv.conf"
if [ "$pack" ]; then
    # Somebody else's, as some of what packages have is.
    install --directory --mode=700 --owner=42 "$target/var/lib/apt/lists"
    touch "$target/var/lib/apt/lists/file"
fi
mount --rbind /dev "$target/dev"
mount -t tmpfs tmpfs "$target/proc"
stage extracting
[ ! "${FILL-}" ] || head -c "$FILL" /dev/zero >"$target/usr/zero"
programs=$(printf '/usr/bin/%s ' sh env true sleep cat touch ls mkfifo mount readlink \
    setpriv umount unshare)
cp $programs "$target/usr/bin"
ldd $programs | grep -o "/[^ :]* (" | tr -d "( " | sort -u |
    xargs cp --parents --dereference -t "$target"
ln -s usr/bin "$target/bin"
stage installing
umount --lazy "$target/dev" "$target/proc"
stage cleaning
[ ! "$pack" ] || tar --create --directory "$target" .
"""
STAGES = ("downloading", "extracting", "installing", "cleaning")


class Setup:
    """A cache of its own, and runs of scripts on it as if outside of the tool root."""

    def __init__(self, folder):
        self.folder = folder
        self.cache = folder / "cache"
        self.environment = {name: value for name, value in os.environ.items()
                            if not name.startswith("JITIMER_")}
        self.environment["JITIMER_CACHE"] = str(self.cache)
        self.in_root = [PROJECT / "scripts/in-root", "--bare"]
        self.clean = [PROJECT / "scripts/in-root", "--clean"]

    def stand_in(self):
        """Has roots be made by the stand-in."""
        self.program("mmdebstrap", MMDEBSTRAP)
        self.environment["PATH"] = f"{self.folder / 'bin'}:{self.environment['PATH']}"

    def program(self, name, text):
        """Has a program be another one."""
        program = self.folder / "bin" / name
        program.parent.mkdir(exist_ok=True)
        program.write_text(text)
        program.chmod(0o755)
        return program

    def run(self, *command, status=0, cwd=None, **environment):
        """Runs a command, which is to end so; returns what it prints, and what it says."""
        result = subprocess.run(command, env=self.environment | environment, capture_output=True,
                                text=True, check=False, cwd=cwd or self.folder)
        assert result.returncode == status, result.stderr
        return result.stdout, result.stderr

    def stop(self, command, stage, name, *, one=False, cwd=None, **environment):
        """Sends a signal when that stage is shown; returns the status and what was said.

        It goes to the process, or as from a terminal to its group. All that it had started has
        ended then: each has a file open.
        """
        output, writer = os.pipe()
        # pylint: disable-next=consider-using-with
        process = subprocess.Popen(["env", "--default-signal", *command], stdin=subprocess.DEVNULL, stdout=writer,
                                   stderr=subprocess.PIPE, pass_fds=[writer], start_new_session=True,
                                   cwd=cwd or self.folder, env=self.environment | environment)
        os.close(writer)
        said, sent = "", False
        for file in (process.stderr.fileno(), output):
            while select.select([file], [], [], 30)[0]:
                text = os.read(file, 4096).decode()
                if not text:
                    break
                said += text if file != output else ""
                if stage in said and not sent:
                    (os.kill if one else os.killpg)(process.pid, signal.Signals[f"SIG{name}"])
                    sent = True
            else:
                process.kill()
                pytest.fail(f"something runs on after: {said}")
        process.wait()
        process.stderr.close()
        os.close(output)
        assert sent, said
        self.check()
        return process.returncode, said

    def check(self):
        """Fails if something is mounted in the cache."""
        assert str(self.folder) not in Path("/proc/self/mountinfo").read_text()

    def half_made(self):
        """What is there that is not whole."""
        return sorted(self.cache.glob("*.new"))

    def refused(self, *command, status=1, **options):
        """Fails unless a command is refused in one line before anything is made; returns that."""
        _, said = self.run(*command, status=status, **options)
        assert said.count("\n") == 1, said
        return said


@pytest.fixture
def setup(tmp_path):
    """A set-up that is quick."""
    made = Setup(tmp_path)
    made.stand_in()
    yield made
    made.check()


def private(script, *command):
    """A command with mounts of its own, after what a script mounts."""
    return ["unshare", "--mount", "sh", "-euc", f'{script}; exec "$@"', "sh", *map(str, command)]


def read_only(folder):
    """The mounts that make a folder read-only."""
    return f"mount --bind {folder} {folder}; mount -o remount,bind,ro {folder}"


def without(folder, *names):
    """A path to all programs but these."""
    path = folder / "less"
    path.mkdir()
    for program in Path("/usr/bin").iterdir():
        if program.name not in names:
            (path / program.name).symlink_to(program)
    return str(path)


@pytest.fixture
def user():
    """A set-up of an ordinary user, who may have others in namespaces."""
    if Path("/proc/self/uid_map").read_text().split()[2] == "1":
        pytest.skip("this is an ordinary user, who can be no other one")
    # Not below what is for its owner only.
    with tempfile.TemporaryDirectory(prefix="user-") as name:
        made = Setup(Path(name))
        made.stand_in()
        etc = shutil.copytree("/etc", made.folder / "etc", symlinks=True)
        with open(etc / "passwd", "a", encoding="ascii") as file:
            file.write("somebody:x:1000:1000::/nonexistent:/bin/sh\n")
        for kind in ("subuid", "subgid"):
            (etc / kind).write_text("somebody:10000:1000\n")
        (made.folder / "scripts").mkdir()
        script = shutil.copy(PROJECT / "scripts/in-root", made.folder / "scripts")
        os.chown(made.folder, 1000, 1000)
        as_user = private(f"mount --bind {etc} /etc", "setpriv", "--reuid=1000", "--regid=1000", "--clear-groups")
        made.in_root = [*as_user, script, "--bare"]
        made.clean = [*as_user, script, "--clean"]
        yield made
        made.check()


WITHOUT_ADMIN = ("setpriv", "--bounding-set=-sys_admin", "--inh-caps=-sys_admin")


@pytest.mark.parametrize("one", [False, True], ids=["group", "one"])
@pytest.mark.parametrize("name", SIGNALS)
@pytest.mark.parametrize("stage", STAGES)
def test_signal_while_the_root_is_made(setup, stage, name, one):
    command = [*setup.in_root, "true"]
    status, said = setup.stop(command, stage, name, one=one, STOP=stage)
    if name == "KILL":
        assert status == -signal.SIGKILL
        assert setup.half_made()
    else:
        assert status == 128 + signal.Signals[f"SIG{name}"]
        assert said.endswith("in-root: interrupted; run it again\n")
        assert not setup.half_made()
    _, said = setup.run(*setup.in_root, "cat", "/dev/null")
    assert "tool root made" in said
    assert not setup.half_made()


def test_signal_without_admin(setup):
    command = [*WITHOUT_ADMIN, *setup.in_root, "ls"]
    # It can mount nothing outside of the namespace that this is about.
    assert setup.stop(command, "installing", "TERM", STOP="installing")[0] == 143
    assert not setup.half_made()
    assert setup.stop(command, "installing", "KILL", STOP="installing")[0] == -signal.SIGKILL
    assert "tool root made" in setup.run(*command)[1]


@pytest.mark.parametrize("name", SIGNALS)
@pytest.mark.parametrize("stage", ["extracting", "cleaning"])
def test_signal_of_an_ordinary_user(user, stage, name):
    command = [*user.in_root, "ls", "/var/lib/apt/lists"]
    status, said = user.stop(command, stage, name, STOP=stage)
    if name == "KILL":
        assert status == -signal.SIGKILL
        # Some of it is not this user's.
        assert {path.stat().st_uid for half in user.half_made() for path in half.rglob("*")} - {1000}
    else:
        assert (status, said.splitlines()[-1]) == (128 + signal.Signals[f"SIG{name}"],
                                                   "in-root: interrupted; run it again")
        assert not user.half_made()
    out, said = user.run(*command)
    assert out == "file\n"
    assert "tool root made" in said and not user.half_made()
    user.run(*user.clean)
    assert not list(user.cache.glob("root-*"))


def test_what_an_ordinary_user_lacks(user):
    said = user.refused(*user.in_root, "true", PATH=without(user.folder, "newuidmap", "mmdebstrap"))
    assert said.endswith("packages that are not installed; as root: apt-get install mmdebstrap uidmap\n")
    (user.folder / "etc/subgid").write_text("somebody-else:10000:1000\n")
    said = user.refused(*user.in_root, "true")
    assert "user somebody has no range in /etc/subuid, or /etc/subgid; as root: usermod " in said
    assert not list(user.cache.glob("root-*"))


def test_without_mount(setup):
    said = setup.refused(*setup.in_root, "true", PATH=without(setup.folder, "mount"))
    assert said == "in-root: there is no mount(8) on this system; as root: apt-get install mount\n"


def test_signal_while_another_makes_the_root(setup):
    with subprocess.Popen([*setup.in_root, "true"], env=setup.environment | {"STOP": "extracting"},
                          stderr=subprocess.PIPE, text=True) as first:
        assert any("extracting" in line for line in first.stderr)
        status, said = setup.stop([*setup.in_root, "true"], "waiting for another run", "TERM", one=True)
        assert (status, said.splitlines()[-1]) == (143, "in-root: interrupted; run it again")
        # What the other is at stays.
        assert setup.half_made()
        first.terminate()


def test_make_is_killed(setup):
    assert setup.stop(["make", "run"], "extracting", "KILL", one=True, cwd=PROJECT,
                      STOP="extracting")[0] == -signal.SIGKILL


# Steps of two threads.
STEPS = """
import sys
sys.path.insert(0, sys.argv[1] + "/scripts")
import cache
from concurrent.futures import ThreadPoolExecutor

def make(name):
    with cache.made_whole(cache.CACHE / name, resume=name == "kept") as new:
        cache.step(f"making {name}", name, ["sh", "-c", sys.argv[2], "sh", new])

def main():
    with ThreadPoolExecutor(1) as pool:
        pool.map(make, ["gone", "never"])
        make("kept")

cache.run_main(main, root=False)
"""


@pytest.mark.parametrize("one", [False, True], ids=["group", "one"])
@pytest.mark.parametrize("name", SIGNALS)
def test_signal_during_a_step(tmp_path, name, one):
    setup = Setup(tmp_path)
    setup.environment |= {name: os.environ[name] for name in ("JITIMER_ROOT",)}
    setup.cache.mkdir()
    (tmp_path / "steps.py").write_text(STEPS)
    # The tool root's own cache has the root; that of the script is another.
    command = [PROJECT / "scripts/in-root", "env", f"JITIMER_CACHE={setup.cache}", "python3",
               "steps.py", PROJECT, "setsid sleep infinity & wait"]
    setup.environment["JITIMER_CACHE"] = str(CACHE)
    status, said = setup.stop(command, "making kept", name, one=one)
    if name == "KILL":
        assert status == -signal.SIGKILL
        return
    assert status == 128 + signal.Signals[f"SIG{name}"]
    assert said.endswith("steps.py: interrupted; run it again to go on\n")
    assert [path.name for path in setup.half_made()] == ["kept.new"]
    assert "never" not in said and "Traceback" not in said


def test_a_step_that_a_signal_ended_was_interrupted(tmp_path):
    # It may be the first of a group to hear of one.
    setup = Setup(tmp_path)
    setup.environment |= {"JITIMER_ROOT": os.environ["JITIMER_ROOT"], "JITIMER_CACHE": str(CACHE)}
    setup.cache.mkdir()
    (tmp_path / "steps.py").write_text(STEPS)
    said = setup.run(PROJECT / "scripts/in-root", "env", f"JITIMER_CACHE={setup.cache}", "python3",
                     "steps.py", PROJECT, "kill -TERM $$", status=143)[1]
    assert said.endswith("steps.py: interrupted; run it again to go on\n")
    assert "never" not in said and "Traceback" not in said


# Says so when it is ready, and goes on when it is told to.
GOES_ON = """
import sys
sys.path.insert(0, sys.argv[1] + "/scripts")
import cache

def main():
    cache.say("ready")
    cache.step(f"reading {input()}", "goes-on", ["true"])

cache.run_main(main, root=False)
"""


@pytest.mark.parametrize("name", ["HUP", "INT"])
def test_signal_that_is_to_be_ignored(tmp_path, name):
    (tmp_path / "goes_on.py").write_text(GOES_ON)
    command = ["env", f"--ignore-signal={name}", PROJECT / "scripts/in-root", "python3", "goes_on.py", PROJECT]
    with subprocess.Popen(command, cwd=tmp_path, stdin=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                          start_new_session=True) as process:
        assert process.stderr.readline() == "==> ready\n"
        os.killpg(process.pid, signal.Signals[f"SIG{name}"])
        _, said = process.communicate("on\n")
    assert process.returncode == 0, said
    assert "reading on" in said


def test_language_of_this_machine(tmp_path):
    environment = {**os.environ, "LC_ALL": "de_DE.UTF-8", "LANG": "de_DE.UTF-8", "LANGUAGE": "de:en"}
    for command in ([sys.executable, "-c", "import cache, os; os.execlp('env', 'env')"],
                    [PROJECT / "scripts/in-root", "env"]):
        said = subprocess.run(command, env=environment | {"PYTHONPATH": str(PROJECT / "scripts")}, check=True,
                              cwd=tmp_path, capture_output=True, text=True).stdout.splitlines()
        assert "LC_ALL=C.UTF-8" in said
        assert not [line for line in said if line.startswith("LANGUAGE")]


# A signal that another thread than the main one gets, which is waiting meanwhile.
OTHER = """
import os, signal, sys, threading
sys.path.insert(0, sys.argv[1] + "/scripts")
import cache

def other():
    open("begun").read()
    signal.pthread_kill(threading.get_ident(), signal.SIGTERM)

def main():
    os.mkfifo("begun")
    threading.Thread(target=other).start()
    cache.step("waiting", "waiting", ["sh", "-c", ": >begun; sleep infinity"])

cache.run_main(main, root=False)
"""


def test_signal_that_another_thread_gets(tmp_path):
    (tmp_path / "other.py").write_text(OTHER)
    result = subprocess.run([PROJECT / "scripts/in-root", "python3", "other.py", PROJECT],
                            cwd=tmp_path, check=False, timeout=60)
    assert result.returncode == 128 + signal.SIGTERM


def test_full_disk_while_the_root_is_made(setup):
    setup.cache.mkdir()
    _, said = setup.run(*private(
        f"mount -t tmpfs -o size=320m tmpfs {setup.cache}; ! FILL=400M {PROJECT}/scripts/in-root --bare true; "
        f"[ -z \"$(ls {setup.cache} | grep root-)\" ]", *setup.in_root, "ls"))
    assert f"in-root: there is no space left in {setup.cache}\n" in said
    assert "tool root made" in said


def test_hardly_any_space(setup):
    setup.cache.mkdir()
    mount = f"mount -t tmpfs -o size=%s tmpfs {setup.cache}"
    said = setup.refused(*private(mount % "100m", *setup.in_root, "true"))
    assert "the tool root needs 300 MB in" in said
    # Until there is place for what it takes to begin.
    for inodes in range(1, 6):
        full = f"mount -t tmpfs -o nr_inodes={inodes} tmpfs {setup.cache}"
        said = setup.refused(*private(full, *setup.in_root, "true"))
        assert said.startswith("in-root: can't write ")
        said = setup.refused(*private(full, sys.executable, "-c", LOCK), PYTHONPATH=str(PROJECT / "scripts"))
        assert ": can't write " in said


def test_full_disk_during_a_step(setup):
    setup.cache.mkdir()
    script = setup.folder / "steps.py"
    script.write_text(STEPS)
    _, said = setup.run(*private(
        f"mount -t tmpfs -o size=20m tmpfs {setup.cache}; ! {sys.executable} {script} {PROJECT} "
        f"'head -c 30M /dev/zero >$1/zero'; [ -z \"$(ls {setup.cache} | grep new)\" ]", "true"))
    assert said.endswith(f"steps.py: there is no space left in {setup.cache}\n")


@pytest.mark.parametrize("mirrors, wanted", [
    (["Debian Debian-Security http://one/", "Debian Debian http://two/"], "http://two/"),
    (["Debian Debian mirror+file:/etc/apt/mirrors/debian.list", "Debian Debian https://two/"], "https://two/"),
    (["Debian Debian cdrom:[Debian GNU/Linux 13]/", "Debian Debian file:/srv/debian/", "Ubuntu Ubuntu http://three/"],
     ""),
    (["Debian Debian http://archive.one/debian/", "Debian Debian http://snapshot.two/archive/debian/1/"],
     ""),
], ids=["security", "list", "disk", "archive"])
def test_mirror_of_this_machine(setup, mirrors, wanted):
    setup.program("apt-get", "#!/bin/sh\n" + "".join(f"echo '{mirror}'\n" for mirror in mirrors))
    _, said = setup.run(*setup.in_root, "true", SHOW="asked")
    (asked,) = re.findall(r"asked: .*(?:root-\S*\.new)(.*)", said)
    assert asked.strip() == wanted
    # What is to be trusted then.
    assert ("ca-certificates" in said) == wanted.startswith("https:")


def test_mirror_that_a_root_can_not_reach(setup):
    for mirror in ("file:/srv/debian", "mirror+file:/etc/apt/mirrors.list", "/srv/debian"):
        assert (f"JITIMER_MIRROR is '{mirror}', which the tool root can't reach; "
                in setup.refused(*setup.in_root, "true", JITIMER_MIRROR=mirror))
    assert not setup.cache.exists()
    assert "http://mine/debian\n" in setup.run(*setup.in_root, "true", JITIMER_MIRROR="http://mine/debian",
                                               SHOW="asked")[1].replace(" \n", "\n")


def test_proxy_of_this_machine(setup):
    setup.program("apt-config", "#!/bin/sh\necho \"apt_http='http://proxy:3142/'\"\n")
    _, said = setup.run(*setup.in_root, "true", SHOW="asked")
    assert re.search(r"asked: .* http://proxy:3142/\n", said)
    show = ("sh", "-c", "echo $http_proxy $https_proxy")
    assert setup.run(*setup.in_root, *show)[0] == "http://proxy:3142/ http://proxy:3142/\n"
    assert setup.run(*setup.in_root, *show, http_proxy="http://mine/")[0] == "http://mine/ http://proxy:3142/\n"
    setup.program("apt-config", "#!/bin/sh\necho \"apt_http='DIRECT'\"\n")
    assert setup.run(*setup.in_root, *show)[0] == "\n"


def test_without_debians_keys(setup):
    asked = setup.folder / "asked"
    setup.program("apt-get", f"#!/bin/sh\necho $* >>{asked}\n")
    setup.run(*setup.in_root, "true")
    assert not [line for line in asked.read_text().splitlines() if line.startswith("install")]
    setup.run(*setup.clean)
    _, said = setup.run(*private("mount -t tmpfs tmpfs /usr/share/keyrings", *setup.in_root, "true"))
    assert "installing mmdebstrap on this system" in said
    (install,) = [line for line in asked.read_text().splitlines() if line.startswith("install")]
    assert install.endswith(" mmdebstrap debian-archive-keyring")


def test_full_disk_where_nothing_is_fetched(setup):
    setup.cache.mkdir()
    script = setup.folder / "steps.py"
    # A file that is a few bytes too large, and a log that is.
    for command in ("pathlib.Path(cache.CACHE, 'new').write_bytes(bytes(30 << 20))",
                    "cache.step('talking', 'talk', ['head', '-c', '30M', '/dev/zero'])"):
        script.write_text("import pathlib, cache\ndef main():\n    with cache.lock('one'):\n"
                          f"        {command}\ncache.run_main(main, root=False)\n")
        _, said = setup.run(*private(f"mount -t tmpfs -o size=20m tmpfs {setup.cache}", sys.executable, script),
                            status=1, PYTHONPATH=str(PROJECT / "scripts"))
        assert "Traceback" not in said
        assert said.splitlines()[-1].startswith("steps.py: there is no space left for ")


def test_mounts_that_an_older_version_left(setup):
    setup.run(*setup.in_root, "ls")
    precious = setup.folder / "precious"
    (precious / "below").mkdir(parents=True)
    (precious / "file").touch()
    (root,) = setup.cache.glob("root-*")
    for clean in (True, False):
        old = setup.cache / "root-0123.new"
        (old / "dev/pts").mkdir(parents=True)
        subprocess.run(["mount", "--bind", precious, old / "dev"], check=True)
        subprocess.run(["mount", "-t", "tmpfs", "tmpfs", old / "dev/below"], check=True)
        if clean:
            setup.run(*setup.clean)
            assert not list(setup.cache.glob("root-*"))
        else:
            setup.run(*setup.in_root, "ls")
            assert list(setup.cache.glob("root-*")) == [root]
        assert (precious / "file").exists()
        setup.check()


# Takes the cache's lock for a moment, as a step does.
LOCK = ("import cache\ndef main():\n    with cache.lock('one'):\n        pass\n"
        "cache.run_main(main, root=False)\n")


@pytest.mark.parametrize("name", ["notes", ".gitignore", "root-of-my-own", "CACHEDIR.TAG"])
def test_folder_of_somebodys(setup, name):
    mine = setup.cache / name
    setup.cache.mkdir()
    mine.write_text("mine")
    environment = {"PYTHONPATH": str(PROJECT / "scripts")}
    for command in ([*setup.in_root, "true"], setup.clean, [sys.executable, "-c", LOCK],
                    [PROJECT / "scripts/rust_kdir.py", "--clean"]):
        assert (f"'{setup.cache}' is no cache of this project: it has '{name}'; "
                in setup.refused(*command, **environment))
    assert list(setup.cache.iterdir()) == [mine] and mine.read_text() == "mine"


def test_folder_of_a_run_that_came_no_further(setup):
    for script in ([*setup.in_root, "true"], [sys.executable, "-c", LOCK]):
        shutil.rmtree(setup.cache, ignore_errors=True)
        (setup.cache / "lost+found").mkdir(parents=True)
        (setup.cache / "CACHEDIR.TAG").touch()
        setup.run(*script, PYTHONPATH=str(PROJECT / "scripts"))
        assert (setup.cache / "CACHEDIR.TAG").read_text() == cache.TAG
        # The other takes it for its own.
        setup.run(*setup.clean)


def test_clean_leaves_what_is_not_from_here(setup):
    setup.run(*setup.in_root, "true")
    for name in ("stock-a", "kdir-b.new", "in-tree-c", "kdir-mine"):
        (setup.cache / name / "folder").mkdir(parents=True)
    for name in ("stock-a", "kdir-b", "in-tree-c"):
        (setup.cache / "lock" / name).touch()
    for name in ("kvm-1", "notes", "apt"):
        (setup.cache / name).touch()
    (setup.cache / "lock/apt").touch()
    setup.run(*setup.clean)
    assert sorted(path.name for path in setup.cache.iterdir()) == [
        ".gitignore", "CACHEDIR.TAG", "apt", "kdir-mine", "lock", "notes"]
    assert "tool root made" in setup.run(*setup.in_root, "true")[1]


def test_clean_while_the_cache_is_used(setup):
    with subprocess.Popen([*setup.in_root, "sh", "-c", "echo ready; read line; touch /tmp/file; ls"],
                          env=setup.environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                          stderr=subprocess.DEVNULL, text=True, cwd=PROJECT) as user:
        assert user.stdout.readline() == "ready\n"
        assert f"something uses '{setup.cache}'" in setup.refused(*setup.clean)
        # A second one may.
        setup.run(*setup.in_root, "true")
        assert "README.md" in user.communicate("\n")[0]
    setup.run(*setup.clean)
    # So it is with what runs outside of a root.
    with subprocess.Popen([sys.executable, "-c", LOCK.replace("pass", "print('ready', flush=True); input()")],
                          env=setup.environment | {"PYTHONPATH": str(PROJECT / "scripts")},
                          stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as user:
        assert user.stdout.readline() == "ready\n"
        assert f"something uses '{setup.cache}'" in setup.refused(*setup.clean)
        user.communicate("\n")
    assert user.returncode == 0


@pytest.mark.parametrize("one", [False, True], ids=["group", "one"])
@pytest.mark.parametrize("name", SIGNALS)
def test_clean_is_interrupted(setup, name, one):
    setup.run(*setup.in_root, "true")
    (root,) = setup.cache.glob("root-*")
    # It stops at the removal of the root, half of which is gone then.
    program = setup.program("rm", f"#!/bin/sh\n[ ! -e {root}.new/usr ] || {{ /bin/rm -r {root}.new/usr/bin; "
                            "echo half >&2; sleep infinity; }\n")
    setup.stop(setup.clean, "half", name, one=one)
    program.unlink()
    assert not root.exists()
    assert "tool root made" in setup.run(*setup.in_root, "ls")[1]


def test_old_root_that_is_used(setup):
    with subprocess.Popen([*setup.in_root, "sh", "-c", "echo ready; read line; ls /usr"], env=setup.environment,
                          stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                          text=True) as user:
        assert user.stdout.readline() == "ready\n"
        (root,) = setup.cache.glob("root-*")
        idle = setup.cache / "root-0123"
        idle.mkdir()
        for old in (root, idle):
            os.utime(old, (0, 0))
        setup.run(*setup.in_root, "--suite=forky", "true")
        assert user.communicate("\n")[0] == "bin\n"
    assert root.exists() and not idle.exists()


def test_root_without_admin_and_without_user_namespaces(setup):
    said = setup.refused("unshare", "--user", "--map-root-user", "--mount", "sh", "-euc",
                         'echo 0 >/proc/sys/user/max_user_namespaces; exec "$@"', "sh",
                         *WITHOUT_ADMIN, *setup.in_root, "true")
    assert "run the container with --privileged" in said


def test_spaces(setup):
    folder = setup.folder / "with a space"
    (folder / "scripts").mkdir(parents=True)
    script = shutil.copy(PROJECT / "scripts/in-root", folder / "scripts")
    assert f"can't be built in '{folder}'" in setup.refused(script, "true")
    assert f"can't be built in '{folder}'" in setup.refused(*setup.in_root, "true",
                                                            JITIMER_CACHE=str(folder))
    # What is called from there is something else.
    out, _ = setup.run(*setup.in_root, "ls", cwd=folder)
    assert out == "scripts\n"


def test_without_home(setup):
    del setup.environment["JITIMER_CACHE"]
    for name in ("HOME", "XDG_CACHE_HOME"):
        setup.environment.pop(name, None)
    # That of whoever runs this, where nobody may write meanwhile.
    home = pwd.getpwuid(os.getuid()).pw_dir
    cache = f"{home}/.cache/jitimer"
    assert f"can't write the cache '{cache}'" in setup.refused(
        "unshare", "--mount", "sh", "-c", f'mount -t tmpfs -o ro none {home} && exec "$@"', "sh",
        *setup.in_root, "true")
    out, _ = setup.run(sys.executable, "-c", "import cache; print(cache.CACHE)",
                       PYTHONPATH=str(PROJECT / "scripts"))
    assert out == f"{cache}\n"


def test_relative_cache_in_a_checkout(setup):
    (setup.folder / ".git").mkdir()
    out, _ = setup.run(*setup.in_root, "sh", "-c", "echo $JITIMER_CACHE", JITIMER_CACHE="in/here")
    assert out == f"{setup.folder}/in/here\n"
    assert (setup.folder / "in/here/.gitignore").read_text() == "*\n"
    # It is seen, but not through itself.
    out, _ = setup.run(*setup.in_root, "ls", "in/here", JITIMER_CACHE="in/here")
    assert "lock" in out


def test_make_clean_passes_over_a_cache(setup):
    for name in ("Makefile", "scripts/check-kdir", "cache/a.ko", "b.ko", "cache/CACHEDIR.TAG"):
        (setup.folder / name).parent.mkdir(exist_ok=True)
        (setup.folder / name).touch()
    shutil.copy(PROJECT / "Makefile", setup.folder)
    setup.run("make", "clean")
    assert [path.name for path in setup.folder.rglob("*.ko")] == ["a.ko"]


def test_cache_that_was_moved(setup, monkeypatch):
    setup.run(*setup.in_root, "ls")
    moved = setup.cache.rename(setup.folder / "moved")
    _, said = setup.run(*setup.in_root, "ls", JITIMER_CACHE=str(moved))
    assert said == ""
    # What names its folder is made anew.
    kernel = kernels.Kernel("7.3.4+deb13-amd64", "7.3.4-1")
    before = rust_kdir.location(kernel)
    monkeypatch.setattr(rust_kdir, "CACHE", moved)
    assert rust_kdir.location(kernel).name != before.name


def test_read_only_checkout(kernel):
    result = subprocess.run(private(read_only(PROJECT), PROJECT / "scripts/build.py"), cwd=PROJECT,
                            check=False, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    assert f"{CACHE}/build-" in result.stdout and "/jitimer.ko\n" in result.stdout
    assert build.OUT == PROJECT / "build"


def test_what_is_seen(setup):
    repository = setup.folder / "repository"
    (repository / "sub/folder").mkdir(parents=True)
    (repository / ".git").touch()
    (repository / "file").touch()
    out, _ = setup.run(*setup.in_root, "sh", "-c", f"ls ../..; touch new; ls {setup.folder.parent}",
                       cwd=repository / "sub/folder")
    assert out == f"file\nsub\n{setup.folder.name}\n"
    assert (repository / "sub/folder/new").exists()
    _, said = setup.run(*setup.in_root, "touch", "/etc/file", status=1)
    assert "Read-only file system" in said
    _, said = setup.run(*setup.in_root, "touch", f"{setup.folder}/../file")
    assert not (setup.folder.parent / "file").exists()


def test_work_tree_of_git(tmp_path):
    def git(*command, **environment):
        return subprocess.run(["git", "-c", "user.name=me", "-c", "user.email=me", *command], check=True, cwd=tmp_path,
                              env=os.environ | environment, capture_output=True, text=True).stdout
    git("init", "repository")
    git("-C", "repository", "commit", "--allow-empty", "--message", "one")
    git("-C", "repository", "worktree", "add", "../tree")
    see = [PROJECT / "scripts/in-root", "sh", "-c", "git log --format=%s; ls ..; ls $1/repository", "sh", tmp_path]
    for environment in ({}, {"GIT_DIR": "/none", "GIT_INDEX_FILE": "/none"}):
        out = subprocess.run(see, cwd=tmp_path / "tree", check=True, capture_output=True, text=True,
                             env=os.environ | environment).stdout
        # Nothing but the repository itself of what is around it.
        assert out == "one\nrepository\ntree\n"
    # One that is gone is nothing to fail for.
    shutil.rmtree(tmp_path / "repository")
    subprocess.run([PROJECT / "scripts/in-root", "true"], cwd=tmp_path / "tree", check=True)


def test_status_input_and_output(setup):
    # A shell ignores some signals for what it starts in the background, as these tests may be.
    command = ["env", "--default-signal", *setup.in_root, "sh", "-c"]
    assert setup.run(*command, "exit 7", status=7)
    assert setup.run("sh", "-c", 'echo in | "$@"', "sh", *setup.in_root, "cat")[0] == "in\n"
    assert setup.run(*command, "kill -INT $$", status=130)
    # What it leaves behind ends with it.
    assert setup.run(*command, "sleep infinity & echo out")[0] == "out\n"


@pytest.mark.parametrize("path", ["/usr/bin:/bin", "{}"], ids=["python3", "none"])
def test_matrix_of_a_series_that_is_not_supported(setup, path):
    # Also where there is no python3 outside of the root.
    for name in ("make", "sh", "sed", "tr", "date", "uname"):
        (setup.folder / "bin" / name).symlink_to(f"/usr/bin/{name}")
    for series in ("9.9", "7.30", "3"):
        said = setup.refused("make", "-s", "matrix", f"K={series}", status=2, cwd=PROJECT,
                             PATH=path.format(setup.folder / "bin"))
        assert f"there is no series '{series}'; there are: {' '.join(kernels.SERIES)}.  Stop." in said
    said = setup.refused(PROJECT / "scripts/matrix.py", "--series=9.9")
    assert said == ("matrix.py: '9.9' is none of the series that are supported: " + ", ".join(kernels.SERIES) + "\n")
    assert not setup.cache.exists()


def test_torture_of_the_set_up(request, tmp_path):
    if not request.config.getoption("torture"):
        pytest.skip("it takes the network, and minutes")
    setup = Setup(tmp_path)
    command = [*setup.in_root, "true"]
    _, said = setup.run(*command)
    # Without what is other each time.
    stages = [re.sub(r"\d.*", "", line).strip() for line in said.splitlines()
              if line.startswith("    ")]
    assert len(stages) > 7
    for stage in stages:
        for name in SIGNALS:
            setup.run(*setup.clean)
            status, said = setup.stop(command, stage, name)
            assert status in (-9, 0, 128 + signal.Signals[f"SIG{name}"]), said
    assert "tool root made" in setup.run(*command)[1]
