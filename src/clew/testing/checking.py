"""`check_algorithm`, and the child processes in which its checks run."""

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from queue import Empty, SimpleQueue
from tempfile import TemporaryFile
from typing import Any, Unpack

from clew.errors import CheckError, SettingError
from clew.learning.algorithms import ALGORITHMS
from clew.learning.settings import Learning, LearningSettings, as_learning
from clew.policies.plugins import Plugin, check_known, plugins_of, why_not_importable
from clew.settings import POSITIVE, as_list, check_callable, check_choice, check_count, check_number
from clew.testing.table import CHECKS

Problems = dict[str, dict[str, str]]  # by algorithm and check
CHILD = "CLEW_CHECKS_ALGORITHMS"  # set in the environment of the child processes


def check_algorithm(
    *names: str,
    num_actors: int = 0,
    twin: Callable[..., Any] | None = None,
    skip: Iterable[str] = (),
    timeout: float = 300.0,
    **settings: Unpack[LearningSettings],
) -> None:
    """Check that an update rule is right, and does what its row of the table declares.

    The rules are those of users, `package:name`, and those that come with Clew. Episodes are made up, and random
    worlds are learned, in child processes: first in plain Python, and if all is well, compiled and with bounds checks.
    So a kernel that crashes, hangs or writes beyond its arrays does no harm here, and is found.

        >>> import clew
        >>> clew.testing.check_algorithm("q-learning")

    The module that registers a rule is imported again in each child process. If it is the program itself, call this
    function below `if __name__ == "__main__":`.

    Args:
        names: algorithms. Several are checked faster together than one after the other.
        num_actors: number of Ray actors that must learn the same bits; 0 starts no Ray.
        twin: function in plain Python that learns the same: `twin(q, transitions, learning)` changes q,
            (num_states, num_actions) float64, by a list of `clew.Transition` and a `clew.Learning`. Its results must
            agree to 4 digits. It must be a function of a module.
        skip: names of `CHECKS` that are left out.
        timeout: seconds after which a single check is taken to hang.
        settings: any of `clew.Learning`, such as `algorithm_settings`. A `behaviour` of a plug-in is checked as well.

    Raises:
        CheckError: if an algorithm fails a check; its `problems` are the messages, by algorithm and check.
        SettingError: if an algorithm or a check is unknown, a setting is out of range, or a child process can't import
            the rule.
    """
    if CHILD in os.environ:
        raise SettingError('check_algorithm must be called below `if __name__ == "__main__":` in a module with rules')
    skip = as_list("skip", skip, "names of clew.testing.CHECKS")
    for each in skip:
        check_choice("skip", each, CHECKS)
    check_count("num_actors", num_actors, 0)
    check_number("timeout", timeout, POSITIVE)
    if twin is not None:
        check_callable("twin", twin, "q, transitions and learning")
    if not names:
        raise SettingError("must name at least one algorithm, such as 'q-learning'", setting="names")
    for name in names:
        check_known("algorithm", name, ALGORITHMS)
    if "algorithm" in settings:
        raise SettingError("must be named by the first argument", setting="algorithm")
    request = {
        "settings": settings,
        "plugins": _plugins([as_learning({**settings, "algorithm": name}) for name in names]),
        "num_actors": num_actors,
        "twin": _place_of(twin),
    }
    problems: Problems = {}
    for is_compiled in (False, True):
        checks = [each for each, row in CHECKS.items() if row.is_compiled == is_compiled and each not in skip]
        left = [name for name in dict.fromkeys(names) if name not in problems]
        if checks:
            problems |= _run(request | {"checks": checks}, left, is_compiled, timeout)
    if problems:
        raise CheckError(problems)


def _plugins(learners: Sequence[Learning]) -> list[Plugin]:
    """Return the plug-ins of algorithms and strategies, as another process finds them.

    Raises:
        SettingError: if one can't be imported by another process.
    """
    found = []
    for learning in learners:
        for plugin in plugins_of(learning.algorithm, learning.behaviour_name):
            program = getattr(sys.modules.get("__main__"), "__file__", None)
            if plugin.module == "__main__" and program and Path(program).suffix == ".py":
                plugin = Plugin("__main__", "", str(Path(program).absolute()))
            elif reason := why_not_importable(plugin):
                raise SettingError(f"{learning.algorithm} can't be checked in another process: {reason}")
            found.append(plugin)
    return list(dict.fromkeys(found))


def _place_of(twin: Callable[..., Any] | None) -> tuple[str, str, str] | None:
    """Return (module, file, name) of a function, by which another process imports it.

    Raises:
        SettingError: if it is not a function of a module.
    """
    if twin is None:
        return None
    module, name = getattr(twin, "__module__", ""), getattr(twin, "__qualname__", "<lambda>")
    file = getattr(sys.modules.get(module), "__file__", None) or ""
    if "<" in name or not Path(file).is_file():
        raise SettingError("must be a function of a module, which another process can import", setting="twin")
    return module, file, name


# Child processes ------------------------------------------------------------------------------------------------------


def _run(request: dict[str, Any], names: list[str], is_compiled: bool, timeout: float) -> Problems:
    """Run checks of some algorithms; if the child process crashes or hangs, another one checks the rest.

    Raises:
        SettingError: if a child process can't import a rule.
    """
    problems: Problems = {}
    while names:
        lines, failure = _run_child(request | {"names": names}, is_compiled, timeout)
        for name, check, problem in lines:
            if name is None:
                raise SettingError(f"{', '.join(names)} can't be checked in another process: {problem or failure}")
            if problem:
                problems.setdefault(name, {})[check] = problem
        if not failure:
            break
        name, check, _ = lines[-1]
        problems.setdefault(name, {})[check] = f"the check must end, and {failure}; look for a wrong index or loop"
        names = names[names.index(name) + 1 :]
    return problems


def _run_child(request: dict[str, Any], is_compiled: bool, timeout: float) -> tuple[list[list[Any]], str]:
    """Run a child process to its end.

    Returns:
        (lines that it has written, why it failed or ""); a line without an algorithm says why the process can't begin
        to check, and there is at least one line.
    """
    compiler = {"NUMBA_DISABLE_JIT": str(int(not is_compiled)), "NUMBA_BOUNDSCHECK": "1"}
    path = os.pathsep.join(each or os.getcwd() for each in sys.path)
    env = os.environ | compiler | {"PYTHONPATH": path, CHILD: "1"}
    command = [sys.executable, "-P", "-X", "faulthandler", "-m", "clew.testing"]
    pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    lines: list[list[Any]] = []
    with TemporaryFile() as errors, subprocess.Popen(command, stderr=errors, env=env, **pipes) as child:
        arrived: SimpleQueue[str] = SimpleQueue()
        reader = threading.Thread(target=_read, args=(child.stdout, arrived), daemon=True)
        reader.start()
        assert child.stdin is not None
        try:
            with suppress(BrokenPipeError), child.stdin:
                json.dump(request, child.stdin, default=lambda value: value.tolist())  # of NumPy
            while line := arrived.get(timeout=timeout):
                lines.append(json.loads(line))
            code = child.wait()
        except Empty:
            return lines or [[None, None, None]], f"it was still running after {timeout:g} seconds"
        finally:
            child.kill()
            reader.join()
        errors.seek(0)
        messages = errors.read().decode(errors="replace").strip().splitlines()
    if code == 0:
        return lines, ""
    how = f"by {signal.Signals(-code).name}" if code < 0 else f"with exit code {code}"
    reason = next((f": {each}" for each in messages if code < 0 and each.startswith("Fatal")), "")
    reason = f": {messages[-1]}" if code > 0 and messages else reason
    return lines or [[None, None, None]], f"its process ended {how}{reason}"


def _read(stream: Any, arrived: "SimpleQueue[str]") -> None:
    """Put each line of a stream into a queue, and an empty text at its end."""
    for line in stream:
        arrived.put(line)
    arrived.put("")
