# SPDX-License-Identifier: GPL-2.0
"""rust-project.json: rust-analyzer understands the project by it."""

import json
from pathlib import Path
import re
import subprocess
import sys

from cache import CACHE, PROJECT


def test_rust_analyzer_understands_the_project(tmp_path):
    subprocess.run([sys.executable, PROJECT / "scripts/rust_analyzer.py", "--out", tmp_path],
                   check=True)
    crates = json.loads((tmp_path / "rust-project.json").read_text())["crates"]
    # No copy of them, which may be anywhere below build/, is taken for one of them; the kernel's are in
    # the cache, wherever that is.
    assert all(crate["is_workspace_member"] for crate in crates
               if (path := Path(crate["root_module"])).is_relative_to(PROJECT)
               and not path.is_relative_to(CACHE))
    ours = {crate["display_name"] for crate in crates if crate["is_workspace_member"]}
    sources = [*(PROJECT / "src" / name / f"{name}.rs" for name in ("ktimer", "common", "jitimer")),
               *(PROJECT / "samples").glob("*.rs"), *(PROJECT / "tests").glob("*.rs")]
    assert {path.stem for path in sources} <= ours

    said = subprocess.run(["rust-analyzer", "diagnostics", tmp_path], check=False,
                          capture_output=True, text=True).stdout
    looked_at = set(re.findall(r"^processing crate: (\w+),", said, re.MULTILINE))
    assert looked_at == ours
    # It does not infer all types as rustc does; but names, imports and macros it finds.
    errors = [line for line in said.splitlines() if line.startswith("Error")
              and not re.search(r'RustcHardError\("E0(?:559|599)"\)', line)]
    assert errors == []
