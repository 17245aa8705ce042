# SPDX-License-Identifier: GPL-2.0
"""What `make coverage` shows is what has run: it runs this beside all scenarios of the test kernel."""

import pytest

from cache import PROJECT, Failure
import kcov
from test_jitimer import run

pytestmark = pytest.mark.coverage

MODULE = kcov.MODULES / "jitimer.ko"
SERIES = "src/jitimer/series.rs"


def test_what_is_reached_is_what_ran(machines):
    opened, called_back = (
        (SERIES, (PROJECT / SERIES).read_text().splitlines().index(f"        {line}") + 1)
        for line in ("let viewer = opener.viewer()?;", "self.changed.notify_all();"))
    with machines.make("test") as machine:
        machine.boot()
        for script, wanted in (("insmod jitimer.ko", set()),
                               ("sleep 0 </proc/jitimer", {opened}),
                               ("cat /proc/jitimer", {opened, called_back}),
                               # It is kept.
                               ("rmmod jitimer", {opened, called_back})):
            run(machine, script)
            every, seen = kcov.lines([MODULE], kcov.read(machine))
            assert {opened, called_back} <= every
            assert seen & {opened, called_back} == wanted, script
    with pytest.raises(Failure, match="was it built anew"):
        kcov.lines([MODULE], {"jitimer": {"text": {1}}})
