# SPDX-License-Identifier: GPL-2.0
"""Machines whose kernel sees data races, by KCSAN (see scripts/debug_kernel.py)."""

import contextlib
import re

from cache import Failure
from vm import Reported, Vm

# A report: its title, and both accesses with their stacks, between two lines.
LINE = re.compile(r"^(?:\[[ .\d]*\] )?={66}\n", re.MULTILINE)
RACE = re.compile(rf"{LINE.pattern}(?:.*\n)*?(?P<head>.*BUG: KCSAN: (?P<title>.*)\n)"
                  rf"(?:.*\n)*?{LINE.pattern}", re.MULTILINE)

# Races that are C's own, by their titles, and why none of them is for this project to mend.
KNOWN = {
    # lock_timer_base(), or what the compiler has it in.
    **dict.fromkeys(
        (f"data-race in {' / '.join(sorted(('enqueue_timer', name)))}"
         for name in ("lock_timer_base", "__try_to_del_timer_sync")),
        "which lock a timer has is in its flags: they are read (marked) without it, and again with "
        "it; where the timer is in the wheel is there, too, and written (unmarked) with the lock"),
    **dict.fromkeys(
        (f"data-race in {' / '.join(sorted(('n_tty_receive_buf_common', name)))}"
         for name in ("n_tty_check_unthrottle", "n_tty_poll", "n_tty_read")),
        "how much a terminal has to read is looked at without a lock: this machine takes its commands "
        "by one"),
}


class RaceVm(Vm):
    """A machine with KCSAN, which has failed if that reports a race that is not known."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        # How often each of the known ones was reported.
        self.known = {}
        self.watchpoints = 0

    def boot(self, timeout=600):
        super().boot(timeout)
        # It costs much, and what a kernel does at boot is not of interest.
        self.run("echo 500 >/sys/module/kcsan/parameters/skip_watch; "
                 "echo on >/sys/kernel/debug/kcsan")

    def check(self):
        # Lines and reports that are not whole yet are for the next time.
        new = "".join(re.findall(".*\n", self.console()[self.checked:]))
        lines = [line.start() for line in LINE.finditer(new)]
        if len(lines) % 2:
            new = new[:lines[-1]]
        self.checked += len(new)
        self.judge(RACE.sub(self.without_known, new))

    def without_known(self, race):
        """What is left to judge of a report, and of what the other CPU has printed meanwhile."""
        title = race["title"]
        if title not in KNOWN:
            raise Reported(f"a data race that is not known:\n{race[0]}")
        self.known[title] = self.known.get(title, 0) + 1
        return race[0].replace(race["head"], "")

    def counters(self):
        """What KCSAN has counted so far, by name."""
        text = self.run("cat /sys/kernel/debug/kcsan").output
        return {name: int(number)
                for name, number in re.findall(r"^(\w+): (\d+)$", text, re.MULTILINE)}

    @contextlib.contextmanager
    def used(self):
        """For as long as a test uses the machine, which fails if KCSAN does not look meanwhile."""
        before = self.counters()
        yield
        after = self.counters()
        count = after["setup_watchpoints"] - before["setup_watchpoints"]
        if not after["enabled"] or count <= 0:
            raise Failure(f"KCSAN has not looked: {after}")
        self.watchpoints += count
        print(f"{count} watchpoints, {self.watchpoints} on this machine; races on it that are C's own: "
              f"{self.known or 'none'}")
