"""Q-learning and Sarsa in plain Python: the place to begin reading.

An `Agent` chooses an action in every state, and learns from every transition. The two agents of this page have a table
q[state, action] of action values. They choose actions by the epsilon-greedy policy, and after every step they move one
value towards a target. They differ in the target, and so in the values that they learn:

    QLearning   off-policy: the values of the greedy policy            Sutton & Barto (2018), section 6.5
    Sarsa       on-policy: the values of the policy that is followed   Sutton & Barto (2018), section 6.4

`train` is the loop in which an agent acts in a world and learns. A world has the methods `reset` and `step` of a
Gymnasium environment, and integers for states and actions. Random numbers come from `rng`, which is given too: a
`random.Random(seed)`, or a `numpy.random.default_rng(seed)`.

Four cells in a row, for example. Episodes begin in cell 0, and end in cell 3 with a reward of 1:

    >>> import random
    >>> import numpy as np
    >>> from clew.reference import QLearning, train
    >>> class Corridor:
    ...     def reset(self):
    ...         self.cell = 0
    ...         return self.cell, {}
    ...
    ...     def step(self, action):  # 0 is left, 1 is right
    ...         self.cell = self.cell + 1 if action == 1 else max(self.cell - 1, 0)
    ...         is_goal = self.cell == 3
    ...         return self.cell, float(is_goal), is_goal, False, {}
    >>> agent = QLearning(q=np.zeros((4, 2), np.float32), rng=random.Random(1), alpha=0.5, gamma=0.9, epsilon=0.1)
    >>> steps = train(agent, Corridor(), num_episodes=200)
    >>> steps[-1], agent.q.argmax(axis=1).tolist()
    (3, [1, 1, 1, 0])
    >>> print(agent.q.round(2))
    [[0.73 0.81]
     [0.73 0.9 ]
     [0.81 1.  ]
     [0.   0.  ]]

`clew.run_agent` is this loop with checks, statistics and grades, for these agents and those of your own.
`clew.train_policy` runs the same algorithms compiled. tests/test_reference.py gives both the same random numbers, and
checks that they learn the same bits.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

Values = npt.NDArray[np.float32]


class Random(Protocol):
    """Source of random numbers."""

    def random(self) -> float:
        """Return a number from the uniform distribution over [0, 1)."""

    def choice(self, options: Sequence[int], /) -> int:
        """Return one of the options, each with the same probability."""


class World(Protocol):
    """World of numbered states and actions."""

    def reset(self) -> tuple[int, Any]:
        """Begin an episode; return (state, info)."""

    def step(self, action: int, /) -> tuple[int, float, bool, bool, Any]:
        """Take an action; return (next state, reward, terminated, truncated, info)."""


class Transition(NamedTuple):
    """One step of an episode.

        >>> import clew
        >>> env = clew.Environment(clew.Maze.open(1, 2))
        >>> clew.Simulation(env).rollout(clew.Policy(env, q=[[0, 0, 0, 1], [0, 0, 0, 0]]), explore=False)[0]
        Transition(state=0, action=3, reward=1.0, next_state=1, terminated=True, truncated=False)

    Attributes:
        state: state in which the action was taken.
        action: action.
        reward: reward of the transition.
        next_state: state that followed.
        terminated: True if the world ended the episode; the value of next_state is then 0.
        truncated: True if a step limit cut the episode off; next_state keeps its value.
    """

    state: int
    action: int
    reward: float
    next_state: int
    terminated: bool
    truncated: bool


class Agent(Protocol):
    """Acts in a world, and learns from every step; any class with these two methods is an agent.

    An episode has ended after a transition that is terminated or truncated; `act` begins the next one. An agent may
    have an attribute `q`, an array (num_states, num_actions) of action values: `clew.run_agent` then returns the policy
    that is greedy in them.

        >>> import clew
        >>> import random
        >>> class Walker:  # at random; it remembers how often it was in each state
        ...     def __init__(self):
        ...         self.visits = [0] * 4
        ...
        ...     def act(self, state):
        ...         return random.randrange(4)
        ...
        ...     def update(self, transition):
        ...         self.visits[transition.state] += 1
        >>> walker = Walker()
        >>> clew.run_agent(walker, clew.Environment(clew.Maze.open(2, 2)), 100)
        >>> walker.visits[0] >= 100, walker.visits[3]
        (True, 0)
    """

    def act(self, state: int, /) -> int:
        """Return the action to take in a state."""

    def update(self, transition: Transition, /) -> None:
        """Learn from a step, after it was taken and before the next action is asked for."""


def epsilon_greedy(values: Values, epsilon: float, rng: Random) -> int:
    """Choose a random action with probability epsilon, else a greedy action; ties are broken at random.

    Args:
        values: (num_actions,), action values of one state.
        epsilon: probability of a random action, in [0, 1].
        rng: source of random numbers.
    """
    if rng.random() < epsilon:
        return rng.choice(range(len(values)))
    return rng.choice(np.flatnonzero(values == values.max()).tolist())


@dataclass
class QLearning:
    """Agent that learns the values of the greedy policy, whatever policy it follows.

    Attributes:
        q: (num_states, num_actions) float32, action values, such as zeros; changed in place.
        rng: source of random numbers.
        alpha: step size, in (0, 1].
        gamma: discount per step, in [0, 1].
        epsilon: probability of a random action, in [0, 1].
    """

    q: Values
    rng: Random
    alpha: float = 0.1
    gamma: float = 0.9
    epsilon: float = 0.1

    def act(self, state: int) -> int:
        """Return an epsilon-greedy action."""
        return epsilon_greedy(self.q[state], self.epsilon, self.rng)

    def update(self, transition: Transition) -> None:
        """Learn from a transition.

            q[s, a] += alpha * (reward + gamma * max_b q[s_next, b] - q[s, a])

        Where the world has terminated the episode, the value of s_next is 0. Where a step limit has truncated it, the
        value counts: the world would have gone on.
        """
        s, a, reward, s_next, terminated, _ = transition
        target = np.float32(reward)
        if not terminated:
            target += self.gamma * self.q[s_next].max()
        self.q[s, a] += self.alpha * (target - self.q[s, a])


@dataclass
class Sarsa:
    """Agent that learns the values of the epsilon-greedy policy that it follows, exploration included.

    Attributes:
        q: (num_states, num_actions) float32, action values, such as zeros; changed in place.
        rng: source of random numbers.
        alpha: step size, in (0, 1].
        gamma: discount per step, in [0, 1].
        epsilon: probability of a random action, in [0, 1].
        next_action: the next action of the episode; None before its first one.
    """

    q: Values
    rng: Random
    alpha: float = 0.1
    gamma: float = 0.9
    epsilon: float = 0.1
    next_action: int | None = field(default=None, init=False)

    def act(self, state: int) -> int:
        """Return the action that `update` has chosen; in the first state of an episode, an epsilon-greedy one."""
        if self.next_action is None:
            return epsilon_greedy(self.q[state], self.epsilon, self.rng)
        return self.next_action

    def update(self, transition: Transition) -> None:
        """Choose the next action, and learn from the transition to it.

            q[s, a] += alpha * (reward + gamma * q[s_next, a_next] - q[s, a])

        The value of s_next is 0 where the world has terminated the episode, as in `QLearning.update`.
        """
        s, a, reward, s_next, terminated, truncated = transition
        target, a_next = np.float32(reward), None
        if not terminated:
            a_next = epsilon_greedy(self.q[s_next], self.epsilon, self.rng)
            target += self.gamma * self.q[s_next, a_next]
        self.q[s, a] += self.alpha * (target - self.q[s, a])
        self.next_action = None if truncated else a_next


def train(agent: Agent, world: World, num_episodes: int) -> list[int]:
    """Let an agent act in a world, and learn from every step.

    Args:
        agent: agent.
        world: world with the states and actions of the agent.
        num_episodes: number of episodes.

    Returns:
        Number of steps of each episode.
    """
    steps = []
    for _ in range(num_episodes):
        s, _ = world.reset()
        is_over = False
        steps.append(0)
        while not is_over:
            a = agent.act(s)
            s_next, reward, terminated, truncated, _ = world.step(a)
            agent.update(Transition(s, a, reward, s_next, terminated, truncated))
            s, is_over = s_next, terminated or truncated
            steps[-1] += 1
    return steps
