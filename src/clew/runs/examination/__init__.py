"""Examination of a training before it begins: what may keep it from learning, as `clew doctor` prints it.

graphs    which states steps may lead to
case      a model with the settings of a training, and what several checks compute from them
ends      checks: can the goal be reached, within the step limit, and what gamma 1 needs
rewards   check: how long a random walk takes to the first reward
optimal   checks: does the optimal policy end, do ties let it loop, is gamma or the step size too coarse
size      check: does the table fit into memory
walks     environments without a model: a model of a random walk, and whether outcomes depend on hidden state

A check is a generator of `Finding`s. Those of a model take a `Case`, and are in the list `CHECKS`.
"""

import logging
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any, Unpack

import numpy as np

from clew.environments import STEPS_PER_STATE, Environment, as_compiled
from clew.errors import MazeSizeError, NoPathError, SizeError
from clew.learning.findings import SEVERITIES, Finding
from clew.learning.learner import uniform_initial_value
from clew.learning.precision import COARSE, find_coarse
from clew.learning.settings import Learning, LearningSettings, as_learning, check_run
from clew.mazes import Maze
from clew.models.mdp import FiniteMDP
from clew.models.rows import unwrap_transparent
from clew.policies.policy import table_shape
from clew.runs.configuration import TrainingConfig
from clew.runs.examination.case import THOROUGH, Case, namer_of
from clew.runs.examination.ends import check_ends, check_step_limit, check_undiscounted
from clew.runs.examination.optimal import check_discount, check_step_size, check_ties
from clew.runs.examination.rewards import check_first_reward
from clew.runs.examination.size import check_size
from clew.runs.examination.walks import check_fickle, check_hidden_state, check_unseen, walk_at_random
from clew.settings import check_flag

logger = logging.getLogger(__name__)

CHECKS: tuple[Callable[[Case], Iterator[Finding]], ...] = (
    check_ends,
    check_step_limit,
    check_undiscounted,
    check_first_reward,
    check_discount,
    check_ties,
    check_step_size,
)
QUICK_GRAPH = 50_000  # outcomes of a model that is searched before each training; a few hundredths of a second


def examine(
    world: Any, num_episodes: int = 10_000, *, thorough: bool = True, **settings: Unpack[LearningSettings]
) -> list[Finding]:
    """Find what may keep a training from learning, before it begins; the arguments are those of `train_policy`.

    A world with a model of up to four million outcomes is examined exactly; of a larger one only the memory and the
    rewards are. An environment without a model is played with random actions, for 20,000 steps or five seconds, and the
    model that these steps suggest is examined.

    Args:
        world: environment with Discrete spaces, model or maze.
        num_episodes: number of episodes of the training.
        thorough: False leaves out what takes longer than some hundredths of a second, as `clew train` does before it
            learns: random walks in environments without a model, and the optimum of larger models.
        settings: any of `clew.Learning`, such as `algorithm`, `alpha`, `gamma`.

    Returns:
        Findings, errors first; empty if there are none. docs/doctor.md lists them.

    Raises:
        SettingError: if a setting is unknown or out of range, or a space is not Discrete.

    >>> import clew
    >>> def lock(s, a):  # 40 digits, each 0 or 1; a wrong one begins again
    ...     return [(1.0, s + 1, float(s == 39), s == 39)] if a == s % 2 else [(1.0, 0, 0.0, False)]
    >>> mdp = clew.FiniteMDP.from_function(41, 2, lambda s, a: lock(s, a) if s < 40 else [], starts=[0])
    >>> for finding in clew.examine(mdp):
    ...     print(finding.severity, finding.name, f"{finding.number:.3g}")
    error first-reward 2.22e+12
    note no-step-limit 40
    """
    check_run(num_episodes, 0)
    check_flag("thorough", thorough)
    return examine_training(world, num_episodes, as_learning(settings), thorough=thorough)


def examine_run(
    config: TrainingConfig, maze: Maze | FiniteMDP | None = None, *, thorough: bool = True
) -> list[Finding]:
    """Find what may keep the training of a configuration from learning; a world that can't be made is a finding too.

    Args:
        config: settings of the run.
        maze: maze or model of the run, if it has been made or read already.
        thorough: see `examine`.

    Raises:
        ClewError: if there is no such world, or a setting is wrong.
    """
    try:
        if config.is_model and config.max_episode_steps is None:  # a model has no step limit of its own
            world: Any = config.read_model() if maze is None else maze
        else:
            world = config.make_environment(maze)
        return examine_training(world, config.num_episodes, config.learning, thorough=thorough)
    except NoPathError as error:
        reason = f"no goal can be reached: {str(error).partition(chr(10))[0]}"
        return [Finding("unreachable-goal", 1.0, reason, "open a path to a goal, or start elsewhere", "error")]
    except (SizeError, MazeSizeError, MemoryError) as error:
        reason = str(error) or "the world doesn't fit into the memory of this machine"
        return [Finding("memory", float("inf"), reason, "take a smaller world", "error")]


def log_findings(env: Any, num_episodes: int, learning: Learning) -> None:
    """Log errors and warnings about a training, as far as they are known within some hundredths of a second."""
    for finding in warnings_about(env, num_episodes, learning):
        logger.warning("warning: %s", finding)


def warnings_about(
    env: Any, num_episodes: int, learning: Learning, *, max_outcomes: int = QUICK_GRAPH
) -> list[Finding]:
    """Return the errors and warnings about a training that are quickly known, without those about rewards.

    Training warns of the precision of rewards by itself, in the same words.

    Args:
        env: environment, or model.
        num_episodes: number of episodes of the training.
        learning: settings of the learner.
        max_outcomes: outcomes of a model that is searched; by default so few that it takes some hundredths of a second.
    """
    found = examine_training(env, num_episodes, learning, thorough=False, max_outcomes=max_outcomes)
    return [each for each in found if each.severity != "note" and each.name != COARSE]


def examine_training(
    world: Any, num_episodes: int, learning: Learning, *, thorough: bool, max_outcomes: int = QUICK_GRAPH
) -> list[Finding]:
    """Find what may keep a training from learning; see `examine`, except that settings are in range.

    Unless it is thorough, models with more than `max_outcomes` outcomes aren't searched.
    """
    env = Environment(world) if isinstance(world, Maze) else world
    (num_states, num_actions), compiled, own_limit = table_shape(env), as_compiled(env), step_limit_of(env)
    if compiled is None:
        uniform_initial_value(learning, None)  # refuses what training refuses
        max_steps = STEPS_PER_STATE * num_states if own_limit is None else own_limit
        findings = list(check_size(learning, (num_states, num_actions), max_steps, None))
        if thorough and not any(each.severity == "error" for each in findings):
            findings += _examine_walk(env, num_episodes, learning, own_limit, max_steps)
    else:
        mdp, max_steps = compiled.mdp, compiled.max_episode_steps
        findings = list(check_size(learning, (num_states, num_actions), max_steps, mdp.num_outcomes))
        findings += find_coarse(learning, mdp.step_rewards, uniform_initial_value(learning, mdp))
        if mdp.num_outcomes <= (THOROUGH if thorough else max_outcomes):
            case = Case(
                mdp,
                learning,
                num_episodes,
                max_steps,
                has_own_limit=own_limit is not None,
                is_thorough=thorough,
                is_environment=not isinstance(env, FiniteMDP),
                name_state=namer_of(env, mdp),
                end="goal" if compiled.has_goal or isinstance(compiled, Environment) else "end",
            )
            findings += [each for check in CHECKS for each in check(case)]
        elif thorough:
            reason = f"only the memory and the rewards of a model with over {THOROUGH:,} outcomes are examined"
            remedy = "examine a smaller world of the same kind"
            findings.append(Finding("not-examined", float(mdp.num_outcomes), reason, remedy, "note"))
    return sorted(findings, key=lambda each: SEVERITIES.index(each.severity))


def step_limit_of(env: Any) -> int | None:
    """Return the step limit that a world has by itself, or by its wrappers; None if there is none, as in a model."""
    if isinstance(env, FiniteMDP):
        return None
    inner, limit = unwrap_transparent(env)
    limits = [] if limit is None else [limit]
    while inner is not None:
        own = [vars(inner).get(name) for name in ("_max_episode_steps", "max_episode_steps")]
        limits += [each for each in own if isinstance(each, int)]
        inner = vars(inner).get("env")
    return min(limits, default=None)


def _examine_walk(
    env: Any, num_episodes: int, learning: Learning, own_limit: int | None, max_steps: int
) -> list[Finding]:
    """Examine an environment without a model, by a random walk and the model that it suggests."""
    walk = walk_at_random(env)
    findings = [*check_fickle(env), *check_hidden_state(walk)]
    checks = (check_step_limit,) if findings or not walk.is_complete else CHECKS
    if not walk.is_complete:
        findings += check_unseen(walk, learning, num_episodes)
    names = walk.names
    case = Case(
        walk.as_model(),
        learning,
        num_episodes,
        max_steps,
        has_own_limit=own_limit is not None or walk.was_cut,
        is_exact=walk.is_complete,
        num_samples=np.bincount(walk.pairs, minlength=names.size * walk.num_actions),
        name_state=lambda s: f"state {int(names[s])}",
    )
    found = (each for check in checks for each in check(case))
    source = f" (by the model that {walk.num_steps:,} random steps suggest)"
    return [*findings, *(replace(each, reason=each.reason + source) for each in found)]
