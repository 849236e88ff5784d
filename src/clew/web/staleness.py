"""What the chapter's two mistakes cost, measured: values that are not refreshed, and ties that go to the first action.

Every figure is of runs that are made here, in this process, by `train_policy_parallel`. Knows nothing of browsers.
"""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from clew.distributed import train_policy_parallel
from clew.environments import Environment
from clew.errors import SettingError
from clew.evaluation.grades import Interval, mean_interval
from clew.planning import solve
from clew.runs.configuration import TrainingConfig

__all__ = [
    "CHAPTER", "EVERY", "NUM_EPISODES", "NUM_SIMULATIONS", "RECOMMENDED", "SETTINGS", "TIES", "Cost", "Run", "Setting",
    "advice", "as_seeds", "command", "curve", "measure", "optimal_steps", "play", "sentence", "times",
]  # fmt: skip

MAZE, NUM_EPISODES, NUM_SIMULATIONS = "book", 4000, 4  # as in the chapter
EVERY: tuple[int | str, ...] = (1, 5, 25, 100, 400, "never")  # episodes of a simulation between two refreshments
TIES = {"random": "epsilon-greedy", "first action": "first-action"}  # the behaviour that breaks ties so
MAX_RUNS = 20
POINTS = 12  # of a curve, while the number of episodes grows to e times as many


class Setting(NamedTuple):
    """Where the dial and the toggle stand."""

    every: int | str  # episodes that a simulation plays before its values are refreshed, or "never"
    ties: str  # a key of TIES


RECOMMENDED = Setting(1, "random")
CHAPTER = Setting("never", "first action")
SETTINGS = tuple(Setting(every, ties) for ties in TIES for every in EVERY)


class Run(NamedTuple):
    """What the rounds of a run came to. Between two rounds the values are refreshed."""

    ends: npt.NDArray[np.int64]  # (num_rounds,): episodes that had ended with each
    steps: npt.NDArray[np.int64]  # (num_rounds,): steps of its episodes, in all


class Cost(NamedTuple):
    """What a setting costs: steps per episode, mean over the runs."""

    mean: float
    interval: Interval  # 95%, Student's t over the runs

    @property
    def total(self) -> float:
        """Steps of all episodes of a run."""
        return self.mean * NUM_EPISODES


@lru_cache(maxsize=1)
def world() -> Environment:
    """The chapter's maze."""
    env = TrainingConfig(maze=MAZE).make_environment()
    assert isinstance(env, Environment)
    return env


@lru_cache(maxsize=1)
def optimal_steps() -> float:
    """Steps of an optimal episode, exactly."""
    return float(solve(world()).steps)


@lru_cache(maxsize=2000)
def play(setting: Setting, seed: int) -> Run:
    """Make a run, or remember it."""
    rows: list[tuple[int, int]] = []
    train_policy_parallel(
        world(),
        NUM_EPISODES,
        NUM_SIMULATIONS,
        num_actors=0,
        sync_every=setting.every,
        behaviour=TIES[setting.ties],
        seed=seed,
        callback=lambda row: rows.append((row.num_episodes, row.num_steps)),
    )
    episodes, steps = np.array(rows, np.int64).T
    return Run(np.cumsum(episodes), steps)


def as_seeds(first: object, num_runs: object) -> range:
    """The seeds of the runs: of a series of whole experiments, each of which can be had again by its number.

    Raises:
        SettingError: if one of the two can't be.
    """
    if not isinstance(first, int | float) or first != first // 1 or not 0 <= first < 2**31:
        raise SettingError(f"The first seed must be a whole number, and not negative: {first}")
    if not isinstance(num_runs, int | float) or num_runs != num_runs // 1 or not 2 <= num_runs <= MAX_RUNS:
        raise SettingError(f"The number of runs must be a whole number from 2 to {MAX_RUNS}: {num_runs}")
    return range(int(first), int(first + num_runs))


def measure(runs: Sequence[Run]) -> Cost:
    """What a setting costs, by two or more of its runs."""
    means = np.array([run.steps.sum() / NUM_EPISODES for run in runs])
    interval = mean_interval(means)
    assert interval is not None
    return Cost(float(means.mean()), interval)


def curve(runs: Sequence[Run]) -> list[tuple[int, float]]:
    """Steps per episode over the episodes, mean over the runs, as a line with two ends for each stretch.

    A stretch is a round, in which the values stay as they are; later on several, so that the line isn't all noise.

    Returns:
        (episode, steps): the first of a stretch and its last one, which have the same steps.
    """
    ends, steps = runs[0].ends, np.mean([run.steps for run in runs], axis=0)
    points: list[tuple[int, float]] = []
    begin, taken = 0, 0.0
    for i, end in enumerate(ends.tolist()):
        taken += float(steps[i])
        if end - begin >= begin / POINTS or end == ends[-1]:
            points += [(begin + 1, taken / (end - begin)), (end, taken / (end - begin))]
            begin, taken = end, 0.0
    return points


# In words -------------------------------------------------------------------------------------------------------------


def figure(number: float) -> str:
    """A number of steps, to three digits or the whole ones."""
    return f"{number:,.0f}" if number >= 99.5 else f"{number:#.3g}"


def times(ratio: float) -> str:
    """How many times as much."""
    return f"{ratio:,.0f}" if ratio >= 9.95 else f"{ratio:.2g}"


def refreshed(every: int | str) -> str:
    """How often values are refreshed, after "values"."""
    if every == "never":
        return "never refreshed"
    return "refreshed after every episode" if every == 1 else f"refreshed every {every} episodes of a simulation"


def sentence(setting: Setting, cost: Cost) -> str:
    """What a setting comes to, in one sentence."""
    ties = "ties broken at random" if setting.ties == "random" else "ties going to the first action"
    optimum = optimal_steps()
    return (
        f"With values {refreshed(setting.every)} and {ties}, an episode takes {figure(cost.mean)} steps in the mean, "
        f"{times(cost.mean / optimum)} times the optimum of {optimum:g}."
    )


def advice(costs: Mapping[Setting, Cost]) -> str:
    """What is better, by the figures of all settings."""
    steps = {setting: figure(cost.mean) for setting, cost in costs.items()}
    return (
        f"Fresh values mend most: refreshed after every episode, even ties that go to the first action cost little, "
        f"{steps[Setting(1, 'first action')]} steps per episode against {steps[RECOMMENDED]}. Ties at random help "
        f"where nothing is known yet: {steps[Setting('never', 'random')]} steps instead of {steps[CHAPTER]}, with "
        f"values as stale as can be. Over a cluster each refreshment is a message, so some staleness can be worth its "
        f"price. Clew lets you choose it, and breaks ties at random."
    )


def command(setting: Setting, seed: int) -> str:
    """The command line that makes the same run."""
    return (
        f"clew train {MAZE} --seed {seed} \\\n  --episodes {NUM_EPISODES} \\\n  --simulations {NUM_SIMULATIONS} \\\n"
        f"  --sync-every {setting.every} \\\n  --behaviour {TIES[setting.ties]}"
    )
