#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Looks at the sources: are they formatted as the kernel's are, do the linters say nothing, and is
the documentation sound?"""

import argparse
import re
import subprocess

import build
from cache import PROJECT, Failure, run_main, say
import kernels


def rust_files():
    """The project's Rust, without what bindgen made of it."""
    return [path for top in ("src", "samples", "tests") for path in (PROJECT / top).rglob("*.rs")
            if path.name not in ("bindings_generated.rs", "ktimer_doctests.rs")]


def fmt():
    """rustfmt with the kernel's configuration."""
    source = kernels.fetch_source(kernels.find())
    return subprocess.run(["rustfmt", "--check", "--edition=2021", "--config-path",
                           source / ".rustfmt.toml", *rust_files()], cwd=PROJECT,
                          check=False).returncode


def clippy():
    """clippy, with the kernel's lints, on all that is built for the stock and the test kernel."""
    kernel = kernels.find()
    for make, name in ((build.stock, "clippy-stock"), (build.debug, "clippy-test")):
        # Kbuild does not know that clippy's objects aren't rustc's; this folder is clippy's own.
        make(kernel, "KTIMER_SAMPLES=m", "KTIMER_BENCH=m", "KTIMER_RACE=m", "KTIMER_CFI=m",
             "CLIPPY=1", "KRUSTFLAGS=-Dwarnings", "-B", name=name, log=name)
    return 0


def doc():
    """rustdoc, without warnings; its links into the kernel's source lead there."""
    kernel = kernels.find()
    folder = build.stock(kernel, "KTIMER_DOC=y", name="doc", log="doc") / "doc"
    source = kernels.fetch_source(kernel)
    for page in folder.rglob("*.html"):
        text = page.read_text()
        for path in re.findall(r'href="srctree/([^"#]+)', text):
            if not (source / path).exists():
                raise Failure(f"{page}: a link to '{path}', which {source.name} does not have")
        page.write_text(text.replace(
            'href="srctree/', f'href="https://elixir.bootlin.com/linux/v{kernel.series}/source/'))
    say(f"the documentation: {folder / 'ktimer/index.html'}")
    return 0


def shellcheck():
    """shellcheck on each shell script."""
    scripts = [path for top in ("scripts", "scripts/deb", ".ci") for path in (PROJECT / top).iterdir()
               if path.is_file() and path.read_bytes().split(b"\n")[0].endswith((b"bash", b"sh"))]
    return subprocess.run(["shellcheck", *scripts], cwd=PROJECT, check=False).returncode


def main():
    """The command."""
    checks = {check.__name__: check for check in (fmt, clippy, doc, shellcheck)}
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("check", choices=checks)
    options = parser.parse_args()
    status = checks[options.check]()
    if not status:
        print(f"{options.check}: nothing to complain about")
    return status


if __name__ == "__main__":
    run_main(main)
