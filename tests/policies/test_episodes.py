import subprocess
import sys
from functools import partial

import gymnasium
import numpy as np
import pytest
from gymnasium.spaces import Box, Discrete
from gymnasium.wrappers import TimeLimit

from clew import Environment, Maze, Policy, SettingError, Simulation, Trajectory, Transition, train_policy
from clew.kernels.sampling import new_stream
from clew.policies.behaviours import BEHAVIOURS
from worlds import only_steps

COLUMNS = ("state", "action", "reward", "next_state", "terminated", "truncated")
RIGHT = 3


class Endless(gymnasium.Env):
    """Two states, to and fro, for ever; `leap` is added to the next state."""

    observation_space, action_space = Discrete(2), Discrete(1)

    def __init__(self, leap=0):
        self.leap = leap

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.state = 0
        return self.state, {}

    def step(self, action):
        self.state = 1 - self.state
        return self.state + self.leap, 0.5, False, False, {}


class Frames(gymnasium.Wrapper):
    """Counts the frames that are asked for."""

    count = 0

    def render(self):
        self.count += 1


def going_right(env):
    policy = Policy(env)
    policy.q[:, RIGHT] = 1.0
    return policy


def same(one, other):
    return all(np.array_equal(getattr(one, name), getattr(other, name)) for name in COLUMNS)


def random_table(env, seed=0):
    return np.random.default_rng(seed).integers(0, 3, Policy(env).q.shape).astype(np.float32)


# Trajectory -----------------------------------------------------------------------------------------------------------

TWO_EPISODES = [
    Transition(0, 3, -0.5, 1, False, False),
    Transition(1, 3, 0.5, 2, True, False),
    Transition(0, 1, -0.5, 0, False, True),
]


def test_a_trajectory_has_a_column_for_each_part_of_a_transition():
    trajectory = Trajectory.from_transitions(TWO_EPISODES)
    assert trajectory.state.tolist() == [0, 1, 0]
    assert trajectory.action.tolist() == [3, 3, 1]
    assert trajectory.reward.tolist() == [-0.5, 0.5, -0.5]
    assert trajectory.next_state.tolist() == [1, 2, 0]
    assert trajectory.terminated.tolist() == [False, True, False]
    assert trajectory.truncated.tolist() == [False, False, True]
    dtypes = [getattr(trajectory, name).dtype for name in COLUMNS]
    assert dtypes == [np.int32, np.int32, np.float32, np.int32, np.bool_, np.bool_]


def test_a_trajectory_counts_steps_episodes_and_successes():
    trajectory = Trajectory.from_transitions(TWO_EPISODES)
    assert (len(trajectory), trajectory.num_episodes, trajectory.num_terminated) == (3, 2, 1)


def test_a_row_comes_back_as_the_transition_it_was():
    trajectory = Trajectory.from_transitions(TWO_EPISODES)
    assert [trajectory[i] for i in range(3)] == TWO_EPISODES
    assert list(trajectory) == TWO_EPISODES
    assert [type(part) for part in trajectory[-1]] == [int, int, float, int, bool, bool]


def test_a_trajectory_may_be_empty():
    trajectory = Trajectory.from_transitions([])
    assert (len(trajectory), trajectory.num_episodes, trajectory.num_terminated) == (0, 0, 0)
    assert trajectory.reward.dtype == np.float32


def test_the_columns_for_kernels_cannot_be_written():
    columns = Trajectory.from_transitions(TWO_EPISODES).columns
    assert columns._fields == COLUMNS
    assert not any(column.flags.writeable for column in columns)


def columns(**changed):
    given = {name: getattr(Trajectory.from_transitions(TWO_EPISODES), name) for name in COLUMNS}
    return {**given, **changed}


@pytest.mark.parametrize("name", COLUMNS)
def test_columns_of_different_lengths_are_refused(name):
    with pytest.raises(SettingError, match="one length"):
        Trajectory(**columns(**{name: getattr(Trajectory.from_transitions(TWO_EPISODES), name)[:2]}))


def test_columns_of_other_types_become_those_of_a_trajectory():
    other = {name: np.asarray(column, np.float64) for name, column in columns().items()}
    other["state"] = np.array([[0, 9], [1, 9], [0, 9]])[:, 0]  # not in one piece
    trajectory = Trajectory(**other)
    assert same(trajectory, Trajectory.from_transitions(TWO_EPISODES))
    assert [getattr(trajectory, name).dtype for name in COLUMNS] == [
        np.int32,
        np.int32,
        np.float32,
        np.int32,
        bool,
        bool,
    ]
    assert trajectory.state.flags.c_contiguous


@pytest.mark.parametrize(
    ("name", "column"),
    [
        ("state", [0.0, 0.5, 1.0]),
        ("state", [0, 2**32, 0]),
        ("action", [[3], [3], [1]]),
        ("truncated", [0, 2, 1]),
        ("reward", ["1", "2", "3"]),
    ],
)
def test_columns_that_would_change_are_refused(name, column):
    with pytest.raises(SettingError, match=name):
        Trajectory(**columns(**{name: column}))


# One episode ----------------------------------------------------------------------------------------------------------


def test_a_rollout_by_hand():
    env = Environment(Maze.open(1, 3), step_reward=-0.25)
    trajectory = Simulation(env).rollout(going_right(env), explore=False)
    assert list(trajectory) == [
        Transition(0, RIGHT, -0.25, 1, False, False),
        Transition(1, RIGHT, 0.75, 2, True, False),
    ]


@pytest.mark.parametrize("limit", [1, 2, 7])
def test_a_rollout_ends_at_the_step_limit(limit):
    env = Environment(Maze.open(1, 30), max_episode_steps=limit)
    trajectory = Simulation(env).rollout(going_right(env), explore=False)
    assert len(trajectory) == limit
    assert trajectory.truncated.tolist() == [False] * (limit - 1) + [True]
    assert not trajectory.terminated.any()


@pytest.mark.parametrize("limits", [(2, 9), (9, 2), (2, 2)], ids=str)
def test_reaching_the_goal_at_the_limit_is_an_end_and_not_a_cut(limits):
    """Gymnasium's own wrapper says that both happened."""
    env = TimeLimit(Environment(Maze.open(1, 3), max_episode_steps=limits[0]), limits[1])
    last = Simulation(env).rollout(going_right(env), explore=False)[-1]
    assert (last.terminated, last.truncated) == (True, False)


@pytest.mark.parametrize("seed", range(5))
def test_an_untrained_rollout_always_ends(seed):
    env = Environment(Maze.open(6, 6))
    trajectory = Simulation(env).rollout(Policy(env, seed=seed), explore=False)
    assert len(trajectory) <= env.max_episode_steps
    assert trajectory.num_episodes == 1
    assert trajectory.terminated[-1] != trajectory.truncated[-1]
    assert np.array_equal(trajectory.state[1:], trajectory.next_state[:-1])


def test_an_environment_without_an_end_is_cut_off_after_100_steps_a_state():
    trajectory = Simulation(Endless()).rollout(Policy(Endless()))
    assert len(trajectory) == 200
    assert trajectory.truncated.nonzero()[0].tolist() == [199]
    assert not trajectory.terminated.any()


def test_a_state_outside_the_space_is_refused():
    with pytest.raises(SettingError, match="gave state 2, outside its space of 2"):
        Simulation(Endless(leap=1)).rollout(Policy(Endless()))


def test_a_model_is_played_as_its_environment_plays_it():
    mdp = Environment(Maze.open(1, 3)).mdp
    policy = Policy(mdp, q=np.tile([0.0, 0.0, 0.0, 1.0], (3, 1)))  # to the right
    trajectory = Simulation(mdp).rollout(policy, explore=False)
    assert (trajectory.next_state.tolist(), trajectory.terminated.tolist()) == ([1, 2], [False, True])


def test_an_environment_without_discrete_spaces_is_refused():
    env = gymnasium.Env()
    env.observation_space, env.action_space = Box(0, 1), Discrete(2)
    with pytest.raises(SettingError, match="observation_space"):
        Simulation(env)


@pytest.mark.parametrize(("render", "frames"), [(True, 4), (False, 0)])
def test_a_frame_is_drawn_at_the_start_and_after_every_step(render, frames):
    env = Frames(Environment(Maze.open(1, 4)))
    Simulation(env).rollout(going_right(env), explore=False, render=render)
    assert env.count == frames


# Many episodes --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("epsilon", [0.0, 0.3, 1.0])
def test_rollouts_equal_rollout_after_rollout_with_the_same_stream(epsilon):
    env = Environment(Maze.open(3, 4), step_reward=-0.1, max_episode_steps=40)
    q = random_table(env)
    policy = Policy(env, q=q)
    policy.stream = new_stream(5, 1)
    episodes = [Simulation(env).rollout(policy, epsilon=epsilon) for _ in range(20)]
    rows = [transition for episode in episodes for transition in episode]
    together = Simulation(env).rollouts(q, 20, exploration=epsilon, stream=new_stream(5, 1))
    assert same(together, Trajectory.from_transitions(rows))
    assert together.num_episodes == 20


def test_rollouts_step_by_step_and_compiled_are_the_same_but_for_one_draw():
    """The stepwise form takes one draw for the environment's seed, which a fixed start doesn't need."""
    env = Environment(Maze.open(3, 4), max_episode_steps=40)
    streams = new_stream(5), new_stream(5)
    streams[0][0] += streams[0][1]
    compiled = Simulation(env).rollouts(random_table(env), 20, stream=streams[0])
    stepwise = Simulation(only_steps(env)).rollouts(random_table(env), 20, stream=streams[1])
    assert same(compiled, stepwise)
    assert streams[0].tolist() == streams[1].tolist()


@pytest.mark.parametrize("wrap", [lambda env: env, only_steps], ids=["compiled", "stepwise"])
def test_the_stream_decides_every_draw_of_rollouts(wrap):
    def play(seed):
        env = wrap(Environment(Maze.open(3, 4), random_start=True, slip=0.2))
        return Simulation(env).rollouts(random_table(env), 10, stream=new_stream(seed))

    assert same(play(1), play(1))
    assert not same(play(1), play(2))


@pytest.mark.parametrize("wrap", [lambda env: env, only_steps], ids=["compiled", "stepwise"])
def test_rollouts_leave_the_values_as_they_are(wrap):
    env = wrap(Environment(Maze.open(3, 4)))
    q = random_table(env)
    q.setflags(write=False)
    trajectory = Simulation(env).rollouts(q, 3, stream=new_stream(0))
    assert trajectory.num_episodes == 3
    assert np.array_equal(q, random_table(env))


@pytest.mark.parametrize("wrap", [lambda env: env, only_steps], ids=["compiled", "stepwise"])
def test_starts_are_drawn_from_all_and_never_on_the_goal(wrap):
    env = wrap(Environment(Maze.open(2, 2), random_start=True))
    trajectory = Simulation(env).rollouts(np.zeros((4, 4), np.float32), 60, stream=new_stream(0))
    begins = np.r_[True, (trajectory.terminated | trajectory.truncated)[:-1]]
    assert set(trajectory.state[begins].tolist()) == {0, 1, 2}


@pytest.mark.parametrize("wrap", [lambda env: env, only_steps], ids=["compiled", "stepwise"])
def test_values_of_another_layout_or_type_play_the_same(wrap):
    env = wrap(Environment(Maze.open(3, 4), max_episode_steps=40))
    q = random_table(env)
    one, *others = (
        Simulation(env).rollouts(values, 5, stream=new_stream(3))
        for values in (q, np.asfortranarray(q), q.astype(np.float64), q.astype(np.int64))
    )
    assert all(same(one, other) for other in others)


@pytest.mark.parametrize("name", [name for name, row in BEHAVIOURS.items() if row.uses_visits])
def test_a_behaviour_that_counts_begins_at_zero_unless_told_what_was_tried(name):
    env = Environment(Maze.open(3, 4), max_episode_steps=40)
    q, nothing = random_table(env), np.zeros((12, 4), np.int64)
    play = partial(Simulation(env).rollouts, q, 5, behaviour=name)
    assert same(play(stream=new_stream(3)), play(visits=nothing, stream=new_stream(3)))
    assert not nothing.any()
    tried = np.array([[9, 9, 9, 0]] * 12)
    first = play(visits=tried, stream=new_stream(3))
    assert first.action[0] == RIGHT


def test_the_persistent_behaviour_goes_on_until_something_is_better():
    """Nothing is known of nine cells in a row: straight on, into the wall, and step by step as compiled."""
    env = Environment(Maze.open(1, 9), max_episode_steps=20)
    q = np.zeros((9, 4), np.float32)
    play = partial(Simulation(env).rollouts, q, 6, behaviour="persistent")
    trajectory = play(stream=new_stream(0))
    ends = np.flatnonzero(trajectory.terminated | trajectory.truncated) + 1
    assert all(len(set(part.tolist())) == 1 for part in np.split(trajectory.action, ends) if part.size)
    stepped = Simulation(TimeLimit(env, 1000)).rollouts(q, 6, behaviour="persistent", stream=new_stream(0))
    assert len(set(stepped.action.tolist())) > 1
    ends = np.flatnonzero(stepped.terminated | stepped.truncated) + 1
    assert all(len(set(part.tolist())) == 1 for part in np.split(stepped.action, ends) if part.size)


def test_the_greedy_behaviour_never_explores():
    env = Environment(Maze.open(1, 9))
    trajectory = Simulation(env).rollouts(going_right(env).q, 50, behaviour="greedy", stream=new_stream(0))
    assert set(trajectory.action.tolist()) == {RIGHT}


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"policy": np.zeros((12, 3), np.float32)}, r"policy: expected action values of shape \(12, 4\)"),
        ({"policy": np.zeros(48, np.float32)}, r"policy: expected action values of shape \(12, 4\)"),
        ({"policy": np.full((12, 4), "1")}, "policy must be an array of real numbers"),
        ({"num_episodes": -1}, "num_episodes"),
        ({"num_episodes": 1.5}, "num_episodes"),
        ({"behaviour": "timid"}, "behaviour must be one of .*, not 'timid'"),
        ({"behaviour": "ucb", "visits": np.zeros((11, 4), np.int32)}, "visits"),
        ({"behaviour": "ucb", "visits": np.zeros((12, 4))}, "visits"),
        ({"exploration": 1.1}, r"exploration must be .* in \[0, 1\] for epsilon-greedy"),
        ({"exploration": float("nan")}, "exploration"),
        ({"behaviour": "softmax", "exploration": 0.0}, "exploration must be a finite number above 0 for softmax"),
        ({"behaviour": "ucb", "exploration": -1.0}, "exploration must be a finite number of at least 0 for ucb"),
    ],
)
def test_rollouts_name_the_setting_that_is_out_of_range(settings, message):
    env = Environment(Maze.open(3, 4))
    with pytest.raises(SettingError, match=message):
        Simulation(env).rollouts(
            **{"policy": np.zeros((12, 4), np.float32), "num_episodes": 1, "stream": new_stream(0), **settings}
        )


INTERRUPTED = """
import signal, sys
import numpy as np
from clew import Environment, Maze, Simulation, train_policy, train_policy_parallel

env = Environment(Maze.open(20, 20))
train_policy(env, 1), train_policy_parallel(env, 2, 2, num_actors=0)

def interrupt(*_):
    raise KeyboardInterrupt

signal.signal(signal.SIGALRM, interrupt)
for train in (train_policy, lambda env, n: train_policy_parallel(env, n, 2, num_actors=0)):
    signal.setitimer(signal.ITIMER_REAL, 0.1)
    try:
        train(env, 10_000_000)
    except KeyboardInterrupt:
        print("stopped", flush=True)
"""


def test_ctrl_c_during_a_kernel_stops_and_does_not_crash():
    done = subprocess.run([sys.executable, "-c", INTERRUPTED], capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stdout.split()) == (0, ["stopped", "stopped"]), done.stderr


@pytest.mark.parametrize(("observation", "said"), [(5, "gave state 5"), (-1, "gave state -1"), (0.5, "gave state 0.5")])
def test_a_state_outside_the_space_is_refused_at_the_reset_too(observation, said):
    class Astray(gymnasium.Env):
        observation_space, action_space = gymnasium.spaces.Discrete(3), gymnasium.spaces.Discrete(2)

        def reset(self, *, seed=None, options=None):
            return observation, {}

    with pytest.raises(SettingError, match=f"reset {said}"):
        train_policy(Astray(), 3)
