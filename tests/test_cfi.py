# SPDX-License-Identifier: GPL-2.0
"""Indirect calls: `make cfi` runs this, and all scenarios of the test kernel, on a kernel that stops
where a function has another type than who calls it by a pointer thinks."""

import re

import pytest

from vm import Reported

pytestmark = pytest.mark.cfi


@pytest.mark.parametrize("c", [0, 1])
def test_a_wrong_call_on_purpose_is_reported(machines, c):
    with machines.make("test") as machine:
        machine.boot()
        with pytest.raises(Reported) as reported:
            # On the CPU that C makes the call on: of one in an interrupt the kernel takes what is no
            # function for the target.
            machine.run(f"taskset 1 insmod ktimer_cfi.ko c={c}")
    caller, function = re.search(r"CFI failure at (.*) \(target: (.*);", str(reported.value)).groups()
    # C has it in a function of the kernel's.
    assert ("[ktimer_cfi]" in caller, "called_by_c" in function) == (not c, bool(c))
    assert "[ktimer_cfi]" in function
