# SPDX-License-Identifier: GPL-2.0
"""The scripts: what they say where something is wrong, and that the VM runner misses nothing."""

import os
import random
import shutil
import signal
import subprocess

import pytest

from cache import PROJECT, Failure
import debug_kernel
import kcsan
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
    # Any program for this machine.
    shutil.copy("/bin/true", tmp_path / "rust/libmacros.so")
    (tmp_path / ".config").write_text(
        f'CONFIG_RUST=y\nCONFIG_SMP=y\nCONFIG_RUSTC_VERSION_TEXT="{have.stdout.strip()}"\n')
    return tmp_path


def test_kdir_that_will_do(kdir):
    subprocess.run([PROJECT / "scripts/check-kdir", kdir], check=True)


def test_kdir_that_is_not_there():
    assert "there is no kernel build folder '/none'" in check_kdir("/none")


def test_kdir_without_rust(kdir):
    (kdir / ".config").write_text("# CONFIG_RUST is not set\n")
    assert "was built without Rust" in check_kdir(kdir)


def test_kdir_without_smp(kdir):
    config = kdir / ".config"
    config.write_text(config.read_text().replace("CONFIG_SMP=y", "# CONFIG_SMP is not set"))
    assert "was built without CONFIG_SMP" in check_kdir(kdir)


def test_kdir_without_metadata(kdir):
    (kdir / "rust/libkernel.rmeta").unlink()
    assert "rust_kdir.py RELEASE' makes it" in check_kdir(kdir)


def test_kdir_of_another_compiler(kdir):
    config = kdir / ".config"
    config.write_text(config.read_text().replace('"rustc ', '"rustc 0.'))
    assert "was built with 'rustc 0." in check_kdir(kdir)


def test_kdir_without_a_compiler(kdir):
    assert "there is no '/none'" in check_kdir(kdir, "/none")


def test_kdir_without_proc_macros(kdir):
    (kdir / "rust/libmacros.so").unlink()
    assert "lacks its proc-macros" in check_kdir(kdir)


def test_kdir_with_proc_macros_for_another_cpu(kdir):
    macros = kdir / "rust/libmacros.so"
    # SPARC.
    macros.write_bytes(macros.read_bytes()[:18] + b"\x02\0" + macros.read_bytes()[20:])
    said = check_kdir(kdir)
    assert f"({macros}) are for another CPU" in said and "rust_kdir.py RELEASE" in said


def test_kdir_that_was_moved(kernel, kdir, tmp_path):
    # As Kbuild writes it, and as Debian's headers have it.
    for made in (rust_kdir.make(kernel), kernel.headers):
        shutil.copy(made / "Makefile", kdir / "Makefile")
        said = check_kdir(kdir)
        assert f"'{kdir}' was made as '" in said and "make it anew where it is to be" in said
    (kdir / "Makefile").write_text(f"export KBUILD_OUTPUT = {kdir}\ninclude {PROJECT}/Makefile\n")
    subprocess.run([PROJECT / "scripts/check-kdir", kdir], check=True)
    (kdir / "Makefile").write_text(f"export KBUILD_OUTPUT = {kdir}\ninclude {tmp_path}/gone/Makefile\n")
    assert f"was made from the source '{tmp_path}/gone', which is not there any more" in check_kdir(kdir)


def test_kdir_of_a_kernel_that_clang_built(kdir, monkeypatch):
    config = kdir / ".config"
    config.write_text(f'{config.read_text()}CONFIG_CC_IS_CLANG=y\n'
                      'CONFIG_CC_VERSION_TEXT="Debian clang version 19.1.7"\n')
    said = check_kdir(kdir)
    assert "was built by 'Debian clang version 19.1.7'; give make LLVM=1" in said
    for llvm, clang in (("-99", "clang-99"), ("/none/", "/none/clang")):
        monkeypatch.setenv("LLVM", llvm)
        assert f"there is no '{clang}', which LLVM={llvm} asks for" in check_kdir(kdir)
    monkeypatch.setenv("LLVM", "-19")
    subprocess.run([PROJECT / "scripts/check-kdir", kdir], check=True)
    # What make is told, the check is told.
    monkeypatch.delenv("LLVM")
    for options, said in (([], "give make LLVM=1"), (["LLVM=-99"], "there is no 'clang-99'")):
        result = subprocess.run(["make", "-C", PROJECT, f"KDIR={kdir}", *options, "modules"], check=False,
                                capture_output=True, text=True)
        assert result.returncode and said in result.stderr


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


@pytest.fixture
def system(kernel, stock_kernel, tmp_path):
    """A system with that kernel, as far as modules go, and the modules; and how to install them."""
    (tmp_path / "lib/modules" / kernel.release).mkdir(parents=True)

    def install(*arguments, **environment):
        kdir = rust_kdir.make(kernel)
        return subprocess.run(
            [PROJECT / "scripts/install", *arguments, kdir, "jitimer.ko"], cwd=stock_kernel[1],
            env={**os.environ, "INSTALL_MOD_PATH": str(tmp_path), **environment}, check=False,
            capture_output=True, text=True)
    return tmp_path / "lib/modules" / kernel.release, install


def test_install_and_uninstall(system):
    folder, install = system
    result = install()
    module = folder / "updates/jitimer.ko"
    assert result.stdout == f"{module}\n"
    assert "updates/jitimer.ko:" in (folder / "modules.dep").read_text()
    assert install().returncode == 0
    assert [path.name for path in module.parent.iterdir()] == ["jitimer.ko"]
    assert install("--remove").returncode == 0
    assert not module.parent.exists()
    assert "jitimer" not in (folder / "modules.dep").read_text()


def test_install_on_a_system_without_compilers(system, tmp_path):
    folder, install = system
    # As it is by su: without sbin.
    (tmp_path / "bin").mkdir()
    for name in ("cat", "cp", "ls", "mkdir", "mv", "rm", "sed"):
        (tmp_path / "bin" / name).symlink_to(f"/usr/bin/{name}")
    result = install(PATH=str(tmp_path / "bin"))
    assert result.returncode == 0 and "not found" not in result.stderr
    assert "updates/jitimer.ko:" in (folder / "modules.dep").read_text()


def test_install_signs(system, tmp_path):
    folder, install = system
    key, cert = tmp_path / "key.pem", tmp_path / "cert.der"
    subprocess.run(["openssl", "req", "-new", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj",
                    "/CN=the owner of this machine/", "-outform", "DER", "-keyout", key,
                    "-out", cert], check=True, capture_output=True)
    result = install(SIGN_KEY=str(key), SIGN_CERT=str(cert))
    assert result.returncode == 0, result.stderr
    signer = subprocess.run(["modinfo", "--field=signer", folder / "updates/jitimer.ko"], check=True,
                            capture_output=True, text=True).stdout
    assert signer == "the owner of this machine\n"


@pytest.mark.parametrize("environment, said", [
    ({"SIGN_KEY": "/none"}, "it takes both SIGN_KEY and SIGN_CERT"),
    ({"SIGN_KEY": "/none", "SIGN_CERT": "/none"}, "can't read '/none' to sign modules with"),
    ({"SIGN_KEY": "/etc/passwd", "SIGN_CERT": "/etc/passwd"}, "could not sign jitimer.ko with"),
    ({"INSTALL_MOD_PATH": "/none"}, "is not installed: there is no /none/lib/modules/"),
])
def test_install_refuses(system, environment, said):
    folder, install = system
    result = install(**environment)
    assert result.returncode == 1
    assert said in result.stderr
    assert not list(folder.rglob("*jitimer*"))


def test_option_of_the_test_kernel_that_did_not_take(kernel, tmp_path):
    config = (debug_kernel.make(kernel) / ".config").read_text()
    made = tmp_path / ".config"
    made.write_text(config)
    debug_kernel.check_options(made)
    made.write_text(config.replace("CONFIG_KASAN=y\n", ""))
    with pytest.raises(Failure, match="did not take.*CONFIG_KASAN=y"):
        debug_kernel.check_options(made)


@pytest.mark.parametrize("name", ["race", "cfi"])
def test_all_options_of_a_kernel_that_is_seldom_built_take(kernel, tmp_path, name):
    debug_kernel.configure(kernel, name, tmp_path, "configured")


def test_vm_gives_back_output_and_status(vm):
    result = vm.run("echo out; echo err >&2; printf 'a\\0b\\r\\n'; exit 7")
    assert result == runner.Result(7, "out\nerr\na\0b\r\n")


def test_vm_takes_a_long_script(vm):
    lines = "".join(f"echo {number:0100}\n" for number in range(200))
    assert vm.run(lines).output.count("\n") == 200


def test_vm_misses_no_report_that_it_reads_in_two_pieces(tmp_path):
    vm = object.__new__(runner.Vm)
    vm.console_path, vm.checked = tmp_path / "console", 0
    for text in ("goes on\nCFI fai", "lure at function+0x1/0x2"):
        with open(vm.console_path, "a", encoding="ascii") as console:
            console.write(text)
        vm.check()
    with open(vm.console_path, "a", encoding="ascii") as console:
        console.write(" (target: other+0x0/0x1)\n")
    with pytest.raises(runner.Reported, match="CFI failure at .* \\(target: .*"):
        vm.check()


def test_which_races_are_c_s_own(tmp_path):
    vm = object.__new__(kcsan.RaceVm)
    vm.console_path, vm.checked, vm.of_c = tmp_path / "console", 0, {}
    known, *_ = kcsan.KNOWN
    line = "[    1.0] " + "=" * 66 + "\n"
    c, ours = "one+0x1/0x20", "_RNvCs_7jitimer3two+0x30/0x4f0 [jitimer]"

    def check(title, first, second=None, meanwhile=""):
        stacks = (f"[    1.0] {how} to 0xffff888000800eec of 4 bytes by {by} on cpu {cpu}:\n"
                  f"[    1.0]  leaf+0x1/0x20\n[    1.0]  {function}\n[    1.0] \n"
                  for how, by, cpu, function in (("write", "interrupt", 1, first),
                                                 ("read (marked)", "task 7", 0, second)) if function)
        unknown = "" if second else "race at unknown origin, with "
        with open(vm.console_path, "a", encoding="ascii") as console:
            console.write(f"{line}{meanwhile}[    1.0] BUG: KCSAN: {title}\n[    1.0] \n{unknown}"
                          f"{''.join(stacks)}{line}")
        vm.check()
    # What is known may be anywhere, of others C must have both sides; whatever is printed meanwhile.
    other = "data-race in one / other"
    check(known, ours, ours)
    check(f"{known}+0x1/0x2", c, meanwhile="[    1.0] ok 1 case\n")
    check(other, c, c)
    assert vm.of_c == {known: 2, other: 1}
    for arguments, said in (((known, c, c, "WARNING: other\n"), "WARNING: other"),
                            ((other, c, c, "WARNING: other\n"), "WARNING: other"),
                            ((other, c), "one / other"), ((other, ours), "one / other"),
                            ((other, c, ours), "one / other"), ((other, ours, c), "one / other"),
                            ((other, c, "0xffffffffc0201234"), "one / other"),
                            ((other, "call_timer_fn+0x1/0x2", c), "one / other"),
                            (("data-race in one / two [jitimer]", c, c), "one / two"),
                            (("data-race in one [jitimer] / two", c, c), "jitimer. / two"),
                            ((other, ours, c, "ok 1 case\n"), "one / other")):
        with pytest.raises(runner.Reported, match=said):
            check(*arguments)


def test_each_copy_of_a_machine_has_its_own_files(machines, tmp_path):
    for text in ("one", "other"):
        (tmp_path / text).write_text(text)
        with machines.make("stock", files=[tmp_path / text]) as vm:
            vm.boot()
            output = vm.run(f"echo *; cat {text}; echo more >more").output
            assert output == f"{text} reader torture\n{text}"


def test_files_that_a_copy_has_no_room_for(machines, tmp_path):
    (tmp_path / "large").write_bytes(random.randbytes(30 << 20))
    with machines.make("stock", files=[tmp_path / "large"]) as vm:
        with pytest.raises(Failure, match="there is room for 25165824 bytes of files, not for 3"):
            vm.boot()


def test_a_copy_that_does_not_start_tells_why(machines):
    with machines.make("stock") as vm:
        vm.command += ["-device", "none-such"]
        with pytest.raises(Failure, match="the virtual machine ended.*'none-such' is not a valid"):
            vm.boot()


def boot(tmp_path, script, timeout):
    """Boots what is a shell script in place of a machine; its console is a file there."""
    vm = object.__new__(runner.Vm)
    vm.console_path, vm.checked = tmp_path / "console", 0
    vm.command = ["sh", "-c", f"cd {tmp_path}; {script}"]
    try:
        vm.boot(timeout)
    finally:
        vm.process.kill(signal.SIGKILL)
        vm.process.wait()


def test_vm_has_time_to_boot_while_it_goes_on(tmp_path):
    line = "sleep 1; echo line >>console;"
    boot(tmp_path, f"{line * 5} echo ready; exec sleep 60", timeout=3)
    with pytest.raises(runner.TimedOut, match="no end of 'boot' after 3 s; .*(\nline){6}$"):
        boot(tmp_path, f"{line} exec sleep 60", timeout=3)


def test_vm_misses_no_late_end_no_warning_and_no_crash(machines):
    with machines.make("stock") as vm:
        vm.boot()
        with pytest.raises(runner.TimedOut, match="no end of"):
            vm.run("sleep 3", timeout=1)
        with pytest.raises(runner.Reported, match="WARNING: made up"):
            vm.run("echo 'WARNING: made up' >/dev/kmsg")
            # Another CPU may print it, and be late: then who uses the machine next is told.
            for _ in range(100):
                vm.run(":")
        assert vm.run("echo goes on").output == "goes on\n"
        with pytest.raises(runner.Reported, match="Kernel panic"):
            vm.run("echo c >/proc/sysrq-trigger")
