# SPDX-License-Identifier: GPL-2.0
"""Code that must not compile: tests/compile-fail, one reason each.

Below the line that the compiler must object to, a file has the code of the error: `//~^ E0277`. It
must get that error there, and no other.
"""

import json
import re
import subprocess
from pathlib import Path

import pytest

import build
from cache import PROJECT
import debug_kernel

FILES = sorted(Path(__file__).with_name("compile-fail").glob("*.rs"))


@pytest.fixture(scope="module")
def errors(kernel):
    """The errors that the compiler has with each file: pairs of line and code."""
    folder = build.OUT / "refused"
    folder.mkdir(parents=True, exist_ok=True)
    # One compiler at a time: their lines are longer than what a pipe takes at once.
    made = subprocess.run(
        ["make", "-k", "-C", debug_kernel.make(kernel), f"M={PROJECT}", f"MO={folder}",
         *debug_kernel.MAKE[1:], "-j1", "KTIMER_COMPILE_FAIL=m",
         # What is inlined early has no line here any more when it comes to its constants.
         "KRUSTFLAGS=--error-format=json -Zinline-mir=no",
         "modules"], capture_output=True, text=True, check=False)
    found = {path.name: [] for path in FILES}
    for line in made.stderr.splitlines():
        if not line.startswith("{"):
            continue
        message = json.loads(line)
        if not message.get("spans"):
            continue
        if message["message"].startswith("the above error was encountered while instantiating"):
            # What a constant of the library came to, for the code here.
            span = message["spans"][0]
            found[Path(span["file_name"]).name].append((span["line_start"], "E0080"))
        if message.get("level") != "error":
            continue
        span = next(span for span in message["spans"] if span["is_primary"])
        while span["expansion"]:
            span = span["expansion"]["span"]
        code = (message["code"] or {}).get("code")
        found.setdefault(Path(span["file_name"]).name, []).append((span["line_start"], code))
    return found


def test_refused(errors, refused):
    marks = [(number, line.split("//~^")[1])
             for number, line in enumerate(refused.read_text().splitlines()) if "//~^" in line]
    assert len(marks) == 1, "mark one line with //~^ and the code of the error"
    number, mark = marks[0]
    wanted = [(number, code) for code in re.findall(r"E\d+", mark)]
    assert errors[refused.name] == wanted


def test_a_kernel_without_smp_is_refused(kernel, tmp_path):
    kdir = debug_kernel.make(kernel)
    options = tmp_path / "rustc_cfg"
    options.write_text("".join(
        line for line in (kdir / "include/generated/rustc_cfg").read_text().splitlines(keepends=True)
        if "CONFIG_SMP" not in line))
    # The compiler, told of another kernel than it is.
    rustc = tmp_path / "rustc"
    rustc.write_text(f"""#!/bin/sh
for word; do
    shift
    case $word in @*/rustc_cfg) word=@{options} ;; esac
    set -- "$@" "$word"
done
exec rustc "$@"
""")
    rustc.chmod(0o755)
    made = subprocess.run(
        ["make", "-C", kdir, f"M={PROJECT}", f"MO={tmp_path}", *debug_kernel.MAKE[1:],
         f"RUSTC={rustc}", "src/ktimer/ktimer.o"], capture_output=True, text=True, check=False)
    said = re.findall("^error.*", made.stderr, re.MULTILINE)
    assert said[0].startswith("error: ktimer needs a kernel with CONFIG_SMP: ")
    assert said[1:] == ["error: aborting due to 1 previous error"]


def test_unsafe_is_the_librarys_alone():
    # But for the plain C that the benchmark calls, and what is wrong on purpose.
    modules = {*PROJECT.glob("src/jitimer/*.rs"), *PROJECT.glob("samples/**/*.rs"),
               *PROJECT.glob("tests/**/*.rs")} - {PROJECT / "tests/bench/plain.rs",
                                          PROJECT / "tests/ktimer_cfi.rs",
                                          PROJECT / "tests/ktimer_faults.rs"}
    assert len(modules) > 20
    for path in modules:
        assert not re.search(r"\bunsafe\b", path.read_text()), path
