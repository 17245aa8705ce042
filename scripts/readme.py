# SPDX-License-Identifier: GPL-2.0
"""The tables of the README, which are made by the commands that they tell of."""

import re

from cache import PROJECT, Failure


def markdown(lines):
    """Tables as text."""
    return "".join("| " + " | ".join(line) + " |\n" if line else "\n" for line in lines)


def update(command, text):
    """Puts what a command has found into the README, between the marks."""
    path = PROJECT / "README.md"
    readme, count = re.subn(rf"(<!-- {command} -->\n).*?(<!-- end -->)",
                            lambda match: match[1] + text + match[2], path.read_text(),
                            flags=re.DOTALL)
    if count != 1:
        raise Failure(f"{path} lacks the marks '<!-- {command} -->' and '<!-- end -->'")
    path.write_text(readme)
