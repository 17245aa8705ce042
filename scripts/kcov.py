#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Shows which lines of src/ a run of 'scripts/test.py --coverage' reached, as a table; and those that
it did not, with their text.

The compiler marks places in the code, and each module notes which of them were reached, in whatever
context (tests/coverage). What follows such a place, up to where a jump leads away or to, was run as
often as it was. A line counts if some of its code is in such a piece, and as reached if one of those
was, in any of the modules; what the compiler has moved elsewhere counts where it is.
"""

import argparse
import base64
import contextlib
import gzip
import json
import re
import shutil
import subprocess

import build
from cache import PROJECT, Failure, run_main
from readme import markdown
from vm import Vm

# The modules, and what the guest has of them.
MODULES, STRIPPED = build.OUT / "coverage", build.OUT / "coverage-stripped"
# What was reached: of each module, offsets in its code and in that of its init.
REACHED = build.OUT / "coverage.json"
# As in tests/coverage/coverage.h.
NAME, SIZE = 64 - 8, 1 << 18
AREAS = ("text", "init")


def build_modules(kernel):
    """Builds modules for the test kernel that note what is reached of them; returns where they are,
    without what only tells lines. What was reached of others is forgotten."""
    build.debug(kernel, "KTIMER_SAMPLES=m", "KTIMER_ORIGINAL=m", "KTIMER_COVERAGE=m",
                name=MODULES.name)
    REACHED.unlink(missing_ok=True)
    shutil.rmtree(STRIPPED, ignore_errors=True)
    STRIPPED.mkdir()
    for module in MODULES.glob("*.ko"):
        subprocess.run(["strip", "--strip-debug", module, "-o", STRIPPED / module.name], check=True)
    return STRIPPED


def reached():
    """What was reached so far: sets of offsets by module and area."""
    if not REACHED.exists():
        return {}
    return {module: {area: set(offsets) for area, offsets in areas.items()}
            for module, areas in json.loads(REACHED.read_text()).items()}


def places(bits):
    """Which bits are set."""
    return {8 * at + bit for at, byte in enumerate(bits) if byte for bit in range(8)
            if byte >> bit & 1}


def read(vm):
    """What was reached in a machine so far."""
    text = vm.run("gzip -c /sys/kernel/debug/ktimer_coverage | base64", 120).output
    blob = gzip.decompress(base64.b64decode(text))
    found = {}
    record = NAME + 2 * SIZE // 8
    if not blob or len(blob) % record:
        raise Failure(f"{len(blob)} bytes are no array of 'struct ktimer_coverage'")
    for start in range(0, len(blob), record):
        module = blob[start:start + NAME].rstrip(b"\0").decode()
        if module:
            found[module] = {
                area: places(blob[start + NAME + nth * SIZE // 8:][:SIZE // 8])
                for nth, area in enumerate(AREAS)}
    return found


def collect(vm):
    """Adds what was reached in a machine to the rest."""
    found = reached()
    for module, areas in read(vm).items():
        for area, offsets in areas.items():
            found.setdefault(module, {}).setdefault(area, set()).update(offsets)
    REACHED.write_text(json.dumps({module: {area: sorted(offsets)
                                            for area, offsets in areas.items()}
                                   for module, areas in found.items()}))


class CoverageVm(Vm):
    """A machine whose modules note what is reached of them."""

    noting = False

    def boot(self, timeout=600):
        super().boot(timeout)
        self.run("insmod ktimer_coverage.ko")
        self.noting = True

    @contextlib.contextmanager
    def used(self):
        """For as long as a test uses the machine: what that reached is not lost with it."""
        yield
        collect(self)

    def close(self):
        try:
            if self.noting:
                self.noting = False
                collect(self)
        finally:
            super().close()


def output(*command, **kwargs):
    """What a command prints."""
    return subprocess.run(command, check=True, capture_output=True, text=True, **kwargs).stdout


def places_of(module):
    """All places of a module that can be reached: by area and offset, the section and the address
    there."""
    # As the kernel lays out a module's code.
    begins = {}
    end = dict.fromkeys(AREAS, 0)
    for name, size, align in re.findall(
            r"^ *\[ *\d+\] (\S+) +PROGBITS +\w+ \w+ (\w+) \w+ +AX\w* +\d+ +\d+ +(\d+)$",
            output("readelf", "-SW", module), re.MULTILINE):
        area = "init" if name.startswith(".init") else "text"
        begins[name] = area, -(-end[area] // int(align)) * int(align)
        end[area] = begins[name][1] + int(size, 16)
    found = {}
    section = None
    for line in output("readelf", "-rW", module).splitlines():
        header = re.match(r"Relocation section '\.rela(\S+)'", line)
        if header:
            section = header[1]
        call = re.match(r"(\w+) .* __sanitizer_cov_trace_pc - 4$", line)
        if call:
            # What it returns to.
            address = int(call[1], 16) + 4
            area, begin = begins[section]
            found[area, begin + address] = section, address
    return found


def pieces(module, section, places_there):
    """The instructions that are run if a place is reached, by place: their addresses."""
    code = re.findall(r"^ *([0-9a-f]+):\t(\S+)(?: +([0-9a-f]+) <)?",
                      output("objdump", "-d", "--no-show-raw-insn", f"--section={section}", module),
                      re.MULTILINE)
    targets = {int(target, 16) for _, name, target in code if target and name.startswith("j")}
    found = {}
    piece = None
    for address, name, _ in code:
        address = int(address, 16)
        if address in places_there:
            # With the call before it.
            piece = found[address] = [before]
        elif address in targets:
            piece = None
        if piece:
            piece.append(address)
        if re.match(r"j|ret|ud2|int3|hlt", name):
            piece = None
        before = address
    return found


def lines_of(module, places):
    """The lines of src/ that the piece of code at each place of a module is of, as pairs of file and
    number; where functions were inlined, of all of them."""
    found = {}
    for section in sorted({section for section, _ in places}):
        of_place = pieces(module, section, {address for of, address in places if of == section})
        wanted = sorted({address for piece in of_place.values() for address in piece})
        text = output("addr2line", "--inlines", "--addresses", f"--section={section}", "-e", module,
                      input="".join(f"{address:#x}\n" for address in wanted))
        of_each = re.split(r"^0x[0-9a-f]+\n", text, flags=re.MULTILINE)[1:]
        of_address = {address: {
            (file, int(line)) for file, line in re.findall(
                r"^(?:.*/)?(src/(?:ktimer|common|jitimer)/\S+):([1-9]\d*)\b", frames, re.MULTILINE)}
            for address, frames in zip(wanted, of_each, strict=True)}
        for place, piece in of_place.items():
            found[section, place] = set().union(*(of_address[address] for address in piece))
    return found


def lines(modules, hits):
    """The lines of src/ in modules where code begins, and those of them that were reached."""
    every, seen = set(), set()
    for module in modules:
        points = places_of(module)
        hit = {(area, offset) for area, offsets in hits.get(module.stem, {}).items()
               for offset in offsets}
        if not points or hit - points.keys():
            raise Failure(f"{module}: {len(hit - points.keys())} of the {len(hit)} places that were "
                          f"reached are none of its {len(points)}; was it built anew since?")
        of = lines_of(module, points.values())
        for point, address in points.items():
            every |= of[address]
            if point in hit:
                seen |= of[address]
    return every, seen


def table(every, seen):
    """How many lines of each file were reached."""
    yield ["file", "lines reached", "lines with code", ""]
    yield ["---", "---:", "---:", "---:"]
    for name in [*sorted({file for file, _ in every}), ""]:
        total, of = (sum(file.startswith(name) for file, _ in found) for found in (every, seen))
        yield [name or "all", str(of), str(total), f"{100 * of / total:.1f} %"]


def show():
    """Prints the table, and the lines that were not reached."""
    # Those in C have none of src/, but for what helps Rust.
    modules = [path for path in sorted(MODULES.glob("*.ko"))
               if " T __sanitizer_cov_trace_pc\n" in output("nm", path)]
    if not REACHED.exists() or not modules:
        raise Failure("there is nothing to show; 'make coverage' makes it")
    every, seen = lines(modules, reached())
    for file, number in sorted(every - seen):
        text = (PROJECT / file).read_text().splitlines()[number - 1]
        print(f"{file}:{number}: {text}")
    print()
    print(markdown(table(every, seen)))


def main():
    """The command."""
    argparse.ArgumentParser(description=__doc__,
                            formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    show()


if __name__ == "__main__":
    run_main(main)
