# SPDX-License-Identifier: GPL-2.0
"""The README's example of a module, as somebody else's: out of this tree, by its own Kbuild."""

import re
import shutil

import pytest

import build
from cache import PROJECT


@pytest.fixture(scope="module")
def heart(kernel, tmp_path_factory):
    """The module, built from what the README says."""
    folder = tmp_path_factory.mktemp("heart")
    section = (PROJECT / "README.md").read_text().split("## Timers in your own module")[1]
    for name, language in (("Kbuild", "make"), ("heart_main.rs", "rust")):
        (text,) = re.findall(rf"```{language}\n(.*?)```", section, re.DOTALL)
        (folder / name).write_text(text)
    shutil.copytree(PROJECT / "src", folder / "jitimer/src")
    return build.stock(kernel, source=folder, name="readme", log="readme") / "heart.ko"


def test_heart_beats(heart, machines):
    with machines.make("stock", files=[heart], virtual=True) as vm:
        vm.boot()
        result = vm.run("insmod heart.ko && sleep 3.5 && rmmod heart && dmesg | grep heart:")
        assert result.status == 0, result.output
        assert "heart: 3 beats" in result.output
