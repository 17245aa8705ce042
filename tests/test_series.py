# SPDX-License-Identifier: GPL-2.0
"""The patch series for the kernel. `make in-tree` also builds, boots and checks all of it."""

import re
import shutil
import subprocess

import pytest

from cache import PROJECT, Failure
import series


@pytest.fixture(scope="module")
def linux(tmp_path_factory):
    """What the series changes of the kernel's source, to be changed."""
    folder = tmp_path_factory.mktemp("linux")
    source = series.find_source()
    for name in [".rustfmt.toml", "MAINTAINERS", "rust", "samples/rust", "drivers/char",
                 "drivers/android/binder"]:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        if (source / name).is_dir():
            shutil.copytree(source / name, folder / name)
        else:
            shutil.copy(source / name, folder / name)
    return folder


def test_the_kernel_crate_builds_after_each_patch():
    result = subprocess.run([PROJECT / "scripts/in_tree.py", "--short"], check=False, text=True,
                            stdout=subprocess.PIPE)
    assert result.stdout.splitlines()[-1] == "1 passed, 0 failed", result.stdout


def test_the_patches(linux, tmp_path):
    # The same each time, but for dates; and with nobody's signature.
    texts = []
    for name in ("first", "second"):
        series.make(linux, tmp_path / name)
        series.write(tmp_path / name, tmp_path / "out")
        texts.append([re.sub(r"^(From [0-9a-f]{40}|Date:|index) .*", "", patch.read_text(),
                             flags=re.MULTILINE)
                      for patch in sorted((tmp_path / "out").glob("*.patch"))])
    assert texts[0] == texts[1]
    cover, *patches = texts[0]
    assert len(patches) == len(series.GENERATED)
    assert "***" not in cover and all(re.search(r"^Subject: \[PATCH", patch, re.MULTILINE)
                                      for patch in texts[0])
    assert not any(re.search(r"^(Signed-off|Reviewed|Acked|Tested)-", patch, re.MULTILINE)
                   for patch in patches)
    for patch in patches:
        assert "JiffiesDelta" not in patch and "ktimer" not in patch


@pytest.mark.parametrize("path, old, new, message", [
    # A newer kernel has changed what a diff is for, or what a rule is.
    ("rust/kernel/time.rs", "pub type Jiffies", "pub type Ticks", r"1-durations\.diff does not apply"),
    ("rust/kernel/sync/lock/spinlock.rs", "interrupt::LocalInterruptDisabled", "interrupt::Off",
     r"spinlock\.rs: 0 places instead of one have"),
])
def test_another_kernel(linux, tmp_path, path, old, new, message):
    text = (linux / path).read_text()
    assert old in text
    try:
        (linux / path).write_text(text.replace(old, new, 1))
        with pytest.raises(Failure, match=message):
            series.make(linux, tmp_path / "repo")
    finally:
        (linux / path).write_text(text)


@pytest.mark.parametrize("path, old, new, message", [
    ("src/ktimer/time/timer.rs", "fn this(", "fn that(", "timer.rs: 0 items instead of one are 'fn this'"),
    ("src/ktimer/time/jiffies.rs", "period.as_ticks().max(1)", "period.as_ticks()", r"jiffies\.rs: 0 places"),
    ("src/ktimer/interrupt.rs", "/// Proof that bottom", "/// Bottom", r"interrupt\.rs: there is not one part"),
])
def test_another_source(linux, tmp_path, monkeypatch, path, old, new, message):
    read = series.source
    assert old in read(path)
    monkeypatch.setattr(series, "source", lambda name: read(name).replace(
        *((old, new) if name == path else ("", ""))))
    with pytest.raises(Failure, match=message):
        series.make(linux, tmp_path / "repo")
