"""The reference agents learn the same bits as the compiled loop, if they draw the same random numbers."""

import random
import subprocess
import sys
from collections import Counter

import gymnasium
import numpy as np
import pytest

import clew
from clew.environments import as_compiled
from clew.kernels.sampling import draw_start, new_stream, next_bits, sample
from clew.reference import QLearning, Sarsa, Transition, epsilon_greedy, train
from worlds import only_steps

AGENTS = {"q-learning": QLearning, "sarsa": Sarsa}


class CompiledStream:
    """Random numbers as the kernel `epsilon_greedy` draws them: 64 bits for each action.

    The high 32 bits decide if it explores; the low ones, scaled to the number of actions in question, which it takes.
    """

    def __init__(self, stream):
        self.stream = stream

    def random(self):
        high, self.low = divmod(int(next_bits(self.stream)), 2**32)
        return high / 2**32

    def choice(self, options):
        return options[self.low * len(options) // 2**32]


class SampledWorld:
    """A model, sampled with the kernels that the compiled loop calls, from the agent's stream."""

    def __init__(self, env, stream):
        self.world, self.stream = as_compiled(env), stream

    def reset(self):
        self.steps, self.state = 0, int(draw_start(self.world.mdp.starts, self.stream))
        return self.state, {}

    def step(self, action):
        self.steps += 1
        s_next, reward, terminated = sample(self.world.mdp.model, self.state, action, self.stream)
        self.state = int(s_next)
        truncated = self.steps == self.world.max_episode_steps and not terminated
        return self.state, float(reward), bool(terminated), truncated, {}


WORLDS = {
    "the chapter's 5x5": lambda: clew.Environment(clew.Maze.open(5, 5)),
    "slippery": lambda: clew.Environment(clew.Maze.open(4, 6), slip=0.3, random_start=True, step_reward=-0.1),
    "truncated": lambda: clew.Environment(clew.Maze.open(5, 5), max_episode_steps=7, step_reward=-0.1),
    "FrozenLake": lambda: gymnasium.make("FrozenLake-v1"),
    "three actions": lambda: clew.FiniteMDP.from_arrays(
        np.full((5, 3, 5), 0.2), R=np.arange(15.0).reshape(5, 3) / 7, starts=[0, 2], terminal=np.arange(5) == 4
    ),
}
SETTINGS = [{}, {"alpha": 0.3, "gamma": 0.95, "epsilon": 0.25}, {"epsilon": 0.0}, {"epsilon": 1.0, "gamma": 1.0}]


@pytest.mark.parametrize("settings", SETTINGS, ids=str)
@pytest.mark.parametrize("world", WORLDS)
@pytest.mark.parametrize("algorithm", AGENTS)
def test_the_same_bits_are_learned_as_by_the_compiled_loop(algorithm, world, settings):
    env, rows = WORLDS[world](), []
    policy = clew.train_policy(env, 300, seed=5, algorithm=algorithm, callback=rows.append, **settings)
    stream = new_stream(5, 0, 0)
    agent = AGENTS[algorithm](np.zeros(policy.q.shape, np.float32), CompiledStream(stream), **settings)
    steps = train(agent, SampledWorld(env, stream), 300)
    assert agent.q.tobytes() == policy.q.tobytes()
    assert [sum(steps[i : i + 3]) for i in range(0, 300, 3)] == [row.num_steps for row in rows]
    assert agent.q.any() or world == "FrozenLake"  # where the goal is rarely found


class SharedStream(clew.ModelEnvironment):
    """An environment that draws from the agent's stream."""

    def __init__(self, env, stream):
        world = as_compiled(env)
        super().__init__(world.mdp, max_episode_steps=world.max_episode_steps)
        super().reset(seed=0)
        self.stream = stream

    def reset(self, *, seed=None, options=None):
        return super().reset(options=options)


def statistics(rows):
    names = ("round", "num_episodes", "num_steps", "terminated_rate", "mean_return", "num_ended", "total_episodes")
    return [tuple(getattr(row, name) for name in names) for row in rows]


@pytest.mark.parametrize("settings", SETTINGS[:2], ids=str)
@pytest.mark.parametrize("world", WORLDS)
@pytest.mark.parametrize("algorithm", AGENTS)
def test_run_agent_gives_the_same_bits_and_statistics_as_the_compiled_loop(algorithm, world, settings):
    env, rows, compiled = WORLDS[world](), [], []
    policy = clew.train_policy(env, 250, seed=5, algorithm=algorithm, callback=compiled.append, **settings)
    stream = new_stream(5, 0, 0)
    agent = AGENTS[algorithm](np.zeros(policy.q.shape, np.float32), CompiledStream(stream), **settings)
    learned = clew.run_agent(agent, SharedStream(env, stream), 250, callback=rows.append)
    assert learned.q.tobytes() == agent.q.tobytes() == policy.q.tobytes()
    assert statistics(rows) == statistics(compiled)


@pytest.mark.parametrize("algorithm", AGENTS)
@pytest.mark.parametrize(
    "make_env",
    [
        lambda: clew.Environment(clew.Maze.open(5, 5), max_episode_steps=30),  # draws nothing
        lambda: only_steps(gymnasium.make("FrozenLake-v1", is_slippery=True)),  # has a stream of its own
    ],
    ids=["maze", "without a model"],
)
def test_run_agent_with_the_same_seed_gives_the_table_of_train_policy(make_env, algorithm):
    policy = clew.train_policy(make_env(), 400, seed=7, algorithm=algorithm, epsilon=0.3)
    agent = AGENTS[algorithm](np.zeros(policy.q.shape, np.float32), CompiledStream(new_stream(7, 0, 0)), epsilon=0.3)
    assert clew.run_agent(agent, make_env(), 400, seed=7).q.tobytes() == policy.q.tobytes()
    assert policy.q.any()


@pytest.mark.parametrize("rng", [random.Random, np.random.default_rng])
@pytest.mark.parametrize("make_agent", AGENTS.values())
def test_plain_random_numbers_and_a_plain_environment_suffice(make_agent, rng):
    env = clew.Environment(clew.Maze.open(3, 4))
    agent = make_agent(np.zeros((12, 4), np.float32), rng(3), alpha=0.5)
    steps = train(agent, env, 300)
    assert clew.evaluate_policy(env, clew.Policy(env, q=agent.q)).mean_steps == 5.0
    assert np.mean(steps[:10]) > 10.0
    assert np.mean(steps[-100:]) < 6.5


def values(*rows):
    return np.array(rows, np.float32)


class NoDraws:
    """For actions that are not to be drawn."""


class Scripted:
    """A greedy agent's stream, which takes the last of the actions that tie."""

    def random(self):
        return 0.99

    def choice(self, options):
        return options[-1]


@pytest.mark.parametrize(
    ("terminated", "truncated", "value"),
    [(False, False, 0.5 + 0.5 * (1.0 + 0.5 * 2.0 - 0.5)), (True, False, 0.75), (False, True, 1.25)],
)
def test_q_learning_by_hand(terminated, truncated, value):
    agent = QLearning(values([0.0, 0.5], [2.0, -7.0]), Scripted(), alpha=0.5, gamma=0.5)
    agent.update(Transition(0, 1, 1.0, 1, terminated, truncated))
    assert agent.act(1) == 0
    assert agent.q.tolist() == [[0.0, value], [2.0, -7.0]]


@pytest.mark.parametrize(
    ("terminated", "truncated", "value", "a_next"),
    [(False, False, 0.5 + 0.5 * (1.0 + 0.5 * -7.0 - 0.5), 1), (True, False, 0.75, None), (False, True, -1.0, None)],
)
def test_sarsa_by_hand_with_a_next_action_that_explores(terminated, truncated, value, a_next):
    rng = Scripted()
    rng.random = lambda: 0.0
    agent = Sarsa(values([0.0, 0.5], [2.0, -7.0]), rng, alpha=0.5, gamma=0.5, epsilon=0.1)
    agent.update(Transition(0, 1, 1.0, 1, terminated, truncated))
    assert agent.next_action == a_next
    agent.rng.random = lambda: 0.99
    assert agent.act(1) == (0 if a_next is None else 1)  # the greedy action, unless the episode goes on
    assert agent.q.tolist() == [[0.0, value], [2.0, -7.0]]


@pytest.mark.parametrize("make_agent", AGENTS.values())
def test_at_the_end_of_an_episode_nothing_is_drawn(make_agent):
    agent = make_agent(values([0.0, 0.5], [2.0, -7.0]), NoDraws())
    agent.update(Transition(0, 1, 1.0, 1, True, False))
    assert agent.q.tolist() == [[0.0, np.float32(0.5) + 0.1 * np.float32(0.5)], [2.0, -7.0]]


def test_ties_are_broken_evenly_and_exploring_takes_any_action():
    rng = random.Random(0)
    greedy = Counter(epsilon_greedy(values(1.0, 0.0, 1.0), 0.0, rng) for _ in range(2000))
    assert set(greedy) == {0, 2}
    assert greedy[0] / 2000 == pytest.approx(0.5, abs=0.05)
    explored = Counter(epsilon_greedy(values(1.0, 0.0, 0.0), 0.3, rng) for _ in range(5000))
    assert explored[1] / 5000 == pytest.approx(0.1, abs=0.02)


def test_neither_numba_nor_kernels_are_loaded():
    code = (
        "import sys, clew.reference; print(*(m for m in sys.modules if m.startswith(('numba', 'clew.', 'gymnasium'))))"
    )
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert set(loaded) == {"clew.notebook", "clew.reference", "clew.registration", "clew.version"}
