# SPDX-License-Identifier: GPL-2.0
"""The machines that the tests run in."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from xdist.scheduler import LoadGroupScheduling

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "scripts"))

# pylint: disable=wrong-import-position
import build
from cache import ARCH
import copies
import debug_kernel
import kcov
import kcsan
import kernels
import vm as runner
from vm import Vm


# The scenarios of jitimer alone. Its twin in C passes them, too.
OF_JITIMER = ("test_jitimer", "test_programs", "test_reader", "test_torture")

# The groups of tests that take long, the longest first.
LONG = ("test", "test_fuzz", "stock", "virtual", "twin", "rt", "test_scripts", "test_setup",
        "test_faults", "test_readme", "test_rust_kdir", "test_rust_analyzer")

# What runs when it is asked for, by an option of that name, and nothing else then.
ALONE = {
    "dkms": "the test of DKMS",
    "race": "all scenarios of the test kernel, and others, on one that sees data races",
    "cfi": "the same on one that checks indirect calls",
    "coverage": "all scenarios of the test kernel, with modules that note what is reached of them",
}
# Those that have a machine in place of the test kernel's.
IN_PLACE = {"race": kcsan.RaceVm, "cfi": Vm, "coverage": kcov.CoverageVm}
# Those of which one boots, and the others are copies, which are there at once.
COPIED = ("stock", "rt", "test", "twin")


def alone(config):
    """Which of them was asked for."""
    return next((name for name in ALONE if config.getoption(name)), None)


@pytest.fixture(scope="session")
def modules(request):
    """What is built for each kernel beside jitimer."""
    given = request.config.getoption("modules")
    return ["KTIMER_ORIGINAL=m", "KTIMER_SAMPLES=m"] if given is None else given.split()


@pytest.fixture(scope="session")
def kernel():
    """The newest supported stock kernel."""
    return kernels.fetch(kernels.find())


@pytest.fixture(scope="session")
def given_kernel(request):
    """The image of the kernel that was asked for, and where the modules for it are already."""
    given = request.config.getoption("kernel")
    return given.image, build.OUT / given.release


@pytest.fixture(scope="session")
def stock_kernel(request, kernel, modules):
    """The same of the newest stock kernel, where costs are measured, too."""
    measured = ["KTIMER_BENCH=m"] if request.config.getoption("modules") is None else []
    return kernel.image, build.stock(kernel, *modules, *measured)


@pytest.fixture(scope="session")
def virtual_kernel(stock_kernel):
    """The same, for a machine under virtual time, where waiting costs nothing."""
    return stock_kernel


@pytest.fixture(scope="session")
def rt_kernel(modules):
    """The same of the newest stock kernel with PREEMPT_RT."""
    kernel = kernels.fetch(kernels.find(flavour=f"rt-{ARCH}"))
    return kernel.image, build.stock(kernel, *modules)


@pytest.fixture(scope="session")
def test_kernel(kernel, modules):
    """The same of the test kernel; the modules with tests are among those."""
    image = debug_kernel.make(kernel) / debug_kernel.IMAGE
    return image, build.debug(kernel, *modules)


@pytest.fixture(scope="session")
def race_kernel(kernel, modules):
    """The same of the kernel that sees data races."""
    image = debug_kernel.make(kernel, "race") / debug_kernel.IMAGE
    return image, build.debug(kernel, *modules, "KTIMER_RACE=m", config="race")


@pytest.fixture(scope="session")
def cfi_kernel(kernel, modules):
    """The same of the kernel that checks indirect calls."""
    image = debug_kernel.make(kernel, "cfi") / debug_kernel.IMAGE
    return image, build.debug(kernel, *modules, "KTIMER_CFI=m", config="cfi")


@pytest.fixture(scope="session")
def coverage_kernel(kernel):
    """The same of the test kernel, with modules that note what is reached of them."""
    image = debug_kernel.make(kernel) / debug_kernel.IMAGE
    return image, kcov.build_modules(kernel)


@pytest.fixture(scope="session")
def twin_kernel(kernel, stock_kernel):
    """The same of the newest stock kernel, but jitimer from a folder of its own: its twin in C."""
    return *stock_kernel, build.stock(kernel, "KTIMER_TWIN=y", name="twin")


class Machines:
    """One machine at a time, which is kept for as long as the same one is asked for."""

    def __init__(self, request):
        self.request = request
        self.running = {}
        self.installed = {}
        self.alone = alone(request.config)

    def name(self, name):
        """The machine that is to be used as the one of that name."""
        return self.alone if name == "test" and self.alone in IN_PLACE else name

    def make(self, name, more=(), **options):
        """A machine that is not running yet; it has more files."""
        name = self.name(name)
        image, *folders = self.request.getfixturevalue(f"{name}_kernel")
        modules = {path.name: path for folder in folders for path in sorted(folder.glob("*.ko"))}
        kernel = self.request.config.getoption("kernel")
        # The test kernel is for amd64 everywhere.
        test = name == "test" or name in IN_PLACE
        if not test:
            modules = self.stripped(name, modules)
        arch = kernel.arch if kernel else "amd64" if test else ARCH
        files = [*options.pop("files", modules.values()), *build.guest_programs(arch),
                 *more]
        given = {"memory": 1024} if test else {"virtual": True} if name == "virtual" else {}
        if self.request.config.getoption("torture"):
            given["cpus"] = 4
        if name in COPIED and not more:
            return copies.machine(image, files, arch=arch, **given, **options)
        return IN_PLACE.get(name, Vm)(image, files, arch=arch, **given, **options)

    def stripped(self, name, modules):
        """Modules as they are installed: most of what is built is for debuggers."""
        if name not in self.installed:
            folder = self.request.getfixturevalue("tmp_path_factory").mktemp(name)
            self.installed[name] = {file: Path(shutil.copy(path, folder))
                                    for file, path in modules.items()}
            subprocess.run(["llvm-strip-19", "--strip-debug", *self.installed[name].values()],
                           check=True)
        return self.installed[name]

    def get(self, name):
        """The running machine with that kernel. Another one that runs ends: an idle one costs."""
        name = self.name(name)
        if name not in self.running:
            for other in list(self.running):
                self.end(other)
            self.running[name] = self.make(name)
            self.running[name].boot()
        return self.running[name]

    def end(self, name):
        """Ends a machine."""
        machine = self.running.pop(self.name(name), None)
        if machine:
            machine.close()

    def end_all(self):
        """Ends all of them."""
        for name in list(self.running):
            self.end(name)


@pytest.fixture(scope="session")
def machines(request):
    """The machines of this run."""
    request.config.machines = Machines(request)
    yield request.config.machines
    request.config.machines.end_all()


def pytest_runtest_setup(item):
    """Ends the machine of the tests before, if this one has none: time in a virtual one goes on."""
    if "machines" not in item.fixturenames and hasattr(item.config, "machines"):
        item.config.machines.end_all()


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item):
    """Tells the fixtures whether the test failed."""
    outcome = yield
    if outcome.get_result().failed:
        item.failed = True


@pytest.fixture
def machine(machines, request):
    """The machine for a test, by the name of its kernel; a test that failed may have spoilt it."""
    yield machines.get(request.param)
    if getattr(request.node, "failed", False):
        machines.end(request.param)


@pytest.fixture
def vm(machine, request):
    """A machine without jitimer; the test must leave it so, with no leak and no report."""
    with machine.used():
        yield machine
        failed = getattr(request.node, "failed", False)
        # If one of these fails, the machine ends, too; pytest would say so after that.
        request.node.failed = True
        # One whose test failed may not even take a command.
        if not failed:
            # Without a command that the test kernel would take long to start.
            left = machine.run("while read -r module rest; do echo $module; done </proc/modules; "
                               "[ ! -e /proc/jitimer ] || echo /proc/jitimer").output
            assert "jitimer" not in left
        machine.check()
        request.node.failed = failed


@pytest.fixture
def virtual(machines, request):
    """The stock kernel under virtual time; it has done what there is to do after boot."""
    yield machines.get("virtual")
    if getattr(request.node, "failed", False):
        machines.end("virtual")


def pytest_generate_tests(metafunc):
    """A test of a machine runs on each kernel, unless it says which."""
    if "vm" in metafunc.fixturenames:
        marker = metafunc.definition.get_closest_marker("kernels")
        names = marker.args if marker else ["stock", "rt", "test"]
        if (metafunc.module.__name__ in OF_JITIMER and "stock" in names
                and not metafunc.config.getoption("torture")):
            names = [*names, "twin"]
        if alone(metafunc.config) in IN_PLACE:
            names = [alone(metafunc.config)] if "test" in names else []
        names = [name for name in names if name in (metafunc.config.getoption("on") or names)]
        given = metafunc.config.getoption("kernel")
        if given:
            # It stands for one of them.
            names = ["given"] if ("rt" if "rt-" in given.release else "stock") in names else []
        metafunc.parametrize("machine", names, indirect=True, scope="function")
    if "kunit_case" in metafunc.fixturenames:
        metafunc.parametrize("kunit_case", metafunc.module.cases())
    if "refused" in metafunc.fixturenames:
        metafunc.parametrize("refused", metafunc.module.FILES, ids=lambda path: path.stem)


def pytest_addoption(parser):
    """How long to torture jitimer, and how to repeat it."""
    parser.addoption("--kernel", type=kernels.Kernel.parse, metavar="RELEASE=VERSION",
                     help="all scenarios of a stock kernel, on this one only; its modules are "
                     "built already (see scripts/matrix.py)")
    for name, what in ALONE.items():
        parser.addoption(f"--{name}", action="store_true", help=f"{what}, and no other test")
    parser.addoption("--on", action="append", metavar="MACHINE",
                     help="of the scenarios only those of this machine: stock, rt, test or twin; may "
                     "be repeated")
    parser.addoption("--modules", metavar="WORDS", help="what is built beside jitimer, for make "
                     "(default: all that the tests take)")
    parser.addoption("--first-failure", action="store_true",
                     help="a KUnit case that fails ends its machine: the rest does not matter")
    parser.addoption("--patience", type=float, metavar="S",
                     help="seconds that a script in a machine may take at most")
    parser.addoption("--torture", action="store_true",
                     help="the long form of tests/test_torture.py, with more CPUs")
    parser.addoption("--seed", default="1", help="where random numbers start (default: 1)")


def pytest_report_header(config):
    """What it takes to repeat this run."""
    return f"seed: {config.getoption('seed')}"


def pytest_configure(config):
    """Declares this project's markers."""
    config.addinivalue_line("markers", "kernels(name, ...): run on these kernels only")
    config.addinivalue_line("markers", "but_not(name, ...): not with these options, whose kernel has not "
                            "what it takes")
    for name in ALONE:
        config.addinivalue_line("markers", f"{name}: run with --{name} only")
    if config.getoption("patience"):
        runner.PATIENCE = config.getoption("patience")
    if config.getoption("first_failure"):
        runner.REPORT = re.compile(rf"{runner.REPORT.pattern}|\bnot ok \d")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config, items):
    """What one process is to run: all tests on one kernel's machine, or those of a file."""
    def wanted(item):
        if config.getoption("kernel"):
            return "vm" in item.fixturenames and item.callspec.params.get("machine") == "given"
        if any(item.get_closest_marker(name) for name in ALONE):
            return bool(item.get_closest_marker(alone(config) or "none"))
        if any(alone(config) in marker.args for marker in item.iter_markers("but_not")):
            return False
        if alone(config) in IN_PLACE:
            return "results" in item.fixturenames or (
                "vm" in item.fixturenames and item.callspec.params.get("machine") == alone(config))
        return not alone(config)
    config.hook.pytest_deselected(items=[item for item in items if not wanted(item)])
    items[:] = [item for item in items if wanted(item)]
    for item in items:
        callspec = getattr(item, "callspec", None)
        group = callspec and callspec.params.get("machine") or item.path.stem
        if "virtual" in item.fixturenames:
            group = "virtual"
        # They run on the test kernel's machine, too.
        group = {"test_kunit": "test"}.get(group, group)
        item.add_marker(pytest.mark.xdist_group(group))


class LongFirst(LoadGroupScheduling):
    """Begins with the groups that take long, so that no process has one when the others are done."""

    def _assign_work_unit(self, node):
        first = next((name for name in LONG if name in self.workqueue), None)
        if first:
            self.workqueue.move_to_end(first, last=False)
        super()._assign_work_unit(node)


def pytest_xdist_make_scheduler(config, log):
    """How the groups come to the processes."""
    return LongFirst(config, log)
