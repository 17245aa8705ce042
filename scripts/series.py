#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Makes the patch series for the kernel from the library's source, into build/series/.

What a patch changes comes from src/, tests/kunit/ and samples/template/, by the rules here, and from
scripts/series/N-NAME.diff, for what can't be generated. Its message is scripts/series/N-NAME.txt. A
rule that does not find what it is for, or a diff that does not apply, is an error.
"""

import argparse
import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

from cache import ARCH, PROJECT, Failure, run_main, say
import kernels

HAND = PROJECT / "scripts/series"
OUT = PROJECT / "build/series"
# What the series is for.
LINUX = "7.3"

LICENSE = "// SPDX-License-Identifier: GPL-2.0\n"


def source(path):
    """A file of this project."""
    return (PROJECT / path).read_text()


def swap(text, old, new, where):
    """The text with the one place of `old` changed."""
    if text.count(old) != 1:
        raise Failure(f"series: {where}: {text.count(old)} places instead of one have {old!r}")
    return text.replace(old, new)


def between(text, start, end, where):
    """What is from one mark until before another."""
    if text.count(start) != 1 or (end and end not in text[text.index(start):]):
        raise Failure(f"series: {where}: there is not one part from {start!r} to {end!r}")
    part = text[text.index(start):]
    return part[:part.index(end)] if end else part


def without(text, item, where):
    """The text without a function, or another item that ends in a brace, and its docs."""
    lines = text.splitlines(keepends=True)
    found = [i for i, line in enumerate(lines)
             if re.match(rf" *(pub(\(\w+\))? |unsafe )*{item}\b", line)]
    if len(found) != 1:
        raise Failure(f"series: {where}: {len(found)} items instead of one are {item!r}")
    start = found[0]
    indent = re.match(" *", lines[start])[0]
    end = lines.index(f"{indent}}}\n", start) + 1
    while re.match(r" *(//|#\[)", lines[start - 1]):
        start -= 1
    # And the empty line after it.
    return "".join(lines[:start] + lines[end + (lines[end:end + 1] == ["\n"]):])


def in_tree(text):
    """The names that things have in the tree."""
    for pattern, new in (
            (r"kernel::bindings::", "bindings::"),
            (r"::kernel::(optional_name|static_lock_class)!", r"$crate::\1!"),
            (r"JiffiesDelta::from_ticks\((\d[\d_]*)\)\?", r"Delta::from_jiffies(\1)"),
            (r"JiffiesDelta::from_ticks\((.*?)\)\?", r"Delta::from_jiffies((\1) as isize)"),
            (r"JiffiesDelta::from_millis\(", "msecs_to_jiffies("),
            (r"JiffiesDelta::saturating\((.*)\)", r"Delta::from_jiffies(\1 as isize)"),
            (r"JiffiesDelta::(?=[A-Z_]+\b)", "Delta::"),
            (r"JiffiesDelta", "Delta<Jiffy>"),
            (r"\.as_ticks\(\)", ".as_jiffies() as usize"),
            (r"SpinLockBhExt::", "SpinLockBh::"),
            (r"\bktimer::", "kernel::"),
            (r"#\[kunit_tests\(ktimer_", "#[kunit_tests(rust_"),
    ):
        text = re.sub(pattern, new, text)
    return text


def doctest(text, *imports):
    """Examples, with these instead of the library's prelude."""
    lines = "".join(f"{{}}# use kernel::{name};\n" for name in imports)
    return re.sub(r"^( *//[/!] )# use ktimer::prelude::\*;\n",
                  lambda match: lines.replace("{}", match[1]), text, flags=re.MULTILINE)


TIME_IMPORTS = ("sync::{new_spinlock_bh, SpinLockBh}", "time::{Delta, Jiffy}",
                "time::jiffies::Jiffies",
                "time::timer::{new_timer, Timer, TimerCallback, TimerContext}")


def jiffies():
    """rust/kernel/time/jiffies.rs: points in time."""
    where = "jiffies.rs"
    text = source("src/ktimer/time/jiffies.rs")
    text = swap(text, """use crate::time::delta::JiffiesDelta;
use core::ops::Add;
use kernel::{
    fmt,
    prelude::*, //
};
""", """use crate::{
    fmt,
    prelude::*,
    time::{
        Delta,
        Jiffy, //
    }, //
};
use core::ops::Add;
""", where)
    text = swap(text, """        if earlier.is_after(self) {
            return JiffiesDelta::ZERO;
        }
""", "", where)
    text = swap(text, "; zero if `earlier` is later.", "; negative if `earlier` is later.", where)
    text = swap(text, "[`JiffiesDelta`], are", "[`Delta`], are", where)
    text = swap(text, "[`JiffiesDelta`] |", "[`Delta<Jiffy>`](Delta) |", where)
    text = swap(text, "period.as_ticks().max(1)", "period.as_jiffies().max(1) as usize", where)
    text = swap(text, "A period of no time is taken for one tick.",
                "A period that is not\n    /// positive is taken for one tick.", where)
    text = swap(text, "    /// # Ok::<(), Error>(())\n", "", where)
    return in_tree(doctest(text, "time::{jiffies::Jiffies, Delta}"))


def spinlock(base):
    """rust/kernel/sync/lock/spinlock.rs with SpinLockBh."""
    where = "spinlock.rs"
    text = source("src/ktimer/sync/lock/spinlock.rs")
    text = between(text, "/// Creates a [`SpinLockBh`] initialiser", None, where)
    text = swap(text, "/// The backend of the same lock where bottom halves are off already.\n"
                "struct BhOffBackend;\n\n", "", where)
    text = without(text, "impl Backend for BhOffBackend", where)
    text = swap(text, "        $crate::sync::SpinLockBh::new(\n            $inner, ::kernel::",
                "        $crate::sync::SpinLockBh::new(\n            $inner, $crate::", where)
    # What a trait adds from outside is the type's own here.
    methods = re.findall(r"((?:    (?:///|//|#\[).*\n)+)    fn (\w+)",
                         between(text, "pub trait SpinLockBhExt", "\n}\n", where))
    text = without(text, "trait SpinLockBhExt", where)
    text = swap(text, "impl<T: ?Sized> SpinLockBhExt<T> for SpinLockBh<T> {",
                "impl<T: ?Sized> Lock<T, SpinLockBhBackend> {", where)
    for docs, name in methods:
        text = swap(text, f"    #[inline]\n    fn {name}<", f"{docs}    #[inline]\n    pub fn {name}<",
                    where)
    text = re.sub(r"\bBhOffBackend\b", "SpinLockBackend", text)
    text = doctest(text, "sync::{new_spinlock_bh, SpinLockBh}")
    text = swap(text, "($name)?), ::kernel::", "($name)?), $crate::", where)
    macro, rest = re.split(r"(?<=^    \};\n\}\n)", text, maxsplit=1, flags=re.MULTILINE)
    text = in_tree(macro + "pub use new_spinlock_bh;\n" + rest)
    base = swap(base, """use crate::{
    interrupt::LocalInterruptDisabled,
    prelude::*, //
};
""", """use crate::{
    interrupt::{
        BhDisabled,
        LocalInterruptDisabled, //
    },
    prelude::*, //
};
use core::ops::{
    Deref,
    DerefMut, //
};
""", where)
    tests = "#[kunit_tests(rust_spinlock_irq_condvar)]\n"
    return swap(base, tests, text.rstrip() + "\n\n" + tests, where)


def interrupt(base):
    """rust/kernel/interrupt.rs with BhDisabled."""
    text = between(source("src/ktimer/interrupt.rs"), "/// Proof that bottom halves",
                   "#[cfg(ktimer_kernel_interrupt)]\npub use", "interrupt.rs")
    text = swap(text, "from its\n/// [`TimerContext`](crate::time::timer::TimerContext). With",
                "from the\n/// timer core. With", "interrupt.rs")
    return base.rstrip() + "\n\n" + in_tree(text).rstrip() + "\n"


def helpers(base, path):
    """A file of rust/helpers with the functions of the library's that it lacks."""
    text = source(path)
    found = re.findall(r"^((\w[\w ]*[ *])ktimer_helper_(\w+)(\([^)]*\))\n(\{\n(?:.*\n)*?\}\n))",
                       text, re.MULTILINE)
    if not found:
        raise Failure(f"series: {path}: there is no helper")
    for _, kind, name, arguments, body in found:
        if f"rust_helper_{name}(" not in base:
            base = (f"{base.rstrip()}\n\n__rust_helper {kind}rust_helper_{name}{arguments}\n{body}")
    return base


def timer():
    """rust/kernel/time/timer.rs."""
    where = "timer.rs"
    text = source("src/ktimer/time/timer.rs")
    text = swap(text, between(text, "use crate::{\n    bindings,", "/// Creates a [`Timer`]", where),
                """use crate::{
    interrupt::BhDisabled,
    prelude::*,
    sync::LockClassKey,
    time::{
        jiffies::Jiffies,
        Delta,
        Jiffy, //
    },
    types::Opaque, //
};
use core::{
    marker::PhantomData,
    ops::Deref,
    ptr, //
};
use pin_init::{
    cast_pin_init,
    pin_init_from_closure, //
};

""", where)
    # Flags are for what is not in the series.
    for function in ("fn this", "fn with_flags"):
        text = without(text, function, where)
    for old, new in (("        flags: u32,\n", ""), ("name, key, 0)", "name, key)"),
                     ("names, keys, 0)", "names, keys)")):
        text = swap(text, old, new, where)
    text = text.replace("Some(expired), flags,", "Some(expired), 0,")
    return in_tree(doctest(text, *TIME_IMPORTS))


def kunit():
    """rust/kernel/time/timer/tests.rs."""
    where = "kunit"
    shared = between(source("tests/ktimer_kunit.rs"), "/// Waits until something is so.", None, where)
    parts = []
    for name in ("jiffies", "sync", "timer", "timers"):
        text = source(f"tests/kunit/{name}.rs")
        suite = between(text, "#[kunit_tests(", None, where)
        if name == "timer":
            suite = without(suite, "fn the_longest_delay", where)
        if name == "timers":
            imports = between(text, "use ktimer::time::timer::{", "#[kunit_tests(", where)
            suite = swap(suite, "    use super::*;\n", "    use super::*;\n    " + imports, where)
        if name == "sync":
            suite = swap(suite, "&mut letters, 10_000)",
                         "&mut letters, JiffiesDelta::from_ticks(10_000)?)", where)
        name = {"sync": "spinlock_bh"}.get(name, name)
        suite = re.sub(r"#\[kunit_tests\(\w+\)\]\nmod tests",
                       f"#[kunit_tests(rust_{name})]\nmod {name}_tests", suite)
        parts.append(suite)
    return in_tree(LICENSE + """
//! Tests of timers, and of what they are used with.

use super::*;
use crate::{
    sync::{
        atomic::{
            Atomic,
            Relaxed, //
        },
        new_spinlock_bh,
        Arc,
        SpinLockBh, //
    },
    time::{
        delay::fsleep,
        msecs_to_jiffies, //
    }, //
};
use pin_init::stack_pin_init;

""" + shared + "\n" + "\n".join(parts))


def sample():
    """samples/rust/rust_timer.rs."""
    where = "heart_main.rs"
    text = source("samples/template/heart_main.rs")
    text = swap(text, 'name: "heart"', 'name: "rust_timer"', where)
    text = swap(text, 'authors: ["You"]', 'authors: ["The jitimer authors"]', where)
    text = swap(text, 'description: "Beats once a second"', 'description: "Rust timer sample"', where)
    text = swap(text, "//! Beats once a second, from load to unload.",
                "//! Rust timer sample: beats once a second, from load to unload.", where)
    text = swap(text, """    sync::atomic::{Atomic, Relaxed},
};
use ktimer::prelude::*;
""", """    sync::atomic::{
        Atomic,
        Relaxed, //
    },
    time::{
        jiffies::Jiffies,
        timer::{
            new_timer,
            Timer,
            TimerCallback,
            TimerContext, //
        },
        Delta, //
    }, //
};
""", where)
    return in_tree(text)


# The generated files of each patch: what makes each, from what the file was before. Those that are
# new take nothing.
GENERATED = {
    "1-durations": {},
    "2-jiffies": {"rust/kernel/time/jiffies.rs": jiffies},
    "3-bottom-halves": {
        "rust/helpers/sync.c": lambda base: helpers(base, "src/ktimer/helpers/lockdep.c"),
        "rust/helpers/spinlock.c": lambda base: helpers(base, "src/ktimer/helpers/spinlock.c"),
        "rust/kernel/interrupt.rs": interrupt,
        "rust/kernel/sync/lock/spinlock.rs": spinlock,
    },
    "4-timer": {
        "rust/helpers/timer.c": lambda: helpers(
            LICENSE + "\n#include <linux/sched/task_stack.h>\n", "src/ktimer/helpers/timer.c"),
        "rust/kernel/time/timer.rs": timer,
    },
    "5-kunit": {
        "rust/kernel/time/timer.rs": lambda base: (
            base + "\n#[cfg(CONFIG_RUST_TIMER_KUNIT_TEST)]\nmod tests;\n"),
        "rust/kernel/time/timer/tests.rs": kunit,
    },
    "6-sample": {"samples/rust/rust_timer.rs": sample},
    "7-hangcheck": {},
}


def run(*command, **kwargs):
    """Runs a command that must succeed; gives back what it printed."""
    result = subprocess.run(list(map(str, command)), check=False, text=True, capture_output=True,
                            **kwargs)
    if result.returncode:
        raise Failure(f"{' '.join(map(str, command))}: {(result.stderr or result.stdout).strip()}")
    return result.stdout


def make_patch(name, repo):
    """Has the tree in the repository as the patch leaves it, and commits that."""
    diff = HAND / f"{name}.diff"
    if diff.exists():
        result = subprocess.run(["git", "apply", "--index", diff], cwd=repo, check=False, text=True,
                                capture_output=True)
        if result.returncode:
            raise Failure(f"{diff.relative_to(PROJECT)} does not apply to this kernel: "
                          f"{result.stderr.strip()}")
    for path, generate in GENERATED[name].items():
        file = repo / path
        text = generate(file.read_text()) if file.exists() else generate()
        if file.suffix == ".rs":
            text = run("rustfmt", "--edition", "2021", "--config-path", repo, input=text)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    run("git", "add", "--all", cwd=repo)
    run("git", "commit", "--quiet", "--file", HAND / f"{name}.txt", cwd=repo)


def make(linux, repo):
    """Makes a repository of what the series changes, from a kernel's source, with a commit for each
    patch; returns their names."""
    touched = {".rustfmt.toml"}
    for name, generated in GENERATED.items():
        touched.update(generated)
        if (HAND / f"{name}.diff").exists():
            touched.update(re.findall(r"^--- a/(.*)$", (HAND / f"{name}.diff").read_text(),
                                      re.MULTILINE))
    run("git", "init", "--quiet", repo)
    for key, value in {"user.name": "The jitimer authors", "user.email": "jitimer@example.org",
                       "commit.gpgsign": "false", "core.autocrlf": "false"}.items():
        run("git", "config", key, value, cwd=repo)
    for path in sorted(touched):
        if (linux / path).exists():
            (repo / path).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(linux / path, repo / path)
    run("git", "add", "--all", "--force", cwd=repo)
    run("git", "commit", "--quiet", "--message", "base", cwd=repo)
    for name in GENERATED:
        make_patch(name, repo)
    run("git", "branch", "--force", "series", cwd=repo)


def write(repo, out):
    """Writes the patches, and what goes with them."""
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    count = len(GENERATED)
    run("git", "format-patch", "--quiet", "--cover-letter", "--output-directory", out, f"-{count}",
        cwd=repo)
    cover = out / "0000-cover-letter.patch"
    subject, _, body = (HAND / "cover.txt").read_text().partition("\n\n")
    text = swap(cover.read_text(), "*** SUBJECT HERE ***", subject.strip(), "cover letter")
    cover.write_text(swap(text, "*** BLURB HERE ***", body.strip(), "cover letter"))
    shutil.copytree(HAND / "reports", out / "reports")


def find_source():
    """The newest source of the kernel that the series is for."""
    flavour = f"cloud-{ARCH}"
    for kernel in kernels.available(ARCH):
        if kernel.series == LINUX and kernel.part("flavour") == flavour:
            return kernels.fetch_source(kernel)
    raise Failure(f"apt has no {flavour} kernel of the series {LINUX}, which the patches are for")


def main():
    """The command."""
    argparse.ArgumentParser(description=__doc__,
                            formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    linux = find_source()
    with tempfile.TemporaryDirectory() as folder:
        make(linux, Path(folder))
        write(Path(folder), OUT)
    say(f"{len(GENERATED)} patches, for {linux.name.replace('source-', 'Linux ')}")
    print(OUT)


if __name__ == "__main__":
    run_main(main)
