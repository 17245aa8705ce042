# SPDX-License-Identifier: GPL-2.0
"""Misuse of timers that the types don't prevent: the kernel must report it, or stop there."""

import pytest

from vm import Reported

# What to do, and what the kernel must then say.
FAULTS = {
    "cancelled_under_a_lock_of_the_callback": (
        "insmod ktimer_faults.ko fault=1", "possible circular locking dependency detected"),
    "dropped_in_its_own_callback": (
        "insmod ktimer_faults.ko fault=2; sleep 60", "possible recursive locking detected"),
    "leaked_and_its_module_unloaded": (
        "insmod ktimer_faults.ko fault=3; rmmod ktimer_faults; sleep 60",
        "unable to handle page fault"),
    # What jitimer does not do: the book's timer writes to a reader that was killed.
    "original_with_its_reader_killed": (
        """
        insmod jitimer_original.ko tdelay=50
        cat /proc/jitimer_original & pid=$!
        until grep -q '^State:.S' /proc/$pid/status; do usleep 10000; done
        kill -KILL $pid
        wait $pid
        sleep 60""", "KASAN: slab-use-after-free"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_reported(machines, fault):
    script, report = FAULTS[fault]
    with machines.make("test") as vm:
        vm.boot()
        with pytest.raises(Reported, match=report):
            vm.run(script)
