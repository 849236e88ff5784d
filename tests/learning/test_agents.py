"""Agents in plain Python: what `run_agent` gives them, reports of them, and refuses."""

import random
import runpy
from pathlib import Path

import gymnasium
import numpy as np
import pytest

import clew
from clew.errors import SettingError
from worlds import only_steps

EXAMPLE = Path(__file__).parents[2] / "examples" / "plain_q_learning.py"


class Greedy:
    """Q-learning without exploration but for ties; everything that happened to it is in `log`."""

    def __init__(self, num_states, num_actions, seed=0):
        self.q = np.zeros((num_states, num_actions))
        self.rng, self.log = random.Random(seed), []

    def act(self, state):
        self.log.append(state)
        return self.rng.choice(np.flatnonzero(self.q[state] == self.q[state].max()))

    def update(self, transition):
        self.log.append(transition)
        s, a, reward, s_next, terminated, _ = transition
        target = reward + (0.0 if terminated else 0.9 * self.q[s_next].max())
        self.q[s, a] += 0.5 * (target - self.q[s, a])


class Walker:
    """At random, and without a table."""

    def __init__(self, seed=0):
        self.rng, self.steps = random.Random(seed), []

    def act(self, state):
        return self.rng.randrange(4)

    def update(self, transition):
        self.steps.append(transition)


MAZE = clew.Maze.open(3, 4)


# What an agent gets ---------------------------------------------------------------------------------------------------


def test_the_methods_are_called_in_the_order_of_the_steps():
    agent = Greedy(12, 4)
    clew.run_agent(agent, clew.Environment(MAZE), 30, seed=3)
    states, steps = agent.log[::2], agent.log[1::2]
    assert len(states) == len(steps) > 150
    assert all(
        isinstance(step, clew.Transition) and step.state == state for state, step in zip(states, steps, strict=True)
    )
    assert states[0] == 0
    for before, state in zip(steps, states[1:], strict=False):
        assert state == (0 if before.terminated else before.next_state)
    assert sum(step.terminated for step in steps) == 30
    assert [type(value) for value in steps[0]] == [int, int, float, int, bool, bool]


def test_terminated_and_truncated_are_kept_apart():
    env = gymnasium.make("FrozenLake-v1", is_slippery=False, max_episode_steps=6)
    agent = Walker()
    assert clew.run_agent(agent, env, 400, seed=1) is None
    ends = [step for step in agent.steps if step.terminated or step.truncated]
    assert len(ends) == 400
    assert not any(step.terminated and step.truncated for step in ends)  # Gymnasium says both in the last step
    assert 50 < sum(step.truncated for step in ends) < 350
    holes = {i for i, letter in enumerate(env.unwrapped.desc.reshape(-1)) if letter in b"HG"}
    assert {step.next_state for step in ends if step.terminated} <= holes
    assert not {step.next_state for step in ends if step.truncated} & holes


@pytest.mark.parametrize(
    "env",
    [
        clew.Environment(MAZE),
        clew.Environment(MAZE).mdp,
        clew.Environment(MAZE).mdp.to_sparse(),
        clew.ModelEnvironment(clew.Environment(MAZE).mdp),
        only_steps(clew.Environment(MAZE)),
    ],
    ids=["maze", "model", "sparse model", "environment of a model", "environment without a model"],
)
def test_any_environment_with_discrete_spaces_is_learned(env):
    policy = clew.run_agent(Greedy(12, 4), env, 300)
    assert clew.evaluate_policy(clew.Environment(MAZE), policy).mean_steps == 5.0


def test_finite_spaces_are_numbered_by_as_discrete():
    env = clew.as_discrete(gymnasium.make("Blackjack-v1"))
    rows = []
    policy = clew.run_agent(Greedy(704, 2), env, 2000, callback=rows.append)
    assert policy.q.shape == (704, 2)
    assert -0.5 < np.mean([row.mean_return for row in rows]) < 0.1
    with pytest.raises(SettingError, match=r"expected Discrete spaces .*; use clew\.as_discrete"):
        clew.run_agent(Greedy(704, 2), gymnasium.make("Blackjack-v1"), 10)
    with pytest.raises(SettingError, match=r"expected an environment, got a Maze; use clew\.Environment"):
        clew.run_agent(Greedy(12, 4), MAZE, 10)


def test_the_seed_decides_every_draw_of_the_environment():
    env = clew.Environment(MAZE, slip=0.4, random_start=True)

    def steps(seed):
        agent = Walker()
        clew.run_agent(agent, env, 20, seed=seed)
        return agent.steps

    assert steps(1) == steps(1) != steps(2)


@pytest.mark.parametrize("limit", [5, 2000])  # by default 100 steps for each state
def test_the_step_limit_is_that_of_the_environment(limit):
    agent = Walker()
    agent.act = lambda state: 1  # to the left, against the wall
    clew.run_agent(agent, clew.Environment(MAZE, max_episode_steps=limit), 2)
    assert [i for i, step in enumerate(agent.steps) if step.truncated] == [limit - 1, 2 * limit - 1]


# Actions that aren't available ----------------------------------------------------------------------------------------


class Masked(Greedy):
    """Looks at a mask of (state, action) whenever it needs it, as a wrapper fills it."""

    def __init__(self, available):
        super().__init__(*available.shape)
        self.available = available

    def act(self, state):
        self.q[state, ~self.available[state]] = -np.inf
        return super().act(state)

    def update(self, transition):
        self.q[transition.next_state, ~self.available[transition.next_state]] = -np.inf
        super().update(transition)


def taxi_model():
    return clew.FiniteMDP.from_gymnasium(gymnasium.make("Taxi-v4"))


@pytest.mark.parametrize(
    "env",
    [taxi_model(), clew.ModelEnvironment(taxi_model()), clew.make_gymnasium("Taxi-v4")],
    ids=["model", "environment of a model", "Taxi"],
)
def test_an_agent_with_the_mask_takes_what_is_available_and_learns_from_nothing_else(env):
    available = taxi_model().available
    agent = Masked(available)
    policy = clew.run_agent(agent, env, 200, seed=1)
    steps = agent.log[1::2]
    assert all(available[step.state, step.action] for step in steps)
    assert (np.isneginf(policy.q) == ~available).all()
    assert np.isfinite(agent.q[available]).all()
    assert np.count_nonzero(agent.q[available]) > 500


def test_masks_that_a_wrapper_keeps_are_there_in_time():
    """Before `act` and `update` are called with a state; the wrapper is that of docs/agents.md."""
    page = (EXAMPLE.parents[1] / "docs" / "agents.md").read_text()
    names = {}
    exec(page[page.index("class KeepMasks") :].partition("\n\n\nenv = ")[0], {"gymnasium": gymnasium, "np": np}, names)
    env = names["KeepMasks"](clew.ModelEnvironment(taxi_model()))
    agent = Masked(env.available)
    policy = clew.run_agent(agent, env, 200, seed=1)
    known = Masked(taxi_model().available)
    expected = clew.run_agent(known, clew.ModelEnvironment(taxi_model()), 200, seed=1)
    assert agent.log == known.log
    assert (np.isneginf(policy.q) <= np.isneginf(expected.q)).all()
    with pytest.raises(SettingError, match=r"^action \d isn't available in state \d+; take one of \d"):
        clew.run_agent(Greedy(500, 6), taxi_model(), 200, seed=1)


# Reports --------------------------------------------------------------------------------------------------------------


def test_the_statistics_are_those_of_the_steps():
    agent, rows = Walker(), []
    clew.run_agent(agent, clew.Environment(MAZE, step_reward=-0.25, max_episode_steps=40), 250, callback=rows.append)
    assert [row.num_episodes for row in rows] == [3] * 83 + [1]
    assert [row.round for row in rows] == list(range(84))
    assert rows[-1].num_ended == rows[0].total_episodes == 250
    assert sum(row.num_steps for row in rows) == len(agent.steps)
    assert sum(row.terminated_rate * row.num_episodes for row in rows) == sum(step.terminated for step in agent.steps)
    paid = sum(step.reward for step in agent.steps)
    assert sum(row.mean_return * row.num_episodes for row in rows) == pytest.approx(paid)
    assert sum(row.seconds for row in rows) > 0.0


def test_progress_and_plots_take_an_agent_as_they_take_a_training(capsys):
    rows, show = [], clew.show_progress("agent")

    def callback(row):
        rows.append(row)
        show(row)

    clew.run_agent(Greedy(12, 4), clew.Environment(MAZE), 200, callback=callback)
    assert "200/200" in capsys.readouterr().err
    line = clew.plot_learning({"agent": [rows]}).axes[0].get_lines()[0]
    assert line.get_xdata().tolist() == [row.num_ended for row in rows]


def test_the_table_is_watched_before_each_callback():
    agent, seen = Greedy(12, 4), []

    def watch(q):
        assert not q.flags.writeable
        seen.append(q.tobytes() == agent.q.astype(np.float32).tobytes())

    def callback(row):
        assert len(seen) == row.round + 1

    clew.run_agent(agent, clew.Environment(MAZE), 20, watch=watch, callback=callback)
    assert seen == [True] * 20
    with pytest.raises(SettingError, match="watch needs an agent with a table q"):
        clew.run_agent(Walker(), clew.Environment(MAZE), 20, watch=watch)


def test_the_policy_is_a_copy_of_the_table():
    agent = Greedy(12, 4)
    agent.q = agent.q.tolist()  # lists are a table too
    agent.act, agent.update = lambda state: 3, lambda t: agent.q[t.state].__setitem__(t.action, 2.0)
    policy = clew.run_agent(agent, clew.Environment(clew.Maze.open(3, 4, goal=(0, 3))), 1, seed=8)
    assert policy.q[:, 3].tolist() == [2.0] * 3 + [0.0] * 9
    agent.q[0][3] = 7.0
    assert policy.q[0, 3] == 2.0
    assert policy.world is not None  # a notebook draws it


# Refusals -------------------------------------------------------------------------------------------------------------


def agent_with(**changes):
    agent = Greedy(12, 4)
    for name, value in changes.items():
        setattr(agent, name, value)
    return agent


def is_refused(agent, message, num_episodes=5):
    with pytest.raises(SettingError, match=message):
        clew.run_agent(agent, clew.Environment(MAZE), num_episodes)


@pytest.mark.parametrize("action", [4, -1, 1.0, "1", None, True, np.bool_(True), [1], np.array([1]), 10**30])
def test_an_action_that_is_none_is_refused(action):
    is_refused(agent_with(act=lambda state: action), r"the agent's act gave action .*, expected one in 0\.\.3")


@pytest.mark.parametrize("action", [3, np.int64(3), np.uint8(3), np.array(3)])
def test_any_integer_is_an_action(action):
    env = clew.Environment(clew.Maze.open(3, 4, goal=(0, 3)))
    agent = agent_with(act=lambda state: action)
    clew.run_agent(agent, env, 1)
    assert [step.action for step in agent.log] == [3, 3, 3]


@pytest.mark.parametrize(
    ("agent", "message"),
    [
        (Greedy, "agent must be an agent, not the class Greedy; pass an instance"),
        (object(), r"agent must have the methods act\(state\) and update\(transition\); .* has no act"),
        (agent_with(act=None), "has no act"),
        (agent_with(update=7), "has no update"),
        (agent_with(act=lambda: 0), r"agent must have a method act\(state\) of one argument, not act\(\)"),
        (
            agent_with(update=lambda s, a, r, s_next: None),
            r"agent must have a method update\(transition\) of one argument, not update\(s, a, r, s_next\)",
        ),
        (clew.Policy(clew.Environment(MAZE)), "has no act"),
    ],
)
def test_what_is_no_agent_is_refused_with_the_methods_it_needs(agent, message):
    is_refused(agent, message)


@pytest.mark.parametrize(
    ("q", "message"),
    [
        (
            np.zeros((12, 3)),
            r"the agent's q must have the shape \(12, 4\) of .*, not \(12, 3\); give it another name",
        ),
        ({0: [0.0] * 4}, "the agent's q must be an array of real numbers, not of type object"),
        (np.full((12, 4), np.nan), "the agent's q must hold numbers; it has values that are NaN"),
        (np.full((12, 4), 1e39), "the agent's q must fit float32"),
        (np.full((12, 4), np.inf), "the action values became too large for float32"),
    ],
)
def test_a_q_that_is_no_table_is_refused_before_the_first_episode(q, message):
    agent = agent_with(q=q)
    is_refused(agent, message)
    assert agent.log == []


def test_a_table_that_has_become_nonsense_is_refused_at_the_end():
    def update(transition):
        if transition.terminated:
            agent.q[0, 0] = np.nan

    agent = agent_with(update=update)
    is_refused(agent, "the agent's q must hold numbers", num_episodes=1)


def test_an_error_of_the_agent_comes_through_as_it_is():
    def update(transition):
        raise ZeroDivisionError("of the student's")

    with pytest.raises(ZeroDivisionError, match="of the student's"):
        clew.run_agent(agent_with(update=update), clew.Environment(MAZE), 5)


# The example ----------------------------------------------------------------------------------------------------------


def test_plain_q_learning_is_graded_drawn_and_compared_with_the_compiled_one(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("sys.argv", [str(EXAMPLE), str(tmp_path)])
    names = runpy.run_path(str(EXAMPLE), run_name="__main__")
    assert len(capsys.readouterr().out.splitlines()) == 6
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(
        f"{name}{ending}.svg" for name in ("book", "cliff", "FrozenLake") for ending in ("", "-curves")
    )
    for name, most in {"book": 0.0, "cliff": 0.0, "FrozenLake": 0.1}.items():
        found = names["learn"](name)
        for _, grade in found.values():
            assert -1e-9 < grade.suboptimality <= most + 1e-9
    assert names["learn"]("book")["plain"][1].mean_steps == 8.0
    assert names["learn"]("cliff")["plain"][1].mean_return == -13.0
