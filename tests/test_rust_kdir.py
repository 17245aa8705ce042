# SPDX-License-Identifier: GPL-2.0
"""The tool that makes folders for KDIR: what it checks, and what it says and leaves when it can't."""

import contextlib
import dataclasses
import errno
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import cache
from cache import CACHE, PROJECT, Failure
import headers
import kernels
import rust_kdir
from test_jitimer import run


def tool(*arguments, status=0):
    """What the command prints to standard output, and to standard error."""
    result = subprocess.run([PROJECT / "scripts/rust_kdir.py", *arguments], capture_output=True,
                            text=True, check=False)
    assert result.returncode == status, result.stderr
    return result.stdout, result.stderr


def test_list(kernel):
    lines = [line.split("\t") for line in tool("--list")[0].splitlines()]
    assert [kernel.release, kernel.package_version] in [line[:2] for line in lines]
    made = {line[0]: line[2:] for line in lines}
    assert str(rust_kdir.make(kernel)) in made[kernel.release]
    assert [line[0] for line in lines] == sorted(
        (line[0] for line in lines),
        key=lambda release: (kernels.Kernel(release, "").order, release), reverse=True)


def test_make_says_where(kernel):
    output, _ = tool(kernel.release)
    assert output == f"{rust_kdir.make(kernel)}\n"


def test_verify(kernel):
    _, said = tool("--verify", kernel.release)
    assert f"Rust symbols of {kernel.release} are in its metadata" in said
    assert f"version string: {kernel.release} SMP preempt mod_unload" in said


def test_not_a_release():
    _, said = tool("6.12.1-mine", status=1)
    assert said == ("rust_kdir.py: '6.12.1-mine' is not the release of a Debian kernel that has "
                    "Rust, such as 7.3.4+deb13-amd64; 'rust_kdir.py --list' tells which there are\n")


def test_a_release_that_apt_has_not():
    _, said = tool("7.3.99+deb13-amd64", status=3)
    assert "apt has no headers for a kernel '7.3.99+deb13-amd64'; it has: 7." in said


def test_not_here(kernel):
    # The tool root has the compilers, but not that kernel installed.
    _, said = tool("--here", kernel.release, status=1)
    assert said == ("rust_kdir.py: can't make it on this system: "
                    f"linux-headers-{kernel.release} is not installed\n")


def test_usage():
    _, said = tool("--clean", "--list", status=2)
    assert "not allowed with" in said


def test_a_module_of_anybodys(kernel, machines, tmp_path):
    module = shutil.copytree(PROJECT / "tests/minimal", tmp_path / "minimal")
    subprocess.run(["make", "-C", rust_kdir.make(kernel), f"M={module}", "modules"], check=True)
    with machines.make("stock", files=[module / "minimal.ko"]) as vm:
        vm.boot()
        said = run(vm, "insmod minimal.ko; rmmod minimal; dmesg | sed -n 's/.*minimal: //p'")
    assert said.splitlines()[-3:] == ["hello", "my numbers are [72, 108, 200]", "goodbye"]


def test_a_lost_symbol(kernel, tmp_path):
    made = rust_kdir.make(kernel)
    (tmp_path / "rust").mkdir()
    for name in ("core", "kernel", "bindings"):
        exports = made / f"rust/exports_{name}_generated.h"
        (tmp_path / "rust" / exports.name).write_text(exports.read_text())
    count = rust_kdir.check_symbols(kernel, tmp_path)
    assert count > 2000
    symbols = sorted(rust_kdir.symbols((kernel.headers / "Module.symvers").read_text()))
    exports = tmp_path / "rust/exports_kernel_generated.h"
    lost = next(name for name in symbols if name in exports.read_text())
    exports.write_text(exports.read_text().replace(lost, "gone"))
    with pytest.raises(Failure, match=f"1 of the {count} Rust symbols.* {lost}"):
        rust_kdir.check_symbols(kernel, tmp_path)


def test_another_compiler(kernel):
    config = (kernel.headers / ".config").read_text()
    rust_kdir.check_compiler(kernel, config)
    with pytest.raises(Failure, match="was built with 'rustc 1.2.3"):
        rust_kdir.check_compiler(kernel, config.replace('"rustc 1.', '"rustc 1.2.3'))
    with pytest.raises(Failure, match="was built with 'some-gcc .* here is 'no some-gcc'"):
        rust_kdir.check_compiler(kernel, config.replace('VERSION_TEXT="x86', 'VERSION_TEXT="some-gcc '))
    with pytest.raises(Failure, match="built without Rust"):
        rust_kdir.check_compiler(kernel, config.replace("CONFIG_RUST=y", ""))


def test_a_newer_package_of_the_same_compiler(kernel):
    config = (kernel.headers / ".config").read_text()
    older, changes = re.subn(r'(CC_VERSION_TEXT=".* \(Debian )[^)]*', r"\g<1>1.2-3", config)
    assert changes == 1
    rust_kdir.check_compiler(kernel, older)
    rust_kdir.check_options(kernel, older, config)
    with pytest.raises(kernels.OtherRelease):
        rust_kdir.check_compiler(kernel, re.sub(r'(CC_VERSION_TEXT=".*\) ).*"', r'\g<1>1.2.3"', config))


@pytest.mark.parametrize("has_it, status, asked", [
    ("forky", 0, ["forky"]), ("sid", 0, ["forky", "sid"]), ("none", 3, ["forky", "sid"]),
    ("broken", 1, ["forky"])])
def test_a_kernel_that_only_sid_may_have(tmp_path, has_it, status, asked):
    scripts = shutil.copytree(PROJECT / "scripts", tmp_path / "scripts")
    (scripts / "in-root").write_text(
        f"#!/bin/sh\necho $* >>{tmp_path}/asked\n"
        f"case $1 in *={has_it}) ;; *) exit {1 if has_it == 'broken' else 3} ;; esac\n")
    environment = {name: value for name, value in os.environ.items() if name != "JITIMER_ROOT"}
    result = subprocess.run([scripts / "rust_kdir.py", "7.2.99+deb14-amd64"], check=False,
                            env=environment, stderr=subprocess.PIPE, text=True)
    assert result.returncode == status, result.stderr
    assert (tmp_path / "asked").read_text() == "".join(
        f"--suite={suite} --arch=amd64 {scripts}/rust_kdir.py 7.2.99+deb14-amd64\n" for suite in asked)


@pytest.mark.parametrize("release, unknown", [
    ("7.3.4+deb13-amd64", False), ("7.3.9+deb13-amd64", True), ("7.3.9+deb14-amd64", False)])
def test_a_release_that_this_systems_apt_has_not(tmp_path, release, unknown):
    # It is refused before there is a root.
    scripts = shutil.copytree(PROJECT / "scripts", tmp_path / "scripts")
    (scripts / "in-root").write_text("#!/bin/sh\necho in a root >&2\n")
    apt = tmp_path / "bin/apt-cache"
    apt.parent.mkdir()
    apt.write_text("""#!/bin/sh
        name=linux-headers-7.3.4+deb13-amd64
        [ $1 = policy ] || { echo $name; exit; }
        printf '%s:\\n  Installed: (none)\\n  Candidate: 7.3.4-1~bpo13+1\\n' $name\n""")
    apt.chmod(0o755)
    environment = {name: value for name, value in os.environ.items() if name != "JITIMER_ROOT"}
    environment["PATH"] = f"{apt.parent}:{environment['PATH']}"
    result = subprocess.run([scripts / "rust_kdir.py", release], check=False, env=environment,
                            stderr=subprocess.PIPE, text=True)
    if unknown:
        assert result.returncode == 3
        assert result.stderr == (
            "rust_kdir.py: apt has no headers for a kernel '7.3.9+deb13-amd64'; it has: 7.3.4+deb13-amd64; "
            "'apt update' has it look for newer ones\n")
    else:
        assert (result.returncode, result.stderr) == (0, "in a root\n")


def test_another_configuration(kernel):
    config = (kernel.headers / ".config").read_text()
    rust_kdir.check_options(kernel, config, config)
    with pytest.raises(Failure, match="loses CONFIG_SMP=y"):
        rust_kdir.check_options(kernel, config, config.replace("CONFIG_SMP=y\n", ""))


def test_arm64_takes_no_compiler_for_programs_of_32_bits(tmp_path, monkeypatch):
    config = "CONFIG_ARM64=y\nCONFIG_COMPAT_VDSO=y\nCONFIG_THUMB2_COMPAT_VDSO=y\n"
    kernel = kernels.Kernel("7.3.4+deb13-arm64", "1", installed=True)
    rust_kdir.check_options(kernel, config, "CONFIG_ARM64=y\n")
    with pytest.raises(Failure, match="loses CONFIG_ARM64=y"):
        rust_kdir.check_options(kernel, config, "")
    (tmp_path / ".kernelvariables").write_text("CC = $(CROSS_COMPILE)gcc-14\n")
    monkeypatch.setattr(kernels.Kernel, "headers", tmp_path)
    asked = []
    monkeypatch.setattr(kernels, "installed_version", asked.append)
    assert rust_kdir.why_not_here(kernel.release) == f"linux-headers-{kernel.release} is not installed"
    monkeypatch.setattr(kernels, "installed_version",
                        lambda name: asked.append(name) or (None if name == "make" else "1"))
    assert rust_kdir.why_not_here(kernel.release).endswith("apt-get install make)")
    assert "gcc-14" in asked and not [name for name in asked if "gnueabi" in name]


def test_another_version_string(kernel, rt_kernel, monkeypatch):
    made = rust_kdir.make(kernel)
    image, _ = rt_kernel
    monkeypatch.setattr(kernels.Kernel, "image", image)
    with pytest.raises(Failure, match="takes modules with the version string 'None', and those "
                       f"built here have '{kernel.release}".replace("+", r"\+")):
        rust_kdir.check_vermagic(kernel, made)


def in_cache():
    """What there is in the cache, but logs and locks, and what other tests make there meanwhile."""
    return {path.name for path in CACHE.iterdir()
            if not path.name.startswith(("log", "lock", "build-", "booted-", "in-tree-"))}


def renamed(kernel):
    """A kernel that is not in the cache, under a name of its own there."""
    return dataclasses.replace(kernel, package_version=f"{kernel.package_version}.none")


@pytest.mark.parametrize("fetch", [kernels.fetch, kernels.fetch_source])
def test_without_network_nothing_is_half_made(kernel, monkeypatch, fetch):
    before = in_cache()
    # Nothing listens there.
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    folder = "folder" if fetch is kernels.fetch else "source"
    monkeypatch.setattr(kernels.Kernel, folder, property(lambda _: CACHE / "stock-no-network"))
    with pytest.raises(Failure, match="no network"):
        fetch(kernel)
    assert in_cache() == before


@pytest.mark.parametrize("fetch, gigabytes", [(kernels.fetch, "0.3"), (kernels.fetch_source, "3")])
def test_without_space_nothing_is_begun(kernel, monkeypatch, fetch, gigabytes):
    before = in_cache()
    monkeypatch.setattr(cache.shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(9, 9, 0))
    with pytest.raises(Failure, match=f"needs {gigabytes} GB .* 0.0 GB are free"):
        fetch(renamed(kernel))
    assert in_cache() == before


def test_a_source_package_that_is_gone(kernel):
    before = in_cache()
    gone = renamed(kernel)
    with pytest.raises(Failure, match=f"can only be made from linux-source-{kernel.series} "
                       f"{gone.package_version}, exactly".replace("+", r"\+")):
        kernels.fetch_source(gone)
    assert in_cache() == before


def test_clean(empty_cache):
    one, two = "7.3.4+deb13-amd64_7.3.4-1", "7.3.4+deb13-rt-amd64_7.3.4-1"
    other, tested = "7.2.9+deb13-amd64_7.2.9-1", "test-7.2.6-1-abc"
    names = [f"kdir-{one}-abc", f"kdir-{one}-def.new", f"stock-{one}", f"kdir-{two}-abc",
             f"stock-{two}", f"kdir-{other}-abc", tested, "root-abc", "source-7.3.4-1",
             "source-7.2.9-1", "source-7.2.6-1"]
    for name in names:
        (empty_cache / name).mkdir()

    def left():
        return {path.name for path in empty_cache.iterdir() if path.name in names}

    rust_kdir.clean("7.3.4+deb13-amd64")
    assert set(names) - left() == {name for name in names if one in name}
    rust_kdir.clean("7.3.4+deb13-rt-amd64")
    assert "source-7.3.4-1" not in left() and f"kdir-{other}-abc" in left()
    rust_kdir.clean(None)
    # What the test kernel is built with stays.
    assert left() == {tested, "root-abc", "source-7.2.6-1"}


def test_clean_leaves_what_another_is_at(empty_cache, capsys):
    names = [f"kdir-7.3.4+deb13-{flavour}_7.3.4-1-abc" for flavour in ("amd64", "rt-amd64")]
    for name in (names[0], f"{names[1]}.new"):
        (empty_cache / name).mkdir()
    with cache.lock(names[1]):
        rust_kdir.clean(None)
    assert not (empty_cache / names[0]).exists() and (empty_cache / f"{names[1]}.new").exists()
    assert f"{names[1]}.new stays: another run is at it" in capsys.readouterr().err


def test_what_is_half_removed_is_not_taken_for_whole(empty_cache, monkeypatch):
    folder = empty_cache / "stock-one"
    (folder / "sub").mkdir(parents=True)
    os.utime(folder, (0, 0))

    def killed(path, **_):
        if path.exists():
            (path / "sub").rmdir()
            raise KeyboardInterrupt
    other = empty_cache / "stock-two"
    other.mkdir()
    for remove in (lambda: cache.discard(folder), lambda: cache.use(other)):
        (folder / "sub").mkdir(parents=True, exist_ok=True)
        os.utime(folder, (0, 0))
        with monkeypatch.context() as patched:
            patched.setattr(cache.shutil, "rmtree", killed)
            with pytest.raises(KeyboardInterrupt):
                remove()
        assert not folder.exists()
        shutil.rmtree(empty_cache / "stock-one.new")


def test_two_runs_remove_what_nobody_uses(empty_cache, monkeypatch):
    used, old = empty_cache / "kdir-used", empty_cache / "kdir-old"
    for folder in (used, old):
        folder.mkdir()
        os.utime(folder, (0, 0))
    with cache.lock("kdir-old"):
        cache.use(used)
    assert old.exists()
    # The other run was quicker.
    stat = Path.stat

    def late(path, **options):
        result = stat(path, **options)
        if path == old:
            old.rmdir()
        return result
    with monkeypatch.context() as patched:
        patched.setattr(Path, "stat", late)
        cache.use(used)
    assert used.exists() and not old.exists()


def test_the_image_of_an_installed_kernel(kernel, monkeypatch):
    installed = dataclasses.replace(kernel, installed=True)
    assert str(installed.image) == f"/usr/lib/modules/{kernel.release}/vmlinuz"
    monkeypatch.setattr(kernels.Path, "exists", lambda _: True)
    assert str(installed.image) == f"/boot/vmlinuz-{kernel.release}"


class Headers:
    """Headers as Debian's are, in a folder of their own: of flavours, and what these share."""

    def __init__(self, top):
        self.top = top
        (top / "kbuild/scripts").mkdir(parents=True)
        (top / "kbuild/scripts/mod").touch()
        (top / "src/linux-headers-common").mkdir(parents=True)
        (top / "src/linux-headers-common/Makefile").touch()

    def add(self, flavour):
        """The headers of one more flavour."""
        folder = self.top / f"src/linux-headers-{flavour}"
        folder.mkdir()
        (folder / "Makefile").write_text(
            f"KBUILD_OUTPUT={folder}\ninclude {self.top}/src/linux-headers-common/Makefile\n")
        (folder / "scripts").symlink_to("../../kbuild/scripts")
        return folder

    def files(self):
        """All that there is."""
        return sorted(str(path.relative_to(self.top)) for path in self.top.rglob("*"))

    def dpkg_removes(self, flavour):
        """Removes what is not from here, and folders that are empty then."""
        folder = self.top / f"src/linux-headers-{flavour}"
        for path in (folder / "Makefile", folder / "scripts", self.top / "kbuild/scripts/mod",
                     self.top / "src/linux-headers-common/Makefile"):
            path.unlink()


@pytest.fixture
def empty_cache(tmp_path, monkeypatch):
    """A cache with nothing in it."""
    monkeypatch.setattr(cache, "CACHE", tmp_path)
    monkeypatch.setattr(rust_kdir, "CACHE", tmp_path)
    cache.claim(tmp_path)
    return tmp_path


@pytest.fixture
def debian(tmp_path):
    """Headers of Debian's."""
    return Headers(tmp_path)


@pytest.fixture
def put(kernel):
    """What puts metadata into headers."""
    made = rust_kdir.make(kernel)
    return lambda folder, what_for="one": headers.put(folder, made, kernel.source, what_for)


def test_metadata_in_headers_leaves_no_trace(debian, put):
    cloud, rt = debian.add("cloud"), debian.add("rt")
    before = debian.files()
    put(cloud)
    assert headers.made_for(cloud) == "one" and not headers.made_for(rt)
    for name in ("rust/libkernel.rmeta", "rust/libmacros.so", "scripts/target.json",
                 "rust/kernel/generated_arch_static_branch_asm.rs"):
        assert (cloud / name).exists()
    assert (debian.top / "src/linux-headers-common/rust/bindgen_parameters").exists()
    with_one = debian.files()
    # Again, for what came in its place.
    put(cloud, "two")
    assert headers.made_for(cloud) == "two" and debian.files() == with_one
    put(rt)
    assert headers.everywhere(cloud.parent) == [cloud, rt]
    headers.take_away(rt)
    assert debian.files() == with_one
    headers.take_away(cloud)
    assert debian.files() == before


def test_metadata_is_for_all_to_read(debian, kernel, tmp_path):
    cloud = debian.add("cloud")
    made = tmp_path / "made"
    for name in ("rust/libkernel.rmeta", "rust/libmacros.so", "scripts/target.json"):
        (made / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(rust_kdir.make(kernel) / name, made / name)
        (made / name).chmod(0o600)
    mask = os.umask(0o077)
    try:
        headers.put(cloud, made, kernel.source, "one")
        assert os.umask(0o077) == 0o077
    finally:
        os.umask(mask)
    for path in (cloud / "rust", *(cloud / "rust").iterdir(), debian.top / "kbuild/scripts/target.json"):
        assert path.stat().st_mode & 0o044 == 0o044, path


def test_metadata_of_headers_that_are_gone(debian, put):
    put(debian.add("cloud"))
    debian.dpkg_removes("cloud")
    (gone,) = headers.everywhere(debian.top / "src")
    headers.take_away(gone)
    assert not debian.top.exists() or debian.files() == []


def test_metadata_half_taken_away(debian, put, monkeypatch):
    cloud = debian.add("cloud")
    before = debian.files()
    put(cloud)
    remove = headers.remove

    def killed(path):
        if path.name != "rust.new":
            return remove(path)
        (path / headers.MARK).unlink()
        raise KeyboardInterrupt
    with monkeypatch.context() as patched:
        patched.setattr(headers, "remove", killed)
        with pytest.raises(KeyboardInterrupt):
            headers.take_away(cloud)
    assert headers.everywhere(cloud.parent) == [cloud] and not (cloud / "rust").exists()
    put(cloud)
    headers.take_away(cloud)
    assert debian.files() == before


def test_metadata_that_is_not_from_here_stays(debian, put):
    cloud = debian.add("cloud")
    common = debian.top / "src/linux-headers-common/rust"
    common.mkdir()
    (cloud / "scripts/target.json").write_text("{}")
    before = debian.files()
    put(cloud)
    headers.take_away(cloud)
    assert debian.files() == before
    assert (cloud / "scripts/target.json").read_text() == "{}"
    (cloud / "rust").mkdir()
    with pytest.raises(Failure, match="is there, and not from here; remove it first"):
        put(cloud)
    assert (cloud / "rust").exists()


def test_headers_that_would_share_what_differs(debian, put):
    cloud, rt = debian.add("cloud"), debian.add("rt")
    put(cloud)
    (cloud / "scripts/target.json").write_text("{}")
    before = debian.files()
    with pytest.raises(Failure, match="target.json is that of other headers, and differs"):
        put(rt)
    assert debian.files() == before


def test_without_space_headers_are_as_before(debian, put, monkeypatch):
    cloud = debian.add("cloud")
    before = debian.files()

    def full(*_, **__):
        raise OSError(errno.ENOSPC, "No space left on device")
    monkeypatch.setattr(headers.shutil, "copytree", full)
    with pytest.raises(Failure, match="can't put the metadata into .*No space left"):
        put(cloud)
    assert debian.files() == before


# Takes metadata away by a cache of its own, and headers that are not the system's.
UNINSTALL = """
import sys
from pathlib import Path
import headers, rust_kdir
headers.LOCK = Path(sys.argv[1])
headers.everywhere = lambda *_: [Path(sys.argv[2])]
rust_kdir.uninstall(None)
"""


def test_two_runs_at_the_headers(debian, put, monkeypatch, tmp_path):
    cloud = debian.add("cloud")
    put(cloud)
    monkeypatch.setattr(headers, "LOCK", tmp_path / "headers.lock")
    environment = {**os.environ, "PYTHONPATH": str(PROJECT / "scripts"), "JITIMER_CACHE": str(tmp_path / "cache")}
    with headers.lock():
        # pylint: disable-next=consider-using-with
        other = subprocess.Popen([sys.executable, "-c", UNINSTALL, headers.LOCK, cloud], env=environment,
                                 stderr=subprocess.PIPE, text=True)
        assert other.stderr.readline() == f"==> waiting for another run that holds {headers.LOCK}\n"
        assert headers.made_for(cloud) == "one"
    assert other.communicate()[1] == f"==> took the metadata out of {cloud}\n"
    assert not headers.made_for(cloud)
    # Who may not write there may not keep others from it.
    assert headers.LOCK.stat().st_mode & 0o777 == 0o600
    assert not (tmp_path / "cache").exists()


def test_another_run_has_put_it_there_meanwhile(debian, kernel, monkeypatch, tmp_path):
    cloud = debian.add("cloud")
    monkeypatch.setattr(kernels.Kernel, "headers", cloud)
    monkeypatch.setattr(headers, "LOCK", tmp_path / "headers.lock")

    @contextlib.contextmanager
    def lock():
        (cloud / "rust").mkdir()
        (cloud / "rust/libkernel.rmeta").touch()
        (cloud / "rust" / headers.MARK).write_text(f"{kernel} {cache.toolchain()}\n")
        yield
    monkeypatch.setattr(headers, "lock", lock)
    assert rust_kdir.install(kernel) == cloud
    # It is as the other has it.
    assert not (cloud / "rust/libkernel.rmeta").read_bytes()


def test_install_where_there_is_nothing(kernel):
    _, said = tool("--install", kernel.release, status=1)
    assert f"can't make it on this system: linux-headers-{kernel.release} is not installed" in said
    _, said = tool("--uninstall", kernel.release)
    assert said == "==> there is nothing to take away\n"
