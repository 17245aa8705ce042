# SPDX-License-Identifier: GPL-2.0
"""What the kernel must report, or stop at: misuse of timers that the types don't prevent."""

import pytest

from vm import Reported

# What to do, and what the kernel must then say, in an order in which one machine can take them:
# each checker reports once, and the last one has more to say later.
FAULTS = {
    # Not of a timer: that the test kernel's warnings are seen.
    "warning": ("echo WARNING >/sys/kernel/debug/provoke-crash/DIRECT", "WARNING: "),
    "locked_by_nobody": ("insmod ktimer_faults.ko fault=11; rmmod ktimer_faults",
                         "WARNING: .*spin_assert_is_held"),
    # Lockdep has nothing more to say after this.
    "cancelled_under_a_lock_of_the_callback": (
        "insmod ktimer_faults.ko fault=1; rmmod ktimer_faults",
        "possible circular locking dependency detected"),
    # Memory that is pinned, and a timer that is armed, freed without being dropped.
    "freed_undropped": ("insmod ktimer_faults.ko fault=6; rmmod ktimer_faults", "ODEBUG: free active"),
    "freed_undropped_too": ("insmod ktimer_faults.ko fault=12", "ODEBUG: free active"),
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


def settle(vm):
    """Waits until the guest takes commands, and has no more to say of the last one."""
    while True:
        try:
            vm.run("true")
            return
        except Reported:
            pass


@pytest.mark.parametrize("fault", FAULTS)
def test_reported(spoilt, fault):
    script, report = FAULTS[fault]
    with pytest.raises(Reported, match=report):
        spoilt.run(script)
    settle(spoilt)


# A timer that is leaked, and its module unloaded: the memory of its code is gone, or full of
# breakpoints.
GONE = "unable to handle page fault|Oops: int3"


@pytest.mark.parametrize("script, report", [
    # It waits for itself, for ever.
    ("insmod ktimer_faults.ko fault=2; sleep 60", "possible recursive locking detected"),
    ("insmod ktimer_faults.ko fault=3; rmmod ktimer_faults; sleep 60", GONE),
    ("insmod ktimer_faults.ko fault=4; rmmod ktimer_faults; sleep 60", GONE),
    # Its memory is the module's, too.
    ("insmod ktimer_faults.ko fault=5; rmmod ktimer_faults; sleep 60", "ODEBUG: free active"),
    ("insmod ktimer_faults.ko fault=7", "WARNING: .*lockdep_assert_irqs_enabled"),
    ("insmod ktimer_faults.ko fault=8", "BUG: scheduling while atomic|BUG: sleeping function"),
    ("insmod ktimer_faults.ko fault=9", "BUG: scheduling while atomic|BUG: sleeping function"),
    ("insmod ktimer_faults.ko fault=10", "WARNING: .*lockdep_assert_in_softirq"),
], ids=["dropped_in_its_own_callback", "forgotten", "forgotten_in_a_circle",
        "forgotten_in_a_static", "bottom_halves_enabled_in_an_irqsafe_callback",
        "sleeping_in_the_callback", "sleeping_with_interrupts_disabled",
        "bottom_halves_assumed_to_be_disabled"])
def test_reported_at_last(machines, script, report):
    # Nothing goes on after that.
    with machines.make("test") as vm:
        vm.boot()
        with pytest.raises(Reported, match=report):
            vm.run(script)
