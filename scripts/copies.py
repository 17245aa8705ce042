# SPDX-License-Identifier: GPL-2.0
"""Copies of a virtual machine that has booted: each is there at once, with files of its own.

The first one boots, with a file in its memory that is room for others, and its state is kept. What a
copy is given is put into its memory, in the place of that file.
"""

import json
import mmap
import os
from pathlib import Path
import shutil
import socket
import subprocess
import time

from cache import CACHE, Failure, key, lock, made_whole, use
from kernels import busybox
import vm
from vm import TimedOut, Vm, emulated

PAGE = mmap.PAGESIZE
MARK = b"jitimer's room, page "
# Of which each page tells which one it is.
ROOM = [MARK + str(number).encode().ljust(PAGE - len(MARK), b"\n") for number in range((24 << 20) // PAGE)]
# Of the state's file each page of memory has its own place.
MAPPED = ("migrate-set-capabilities", {"capabilities": [{"capability": "mapped-ram", "state": True}]})


class Monitored(Vm):
    """A machine that can be told something by a monitor."""

    def __init__(self, image, files=(), **options):
        super().__init__(image, files, **options)
        self.monitor = self.folder / "monitor"
        self.command += ["-qmp", f"unix:{self.monitor},server=on,wait=off"]

    def tell(self, *commands, timeout=60):
        """Gives its monitor commands; returns what the last one gives back."""
        end = time.monotonic() + timeout
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(timeout)
            while connection.connect_ex(str(self.monitor)):
                if self.process.proc.poll() is not None:
                    raise self.ended()
                if time.monotonic() > end:
                    raise TimedOut(f"no machine listens at {self.monitor}")
                time.sleep(0.01)
            try:
                with connection.makefile("rw", encoding="utf-8") as file:
                    return self.converse(file, commands)
            except ConnectionError:
                raise self.ended() from None

    def converse(self, file, commands):
        """Gives commands by a connection; returns what the last one gives back."""
        def answer():
            """What is no event."""
            while "event" in (found := json.loads(file.readline() or "{}")):
                pass
            if not found:
                raise self.ended()
            return found
        answer()
        for name, arguments in (("qmp_capabilities", {}), *commands):
            print(json.dumps({"execute": name, "arguments": arguments}), file=file, flush=True)
            found = answer()
            if "return" not in found:
                raise Failure(f"the machine can't {name}: {found}")
        return found["return"]

    def ended(self):
        """What is wrong when it has ended."""
        return Failure(f"the virtual machine ended: {self.process.read().strip()}")

    def wait(self, command, wanted, timeout=60):
        """Waits until its answer has that status."""
        end = time.monotonic() + timeout
        while (found := self.tell((command, {}))).get("status") != wanted:
            if found.get("status") == "failed" or time.monotonic() > end:
                raise Failure(f"the machine is not {wanted}: {found}")
            time.sleep(0.01)


class Copy(Monitored):
    """A copy of a machine that has booted, of which the state is in the cache."""

    def __init__(self, image, files=(), **options):
        super().__init__(image, **options)
        self.files = files
        self.original = lambda room: Monitored(image, [room], **options)
        qemu = os.stat(shutil.which(next(word for word in self.command if word.startswith("qemu"))))
        self.kept = CACHE / "booted-{}".format(key(
            Path(image).read_bytes(), busybox(self.arch).read_bytes(), vm.INIT, len(ROOM),
            *(str(word).replace(str(self.folder), "") for word in self.command), qemu.st_size,
            qemu.st_mtime_ns))
        self.command += ["-incoming", "defer"]

    def boot(self, timeout=300):
        """Has it running, and taking commands."""
        with lock(self.kept.name):
            if not self.kept.exists():
                with made_whole(self.kept) as new:
                    self.keep(new, timeout)
            use(self.kept)
        state = self.folder / "state"
        size = self.fill(state)
        self.start()
        self.tell(MAPPED, ("migrate-incoming", {"uri": f"file:{state}"}))
        self.wait("query-status", "running")
        state.unlink()
        result = self.run(f"cd /; head -c {size} root/room | gunzip | cpio -idu && rm root/room", timeout)
        if result.status:
            raise Failure(f"a copy does not take its files: {result.output}")

    def keep(self, folder, timeout):
        """Boots the one that it is a copy of, and keeps its state."""
        room, state = folder / "room", folder / "state"
        room.write_bytes(b"".join(ROOM))
        with self.original(room) as machine:
            machine.boot(timeout)
            machine.tell(MAPPED, ("migrate-set-parameters", {"max-bandwidth": 1 << 40}),
                         ("migrate", {"uri": f"file:{state}"}))
            machine.wait("query-migrate", "completed")
        room.unlink()
        places = {}
        with open(state, "rb") as file, mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ) as memory:
            for place in range(0, len(memory), PAGE):
                if memory[place:place + len(MARK)] == MARK:
                    places.setdefault(int(memory[place + len(MARK):place + PAGE]), []).append(place)
        if sorted(places) != list(range(len(ROOM))):
            raise Failure("the room for files is not in the machine's memory")
        (folder / "places").write_text(json.dumps([places[number] for number in range(len(ROOM))]))

    def fill(self, state):
        """Has the state with the files in their place; returns how many bytes that are."""
        content = vm.archive(self.files)
        if len(content) > PAGE * len(ROOM):
            raise Failure(f"there is room for {PAGE * len(ROOM)} bytes of files, not for {len(content)}")
        subprocess.run(["cp", "--sparse=always", self.kept / "state", state], check=True)
        with open(state, "r+b") as file:
            for number, places in enumerate(json.loads((self.kept / "places").read_text())):
                for place in places:
                    file.seek(place)
                    file.write(content[number * PAGE:(number + 1) * PAGE].ljust(PAGE, b"\0"))
        return len(content)


def machine(image, files=(), *, arch, **options):
    """A machine that takes least time to begin. With KVM that is one that boots."""
    return (Copy if emulated(image, arch) else Vm)(image, files, arch=arch, **options)
