#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Makes a module of the examples in the documentation of Rust files, to compile and to run them:
a KUnit suite, one case for each example, named after its file and line.

An example is a fenced block in `///` or `//!` comments, as rustdoc takes it: what begins with
'# ' is not shown, but compiled; one that uses `?` ends in `# Ok::<(), Error>(())`.
"""

import argparse
import re
import textwrap
from pathlib import Path

SUITE = "ktimer_doctests"

MODULE = f"""// SPDX-License-Identifier: GPL-2.0

//! The examples of the documentation, by scripts/doctests.py.

module! {{
    type: Doctests,
    name: "{SUITE}",
    authors: ["The jitimer authors"],
    description: "Examples of the documentation of the ktimer library",
    license: "GPL",
}}

use kernel::prelude::*;

struct Doctests;

impl kernel::Module for Doctests {{
    fn init(_module: &'static ThisModule) -> Result<Self> {{
        Ok(Self)
    }}
}}

#[kunit_tests({SUITE})]
mod examples {{
%s}}
"""

RETURNS = " -> ::core::result::Result<(), ::kernel::error::Error>"

CASE = """    #[test]
    fn {name}(){returns} {{
{body}
    }}
"""


def examples(path):
    """The examples of a file: pairs of the line that one begins in and its text."""
    found = []
    fence = None
    for number, line in enumerate(path.read_text().splitlines(), 1):
        comment = re.match(r"\s*//[/!] ?(.*)", line)
        if not comment:
            if fence is not None:
                raise SystemExit(f"{path}:{number}: the comment ends within an example")
            continue
        text = comment[1]
        if not text.startswith("```"):
            if fence is not None:
                fence.append(re.sub(r"^(\s*)# ?", r"\1", text) if re.match(r"\s*#( |$)", text)
                             else text)
        elif fence is not None:
            if start:
                found.append((start, "\n".join(fence)))
            fence = None
        else:
            if text not in ("```", "```text"):
                raise SystemExit(f"{path}:{number}: '{text}' is neither an example, which begins "
                                 "with '```', nor a text, with '```text'")
            fence, start = [], number if text == "```" else None
    return found


def name(path, line):
    """The name of the case for an example."""
    return f"{path.stem}_line_{line}"


def main():
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", nargs="+", type=Path)
    cases = ""
    for path in parser.parse_args().file:
        for line, text in examples(path):
            fallible = text.rstrip().endswith("Ok::<(), Error>(())")
            cases += CASE.format(name=name(path, line), body=textwrap.indent(text, " " * 8),
                                 returns=RETURNS if fallible else "")
    print(MODULE % cases, end="")


if __name__ == "__main__":
    main()
