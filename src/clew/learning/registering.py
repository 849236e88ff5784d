"""Algorithms of users: `register_algorithm` adds a row to the table."""

import sys
from dataclasses import fields
from typing import Any

import numpy as np

from clew.errors import SettingError
from clew.kernels.learning.learners import end_episode, learn
from clew.learning.algorithms import ALGORITHMS
from clew.learning.declarations import MEMORIES, RUN, Algorithm, LearnerSpec, Parameter
from clew.learning.settings import Learning
from clew.policies.behaviours import BEHAVIOURS
from clew.policies.plugins import add_row, check_known, check_name
from clew.settings import check_callable, check_choice, check_type, choose_from, shown


def register_algorithm(row: Algorithm) -> None:
    """Add an algorithm to the table, so that it is used by its name like those that come with Clew.

    docs/extending.md shows how a rule is written, and examples/my_rules.py is a complete one.

        >>> import clew
        >>> from typing import NamedTuple
        >>> import numpy as np
        >>> from clew.extending import Algorithm, Values, learn, max_value, step_size, td_update, value
        >>> class Hopeful(NamedTuple):
        ...     q: Values
        ...     gamma: np.float32
        >>> @learn.register(Hopeful)
        ... def learn_hopefully(learner, step, alpha, exploration, stream):
        ...     target = step.reward
        ...     if not step.terminated:
        ...         target += learner.gamma * max_value(learner.q, step.next_state)
        ...     s, a = step.state, step.action
        ...     if target > value(learner.q, s, a):
        ...         td_update(learner.q, s, a, target, step_size(alpha, s, a))
        >>> clew.register_algorithm(
        ...     Algorithm(
        ...         name="docs:hopeful",
        ...         update="Q-learning that never lowers a value",
        ...         source="Lauer & Riedmiller (2000)",
        ...         settings=("alpha",),
        ...         make=lambda spec: Hopeful(spec.q, spec.gamma),
        ...         memory="step",
        ...     )
        ... )
        >>> env = clew.Environment(clew.Maze.open(5, 5))
        >>> policy = clew.train_policy(env, 2000, algorithm="docs:hopeful", alpha=1.0)
        >>> f"{policy.q.max():.2f}"
        '1.00'

    Args:
        row: the algorithm. Its name is `package:name`; the module that calls this function may register it again, as
            when it is reloaded, and no other.

    Raises:
        SettingError: if the name is not of this form or is taken, or a field has no meaning.
    """
    check_type("row", row, Algorithm, "a clew.extending.Algorithm")
    module = sys._getframe(1).f_globals.get("__name__", "__main__")
    check_name("algorithm", row.name, ALGORITHMS, module)
    check_callable("make", row.make, "a LearnerSpec")
    check_choice("memory", row.memory, MEMORIES)
    if row.merge is not None:
        check_callable("merge", row.merge, "memory, before and after")
        if row.memory != RUN:
            raise SettingError(f"has no effect with memory={row.memory!r}; it is for memory='run'", setting="merge")
        if "alpha" not in row.settings:
            raise SettingError(
                "has no effect without 'alpha' in `settings`: tables are merged by their step size", setting="merge"
            )
    check_known("behaviour", row.behaviour, BEHAVIOURS)
    check_choice("initial_values", row.initial_values, ("", "optimistic", "pessimistic"))
    known = [each.name for each in fields(Learning) if each.name not in ("algorithm", "algorithm_settings")]
    for name in row.settings:
        if name not in known:
            raise SettingError(
                f"must be fields of clew.Learning, and {shown(name)} is none; {choose_from(name, known)}; those of the "
                "algorithm itself are its parameters",
                setting="settings",
            )
    names = [each.name if isinstance(each, Parameter) else each for each in row.parameters]
    for each in row.parameters:
        check_type("parameters", each, Parameter, "a tuple of clew.extending.Parameter")
        if each.name in known or names.count(each.name) > 1:
            why = "a setting of every learner, which `settings` lists" if each.name in known else "there twice"
            raise SettingError(f"must have names of their own, and {each.name!r} is {why}", setting="parameters")
    add_row("algorithm", row.name, row, ALGORITHMS, module)


def make_rule(row: Algorithm, spec: LearnerSpec) -> Any:
    """Return the named tuple on which the kernels of an algorithm work.

    Raises:
        SettingError: if an algorithm of a user makes something else, or its kernels would learn nothing.
    """
    rule = row.make(spec)
    if ":" not in row.name:
        return rule
    if "q" not in getattr(rule, "_fields", ()):
        raise SettingError(f"make of {row.name} must return a named tuple with a field q, not {shown(rule)}")
    if not (learn.implements(type(rule)) or end_episode.implements(type(rule))):
        kind = type(rule).__name__.partition("#")[0]
        raise SettingError(f"{row.name} has no update rule: @learn.register({kind}) registers one for its learner")
    _check_tables(rule, spec, row.name)
    return rule


def table_names(rule: Any) -> list[str]:
    """Return the fields that are tables of action values besides q: `q1` is one if there is a field `q1_counts`."""
    return [name for name in rule._fields if f"{name}_counts" in rule._fields]


def _check_tables(rule: Any, spec: LearnerSpec, algorithm: str) -> None:
    """Check that what is taken for tables of action values, of which q is the mean, has their form.

    Raises:
        SettingError: if there is only one, or an array has another shape or type.
    """
    names, counted = table_names(rule), spec.table.shape if spec.counted else (0, 0)
    forms = [(np.float32, spec.table.shape), (np.int32, counted)]
    for name in names:
        pair = getattr(rule, name), getattr(rule, f"{name}_counts")
        if len(names) == 1 or [(getattr(each, "dtype", None), np.shape(each)) for each in pair] != forms:
            raise SettingError(
                f"make of {algorithm} must give other names than {name} and {name}_counts to what isn't one of several "
                "tables of action values, of which q is the mean, and the numbers of its updates: float32 of the "
                f"shape {spec.table.shape}, and int32 of the shape {counted}"
            )
