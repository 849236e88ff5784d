"""The process in which checks run: it reads what to check, and writes what it finds, a line each.

A check that begins is written as [algorithm, check, None], and one that has ended as [algorithm, check, problem], in
JSON, with an empty problem if all is well. So the parent knows in which check the process has crashed or hangs.
"""

import importlib
import json
import os
import sys
import traceback
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, TextIO

import numpy as np

from clew.errors import ClewError, KernelError, SettingError
from clew.learning.algorithms import ALGORITHMS
from clew.policies.plugins import Plugin, load_plugin, why_not_the_same
from clew.testing.subject import Subject
from clew.testing.table import CHECKS

BOUNDS, KERNEL, CRASH = "bounds", "kernel", "crash"  # names of problems that any check may cause
PACKAGE = str(Path(__file__).parents[1])


def main() -> None:
    """Run the checks that standard input asks for. What a rule prints goes to standard error."""
    with os.fdopen(os.dup(1), "w", buffering=1) as results:
        os.dup2(2, 1)
        request = json.load(sys.stdin)
        warnings.simplefilter("ignore")
        if reason := _load(request):
            write(results, None, None, reason)
            return
        common = request["settings"], request["num_actors"], _import_twin(request["twin"])
        with np.errstate(all="ignore"):
            for name in request["names"]:
                run_checks(Subject(name, *common), request["checks"], results)


def write(results: TextIO, name: str | None, check: str | None, problem: str | None) -> None:
    """Write a line for the parent."""
    print(json.dumps([name, check, problem]), file=results)


def run_checks(subject: Subject, checks: list[str], results: TextIO) -> None:
    """Run checks of one algorithm, up to one that raises an error, or fails and is a basis of the others."""
    for check in checks:
        write(results, subject.name, check, None)
        kind, problem = run_check(CHECKS[check].find, subject, check)
        write(results, subject.name, kind, problem)
        if kind != check or (problem and CHECKS[check].is_basis):
            break


def run_check(find: Callable[[Subject], str], subject: Subject, check: str) -> tuple[str, str]:
    """Return (kind of the problem, the problem in words): of the check itself, or of an error that it has caused."""
    try:
        return check, find(subject)
    except KernelError as error:
        return KERNEL, str(error)
    except (IndexError, OverflowError) as error:
        return BOUNDS, (
            f"kernels must read and write within their arrays, and in {place(error)}: {_reason(error)}; states are "
            "from 0 to num_states - 1, actions from 0 to num_actions - 1, and `make` allocates arrays for all"
        )
    except ClewError as error:
        return check, f"a training must be possible, and it was refused: {error}"
    except Exception as error:
        return CRASH, f"kernels must run, and {place(error)} raised {type(error).__name__}: {_reason(error)}"


def _reason(error: Exception) -> str:
    return str(error).strip().partition("\n")[0] or type(error).__name__


def place(error: Exception) -> str:
    """Return the function, file and line in which an error arose: the innermost one outside Clew, if there is one."""
    frames = traceback.extract_tb(error.__traceback__)
    ours = [each for each in frames if not each.filename.startswith(PACKAGE) and Path(each.filename).is_file()]
    if not ours:
        return "a kernel"
    return f"{ours[-1].name} ({ours[-1].filename}:{ours[-1].lineno})"


def _load(request: dict[str, Any]) -> str:
    """Import the plug-ins; return in words why an algorithm can't be checked here, or "" if all can."""
    for fields in request["plugins"]:
        plugin = Plugin(*fields)
        if plugin.module == "__main__":
            try:
                load_plugin(plugin.path)
            except SettingError as error:
                return str(error)
        elif reason := why_not_the_same(plugin):
            return reason
    for name in request["names"]:
        if name not in ALGORITHMS:
            return f"its import registers no algorithm {name!r}; call clew.register_algorithm when it is imported"
    return ""


def _import_twin(twin: list[str] | None) -> Any:
    """Import a function by (module, file of the module if it is the program itself, name)."""
    if twin is None:
        return None
    module, path, name = twin
    value: Any = importlib.import_module(Path(path).stem if module == "__main__" else module)
    for part in name.split("."):
        value = getattr(value, part)
    return value
