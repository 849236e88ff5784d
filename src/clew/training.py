"""Learning from experience: settings, the update, and the serial trainer."""

import math
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass, field, fields
from numbers import Integral
from typing import Any

import numpy as np

from clew.environments import Environment, as_compiled, check_world
from clew.errors import SettingError
from clew.kernels import read_only
from clew.kernels.rollouts import Totals, q_learning_episodes, q_learning_replay
from clew.kernels.sampling import epsilon_greedy, new_stream, next_bits
from clew.kernels.updates import q_learning_update
from clew.mazes import Maze, find_maze
from clew.mazes.formats import Place
from clew.policies import Policy
from clew.simulation import Trajectory, Transition, step_through

__all__ = ["RoundMetrics", "TrainingConfig", "check_settings", "split_rounds", "train_policy", "update_policy"]

MOST_EPISODES = 10**12
NUM_ROUNDS = 100  # a run reports, and actors get fresh values, this often unless told otherwise


@dataclass(frozen=True)
class RoundMetrics:
    """What the episodes of one round came to, while they were learned from.

    Attributes:
        round: number of the round, from 0.
        num_rounds: how many there will be.
        num_episodes: episodes in this round.
        num_steps: steps in this round.
        mean_steps: steps an episode.
        success_rate: share of episodes that reached an end and not the step limit.
        mean_return: undiscounted sum of rewards an episode.
        seconds: wall time of the round.
    """

    round: int
    num_rounds: int
    num_episodes: int
    num_steps: int
    mean_steps: float
    success_rate: float
    mean_return: float
    seconds: float

    @classmethod
    def of_totals(
        cls, round: tuple[int, int], num_episodes: int, totals: Iterable[float], begun: float
    ) -> "RoundMetrics":
        """The metrics of a round (number, of how many) from its total steps, successes and rewards."""
        steps, successes, rewards = (float(total) for total in totals)
        return cls(
            round=round[0],
            num_rounds=round[1],
            num_episodes=num_episodes,
            num_steps=int(steps),
            mean_steps=steps / num_episodes,
            success_rate=successes / num_episodes,
            mean_return=rewards / num_episodes,
            seconds=time.perf_counter() - begun,
        )


Callback = Callable[[RoundMetrics], None]


def _setting(default: Any, meaning: str) -> Any:
    """A field that says what it means, for the help of the command line and the form of the page."""
    return field(default=default, metadata={"help": meaning})


@dataclass(frozen=True)
class TrainingConfig:
    """Everything that decides a run, flat: the options of `clew train`, and `config.json` in a run folder.

    Places are (row, column), from the top left. What each setting does is said where it acts: the world's in
    `clew.Environment`, the learner's in `train_policy`, the streams' in `train_policy_parallel`.

    Raises:
        SettingError: if a setting is out of range.
    """

    maze: str = _setting("book", "'book' (the chapter's 5x5), a size such as 10x12, or a .txt or .map file")
    start: Place | None = _setting(None, "where episodes begin, as row,column")
    goal: Place | None = _setting(None, "the goal, as row,column")
    scenario: str | None = _setting(None, "start and goal from a MovingAI problem: FILE.scen:ROW, rows from 0")
    random_start: bool = _setting(False, "begin anywhere")
    random_goal: bool = _setting(False, "draw a goal for each episode; the state then names it")
    goal_reward: float = _setting(1.0, "added when a move reaches the goal")
    step_reward: float = _setting(0.0, "paid by every move")
    outer_wall_reward: float = _setting(0.0, "added when a move runs into the edge of the grid")
    hazard_reward: float = _setting(-1.0, "added when a move enters a hazard")
    slip: float = _setting(0.0, "probability that a move goes astray to either side")
    max_episode_steps: int | None = _setting(None, "step limit of an episode [default: 100 a free cell]")
    num_episodes: int = _setting(10_000, "how many episodes to learn from, in all")
    num_simulations: int = _setting(4, "streams of episodes; part of what decides the result")
    num_actors: int = _setting(0, "Ray actors that play them; decides only the speed; 0 plays in this process")
    sync_every: int | None = _setting(None, "episodes a simulation plays with the same values [default: in 100 rounds]")
    alpha: float = _setting(0.1, "step size")
    gamma: float = _setting(0.9, "discount a step")
    epsilon: float = _setting(0.1, "probability of exploring")
    seed: int = _setting(0, "decides every draw")

    def __post_init__(self) -> None:
        for name in ("start", "goal"):
            place = getattr(self, name)
            if place is not None:
                object.__setattr__(self, name, (int(place[0]), int(place[1])))
        check_settings(self.num_episodes, self.alpha, self.gamma, self.epsilon, self.seed)
        check_streams(self.num_simulations, self.num_actors, self.sync_every)
        check_world(
            self.slip,
            self.max_episode_steps,
            goal_reward=self.goal_reward,
            step_reward=self.step_reward,
            outer_wall_reward=self.outer_wall_reward,
            hazard_reward=self.hazard_reward,
        )

    def make_maze(self) -> Maze:
        """The maze that the run is about."""
        return find_maze(self.maze, start=self.start, goal=self.goal, scenario=self.scenario)

    def make_environment(self, maze: Maze | None = None) -> Environment:
        """The world that the run is about; in a maze that was read before, if one is given."""
        return Environment(
            self.make_maze() if maze is None else maze,
            random_start=self.random_start,
            random_goal=self.random_goal,
            goal_reward=self.goal_reward,
            step_reward=self.step_reward,
            outer_wall_reward=self.outer_wall_reward,
            hazard_reward=self.hazard_reward,
            slip=self.slip,
            max_episode_steps=self.max_episode_steps,
        )

    def to_dict(self) -> dict[str, Any]:
        """The settings as JSON can say them."""
        return asdict(self)

    @classmethod
    def from_dict(cls, settings: dict[str, Any]) -> "TrainingConfig":
        """The inverse of `to_dict`.

        Raises:
            SettingError: names the setting that is unknown or of another type.
        """
        known = {setting.name: setting.type for setting in fields(cls)}
        for name, value in settings.items():
            if name not in known:
                raise SettingError(f"there is no setting {name!r}")
            if name in ("start", "goal"):
                fits = value is None or (isinstance(value, list | tuple) and [type(n) for n in value] == [int, int])
                wanted = "[row, column]"
            else:
                fits = _is_of_type(value, known[name])
                wanted = getattr(known[name], "__name__", str(known[name]))
            if not fits:
                raise SettingError(f"{name} must be of type {wanted}, not {value!r}")
        return cls(**settings)


def _is_of_type(value: Any, wanted: Any) -> bool:
    """Tell if a value from JSON fits a type such as `int | None`; a whole number does for a float, True for neither."""
    if isinstance(value, bool):
        return wanted is bool
    return isinstance(value, wanted) or (wanted is float and isinstance(value, int))


def check_settings(num_episodes: int, alpha: float, gamma: float, epsilon: float, seed: int) -> None:
    """Check the settings that every trainer has.

    Raises:
        SettingError: names the one that is out of range.
    """
    if not isinstance(num_episodes, Integral) or num_episodes < 1:
        raise SettingError(f"num_episodes must be at least 1, not {num_episodes}")
    if num_episodes > MOST_EPISODES:
        raise SettingError(f"num_episodes must be at most {MOST_EPISODES:,}, not {num_episodes:,}")
    if not 0.0 < alpha <= 1.0:
        raise SettingError(f"alpha must be in (0, 1], not {alpha}")
    if not 0.0 <= gamma <= 1.0:
        raise SettingError(f"gamma must be in [0, 1], not {gamma}")
    if not 0.0 <= epsilon <= 1.0:
        raise SettingError(f"epsilon must be in [0, 1], not {epsilon}")
    if not isinstance(seed, Integral) or seed < 0:
        raise SettingError(f"seed must be a whole number, and not negative: {seed}")


def check_streams(num_simulations: int, num_actors: int | None, sync_every: int | None) -> None:
    """Check the settings that say how the work is shared.

    Raises:
        SettingError: names the one that is out of range.
    """
    if not isinstance(num_simulations, Integral) or num_simulations < 1:
        raise SettingError(f"num_simulations must be at least 1, not {num_simulations}")
    if num_actors is not None and (not isinstance(num_actors, Integral) or num_actors < 0):
        raise SettingError(f"num_actors must not be negative: {num_actors}; 0 runs in this process")
    if sync_every is not None and (not isinstance(sync_every, Integral) or sync_every < 1):
        raise SettingError(f"sync_every must be at least 1 episode, not {sync_every}")


def split_rounds(num_episodes: int, episodes_per_round: int) -> Iterator[int]:
    """Split episodes into rounds: full ones, and a last one with the rest."""
    while num_episodes > 0:
        yield min(num_episodes, episodes_per_round)
        num_episodes -= episodes_per_round


def update_policy(policy: Policy, trajectory: Trajectory, *, alpha: float = 0.1, gamma: float = 0.9) -> None:
    """Learn from what was seen, transition by transition, in order, by the rule of Q-learning.

    Args:
        policy: its values are changed in place.
        trajectory: of one or more episodes. Where it was terminated the next state counts 0; where it was truncated
            it counts with its value, for a step limit is not an end.
        alpha: step size, in (0, 1].
        gamma: discount a step, in [0, 1].

    Raises:
        SettingError: if a setting is out of range, or the trajectory doesn't fit the policy.
    """
    check_settings(1, alpha, gamma, 0.0, 0)
    num_states, num_actions = policy.q.shape
    for name, limit in (("state", num_states), ("next_state", num_states), ("action", num_actions)):
        column = getattr(trajectory, name)
        if column.size and (column.min() < 0 or column.max() >= limit):
            raise SettingError(f"the trajectory's {name} column must be in 0..{limit - 1}, to fit the policy")
    q_learning_replay(policy.q, trajectory.columns, np.float32(alpha), np.float32(gamma))


def train_policy(
    env: Any,
    num_episodes: int = 10_000,
    *,
    alpha: float = 0.1,
    gamma: float = 0.9,
    epsilon: float = 0.1,
    seed: int = 0,
    callback: Callback | None = None,
) -> Policy:
    """Learn by Q-learning, after every step, in one stream of episodes.

    A `clew.Environment` is learned in one compiled loop. Any other Gymnasium environment with Discrete spaces is
    learned step by step through the same rule.

    Args:
        env: environment with Discrete spaces.
        num_episodes: how many episodes to learn from.
        alpha: step size, in (0, 1].
        gamma: discount a step, in [0, 1].
        epsilon: probability of exploring, in [0, 1].
        seed: decides every draw, and so every bit of the result.
        callback: is called after each of a hundred rounds at most, with what the episodes since came to.

    Returns:
        Policy with what was learned.

    Raises:
        SettingError: if a setting is out of range, or a space is not Discrete.

    Source:
        Sutton & Barto (2018), section 6.5.
    """
    check_settings(num_episodes, alpha, gamma, epsilon, seed)
    policy = Policy(env, seed=seed)
    learn = _compiled_learner if as_compiled(env) is not None else _stepwise_learner
    learn_episodes = learn(env, policy, alpha, gamma, epsilon, seed)
    learn_episodes(0)  # compiles, if this is the first time, so that the rounds are timed without it
    sizes = list(split_rounds(num_episodes, math.ceil(num_episodes / NUM_ROUNDS)))
    for number, size in enumerate(sizes):
        begun = time.perf_counter()
        totals = learn_episodes(size)
        if callback is not None:
            sums = totals.steps.sum(), totals.terminated.sum(), totals.episode_return.sum()
            callback(RoundMetrics.of_totals((number, len(sizes)), size, sums, begun))
    return policy


def _compiled_learner(
    env: Any, policy: Policy, alpha: float, gamma: float, epsilon: float, seed: int
) -> Callable[[int], Totals]:
    compiled = as_compiled(env)
    assert compiled is not None
    stream = new_stream(seed, 0, 0)

    def learn_episodes(n: int) -> Totals:
        totals = Totals(np.empty(n, np.int64), np.empty(n), np.empty(n, np.bool_))
        q_learning_episodes(
            compiled.mdp.model,
            policy.q,
            compiled.mdp.starts,
            compiled.max_episode_steps,
            np.float32(alpha),
            np.float32(gamma),
            epsilon,
            stream,
            totals,
        )
        return totals

    return learn_episodes


def _stepwise_learner(
    env: Any, policy: Policy, alpha: float, gamma: float, epsilon: float, seed: int
) -> Callable[[int], Totals]:
    stream = new_stream(seed, 0, 0)
    step_size, discount = np.float32(alpha), np.float32(gamma)
    env_seed: int | None = int(next_bits(new_stream(seed, 0, 0, 0))) >> 33

    def learn_episodes(n: int) -> Totals:
        nonlocal env_seed
        totals = Totals(np.zeros(n, np.int64), np.zeros(n), np.zeros(n, np.bool_))
        for episode in range(n):

            def learn(t: Transition, episode: int = episode) -> None:
                reward = np.float32(t.reward)
                q_learning_update(policy.q, t.state, t.action, reward, t.next_state, t.terminated, step_size, discount)
                totals.steps[episode] += 1
                totals.episode_return[episode] += t.reward
                totals.terminated[episode] |= t.terminated

            step_through(
                env, lambda s: int(epsilon_greedy(read_only(policy.q), s, epsilon, stream)), learn, seed=env_seed
            )
            env_seed = None
        return totals

    return learn_episodes
