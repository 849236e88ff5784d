"""Checks of whole trainings in random worlds. All but `check_availability` run compiled, with bounds checks.

Each check takes a `Subject`, and returns in words what is wrong, or "" if all is well, as in `updates`.
"""

from functools import cache
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from clew.distributed.training import train_policy_parallel
from clew.environments import ModelEnvironment
from clew.errors import StoppedError
from clew.learning.checkpoints import Checkpoints
from clew.learning.settings import Learning
from clew.learning.trainer import Trainer
from clew.learning.training import train_policy
from clew.models.mdp import FiniteMDP
from clew.policies.behaviours import EXPLORATION
from clew.testing.subject import Subject

NUM_STATES, NUM_ACTIONS, NUM_OUTCOMES = 6, 3, 2
END_PROBABILITY = 0.15
NUM_WORLDS = 5
NUM_EPISODES = 40_000  # until values are compared with the exact ones; an episode has about seven steps
FEW_EPISODES = 200  # where two trainings are compared
GAMMA = 0.7
FALLING = {"alpha": 0.5, "alpha_schedule": "exponential", "alpha_last": 0.001}
MAX_ERROR = 0.05  # mean error of all values, as a share of the largest value
SIMULATIONS = {"num_simulations": 4, "sync_every": 10}


# Worlds ---------------------------------------------------------------------------------------------------------------


class World(NamedTuple):
    """A random world, and the arrays that it is made of."""

    mdp: FiniteMDP
    goes_on: npt.NDArray[np.float64]  # (num_states, num_actions, num_states), probabilities of steps that don't end it
    mean_rewards: npt.NDArray[np.float64]  # (num_states, num_actions)


@cache
def random_world(seed: int) -> World:
    """Return a world whose last state ends episodes, which each step reaches with probability `END_PROBABILITY`."""
    rng = np.random.default_rng(seed)
    shape = NUM_STATES, NUM_ACTIONS, NUM_STATES
    goes_on = np.zeros(shape)
    for pair in np.ndindex(shape[:2]):
        next_states = rng.choice(NUM_STATES - 1, NUM_OUTCOMES, replace=False)
        goes_on[pair][next_states] = (1.0 - END_PROBABILITY) * rng.dirichlet(np.ones(NUM_OUTCOMES))
    probabilities = goes_on.copy()
    probabilities[:, :, -1] = 1.0 - goes_on.sum(axis=2)
    rewards = rng.integers(2, 13, shape) / 4
    mdp = FiniteMDP.from_arrays(probabilities, rewards, terminal=np.arange(NUM_STATES) == NUM_STATES - 1)
    return World(mdp, goes_on, (probabilities * rewards).sum(axis=2))


def exact_values(world: World, gamma: float, epsilon: float) -> npt.NDArray[np.float64]:
    """Return the action values of the best epsilon-greedy policy; with an epsilon of 0 those of the optimum."""
    q = np.zeros_like(world.mean_rewards)
    for _ in range(400):  # a contraction with modulus 0.85 at most
        q = world.mean_rewards + gamma * world.goes_on @ ((1.0 - epsilon) * q.max(axis=1) + epsilon * q.mean(axis=1))
        q[-1] = 0.0
    return q


# Trainings ------------------------------------------------------------------------------------------------------------


def _settings(subject: Subject, **settings: Any) -> dict[str, Any]:
    """Return settings of a training: those of the caller, these, and falling step sizes if the rule has one."""
    row = subject.row
    usual: dict[str, Any] = {"gamma": GAMMA}
    usual["behaviour"] = row.behaviour if ":" in row.behaviour else "epsilon-greedy"
    if "alpha" in row.settings and not FALLING.keys() & (subject.settings | settings).keys():
        usual |= FALLING
    return usual | subject.settings | {"algorithm": subject.name} | settings


def _exploring(subject: Subject) -> tuple[dict[str, Any], float]:
    """Return (settings of a training whose values are known, epsilon of the policy whose values they are)."""
    target, epsilon = (0.5, 0.5) if subject.row.on_policy else (0.0, 1.0)
    own = {name: value for name, value in subject.settings.items() if not name.startswith("exploration_")}
    own = {name: value for name, value in own.items() if name not in EXPLORATION}
    return _settings(subject._replace(settings=own), behaviour="epsilon-greedy", epsilon=epsilon), target


def _train(
    env: Any, num_episodes: int, settings: dict[str, Any], seed: int = 1, **more: Any
) -> npt.NDArray[np.float32]:
    return train_policy(env, num_episodes, seed=seed, **more, **settings).q


# What is learned ------------------------------------------------------------------------------------------------------


def check_convergence(subject: Subject) -> str:
    """Check that values converge to the exact ones."""
    settings, epsilon = _exploring(subject)
    for seed in range(NUM_WORLDS):
        world = random_world(seed)
        expected = exact_values(world, settings["gamma"], epsilon)
        q = _train(world.mdp, NUM_EPISODES, settings, seed)
        errors = np.abs(q - expected)[:-1]
        if not errors.mean() < MAX_ERROR * np.abs(expected).max():
            s, a = np.unravel_index(np.nanargmax(errors), errors.shape)
            whose = "the epsilon-greedy policy, because of on_policy=True" if epsilon else "the best policy"
            return (
                f"values must converge to those of {whose}: after {NUM_EPISODES} episodes in a random world they are "
                f"off by {errors.mean():.2g} on average, and may be off by {MAX_ERROR * np.abs(expected).max():.2g}; "
                f"q[{s}, {a}] is {q[s, a]:.3g}, not {expected[s, a]:.3g}; check the target, its discount, and on_policy"
            )
    return ""


def check_availability(subject: Subject) -> str:
    """Check that actions that aren't available keep the value -inf, and that no other value is learned from it."""

    def outcomes(s: int, a: int) -> list[tuple[float, int, float, bool]]:
        if s == 3 or s == a:  # in state s all actions but a = s are available; state 3 ends the episode
            return []
        return [(0.5, (s + a) % 3, 1.0, False), (0.5, 3, 1.0, True)]

    mdp = FiniteMDP.from_function(4, NUM_ACTIONS, outcomes)
    trainer = Trainer(mdp, seed=1, **_exploring(subject)[0])
    trainer.learn(30)
    q = trainer.policy.q[:3]
    wrong = np.argwhere(np.isfinite(q) == np.eye(3, dtype=np.bool_))
    if wrong.size:
        s, a = wrong[0].tolist()
        return (
            "actions that aren't available must keep the value -inf, and no other value must be learned from it: q"
            f"[{s}, {a}] is {q[s, a]:g}, and action {s} is the only one that isn't available in state {s}; ask "
            "is_available(q, s, a) where a rule goes through all actions"
        )
    return ""


def check_step_limit(subject: Subject) -> str:
    """Check that episodes of one step, cut by the step limit, teach the values of whole episodes."""
    settings, epsilon = _exploring(subject)
    world = random_world(0)
    expected, rewards = exact_values(world, settings["gamma"], epsilon), world.mean_rewards
    q = _train(ModelEnvironment(world.mdp, max_episode_steps=1), NUM_EPISODES, settings)
    error, other = (np.abs(q - each)[:-1].mean() for each in (expected, rewards))
    if not error < other:
        return (
            "a step limit doesn't end the world: with a step limit of 1 values must converge to those of whole "
            f"episodes, {expected[:-1].mean():.3g} on average, and they are {q[:-1].mean():.3g}, nearer to the mean "
            f"reward of a step, {rewards[:-1].mean():.3g}; leave out the value of the next state only "
            "`if step.terminated`"
        )
    return ""


def check_twin(subject: Subject) -> str:
    """Check that a function in plain Python learns the same from the same steps."""
    if subject.twin is None:
        return ""
    constant = "alpha" in subject.row.settings and not FALLING.keys() & subject.settings.keys()
    settings = _settings(subject, **({"alpha": 0.25} if constant else {}))
    trainer = Trainer(random_world(0).mdp, seed=1, **settings)
    q, transitions = trainer.policy.q.astype(np.float64), []
    while trainer.num_ended < 30:
        transitions.append(trainer.step())
    subject.twin(q, transitions, Learning(**settings))
    wrong = np.argwhere(~np.isclose(trainer.policy.q, q, rtol=1e-4, atol=1e-5))
    if wrong.size:
        s, a = wrong[0].tolist()
        return (
            f"twin must learn the same from the same {len(transitions)} steps, and q[{s}, {a}] is "
            f"{trainer.policy.q[s, a]:g} by the rule, and {q[s, a]:g} by twin"
        )
    return ""


# Same bits ------------------------------------------------------------------------------------------------------------


def check_seed(subject: Subject) -> str:
    """Check that the seed decides every bit."""
    settings, mdp = _settings(subject), random_world(1).mdp
    first, second = (_train(mdp, FEW_EPISODES, settings) for _ in range(2))
    if not np.array_equal(first, second):
        return (
            "the same seed must give the same bits, and a second training learned other values; draw random numbers "
            "from `stream` alone, and let `make` allocate all memory"
        )
    return ""


def check_stepwise(subject: Subject) -> str:
    """Check that the loop that calls the kernels from Python learns the same bits as the compiled loop."""
    settings, mdp = _settings(subject), random_world(1).mdp
    trainer = Trainer(mdp, num_episodes=FEW_EPISODES, seed=1, **settings)
    while trainer.num_ended < FEW_EPISODES:
        trainer.step()
    if not np.array_equal(trainer.policy.q, _train(mdp, FEW_EPISODES, settings)):
        return (
            "step by step the same bits must be learned as in the compiled loop, and they differ; check "
            "next_action_order, and use float32 where the compiler would: np.float32(0.5) * x, not 0.5 * x"
        )
    return ""


def check_resumed(subject: Subject) -> str:
    """Check that a training that was stopped and continued learns the same bits, with interleaved episodes too."""
    mdp = random_world(1).mdp
    for k in (1, 3) if subject.row.interleaves else (1,):
        settings = _settings(subject, num_interleaved=k)
        whole = _train(mdp, FEW_EPISODES, settings)
        how = "with 3 interleaved episodes " if k > 1 else ""
        if k > 1 and not np.array_equal(whole, _train(mdp, FEW_EPISODES, settings)):
            return f"{how}the same seed must give the same bits, and a second training learned other values"
        with TemporaryDirectory() as folder:
            checkpoints = Checkpoints(folder)

            def stop(metrics: Any, checkpoints: Checkpoints = checkpoints) -> None:
                if metrics.round == 30:
                    checkpoints.stop()

            try:
                _train(mdp, FEW_EPISODES, settings, callback=stop, checkpoints=checkpoints)
            except StoppedError:
                resumed = _train(mdp, FEW_EPISODES, settings, checkpoints=Checkpoints(folder))
        if not np.array_equal(whole, resumed):
            return (
                f"{how}a training that was stopped and continued from its checkpoint must learn the same bits, and "
                "it learned other values; let `make` return all memory in arrays of the learner's named tuple"
            )
    return ""


def check_actors(subject: Subject) -> str:
    """Check that Ray actors learn the same bits as this process, if actors are asked for."""
    mdp, settings = random_world(1).mdp, _settings(subject)
    for sharing in ("central", "local") if subject.is_mergeable else ("central",):
        if not subject.num_actors:
            break
        shared = SIMULATIONS | {"sharing": sharing, "seed": 1} | settings
        here, there = (
            train_policy_parallel(mdp, FEW_EPISODES, num_actors=n, **shared).q for n in (0, subject.num_actors)
        )
        if not np.array_equal(here, there):
            return (
                f"{subject.num_actors} actors must learn the same bits as this process, and with sharing={sharing!r} "
                "they learned other values; check memory, and that random numbers are drawn from `stream` alone"
            )
    return ""
