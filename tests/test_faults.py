# SPDX-License-Identifier: GPL-2.0
"""What the kernel must report, or stop at: misuse of timers that the types don't prevent."""

import pytest

from vm import Reported

# What to do, and what the kernel must then say, in an order in which one machine can take them:
# each checker reports once, and the last one has more to say later.
FAULTS = {
    # Not of a timer: that the test kernel's warnings are seen.
    "warning": ("echo WARNING >/sys/kernel/debug/provoke-crash/DIRECT", "WARNING: "),
    "cancelled_under_a_lock_of_the_callback": (
        "insmod ktimer_faults.ko fault=1; rmmod ktimer_faults",
        "possible circular locking dependency detected"),
    # What jitimer does not do: the book's timer writes to a reader that was killed.
    "original_with_its_reader_killed": (
        """
        insmod jitimer_original.ko tdelay=50
        cat /proc/jitimer_original & pid=$!
        until grep -q '^State:.S' /proc/$pid/status; do usleep 10000; done
        kill -KILL $pid
        wait $pid
        until dmesg | grep KASAN; do usleep 10000; done""", "KASAN: slab-use-after-free"),
}


@pytest.fixture(scope="module")
def spoilt(machines):
    """A machine of which nothing but reports is expected."""
    with machines.make("test") as vm:
        vm.boot()
        yield vm


@pytest.mark.parametrize("fault", FAULTS)
def test_reported(spoilt, fault):
    script, report = FAULTS[fault]
    with pytest.raises(Reported, match=report):
        spoilt.run(script)


@pytest.mark.parametrize("script, report", [
    # It waits for itself, for ever.
    ("insmod ktimer_faults.ko fault=2; sleep 60", "possible recursive locking detected"),
    # It is leaked, and its module unloaded: the memory of its code is gone, or full of breakpoints.
    ("insmod ktimer_faults.ko fault=3; rmmod ktimer_faults; sleep 60",
     "unable to handle page fault|Oops: int3"),
], ids=["dropped_in_its_own_callback", "leaked_and_its_module_unloaded"])
def test_reported_at_last(machines, script, report):
    # Nothing goes on after that.
    with machines.make("test") as vm:
        vm.boot()
        with pytest.raises(Reported, match=report):
            vm.run(script)
