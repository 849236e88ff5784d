"""The Minigrid example, if Minigrid is installed: the full state, and optimal paths."""

import runpy
from collections import deque
from pathlib import Path

import numpy as np
import pytest

from clew import SettingError, evaluate_policy

minigrid = pytest.importorskip("minigrid")
EXAMPLE = runpy.run_path(str(Path(__file__).parents[2] / "examples" / "minigrid_table.py"))


def make(name, layout=0):
    import gymnasium

    return EXAMPLE["FullState"](gymnasium.make(name), layout)


def fewest_steps(env):
    """Return the length of the optimal path, by breadth-first search that replays the actions to each state."""
    waiting, seen = deque([()]), set()
    while waiting:
        actions = waiting.popleft()
        state, _ = env.reset()
        reward, terminated = 0.0, False
        for action in actions:
            state, reward, terminated, *_ = env.step(action)
        if reward > 0.0:
            return len(actions)
        if not terminated and tuple(state) not in seen:
            seen.add(tuple(state))
            waiting.extend((*actions, action) for action in range(6))
    return None


@pytest.mark.parametrize(
    ("name", "num_states"), [("MiniGrid-Empty-5x5-v0", 100), ("MiniGrid-DoorKey-5x5-v0", 5 * 5 * 4 * 3 * 26)]
)
def test_a_table_finds_the_fewest_steps(name, num_states):
    env, policy = EXAMPLE["learn"](name, 3000)
    assert env.observation_space.n == num_states
    grade = evaluate_policy(env, policy, 5)
    assert grade.terminated_rate == 1.0
    assert grade.mean_steps == fewest_steps(make(name))


def test_the_full_state_decides_what_follows():
    """An action in a given state always gives the same next state, reward and termination."""
    env, rng, known = make("MiniGrid-DoorKey-5x5-v0"), np.random.default_rng(0), {}
    for _ in range(60):
        state, over = env.reset()[0], False
        for _ in range(150):
            action = int(rng.integers(7))
            next_state, reward, over, truncated, _ = env.step(action)
            assert next_state in env.observation_space
            told = tuple(next_state), reward, over
            assert known.setdefault((tuple(state), action), told) == told
            if over or truncated:
                break
            state = next_state
    doors, key = {state[3] for state, _ in known}, {state[4] for state, _ in known}
    assert doors == {0, 1, 2}
    assert 25 in key  # carried
    assert len(key) > 3


@pytest.mark.parametrize("name", ["MiniGrid-Dynamic-Obstacles-5x5-v0", "MiniGrid-ObstructedMaze-1Dlh-v0"])
def test_what_has_a_state_of_another_kind_is_refused(name):
    with pytest.raises(SettingError, match="is not supported: its state isn't observed"):
        make(name)
