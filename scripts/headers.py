# SPDX-License-Identifier: GPL-2.0
"""Rust metadata in a kernel's installed headers, where whoever builds modules looks: DKMS, too.

They lie beside what dpkg has put there and knows of. A list of what is where lies with them, so that
it can all be taken away again, even when the headers themselves are gone.
"""

import contextlib
import os
import re
import shutil
from pathlib import Path

from cache import Failure, take

# What tells that metadata is ours: what it was made for, and where the rest of it is, a line each.
MARK = ".rust_kdir"

# What keeps two runs apart, whatever cache each has: apt's, and that of whoever is root. Nobody else
# may hold it.
LOCK = Path("/run/rust-kdir.lock")

# What the build of a module takes of a folder that was made.
WANTED = ("rust/*.rmeta", "rust/*.so", "rust/kernel/generated_*.rs")


@contextlib.contextmanager
def lock():
    """Holds the lock of this system's headers."""
    with open(LOCK, "w", encoding="ascii", opener=lambda path, flags: os.open(path, flags, 0o600)) as file:
        take(file)
        yield


def read_mark(folder):
    """What metadata was made for, and where the rest of it is."""
    mark = folder / MARK
    made_for, *places = mark.read_text().splitlines() if mark.exists() else [None]
    return made_for, set(map(Path, places))


def made_for(headers):
    """What the metadata in a kernel's headers was made for; None if there is none of ours."""
    return read_mark(headers / "rust")[0]


def everywhere(top=Path("/usr/src")):
    """All headers that have metadata of ours, if only half of it."""
    return sorted({*(mark.parent.parent for mark in top.glob(f"linux-headers-*/rust/{MARK}")),
                   *(half.parent for half in top.glob("linux-headers-*/rust.new"))})


def shared(headers, made, source):
    """What the flavours of a version have in common: where it is to be, and is taken from.

    Modules that call bindgen look for its parameters, and others for what the kernel crate has, in
    the kernel's source, of which the headers have the rest.
    """
    (common,) = re.findall(r"^include (/.*)/Makefile$", (headers / "Makefile").read_text(), re.MULTILINE)
    places = {Path(common, "rust"): source / "rust"}
    # For x86 only.
    target = made / "scripts/target.json"
    if target.exists():
        places[(headers / "scripts").resolve() / target.name] = target
    return places


def remove(path):
    """Removes a file or folder, and those around it that are left empty."""
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
    for folder in path.parents:
        if not folder.exists():
            continue
        if any(folder.iterdir()):
            break
        folder.rmdir()


def take_away(headers):
    """Takes the metadata out of a kernel's headers, whole or not; goes on where that was interrupted."""
    whole, half = headers / "rust", headers / "rust.new"
    places = read_mark(whole)[1] | read_mark(half)[1]
    for other in everywhere(headers.parent):
        if other != headers:
            places -= read_mark(other / "rust")[1]
    for place in sorted(places):
        remove(place)
    if half.exists():
        shutil.rmtree(half)
    if made_for(headers):
        whole.rename(half)
    remove(half)


def put(headers, made, source, what_for):
    """Puts what was made in a folder, and of the source that it was made from, into headers."""
    take_away(headers)
    if (headers / "rust").exists():
        raise Failure(f"{headers / 'rust'} is there, and not from here; remove it first")
    ours = {place for other in everywhere(headers.parent) for place in read_mark(other / "rust")[1]}
    # What is there already, and not ours, stays as it is.
    places = {place: origin for place, origin in shared(headers, made, source).items()
              if place in ours or not place.exists()}
    new = headers / "rust.new"
    # Whoever builds modules reads it.
    mask = os.umask(0o022)
    try:
        new.mkdir()
        (new / MARK).write_text("\n".join([what_for, *map(str, places)]) + "\n")
        for pattern in WANTED:
            for file in made.glob(pattern):
                copy = new / file.relative_to(made / "rust")
                copy.parent.mkdir(exist_ok=True)
                shutil.copyfile(file, copy)
        for place, origin in places.items():
            if origin.is_dir():
                shutil.copytree(origin, place, dirs_exist_ok=True)
            elif not place.exists():
                shutil.copyfile(origin, place)
            elif place.read_bytes() != origin.read_bytes():
                raise Failure(f"{place} is that of other headers, and differs; first take the "
                              "metadata out of those (--uninstall)")
        new.rename(headers / "rust")
    except BaseException as reason:
        take_away(headers)
        if isinstance(reason, OSError):
            raise Failure(f"can't put the metadata into {headers}: {reason}") from None
        raise
    finally:
        os.umask(mask)
