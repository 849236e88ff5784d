"""Plug-ins: modules of users that register algorithms and exploration strategies, and how they are found again.

A name from outside is `package:name`; the names that come with Clew have no colon. A plug-in is loaded by its import,
by `--plugin` on the command line, or, if its package is installed with an entry point of the group `clew.plugins` that
is called like the part before the colon, when such a name is used. The hash of its source tells another process, a
checkpoint or a run folder whether it is the same.

    >>> from clew.policies.plugins import hash_module
    >>> hash_module("clew.policies.plugins") == hash_module("clew.version")  # a package is hashed as a whole
    True
"""

import hashlib
import re
import sys
import traceback
from collections.abc import Iterable, MutableMapping
from importlib import import_module
from importlib.util import find_spec, module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from clew.errors import ClewError, SettingError
from clew.settings import as_path, check_choice, shown

Row = TypeVar("Row")

GROUP = "clew.plugins"  # of entry points
PACKAGE = Path(__file__).parents[1]  # folder of Clew's own code
NAME = r"[A-Za-z_][\w.-]*:[\w.+-]+"


class Plugin(NamedTuple):
    """The module that registered a name.

    Attributes:
        module: name of the module.
        sha256: hash of its source, see `hash_module`; "" if it has no file. Another process can't import `__main__`.
        path: file that it was loaded from; "" if it is imported by its name.
    """

    module: str
    sha256: str
    path: str = ""


_registered: dict[tuple[str, str], Plugin] = {}  # by ("algorithm" or "behaviour", name)
_paths: dict[str, str] = {}  # of the modules that were loaded from a file, by name


# Registering ----------------------------------------------------------------------------------------------------------


def check_name(kind: str, name: Any, table: Iterable[str], module: str) -> None:
    """Check the name of a row that a module registers.

    Args:
        kind: "algorithm" or "behaviour".
        name: its name.
        table: names that there are.
        module: name of the module that registers it.

    Raises:
        SettingError: if the name is not `package:name`, or another module has registered it.
    """
    if not isinstance(name, str) or not re.fullmatch(NAME, name):
        raise SettingError(f"must be package:name, such as 'my_rules:counted', not {shown(name)}", setting="name")
    before = _registered.get((kind, name))
    if name in table and (before is None or before.module != module):
        by = "" if before is None else f" by {before.module}"
        raise SettingError(f"must be new, and {name!r} is registered already{by}; take another name", setting="name")


def add_row(kind: str, name: str, row: Row, table: MutableMapping[str, Row], module: str) -> None:
    """Add a row to a table, and note the module that it comes from. That module itself may replace it, when reloaded.

    Args:
        kind: "algorithm" or "behaviour".
        name: its name, which `check_name` has checked.
        row: the row.
        table: to add it to.
        module: name of the module that registers it.
    """
    table[name] = row
    _registered[kind, name] = Plugin(module, hash_module(module), _paths.get(module, ""))


def plugins_of(algorithm: str, behaviour: str) -> tuple[Plugin, ...]:
    """Return the plug-ins that an algorithm and an exploration strategy come from; none if both come with Clew."""
    found = (_registered.get(("algorithm", algorithm)), _registered.get(("behaviour", behaviour)))
    return tuple(dict.fromkeys(each for each in found if each is not None))


def hash_module(name: str) -> str:
    """Return a SHA-256 of the source of a module: of all modules of its package, if it is in one.

    Returns:
        The hash; "" if the module has no file, as in a notebook or on standard input. That of `__main__` is of the
        file that was started.
    """
    parts, files, root = name.split("."), [], Path()
    for i in range(1, len(parts) + 1):
        module = sys.modules.get(".".join(parts[:i]))
        file = getattr(module, "__file__", None)
        if file and Path(file).exists():
            root = Path(file).parent
            files = sorted(root.rglob("*.py")) if hasattr(module, "__path__") else [Path(file)]
            break
    if not files:
        return ""
    digest = hashlib.sha256()
    for each in files:
        digest.update(each.relative_to(root).as_posix().encode())
        digest.update(each.read_bytes())
    return digest.hexdigest()


# Loading --------------------------------------------------------------------------------------------------------------


def check_known(setting: str, name: Any, table: MutableMapping[str, Any]) -> None:
    """Check that a name is in a table. The plug-in of an unknown name with a colon is loaded, if it is installed.

    Raises:
        SettingError: if there is no such name.
    """
    if isinstance(name, str) and ":" in name and name not in table:
        load_installed(name)
        if name not in table:
            raise SettingError(
                f"must be registered, and {name!r} is not: import the module that registers it first; on the command "
                "line, give --plugin MODULE or --plugin FILE.py",
                setting=setting,
            )
    check_choice(setting, name, table)


def load_installed(name: str) -> None:
    """Load the entry points of installed packages that are called like the part of a name before its colon.

    Raises:
        SettingError: if one can't be imported.
    """
    from importlib.metadata import entry_points  # here, because it takes longer than this module

    for entry in entry_points(group=GROUP, name=name.partition(":")[0]):
        try:
            entry.load()
        except (Exception, SystemExit) as error:
            raise SettingError(f"the plug-in {entry.value} can't be imported: {describe_failure(error)}") from error


def load_plugin(given: str | Path) -> None:
    """Import a module that registers algorithms or exploration strategies.

    Args:
        given: name of the module, such as "my_rules", or a file, such as "my_rules.py".

    Raises:
        SettingError: if it can't be imported.
    """
    given = str(as_path("plugin", given))
    path = Path(given).absolute() if given.endswith(".py") else None
    if path is not None:
        _check_file(path)
    try:
        if path is not None:
            _load_file(path)
        else:
            import_module(given)
    except (Exception, SystemExit) as error:
        advice = ""
        if isinstance(error, ModuleNotFoundError) and error.name == given.partition(".")[0]:
            advice = f"; give its file, such as {given}.py, or put its folder on PYTHONPATH"
        raise SettingError(f"the plug-in {given} can't be imported: {describe_failure(error)}{advice}") from error


def _check_file(path: Path) -> None:
    """Check that a file can be imported as a module that is called like it.

    Raises:
        SettingError: if there is no such file, or its name is that of another module.
    """
    name = path.stem
    if not path.is_file():
        raise SettingError(f"the plug-in {path} can't be read: there is no such file")
    if not name.isidentifier():
        raise SettingError(f"the plug-in {path} can't be imported: {name!r} is not a name of Python; rename the file")
    spec = None if name in sys.modules else find_spec(name)
    other = getattr(sys.modules.get(name), "__file__", None) if spec is None else spec.origin
    if (name in sys.modules or spec is not None) and (other is None or Path(other).absolute() != path):
        raise SettingError(
            f"the plug-in {path} can't be imported: another module is called {name}, {other or 'built in'}; rename the "
            "file"
        )


def _load_file(path: Path) -> None:
    """Import a file as a module that is called like it; do nothing if that has been done."""
    name = path.stem
    if name in sys.modules:
        return
    spec = spec_from_file_location(name, path)
    assert spec is not None  # of a .py file
    assert spec.loader is not None
    module = sys.modules[name] = module_from_spec(spec)
    _paths[name] = str(path)
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise


def describe_failure(error: BaseException) -> str:
    """Return why an import has failed, in one line: the error, and the last line of code outside Clew."""
    lines = "".join(traceback.format_exception_only(error)).strip().splitlines()
    if isinstance(error, SyntaxError):  # whose first lines are those of the code
        return f"{lines[-1]} ({error.filename}:{error.lineno})"
    reason = str(error) if isinstance(error, ClewError) else lines[0]
    frames = [
        each
        for each in traceback.extract_tb(error.__traceback__)
        if "importlib" not in each.filename and not Path(each.filename).is_relative_to(PACKAGE)
    ]
    return f"{reason} ({frames[-1].filename}:{frames[-1].lineno})" if frames else reason


# In another process ---------------------------------------------------------------------------------------------------


def why_not_the_same(plugin: Plugin) -> str:
    """Import the plug-in of another process here; return in words why it can't be used, or "" if it can.

    Args:
        plugin: as the other process has it, the driver.
    """
    if reason := why_not_importable(plugin):
        return reason
    try:
        if plugin.module not in sys.modules and plugin.path and Path(plugin.path).is_file():
            _check_file(Path(plugin.path))
            _load_file(Path(plugin.path))
        else:
            import_module(plugin.module)
    except (Exception, SystemExit) as error:
        return (
            f"the plug-in {plugin.module} can't be imported there: {describe_failure(error)}; install it on every "
            "node, or put its folder on PYTHONPATH before Ray is started"
        )
    here = {each.sha256 for each in _registered.values() if each.module == plugin.module}
    if here != {plugin.sha256}:
        theirs = f"the source {min(here):.8}" if here else "a source that registers nothing"
        return (
            f"the plug-in {plugin.module} has {theirs} there, and the source {plugin.sha256:.8} in the driver; install "
            "the same on every node"
        )
    return ""


def why_not_importable(plugin: Plugin) -> str:
    """Return in words why no other process can import a plug-in, or "" if it may."""
    if plugin.module == "__main__" or not plugin.sha256:
        where = "the program itself or in a notebook" if plugin.module == "__main__" else f"{plugin.module}, not a file"
        return f"it was registered in {where}, which other processes can't import; move it to a module of its own"
    return ""
