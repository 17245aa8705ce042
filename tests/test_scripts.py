# SPDX-License-Identifier: GPL-2.0
"""The scripts: what they say where something is wrong, and that the VM runner misses nothing."""

import shutil
import subprocess

import pytest

import cache
from cache import PROJECT, Failure
import debug_kernel
import kernels
import rust_kdir
import vm as runner


def check_kdir(*arguments):
    """The standard error of scripts/check-kdir, which must fail."""
    result = subprocess.run([PROJECT / "scripts/check-kdir", *arguments], capture_output=True,
                            text=True, check=False)
    assert result.returncode == 1
    assert result.stderr.count("\n") == 1
    return result.stderr


@pytest.fixture
def kdir(tmp_path):
    """A build folder that has all that a Rust module needs, as far as one sees."""
    have = subprocess.run(["rustc", "--version"], check=True, capture_output=True, text=True)
    (tmp_path / "rust").mkdir()
    (tmp_path / "rust/libkernel.rmeta").touch()
    (tmp_path / ".config").write_text(
        f'CONFIG_RUST=y\nCONFIG_RUSTC_VERSION_TEXT="{have.stdout.strip()}"\n')
    return tmp_path


def test_kdir_that_will_do(kdir):
    subprocess.run([PROJECT / "scripts/check-kdir", kdir], check=True)


def test_kdir_that_is_not_there():
    assert "there is no kernel build folder '/none'" in check_kdir("/none")


def test_kdir_without_rust(kdir):
    (kdir / ".config").write_text("# CONFIG_RUST is not set\n")
    assert "was built without Rust" in check_kdir(kdir)


def test_kdir_without_metadata(kdir):
    (kdir / "rust/libkernel.rmeta").unlink()
    assert "rust_kdir.py RELEASE' makes it" in check_kdir(kdir)


def test_kdir_of_another_compiler(kdir):
    config = kdir / ".config"
    config.write_text(config.read_text().replace('"rustc ', '"rustc 0.'))
    assert "was built with 'rustc 0." in check_kdir(kdir)


def test_kdir_without_a_compiler(kdir):
    assert "there is no '/none'" in check_kdir(kdir, "/none")


def test_plain_make_and_clean(kernel, tmp_path):
    # As on a system that has all it needs: in the folder of the sources.
    for name in ("Kbuild", "Makefile", "src", "scripts"):
        (shutil.copytree if (PROJECT / name).is_dir() else shutil.copy)(
            PROJECT / name, tmp_path / name)
    before = sorted(path for path in tmp_path.rglob("*") if path.name != "__pycache__")
    make = ["make", "-C", tmp_path, f"KDIR={rust_kdir.make(kernel)}"]
    subprocess.run(make, check=True)
    assert (tmp_path / "jitimer.ko").stat().st_size > 0
    subprocess.run([*make, "clean"], check=True)
    assert sorted(path for path in tmp_path.rglob("*") if path.name != "__pycache__") == before


def test_metadata_for_a_kernel_that_is_not_there():
    with pytest.raises(Failure, match="no headers for a kernel '1.2.3'"):
        kernels.find("1.2.3")


def test_metadata_that_lacks_a_symbol(kernel, tmp_path):
    made = rust_kdir.make(kernel)
    (tmp_path / "rust").mkdir()
    for name in ("core", "kernel", "bindings"):
        exports = made / f"rust/exports_{name}_generated.h"
        (tmp_path / "rust" / exports.name).write_text(exports.read_text())
    count = rust_kdir.check_symbols(kernel, tmp_path)
    assert count > 2000
    lost = sorted(rust_kdir.symbols(exports.read_text())
                  | rust_kdir.symbols((kernel.headers / "Module.symvers").read_text()))
    exports = tmp_path / "rust/exports_kernel_generated.h"
    first = next(name for name in lost if name in exports.read_text())
    exports.write_text(exports.read_text().replace(first, "gone"))
    with pytest.raises(Failure, match=f"1 of the {count} Rust symbols.* {first}"):
        rust_kdir.check_symbols(kernel, tmp_path)


def test_metadata_with_another_compiler(kernel):
    config = (kernel.headers / ".config").read_text()
    rust_kdir.check_compiler(kernel, config)
    with pytest.raises(Failure, match="was built with 'rustc 1.2.3"):
        rust_kdir.check_compiler(kernel, config.replace('"rustc 1.', '"rustc 1.2.3'))
    with pytest.raises(Failure, match="built without Rust"):
        rust_kdir.check_compiler(kernel, config.replace("CONFIG_RUST=y", ""))


def test_metadata_with_another_configuration(kernel):
    config = (kernel.headers / ".config").read_text()
    rust_kdir.check_options(kernel, config, config)
    with pytest.raises(Failure, match="loses CONFIG_SMP=y"):
        rust_kdir.check_options(kernel, config, config.replace("CONFIG_SMP=y\n", ""))


def test_option_of_the_test_kernel_that_did_not_take(kernel, tmp_path):
    config = (debug_kernel.make(kernel) / ".config").read_text()
    made = tmp_path / ".config"
    made.write_text(config)
    debug_kernel.check_options(made)
    made.write_text(config.replace("CONFIG_KASAN=y\n", ""))
    with pytest.raises(Failure, match="did not take.*CONFIG_KASAN=y"):
        debug_kernel.check_options(made)


def test_without_network_nothing_is_half_made(kernel, monkeypatch):
    # Nothing listens there.
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    monkeypatch.setattr(kernels.Kernel, "folder", property(
        lambda self: kernels.CACHE / f"no-network-{self.release}"))
    with pytest.raises(Failure, match="no network"):
        kernels.fetch(kernel)
    assert not list(kernels.CACHE.glob("no-network-*"))


def test_without_space_nothing_is_begun(kernel, monkeypatch):
    monkeypatch.setattr(cache.shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(9, 9, 0))
    monkeypatch.setattr(kernels.Kernel, "folder", property(
        lambda self: kernels.CACHE / f"no-space-{self.release}"))
    with pytest.raises(Failure, match="needs 0.3 GB .* 0.0 GB are free"):
        kernels.fetch(kernel)
    assert not list(kernels.CACHE.glob("no-space-*"))


def test_vm_gives_back_output_and_status(vm):
    result = vm.run("echo out; echo err >&2; printf 'a\\0b\\r\\n'; exit 7")
    assert result == runner.Result(7, "out\nerr\na\0b\r\n")


def test_vm_takes_a_long_script(vm):
    lines = "".join(f"echo {number:0100}\n" for number in range(200))
    assert vm.run(lines).output.count("\n") == 200


def test_vm_misses_no_late_end_no_warning_and_no_crash(machines):
    with machines.make("stock") as vm:
        vm.boot()
        with pytest.raises(TimeoutError, match="no end of"):
            vm.run("sleep 3", timeout=1)
        with pytest.raises(runner.Reported, match="WARNING: made up"):
            vm.run("echo 'WARNING: made up' >/dev/kmsg")
        assert vm.run("echo goes on").output == "goes on\n"
        with pytest.raises(runner.Reported, match="Kernel panic"):
            vm.run("echo c >/proc/sysrq-trigger")
