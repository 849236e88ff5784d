"""Settings to choose from: grids and random draws of them, and which values lie on the edge of a grid."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from itertools import product
from typing import Any

import numpy as np
import numpy.typing as npt

from clew.errors import SettingError
from clew.learning.settings import Learning
from clew.policies.plugins import check_known
from clew.settings import as_list, check_flag, check_number, check_type, choose_from

MAX_POINTS = 100_000
TRIES = 100  # draws for each random point, until it is a new one

Point = dict[str, Any]
"""Values of the settings that are chosen, by name."""


@dataclass(frozen=True)
class Range:
    """Range of a setting, of which `clew.Sweep` draws random values.

        >>> import clew
        >>> sweep = clew.Sweep("5x5", {"alpha": clew.Range(0.01, 1.0, log=True)}, num_episodes=50, num_random=3)
        >>> [round(point["alpha"], 3) for point in sweep.points]
        [0.188, 0.035, 0.012]

    Args:
        low: least value; if both are integers, integers are drawn, unless the setting is a real number, such as alpha.
        high: greatest value.
        log: draw uniformly on a logarithmic scale; low is above 0 then.

    Raises:
        SettingError: if a value isn't a finite number, or low isn't below high.
    """

    low: float
    high: float
    log: bool = False

    def __post_init__(self) -> None:
        for name in ("low", "high"):
            check_number(name, getattr(self, name))
        check_flag("log", self.log)
        if not self.low < self.high:
            raise SettingError(f"must be below high, {self.high:g}, not {self.low:g}", setting="low")
        if self.log and self.low <= 0.0:
            raise SettingError(f"must be above 0 on a logarithmic scale, not {self.low:g}", setting="low")


Choices = Mapping[str, Range | Sequence[Any]]
"""From the name of a setting to its values, or to a range of which random values are drawn."""


def settings_of(base: Mapping[str, Any], point: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings of a learner: those of the base, and of a point.

    What isn't a setting of Clew is a parameter of an algorithm from a plug-in.

    >>> from clew.experiments.grids import settings_of
    >>> settings_of({"algorithm": "my_rules:counted", "alpha": 0.1}, {"alpha": 0.5, "bonus": 2.0})
    {'algorithm': 'my_rules:counted', 'alpha': 0.5, 'algorithm_settings': {'bonus': 2.0}}
    """
    known = [each.name for each in fields(Learning)]
    settings = {**base, **{name: value for name, value in point.items() if name in known}}
    if own := {name: value for name, value in point.items() if name not in known}:
        settings["algorithm_settings"] = {**settings.get("algorithm_settings", {}), **own}
    return settings


def _types_of(algorithms: Iterable[Any]) -> dict[str, Any]:
    """Return the types of the parameters that algorithms from plug-ins have, by their names.

    Raises:
        SettingError: if there is no such algorithm.
    """
    from clew.learning.algorithms import ALGORITHMS

    types: dict[str, Any] = {}
    for each in algorithms:
        check_known("algorithm", each, ALGORITHMS)
        types |= {parameter.name: parameter.type for parameter in ALGORITHMS[each].parameters}
    return types


def as_choices(choices: Any, base: Mapping[str, Any], *, is_random: bool) -> dict[str, Range | list[Any]]:
    """Return the choices of a sweep.

    Args:
        choices: as for `clew.Sweep`.
        base: settings of all learners.
        is_random: True if random values are drawn.

    Raises:
        SettingError: if they aren't a dictionary of settings with values, a value is there twice, or a range stands in
            a grid.
    """
    check_type("choices", choices, Mapping, "a dictionary of settings and their values, such as {'alpha': [0.1, 0.5]}")
    if not choices:
        raise SettingError("must not be empty: give settings and their values", setting="choices")
    known: dict[str, Any] = {each.name: each.type for each in fields(Learning)}
    if not choices.keys() <= known.keys():
        known |= _types_of(choices.get("algorithm", [base.get("algorithm", Learning.algorithm)]))
    checked: dict[str, Range | list[Any]] = {}
    for name, given in choices.items():
        if name not in known:
            raise SettingError(f"is not a setting; {choose_from(name, known)}", setting=str(name))
        if isinstance(given, Range):
            if not is_random:
                raise SettingError(
                    "is a range, which has no grid: random values are drawn", setting=name, take={"num_random": 20}
                )
            is_real = known[name] in (float, float | None)
            checked[name] = replace(given, low=float(given.low), high=float(given.high)) if is_real else given
            continue
        values = [
            each.item() if isinstance(each, np.generic) else each
            for each in as_list(name, given, "values to choose from")
        ]
        if not values:
            raise SettingError("must have at least one value to choose from", setting=name)
        if len(set(map(_text, values))) < len(values):  # learners are named after them
            raise SettingError(
                "must have different values, also in their first six digits, and two are equal", setting=name
            )
        checked[name] = values
    return checked


def grid_of(choices: Mapping[str, Range | list[Any]]) -> list[Point]:
    """Return all combinations of values; those of the last setting change fastest.

    Raises:
        SettingError: if there are more than 100,000.
    """
    values = [each for each in choices.values() if isinstance(each, list)]
    if math.prod(map(len, values)) > MAX_POINTS:
        raise SettingError(f"must have at most {MAX_POINTS:,} combinations; num_random tries some", setting="choices")
    return [dict(zip(choices, each, strict=True)) for each in product(*values)]


def draw(given: Range, rng: np.random.Generator) -> float:
    """Return a random value of a range."""
    if isinstance(given.low, int) and isinstance(given.high, int):
        if not given.log:
            return int(rng.integers(given.low, given.high, endpoint=True))
        ends = math.log(given.low - 0.5), math.log(given.high + 0.5)
        return min(max(round(math.exp(rng.uniform(*ends))), given.low), given.high)
    if given.log:
        return min(max(math.exp(rng.uniform(math.log(given.low), math.log(given.high))), given.low), given.high)
    return float(rng.uniform(given.low, given.high))


def random_points(choices: Mapping[str, Range | list[Any]], num_points: int, seed: int) -> list[Point]:
    """Return random combinations of values with different names; fewer if there aren't as many."""
    rng, points = np.random.default_rng(seed), dict[str, Point]()
    for _ in range(TRIES * num_points):
        point = {
            name: draw(each, rng) if isinstance(each, Range) else each[int(rng.integers(len(each)))]
            for name, each in choices.items()
        }
        points.setdefault(name_of(point), point)
        if len(points) == num_points:
            break
    return list(points.values())


def name_of(point: Mapping[str, Any]) -> str:
    """Return a combination of values as text, such as "alpha=0.1, algorithm=sarsa"."""
    return ", ".join(f"{name.strip('_')}={_text(value)}" for name, value in point.items())


def _text(value: Any) -> str:
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def edges_of(choices: Mapping[str, Range | list[Any]], best: Point, settings: Mapping[str, Any]) -> list[str]:
    """Return a warning for each setting whose best value is the least or the greatest of its grid.

    Args:
        choices: values of each setting.
        best: the best combination.
        settings: all settings of the best learner, to find whether a value beyond the edge is permitted.
    """
    warnings = []
    for name, values in choices.items():
        value = best[name]
        if isinstance(values, Range) or len(values) < 2 or not all(map(_is_number, values)):
            continue
        for edge, words, beyond in (
            (min(values), "least", _below(value)),
            (max(values), "greatest", _above(value)),
        ):
            if value == edge and _is_permitted(settings_of(settings, {name: beyond})):
                warnings.append(
                    f"the best {name.strip('_')}, {_text(value)}, is the {words} of the grid: a better one may lie "
                    "beyond; extend the grid"
                )
    return warnings


def warnings_of(sample: npt.NDArray[np.float64], best: int, edges: list[str], figure: str) -> list[str]:
    """Return the warnings about the best settings: that others have the same figures, and that they lie on an edge.

    Args:
        sample: (num_points, num_seeds), figure of each run.
        best: number of the best settings.
        edges: warnings of `edges_of`, which mean nothing if all settings have the same figures.
        figure: name of the figure.

    >>> import numpy as np
    >>> from clew.experiments.grids import warnings_of
    >>> warnings_of(np.array([[1.0, 2.0], [2.0, 1.0], [0.0, 1.0]]), best=0, edges=[], figure="steps")
    ['1 other setting is as good in all runs: the first of them was taken']
    """
    same = np.sort(sample, axis=1) == np.sort(sample[best])
    others = int(same.all(axis=1).sum()) - 1
    if not others:
        return edges
    which = "1 other setting is" if others == 1 else f"{others:,} other settings are"
    if same.all():
        remedy = "more episodes" if figure == "steps" else "another figure, such as 'steps'"
        return [f"{which} as good in all runs: they made no difference, so nothing was chosen; take {remedy}"]
    return [f"{which} as good in all runs: the first of them was taken", *edges]


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _below(value: float) -> float:
    """Return a number a little below another; the integer below an integer."""
    return value - 1 if isinstance(value, int) else value - 0.01 * (abs(value) or 1.0)


def _above(value: float) -> float:
    """Return a number a little above another; the integer above an integer."""
    return value + 1 if isinstance(value, int) else value + 0.01 * (abs(value) or 1.0)


def _is_permitted(settings: Mapping[str, Any]) -> bool:
    """Return whether a learner can have these settings."""
    try:
        Learning(**settings)
    except SettingError:
        return False
    return True


def columns_of(points: Iterable[Point], name: str) -> dict[str, list[int]]:
    """Return the numbers of the points that differ in one setting only, by the text of the others."""
    lines: dict[str, list[int]] = {}
    for i, point in enumerate(points):
        others = name_of({each: value for each, value in point.items() if each != name})
        lines.setdefault(others, []).append(i)
    return lines
