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

# An access, and what tells in its stack that it may be this project's, all of which is in modules: a
# function of one; one that has no name, as of a module that has gone meanwhile; and those that call
# modules, whose own functions may have ended by a jump to another one.
ACCESS = re.compile(r" to 0x[0-9a-f]+ of \d+ bytes by ")
OURS = re.compile(r" \[\w+\](?: /|$)|^(?:\[[ .\d]*\] )? 0x[0-9a-f]+$"
                  r"|\b(?:call_timer_fn|do_one_initcall|param_attr_\w+|proc_reg_\w+"
                  r"|tasklet_action\w*)\+0x", re.MULTILINE)

# Races that are C's own although a stack may be this project's, or one side is not known, by their
# titles, and why none of them is for this project to mend.
KNOWN = {
    # lock_timer_base(), or what the compiler has it in.
    **dict.fromkeys(
        (f"data-race in {' / '.join(sorted(('enqueue_timer', name)))}"
         for name in ("lock_timer_base", "__try_to_del_timer_sync")),
        "which lock a timer has is in its flags: they are read (marked) without it, and again with "
        "it; where the timer is in the wheel is there, too, and written (unmarked) with the lock"),
    "data-race in blake2s_update":
        "how long a task ran goes into the random numbers when it has ended, while the scheduler may "
        "still add to it",
}


class RaceVm(Vm):
    """A machine with KCSAN, which has failed if that reports a race that is not C's own."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        # How often each of those that are C's own was reported.
        self.of_c = {}
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
        self.judge(RACE.sub(self.without_those_of_c, new))

    def without_those_of_c(self, race):
        """What is left to judge of a report, and of what the other CPU has printed meanwhile."""
        # Where in a function it is differs.
        title = re.sub(r"\+0x\S+", "", race["title"])
        elsewhere = len(ACCESS.findall(race[0])) == 2 and not OURS.search(race[0])
        if title not in KNOWN and not elsewhere:
            raise Reported(f"a data race that is not known:\n{race[0]}")
        self.of_c[title] = self.of_c.get(title, 0) + 1
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
              f"{self.of_c or 'none'}")
