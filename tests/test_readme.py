# SPDX-License-Identifier: GPL-2.0
"""The template, as somebody else's module: out of this tree, with its own Kbuild and Makefile."""

import re
import shutil
import subprocess

import pytest

from cache import PROJECT

TEMPLATE = PROJECT / "samples/template"


@pytest.mark.parametrize("name, language", [("Kbuild", "make"), ("heart_main.rs", "rust")])
def test_the_readme_shows_the_template(name, language):
    section = (PROJECT / "README.md").read_text().split("## Timers in your own module")[1]
    (text,) = re.findall(rf"```{language}\n(.*?)```", section, re.DOTALL)
    assert (TEMPLATE / name).read_text().endswith(text)


def test_the_template_builds_and_its_test_passes(tmp_path):
    heart = tmp_path / "heart"
    shutil.copytree(TEMPLATE, heart)
    for folder in ("src", "scripts"):
        shutil.copytree(PROJECT / folder, heart / "jitimer" / folder,
                        ignore=shutil.ignore_patterns("__pycache__", "*.o", ".*.cmd"))

    def make(target):
        return subprocess.run(["make", "-C", heart, target], check=False, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True)
    result = make("test")
    assert result.returncode == 0, result.stdout
    assert "heart: 3 beats" in result.stdout
    # A test that fails is seen to.
    (heart / "test.sh").write_text("insmod heart.ko; rmmod heart; dmesg | grep 'heart: 3 beats'\n")
    assert make("test").returncode != 0
    result = make("clean")
    assert result.returncode == 0, result.stdout
    assert not list(heart.rglob("*.ko"))
