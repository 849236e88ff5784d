"""Descriptions of all that decides the results of a cell, as JSON: if it is the same, saved results are used again.

Everything that can't be described is refused: nothing would tell that it has changed.
"""

import ast
import builtins
import hashlib
import pickle
import sys
import sysconfig
from collections.abc import Iterator
from functools import cache, partial
from importlib.util import resolve_name
from pathlib import Path, PurePath
from types import CellType, CodeType, FunctionType, MethodType, ModuleType
from typing import Any

import numpy as np

from clew.environments import as_compiled
from clew.errors import SettingError
from clew.experiments.cells import Budget, Cell, World
from clew.learning.checkpoints import identity, versions
from clew.learning.settings import Learning
from clew.policies.plugins import hash_module, plugins_of
from clew.settings import shown
from clew.version import hash_sources

FORMAT = 1  # of what is kept; another one is computed again
PLAIN = (type(None), bool, int, float, complex, str, bytes, np.generic, np.dtype, PurePath)
INSTALLED = [sysconfig.get_path(each) for each in ("stdlib", "platstdlib", "purelib", "platlib")]
NOT_MEMBERS = {"__dict__", "__weakref__", "__doc__", "__module__", "__firstlineno__", "__static_attributes__"}


@cache
def sources() -> str:
    """Return a hash of the code of Clew."""
    return hash_sources()


def describe_cell(cell: Cell, budget: Budget) -> dict[str, Any]:
    """Return everything that decides the results of a cell but the seeds, as JSON; names decide nothing.

    Args:
        cell: the cell.
        budget: how long each run is; which episodes are recorded isn't described.

    Raises:
        SettingError: if something can't be described.
    """
    length = {"num_episodes": budget.num_episodes, "num_steps": budget.num_steps}
    common = {"format": FORMAT, "sources": sources(), "environment": _describe_stepping(cell)}
    env, world = cell.world.env, cell.world.compiled
    changes = [(each.start, _world_of(each.world)) for each in cell.world.changes]
    if isinstance(cell.learner, Learning):
        chosen = cell.learner.algorithm, cell.learner.behaviour_name
        for plugin in plugins_of(*chosen):
            if not plugin.sha256:
                raise SettingError(
                    f"{cell.name}: no file holds the source of {plugin.module}, so nothing tells when it is edited; "
                    "move its rules to a module, or leave out folder"
                )
        described = identity(env, world, cell.learner, None, **length, changes=changes)
        imported = [source_of(plugin.module) for plugin in plugins_of(*chosen)]
        return {**common, **described, **versions(*chosen), "plugins": imported}
    agent = digest_of(cell.learner, f"the agent of {cell.name}")
    described = {"world": _world_of(env), "changes": changes, "agent": agent}
    return {**common, **length, **described, **versions()}


def _world_of(env: Any) -> str:
    """Return a hash of the model of a world, or of its size if it has none."""
    return str(identity(env, as_compiled(env), Learning(), None)["world"])


def _describe_stepping(cell: Cell) -> str:
    """Return a hash of what an environment does when it is stepped in Python; "" if only its model is used."""
    if isinstance(cell.learner, Learning) and cell.world.compiled is not None:
        return ""
    digest = hashlib.sha256()
    for part in _describe_environment(cell.world):
        digest.update(part)
    return digest.hexdigest()


def _describe_environment(world: World) -> Iterator[bytes]:
    """Yield the code of an environment and its wrappers, and what it was made with.

    Raises:
        SettingError: if it was given as an object that can't be reset or pickled.
    """
    for kind in map(type, _layers_of(world.env)):
        is_installed, owner = _is_installed(kind.__module__), f"the environment of {world.name!r}"
        code = source_of(kind.__module__) if is_installed else digest_of(kind, owner)
        yield f"{kind.__module__}.{kind.__qualname__} {code}".encode()
    if world.remake is not None:
        yield repr(getattr(world.env, "spec", None)).encode()
        return
    try:
        with world.stepped() as env, world.stepped() as begun:
            begun.reset(seed=0)
            for layer, after in zip(_layers_of(env), _layers_of(begun), strict=True):
                if vars(after).get("_np_random_seed") == 0:  # runs seed it too, so its state decides nothing
                    layer._np_random = layer._np_random_seed = None
            yield pickle.dumps(env)
    except Exception as error:  # of a class of the user
        raise SettingError(
            f"the environment of {world.name!r} can't be described, so nothing tells when it is another: "
            f"{type(error).__name__}: {error}; give the world by a name such as 'gym:ID', or leave out folder"
        ) from None


def _layers_of(env: Any) -> Iterator[Any]:
    """Yield an environment and what is inside, if it is a wrapper, from the outermost to the innermost."""
    while env is not None:
        yield env
        env = vars(env).get("env") if hasattr(env, "__dict__") else None


# Modules of users ----------------------------------------------------------------------------------------------------


def source_of(name: str) -> str:
    """Return a hash of the source of a module and of all modules of the user that it imports; "" if it has no file.

    Modules of Python, of installed packages and of Clew aren't followed.
    """
    names, hashes = [name], [hash_module(name)]
    if not hashes[0]:
        return ""
    for each in names:  # which grows
        imported = sorted(other for other in _imported_by(each) if other not in names and _is_of_user(other))
        names += imported
        hashes += map(hash_module, imported)
    return hashlib.sha256("".join(hashes).encode()).hexdigest()


def _imported_by(name: str) -> set[str]:
    """Return the names of the modules that a module imports, and that have been loaded."""
    module, found = sys.modules.get(name), set()
    try:
        tree = ast.parse(Path(getattr(module, "__file__", None) or "").read_bytes())
    except (SyntaxError, ValueError, OSError):  # not in Python, or edited since it was loaded
        return set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            origin = resolve_name("." * node.level + (node.module or ""), getattr(module, "__package__", None) or "")
            found |= {origin, *(f"{origin}.{alias.name}" for alias in node.names)}
    return found & sys.modules.keys()


def _is_of_user(name: str) -> bool:
    """Return whether a loaded module has a file that belongs to neither Python, an installed package nor Clew."""
    return bool(hash_module(name)) and not _is_installed(name)


def _is_installed(name: str) -> bool:
    """Return whether a module has a file that belongs to Python, an installed package or Clew."""
    file = getattr(sys.modules.get(name), "__file__", None) or ""
    return any(Path(file).is_relative_to(each) for each in INSTALLED) or name.partition(".")[0] == "clew"


# Functions and classes of users ---------------------------------------------------------------------------------------


def digest_of(thing: Any, owner: str) -> str:
    """Return a hash of a function or class of a user: of its source, and of all values that it holds.

    The source is that of its module or package, and of those that it imports, see `source_of`, with the globals of
    plain values that it uses; without a file, as in a notebook, its compiled code and all that it names.

    Args:
        thing: function, class, `functools.partial`, or a plain value.
        owner: whose it is, for the message.

    Raises:
        SettingError: if it holds an object that can't be described.
    """
    digest = hashlib.sha256()
    for part in _parts_of(thing, owner, {}):
        digest.update(part)
    return digest.hexdigest()


def _parts_of(thing: Any, owner: str, seen: dict[int, tuple[int, Any]]) -> Iterator[bytes]:
    """Yield bytes that describe a value, a function or a class; see `digest_of`.

    What was described before, `seen` has by its id, with its number; it is held, so that no other thing gets its id.
    """
    if isinstance(thing, np.ndarray) and thing.dtype != object:
        yield f"{thing.dtype.str} {thing.shape}".encode() + thing.tobytes()
    elif isinstance(thing, PLAIN):
        yield f"{type(thing).__name__} {thing!r};".encode()
    elif isinstance(thing, ModuleType):
        yield f"module {thing.__name__} {getattr(thing, '__version__', '')};".encode()
    elif (name := getattr(thing, "__name__", "")) and getattr(builtins, name, None) is thing:
        yield f"builtin {name};".encode()
    elif id(thing) in seen:
        yield f"seen {seen[id(thing)][0]};".encode()
    else:
        seen[id(thing)] = len(seen), thing
        inner = _parts_within(thing)
        if inner is None:
            raise SettingError(
                f"{owner} holds {shown(thing)}, of which nothing tells when it changes; give numbers, text, arrays, "
                "functions or classes, or leave out folder"
            )
        yield f"{type(thing).__name__} of {len(inner)}:".encode()
        for part in inner:
            yield from _parts_of(part, owner, seen)


def _parts_within(thing: Any) -> list[Any] | None:
    """Return what a collection, a function, a class or an object consists of; None if that isn't known."""
    if isinstance(thing, tuple | list):
        return list(thing)
    if isinstance(thing, set | frozenset):
        return sorted(thing, key=repr)
    if isinstance(thing, dict):
        return [part for item in thing.items() for part in item]
    if isinstance(thing, partial):
        return [thing.func, thing.args, thing.keywords]
    if isinstance(thing, staticmethod | classmethod | MethodType):
        return [thing.__func__, getattr(thing, "__self__", None)]
    if isinstance(thing, property):
        return [thing.fget, thing.fset]
    if isinstance(thing, np.random.Generator):
        return [thing.bit_generator.state]
    if isinstance(thing, CodeType):
        return [thing.co_code, thing.co_names, thing.co_consts]
    if not isinstance(thing, FunctionType | type):
        return [type(thing), vars(thing)] if hasattr(thing, "__dict__") else None
    source = source_of(thing.__module__ or "")
    used = _values_used(thing) if source else {}
    if isinstance(thing, type):
        return [thing.__qualname__, source, used, *([] if source else [thing.__bases__, _members_of(thing)])]
    held = [thing.__defaults__, thing.__kwdefaults__, [*map(_content_of, thing.__closure__ or ())]]
    return [thing.__qualname__, source, used, *held, *([] if source else [thing.__code__, _globals_of(thing)])]


def _values_used(thing: Any) -> dict[str, Any]:
    """Return the globals of plain values that a function or class of the user, or others that it names, use.

    The source doesn't decide them: a program may set them from its arguments.
    """
    found: dict[str, Any] = {}
    left = [thing]
    for each in left:  # which grows
        if isinstance(each, type):
            functions = [getattr(member, "__func__", member) for member in vars(each).values()]
            left += [part for part in (*functions, *each.__bases__) if part not in left]
        elif isinstance(each, FunctionType) and _is_of_user(each.__module__):
            values = _globals_of(each)
            found |= {f"{each.__module__}.{name}": value for name, value in values.items() if _is_plain(value)}
            left += [part for part in values.values() if isinstance(part, FunctionType | type) and part not in left]
    return dict(sorted(found.items()))


def _is_plain(value: Any) -> bool:
    """Return whether a value is a number, a text, an array, or a collection of such."""
    if isinstance(value, dict):
        return all(map(_is_plain, (*value, *value.values())))
    if isinstance(value, tuple | list | set | frozenset):
        return all(map(_is_plain, value))
    return isinstance(value, PLAIN) or (isinstance(value, np.ndarray) and value.dtype != object)


def _content_of(cell: CellType) -> Any:
    """Return the value of a variable that a function shares with another one; None if it has none yet."""
    try:
        return cell.cell_contents
    except ValueError:
        return None


def _members_of(kind: type) -> dict[str, Any]:
    """Return what the body of a class has defined, by name."""
    return {name: member for name, member in vars(kind).items() if name not in NOT_MEMBERS}


def _globals_of(function: FunctionType) -> dict[str, Any]:
    """Return the globals that a function names."""
    names = sorted(_names_in(function.__code__) & function.__globals__.keys())
    return {name: function.__globals__[name] for name in names}


def _names_in(code: CodeType) -> set[str]:
    """Return the names that the code of a function and of the functions within it uses."""
    return set(code.co_names).union(*(_names_in(each) for each in code.co_consts if isinstance(each, CodeType)))
