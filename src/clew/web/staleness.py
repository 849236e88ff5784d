"""Measure what stale values and tie-breaking by the first action cost, in steps per episode. Knows no browser.

These are two mistakes of chapter 3 of "Learning Ray". All figures come from runs of `train_policy_parallel`, made here
in this process.
"""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from clew.distributed import train_policy_parallel
from clew.environments import Environment
from clew.errors import SettingError
from clew.experiments.intervals import Pair, mean_interval
from clew.planning import solve
from clew.runs.configuration import TrainingConfig

MAZE, NUM_EPISODES, NUM_SIMULATIONS = "book", 4000, 4  # as in the chapter
SYNC_EVERY: tuple[int | str, ...] = (1, 5, 25, 100, 400, "never")  # episodes of a simulation between synchronisations
TIES = {"random": "epsilon-greedy", "first action": "first-action"}  # tie-breaking, and the behaviour that does it
MAX_RUNS = 20
POINTS_PER_EFOLD = 12  # of a learning curve, while the number of episodes grows by a factor of e


class Setting(NamedTuple):
    """One combination of how often values are synchronised and how ties are broken."""

    sync_every: int | str  # episodes that a simulation plays between two synchronisations, or "never"
    ties: str  # a key of TIES


RECOMMENDED = Setting(1, "random")
CHAPTER = Setting("never", "first action")
SETTINGS = tuple(Setting(sync_every, ties) for ties in TIES for sync_every in SYNC_EVERY)


class RoundSteps(NamedTuple):
    """Steps of each round of one run; values are synchronised between two rounds."""

    episodes_done: npt.NDArray[np.int64]  # (num_rounds,): episodes of the run up to the end of the round
    num_steps: npt.NDArray[np.int64]  # (num_rounds,): total steps of the round's episodes


class StepsSummary(NamedTuple):
    """Steps per episode of one setting, over several runs."""

    mean: float
    interval: Pair  # 95%, over the runs

    @property
    def total(self) -> float:
        """Mean number of steps of all episodes of a run."""
        return self.mean * NUM_EPISODES


@lru_cache(maxsize=1)
def chapter_environment() -> Environment:
    """Return the environment with the chapter's 5 x 5 maze."""
    env = TrainingConfig(maze=MAZE).make_environment()
    assert isinstance(env, Environment)
    return env


@lru_cache(maxsize=1)
def optimal_steps() -> float:
    """Return the exact number of steps of an optimal episode in the chapter's maze."""
    return float(solve(chapter_environment()).steps)


@lru_cache(maxsize=2000)
def measure_run(setting: Setting, seed: int) -> RoundSteps:
    """Train one run in the chapter's maze with this setting and seed, and return its steps; results are cached."""
    rows: list[tuple[int, int]] = []
    train_policy_parallel(
        chapter_environment(),
        NUM_EPISODES,
        NUM_SIMULATIONS,
        num_actors=0,
        sync_every=setting.sync_every,
        behaviour=TIES[setting.ties],
        seed=seed,
        callback=lambda row: rows.append((row.num_episodes, row.num_steps)),
    )
    num_episodes, num_steps = np.array(rows, np.int64).T
    return RoundSteps(np.cumsum(num_episodes), num_steps)


def seed_range(first: object, num_runs: object) -> range:
    """Return the seeds of a number of runs: `first`, `first + 1`, and so on.

    Each run is an independent experiment that its seed alone repeats.

    Raises:
        SettingError: if first is not a whole number in [0, 2**31), or num_runs is not one from 2 to `MAX_RUNS`.
    """
    if not isinstance(first, int | float) or first != first // 1 or not 0 <= first < 2**31:
        raise SettingError(f"The first seed must be a whole number from 0 to {2**31 - 1:,}, not {first}.")
    if not isinstance(num_runs, int | float) or num_runs != num_runs // 1 or not 2 <= num_runs <= MAX_RUNS:
        raise SettingError(f"The number of runs must be a whole number from 2 to {MAX_RUNS}, not {num_runs}.")
    return range(int(first), int(first + num_runs))


def summarise(runs: Sequence[RoundSteps]) -> StepsSummary:
    """Return the mean steps per episode of two or more runs, with its 95% interval."""
    means = np.array([run.num_steps.sum() / NUM_EPISODES for run in runs])
    low, high = mean_interval(means)
    return StepsSummary(float(means.mean()), (float(low), float(high)))


def learning_curve(runs: Sequence[RoundSteps]) -> list[tuple[int, float]]:
    """Return steps per episode over the episodes, averaged over runs, as a line that is level within each stretch.

    A stretch is one round, within which the values stay the same; later several rounds, to average out the noise.

    Args:
        runs: one or more runs of the same setting, which have the same rounds.

    Returns:
        Two points (episode, steps per episode) per stretch: its first episode and its last, with the same steps.
    """
    ends, steps = runs[0].episodes_done, np.mean([run.num_steps for run in runs], axis=0)
    points: list[tuple[int, float]] = []
    begin, total = 0, 0.0
    for i, end in enumerate(ends.tolist()):
        total += float(steps[i])
        if end - begin >= begin / POINTS_PER_EFOLD or end == ends[-1]:
            points += [(begin + 1, total / (end - begin)), (end, total / (end - begin))]
            begin, total = end, 0.0
    return points


# Texts of the page ----------------------------------------------------------------------------------------------------


def format_steps(number: float) -> str:
    """Return a number of steps with three digits, or as a whole number from 99.5 on."""
    return f"{number:,.0f}" if number >= 99.5 else f"{number:#.3g}"


def format_ratio(ratio: float) -> str:
    """Return a ratio with two digits, or as a whole number from 9.95 on."""
    return f"{ratio:,.0f}" if ratio >= 9.95 else f"{ratio:.2g}"


def format_sync(sync_every: int | str) -> str:
    """Return how often values are synchronised, as words that follow "values"."""
    if sync_every == "never":
        return "never synchronised"
    return (
        "synchronised after every episode"
        if sync_every == 1
        else f"synchronised every {sync_every} episodes of a simulation"
    )


def format_result(setting: Setting, summary: StepsSummary) -> str:
    """Return a sentence that compares the steps per episode of a setting with the optimum."""
    ties = "ties broken at random" if setting.ties == "random" else "ties going to the first action"
    optimum = optimal_steps()
    return (
        f"With values {format_sync(setting.sync_every)} and {ties}, an episode takes {format_steps(summary.mean)} "
        f"steps on average, {format_ratio(summary.mean / optimum)} times the optimum of {optimum:g}."
    )


def format_advice(summaries: Mapping[Setting, StepsSummary]) -> str:
    """Return the advice at the end of the lesson, with the figures of all `SETTINGS` that it cites."""
    steps = {setting: format_steps(summary.mean) for setting, summary in summaries.items()}
    return (
        f"Synchronise values often: after every episode, even ties that go to the first action cost little, "
        f"{steps[Setting(1, 'first action')]} steps per episode against {steps[RECOMMENDED]}. Break ties at random: "
        f"it helps most where nothing has been learned, {steps[Setting('never', 'random')]} steps instead of "
        f"{steps[CHAPTER]} with values that are never synchronised. In a cluster each synchronisation costs a "
        f"message, so some staleness can be worth its price. In Clew you choose how often to synchronise, and ties "
        f"are broken at random by default."
    )


def format_command(setting: Setting, seed: int) -> str:
    """Return the `clew train` command of the run with this setting and seed."""
    return (
        f"clew train {MAZE} --seed {seed} \\\n  --episodes {NUM_EPISODES} \\\n  --simulations {NUM_SIMULATIONS} \\\n"
        f"  --sync-every {setting.sync_every} \\\n  --behaviour {TIES[setting.ties]}"
    )
