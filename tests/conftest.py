"""What every test shares."""

import hashlib
import json
import os
import signal
import sys
from contextlib import ExitStack
from pathlib import Path

import numba
import numpy as np
import pytest
from hypothesis import settings

from clew.cli import main as cli

# The same examples every time, and no clock: the first example of a kernel waits for the compiler.
settings.register_profile("clew", deadline=None, derandomize=True)
settings.load_profile("clew")

if numba.config.DISABLE_JIT:

    @pytest.fixture(autouse=True)
    def wrapping_is_meant():
        """Without the compiler NumPy warns when the 64-bit generator wraps, which it does on purpose."""
        with np.errstate(over="ignore"):
            yield


def pytest_addoption(parser):
    parser.addoption("--soak-minutes", type=float, default=20, help="how long test_soak goes on")
    parser.addoption(
        "--moments",
        type=int,
        default=3,
        help="training is killed so often in test_resume; 8 times as many files are damaged in test_mutations",
    )


@pytest.hookimpl(tryfirst=True)  # xdist looks at the groups in the same hook
def pytest_collection_modifyitems(items):
    """For `pytest -n 2 --dist loadgroup`: a module stays in one process, and so does all that talks to the one Ray."""
    for item in items:
        group = "ray" if item.get_closest_marker("ray") else item.path.stem
        item.add_marker(pytest.mark.xdist_group(group))


@pytest.fixture
def soak_minutes(request):
    return request.config.getoption("--soak-minutes")


@pytest.fixture
def moments(request):
    return request.config.getoption("--moments")


@pytest.fixture
def delays(moments):
    """A function that gives as many moments in some seconds as are asked for: the same ones every time."""

    def moments_within(seconds: float, at_most: int | None = None) -> list[float]:
        return np.random.default_rng(1).uniform(0, seconds, moments)[:at_most].tolist()

    return moments_within


@pytest.fixture
def ctrl_c():
    """Ctrl-C is heard here, and by the processes that a test starts; a shell's job with `&` hears none."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture
def signals_heard(ctrl_c):
    """SIGTERM and SIGHUP too, which a job of `nohup` doesn't hear."""
    before = {number: signal.signal(number, signal.SIG_DFL) for number in (signal.SIGTERM, signal.SIGHUP)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.fixture(scope="session")
def ray_up():
    """A real Ray on this machine, four processors wide at least, for all tests that share one."""
    import ray

    from clew.distributed.cluster import connected

    # Ray 2.60 counts the actors that a killed driver was still starting as if they went on doing so, for ever.
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_worker_cap_enabled", "0")
        with ExitStack() as running:
            with pytest.MonkeyPatch.context() as path:  # Ray's first processes don't have the driver's sys.path
                path.setenv("PYTHONPATH", str(Path(__file__).parent), prepend=os.pathsep)
                running.enter_context(connected(4))
            yield ray


@pytest.fixture
def tables():
    """The tables of algorithms and of exploration strategies as they were, after a test that registers some."""
    from clew import ALGORITHMS, BEHAVIOURS
    from clew.policies import plugins

    kept = [(table, dict(table)) for table in (ALGORITHMS, BEHAVIOURS, plugins._registered, plugins._paths)]
    modules = set(sys.modules)
    yield
    for table, rows in kept:
        table.clear()
        table.update(rows)
    for name in sys.modules.keys() - modules:
        if name.startswith("my_"):
            del sys.modules[name]


@pytest.fixture
def seal():
    """A function that gives a run folder the hashes of its files as they are, after a test has changed some."""

    def write_hashes(folder: Path) -> None:
        path = folder / "summary.json"
        files = [each for each in folder.iterdir() if each.name not in ("summary.json", "q.npy")]
        hashes = {each.name: hashlib.sha256(each.read_bytes()).hexdigest() for each in files}
        path.write_text(json.dumps(json.loads(path.read_text()) | {"files": hashes}))

    return write_hashes


@pytest.fixture
def clew(monkeypatch, capsys):
    """Run a command line in this process; gives (exit code, standard output, standard error).

    No command goes on in a child process: the child would run the tests that follow, and its parent wait for it.
    """
    for module in ("run_commands", "supervision"):
        monkeypatch.setattr(f"clew.cli.{module}.continue_in_child", lambda advice: None)

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["clew", *map(str, arguments)])
        with pytest.raises(SystemExit) as end:
            cli.main()
        return end.value.code, *capsys.readouterr()

    return run
