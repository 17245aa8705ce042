# SPDX-License-Identifier: GPL-2.0
"""The machine code of each operation, for stock kernels: the C function's call, and no more."""

import re
import subprocess

import pytest

import build

CALLS = {
    "arm": "mod_timer",
    "arm_if_pending": "mod_timer_pending",
    "reduce": "timer_reduce",
    "cancel": "timer_delete",
    "cancel_sync": "timer_delete_sync",
    "try_cancel_sync": "timer_delete_sync_try",
    "shutdown": "timer_shutdown",
    "shutdown_sync": "timer_shutdown_sync",
}
ALLOCATE = "rust_helper_krealloc_node_align"
# What is no call of the code's own: its return, and where ftrace hooks into that of C.
NO_CALLS = ("__x86_return_thunk", "__fentry__")


def disassembled(file):
    """The instructions of each function: lists of mnemonic, operands and what they refer to."""
    text = subprocess.run(["objdump", "--disassemble", "--reloc", "--no-show-raw-insn", file], check=True,
                          capture_output=True, text=True).stdout
    functions = {}
    for line in text.splitlines():
        start = re.match(r"[0-9a-f]+ <(.+)>:$", line)
        reference = re.match(r"\s+[0-9a-f]+: R_\S+\s+(\S+?)(?:-0x4)?$", line)
        instruction = re.match(r"\s+[0-9a-f]+:\s+(\S+)\s*(.*)$", line)
        if start:
            found = functions.setdefault(start[1], [])
        elif reference:
            found[-1][2] = reference[1]
        elif instruction and not re.search(r"\bnop|\bendbr64", instruction[0]):
            found.append([instruction[1], instruction[2], None])
    return functions


@pytest.fixture(scope="module")
def code(kernel):
    """The machine code of tests/calls.rs."""
    return disassembled(build.stock(kernel, "KTIMER_CALLS=y", name="calls", log="calls") / "tests/calls.o")


def calls(instructions):
    """What a function calls, or jumps to, in another object."""
    return [reference for mnemonic, _, reference in instructions
            if mnemonic in ("call", "jmp") and reference and reference not in NO_CALLS]


@pytest.mark.parametrize("operation", CALLS)
def test_an_operation_is_the_c_functions_call(code, operation):
    (mnemonic, _, reference), = code[operation]
    assert (mnemonic, reference) == ("jmp", CALLS[operation])


def test_dispatch_is_the_callback(code):
    # The first timer's is work(); those of two arm or cancel each other. None is there for nobody.
    dispatch = sorted([(mnemonic, reference) for mnemonic, _, reference in found
                       if mnemonic in ("call", "jmp")]
                      for name, found in code.items() if "7expired" in name)
    assert dispatch == [[("jmp", "mod_timer")], [("jmp", "timer_delete")], [("jmp", "work")]]


@pytest.mark.parametrize("operation, c", [("arm_second", "mod_timer"),
                                          ("cancel_sync_second", "timer_delete_sync")])
def test_an_operation_on_one_of_several_is_the_c_functions_call(code, operation, c):
    # After the address of that timer was computed, as C does.
    (add, _, _), (mnemonic, _, reference) = code[operation]
    assert (add, mnemonic, reference) == ("add", "jmp", c)


def test_looking_whether_it_is_pending_is_one_load(code):
    assert [mnemonic for mnemonic, _, _ in code["is_pending"]] == ["cmpq", "setne", "jmp"]
    assert calls(code["is_pending"]) == []


@pytest.mark.parametrize("function, suffix", [("lock", "_bh"), ("lock_with", "")])
def test_a_lock_is_the_c_functions(code, function, suffix):
    # Not a helper that calls them.
    assert calls(code[function]) == [f"_raw_spin_lock{suffix}", f"_raw_spin_unlock{suffix}"]


def test_on_preempt_rt_a_lock_is_the_c_functions(rt_kernel):
    # By helpers, since these are inline functions there.
    code = disassembled(rt_kernel[1] / "src/ktimer/helpers/spinlock.o")
    assert {name.removeprefix("ktimer_helper_"): calls(found) for name, found in code.items()
            if re.fullmatch(r"ktimer_helper_\w+", name)} == {
        "spin_lock": ["rt_spin_lock"],
        "spin_unlock": ["rt_spin_unlock"],
        "spin_lock_bh": ["__local_bh_disable_ip", "rt_spin_lock"],
        "spin_unlock_bh": ["rt_spin_unlock", "__local_bh_enable_ip"],
        "spin_trylock_bh": ["rt_spin_trylock_bh"]}
    # What it gives back is what the function does.
    *_, (mnemonic, _, reference) = code["ktimer_helper_spin_trylock_bh"]
    assert (mnemonic, reference) == ("jmp", "rt_spin_trylock_bh")


def test_making_and_dropping_call_the_timer_core_once(code):
    assert calls(code["new_box"]) == [ALLOCATE, "timer_init_key"]
    assert calls(code["drop_box"]) == ["timer_shutdown_sync", ALLOCATE]
    # In a loop, or not.
    assert set(calls(code["new_two"])) == {ALLOCATE, "timer_init_key"}
    assert calls(code["drop_two"]) == ["timer_shutdown_sync", "timer_shutdown_sync", ALLOCATE]
