"""Faulty worlds, each of which `clew.examine` must name, and worlds in which it must find nothing."""

import itertools

import gymnasium
import numba
import numpy as np
import pytest
from gymnasium.spaces import Discrete
from gymnasium.wrappers import TimeLimit, TransformObservation

import clew
from clew.environments.gallery import GALLERY
from clew.kernels import seconds_compiled
from clew.runs.examination import examine_run
from clew.runs.examination.case import Case
from clew.runs.examination.graphs import Graph
from clew.runs.examination.rewards import expect_first_reward
from clew.runs.examination.walks import walk_at_random
from oracles import sparse_world
from worlds import only_steps


def names(world, **settings):
    """Return the names of what is found."""
    return [finding.name for finding in clew.examine(world, **settings)]


def the(name, found):
    """Return the finding of a name, of which there must be one."""
    [finding] = [each for each in found if each.name == name]
    return finding


class Room(gymnasium.Env):
    """A corridor of cells 0..n - 1 in plain Python: action 1 goes right, 0 left; the last cell is the goal.

    Args:
        n: number of cells.
        step_reward: reward of each step.
        has_key: True if the goal opens only after cell 0 was left to the left, which isn't observed.
        has_door: False if the goal can't be entered.
    """

    def __init__(self, n=6, step_reward=0.0, has_key=False, has_door=True):
        self.observation_space, self.action_space = Discrete(n), Discrete(2)
        self.n, self.step_reward, self.has_key, self.has_door = n, step_reward, has_key, has_door

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.cell, self.is_open = 1, not self.has_key
        return self.cell, {}

    def step(self, action):
        self.is_open = self.is_open or (self.cell == 0 and action == 0)
        last = self.n - 1 if self.is_open and self.has_door else self.n - 2
        self.cell = min(max(self.cell + (1 if action else -1), 0), last)
        is_over = self.cell == self.n - 1
        return self.cell, 1.0 if is_over else self.step_reward, is_over, False, {}


def compile_something():
    """Return the seconds that compiling a new function takes, without a cache."""
    before = seconds_compiled()
    numba.njit(lambda x: x + 1)(1)
    return seconds_compiled() - before


class Compiling(Room):
    """The corridor; each episode begins with five compilations."""

    def reset(self, *, seed=None, options=None):
        for _ in range(5):
            compile_something()
        return super().reset(seed=seed)


def corridor(n, reward, *, step_reward=0.0, **changes):
    """Return a model of n cells, begun in cell 0: action 1 goes right, 0 left; the last cell is the end."""

    def step(s, a):
        if s == n - 1:
            return []
        s_next = changes.get("leads", {}).get((s, a), min(max(s + (1 if a else -1), 0), n - 1))
        return [(1.0, s_next, reward if s_next == n - 1 else step_reward, s_next == n - 1)]

    return clew.FiniteMDP.from_function(n, 2, step, starts=[0])


def bandit(noise, gain):
    """Return a model of one step and two actions: the second earns `gain` more, and both add or subtract `noise`."""
    return clew.FiniteMDP.from_function(
        2, 2, lambda s, a: [(0.5, 1, gain * a + sign * noise, True) for sign in (-1, 1)] if s == 0 else []
    )


# Faulty worlds --------------------------------------------------------------------------------------------------------


def test_a_goal_that_cannot_be_reached():
    wall = corridor(6, 1.0, leads={(3, 1): 3})
    finding = the("unreachable-goal", clew.examine(wall))
    assert (finding.number, finding.severity) == (1.0, "error")
    assert "no end can be reached from 1 of 1 start state, such as state 0" in finding.reason
    finding = the("unreachable-goal", clew.examine(TimeLimit(Room(has_door=False), 50)))
    assert "no step ends an episode, and all of them pay 0" in finding.reason
    finding = the("unreachable-goal", clew.examine(TimeLimit(Room(60), 50), 100))
    assert "in 20,000 random steps no episode ended, and each step paid 0" in finding.reason


def test_a_maze_without_a_path_is_a_finding(tmp_path):
    (tmp_path / "maze.txt").write_text("S.#.\n..#G\n")
    [finding] = examine_run(clew.TrainingConfig(maze=str(tmp_path / "maze.txt")))
    assert (finding.name, finding.severity) == ("unreachable-goal", "error")


def test_a_state_from_which_there_is_no_way_back():
    hole = corridor(6, 1.0, leads={(2, 0): 2, (3, 0): 3, (3, 1): 3})
    pit = clew.FiniteMDP.from_function(
        3,
        2,
        lambda s, a: [] if s == 2 else [(1.0, 1 if s == 1 or a == 0 else 2, float(a and s == 0), a == 1 and s == 0)],
    )
    assert "unreachable-goal" in names(hole)
    finding = the("dead-ends", clew.examine(clew.FiniteMDP.sparse(**{**pit._arguments(), "starts": [0]})))
    assert finding.number == 1.0
    assert "from 1 of 2 states that can be reached, such as state 1" in finding.reason


def test_no_step_limit():
    for world in (Room(), corridor(6, 1.0)):  # of which one may have a limit that wasn't seen, and one is only a model
        assert the("no-step-limit", clew.examine(world)).severity == "note"
    for thorough in (True, False):
        assert (
            the("no-step-limit", clew.examine(gymnasium.make("CliffWalking-v1"), thorough=thorough)).severity
            == "warning"
        )
    endless = clew.Environment(clew.Maze.open(3, 3), max_episode_steps=10**12)
    assert the("no-step-limit", clew.examine(endless)).severity == "warning"
    limited = TimeLimit(Room(), 50), clew.ModelEnvironment(corridor(6, 1.0)), clew.Maze.open(3, 3)
    assert [names(world) for world in limited] == [[], [], []]
    one_way = corridor(6, 1.0, leads={(s, 0): s + 1 for s in range(5)})
    assert names(one_way) == [], "every episode ends, whatever is done"


def test_a_step_limit_that_is_too_small():
    finding = the("short-step-limit", clew.examine(clew.Environment(clew.Maze.open(5, 5), max_episode_steps=7)))
    assert (finding.number, finding.severity) == (8.0, "error")
    assert names(clew.Environment(clew.Maze.open(5, 5), max_episode_steps=8)) == []
    some = clew.Environment(clew.Maze.open(5, 5), random_start=True, max_episode_steps=7)
    finding = the("short-step-limit", clew.examine(some))
    assert finding.severity == "warning"
    assert "8 steps away from 1 of 24 start states" in finding.reason


def lock(n):
    """Return a lock of n digits, each 0 or 1; a wrong one begins again."""
    return corridor(n + 1, 1.0, leads={(s, 0): 0 for s in range(n)})


def random_walk(n, num_steps):
    """Return (p, L) of a random walk in the lock of n digits under a step limit, step by step."""
    here, found, length = np.eye(n)[0], 0.0, 0.0
    for _ in range(num_steps):
        length, found = length + here.sum(), found + 0.5 * here[-1]
        here = np.concatenate([[0.5 * here.sum()], 0.5 * here[:-1]])
    return found, length


@pytest.mark.parametrize("thorough", [True, False])
def test_a_first_reward_that_is_hardly_ever_found(thorough):
    env = clew.ModelEnvironment(lock(20), max_episode_steps=40)
    p, length = random_walk(20, 40)
    finding = the("first-reward", clew.examine(env, int(0.68 / p), thorough=thorough))
    assert finding.number == pytest.approx(length / p)
    # of 0.69 / p episodes none has the reward with a probability of 1/2
    assert names(env, num_episodes=int(0.71 / p), thorough=thorough) == []
    assert names(env, thorough=thorough, optimistic=True) == []
    assert names(env, thorough=thorough, behaviour="least-tried") == []


@pytest.mark.parametrize(("n", "num_steps"), [(16, 10**9), (12, 50), (1000, 10**9)])
def test_expected_steps_to_the_first_reward_are_exact(n, num_steps):
    mdp = lock(n) if n < 1000 else corridor(n + 1, 1.0)
    figures = expect_first_reward(Case(mdp, clew.Learning(), 10, num_steps))
    if num_steps == 50:
        p, length = random_walk(n, num_steps)
        assert figures == pytest.approx((length / p, 1.0 / p))
    else:  # n right digits in a row; or the far end of a corridor whose near end is a wall
        assert figures == pytest.approx((2.0**17 - 2.0 if n == 16 else 1000.0 * 1001.0, 1.0), rel=1e-6)


def test_what_pays_but_cannot_be_reached_is_said():
    finding = the("first-reward", clew.examine(gymnasium.make("FrozenLake-v1", desc=["SFF", "FHH", "FHG"])))
    assert (finding.number, finding.severity) == (np.inf, "error")
    assert finding.remedy.startswith("open a path to a state that pays")


class Clock(Room):
    """A corridor too long for random actions, so that not every state is seen."""

    def __init__(self, step_reward, goal_reward=1.0):
        super().__init__(100, step_reward)
        self.goal_reward = goal_reward

    def step(self, action):
        cell, reward, is_over, *rest = super().step(action)
        return cell, self.goal_reward if is_over else reward, is_over, *rest


def test_no_reward_is_missed_where_each_step_costs_or_tries_are_counted():
    assert "first-reward" in names(TimeLimit(Clock(0.0), 60))
    assert "first-reward" not in names(TimeLimit(Clock(0.0), 60), behaviour="least-tried"), "the remedy"
    assert "first-reward" not in names(TimeLimit(Clock(-1.0, 0.0), 60))


def test_settings_that_training_refuses_are_refused():
    for settings in ({"optimistic": True}, {"pessimistic": True}, {"algorithm": "r-max"}):
        for use in (clew.examine, clew.train_policy):
            with pytest.raises(clew.SettingError, match="rewards of this environment"):
                use(TimeLimit(Room(), 50), 10, **settings)
    assert names(TimeLimit(Room(), 50), initial_value=1.0) == []


def test_penalties_are_no_first_reward():
    env = clew.Environment(clew.Maze.open(5, 5), outer_wall_reward=-1.0, max_episode_steps=8)
    finding = the("first-reward", clew.examine(env, 100))
    assert finding.number == pytest.approx(8 / probability_of_eight_steps_to_the_goal(), rel=1e-3)


def probability_of_eight_steps_to_the_goal():
    """Return the probability of a shortest path in the open 5x5 grid: 70 paths of eight moves."""
    return 70 / 4**8


def test_a_world_without_rewards():
    finding = the("first-reward", clew.examine(clew.ModelEnvironment(corridor(6, 0.0))))
    assert (finding.number, finding.severity) == (np.inf, "error")


@pytest.mark.parametrize("thorough", [True, False])
def test_greedy_ties_that_can_loop(thorough):
    env = clew.Environment(clew.Maze.open(5, 5))
    finding = the("looping-ties", clew.examine(env, gamma=1.0, thorough=thorough))
    assert finding.number == 24.0, "with gamma 1 every action of every cell is optimal"
    assert "in 24 states, such as cell (0, 0)" in finding.reason
    assert names(clew.Environment(clew.Maze.open(5, 5), step_reward=-1.0), gamma=1.0, thorough=thorough) == []
    assert names(env, gamma=0.99, thorough=thorough) == []


def test_loops_from_which_there_is_no_end_are_no_ties():
    def step(s, a):  # 0 and 1 lead to each other, 2 and 3 to the end 4
        return [(1.0, 1 - s, 0.0, False)] if s < 2 else [] if s > 3 else [(1.0, 4, 1.0, True)]

    mdp = clew.FiniteMDP.from_function(5, 1, step, starts=[0, 2])
    assert names(clew.ModelEnvironment(mdp), gamma=0.9) == ["unreachable-goal"]


def work(step_reward):
    """Return a model in which one may work on for a reward of each step, or retire for 10."""
    return clew.ModelEnvironment(
        clew.FiniteMDP.from_function(
            2, 2, lambda s, a: [] if s else [(1.0, 1, 10.0, True) if a else (1.0, 0, step_reward, False)], starts=[0]
        )
    )


def test_the_remedies_of_ties_work():
    finding = the("looping-ties", clew.examine(work(1.0), gamma=0.9))
    assert finding.remedy == "take a smaller gamma, or let each step cost a little"
    assert names(work(1.0), gamma=0.8) == names(work(0.99), gamma=0.9) == []


@pytest.mark.parametrize("unit", [1.0, 0.1])
def test_shaped_rewards_tie(unit):
    def step(s, a):  # a step to the right pays a unit, and one to the left costs it
        s_next = max(s + 2 * a - 1, 0)
        return [] if s == 5 else [(1.0, s_next, unit * (s_next - s), s_next == 5)]

    env = clew.ModelEnvironment(clew.FiniteMDP.from_function(6, 2, step, starts=[0]))
    [finding] = clew.examine(env, gamma=1.0)
    assert (finding.name, finding.number) == ("looping-ties", 5.0)
    assert finding.remedy == "take a gamma below 1, or let each step cost a little"
    assert names(env, gamma=0.9) == []


class Sledge(gymnasium.Env):
    """A ring of 6 cells that hides its speed: an action pushes left or right, and only the cell is observed."""

    observation_space, action_space = Discrete(6), Discrete(2)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.cell, self.speed = 0, 0
        return 0, {}

    def step(self, action):
        self.speed = max(-1, min(1, self.speed + (1 if action else -1)))
        self.cell = (self.cell + self.speed) % 6
        return self.cell, float(self.cell == 3), self.cell == 3, False, {}


def test_hidden_state():
    for world, least in ((Sledge(), 1000.0), (Room(has_key=True), 100.0)):
        finding = the("hidden-state", clew.examine(TimeLimit(world, 100)))
        assert finding.number > least
    taxi = gymnasium.make("Taxi-v4", fickle_passenger=True)
    assert the("hidden-state", clew.examine(taxi)).number == taxi.unwrapped.fickle_probability


class Fork(Room):
    """A corridor at whose end one of two actions wins: which of them, the first cell has shown."""

    def __init__(self):
        super().__init__(7)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.sign = self.cell = int(self.np_random.integers(2))
        return self.cell, {}

    def step(self, action):
        is_over = self.cell == 6
        self.cell = max(2, self.cell + (not is_over))
        return self.cell, 1.0 if is_over and action == self.sign else 0.0, is_over, False, {}


def test_a_sign_that_has_to_be_remembered():
    assert the("hidden-goal", clew.examine(Fork())).number > 1000.0


def test_ties_that_are_broken_by_the_first_action():
    env = clew.Environment(clew.Maze.open(9, 9, start=(8, 0), goal=(0, 8)))  # up and right, and action 0 is down
    assert names(env, num_episodes=20) == []
    finding = the("first-reward", clew.examine(env, 20, behaviour="first-action"))
    assert finding.number > 20 * env.max_episode_steps
    learned = clew.train_policy(env, 20, behaviour="first-action", seed=1)
    assert not learned.q.any(), "no reward was found"


class Taxi(Room):
    """A corridor with a passenger, who wants to leave in cell 0 or 5, which isn't observed; action 2 lets him."""

    def __init__(self):
        super().__init__(6)
        self.action_space = Discrete(3)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.cell, self.goal = 2, 5 * int(self.np_random.integers(2))
        return self.cell, {}

    def step(self, action):
        if action < 2:
            self.cell = min(max(self.cell + 2 * action - 1, 0), 5)
            return self.cell, -1.0, False, False, {}
        is_over = self.cell == self.goal
        return self.cell, 20.0 if is_over else -10.0, is_over, False, {}


class LateKey(Room):
    """A corridor whose goal pays only after cell 0 was visited, which isn't observed."""

    def step(self, action):
        self.is_open = self.is_open or self.cell == 0
        self.cell = min(max(self.cell + (1 if action else -1), 0), self.n - 1)
        is_over = self.is_open and self.cell == self.n - 1
        return self.cell, float(is_over), is_over, False, {}


def test_a_goal_that_hides_where_no_state_is_entered_or_what_opens_it():
    for world in (Taxi(), LateKey(7, has_key=True)):
        finding = the("hidden-goal", clew.examine(TimeLimit(world, 100)))
        assert finding.number > 10.0, finding


@pytest.mark.parametrize("slip", [0.0, 0.2])
def test_a_random_goal_that_is_not_observed(slip):
    env = clew.Environment(clew.Maze.open(5, 5), random_goal=True, slip=slip)
    hidden = TransformObservation(env, lambda state: state % 25, Discrete(25))
    finding = the("hidden-goal", clew.examine(hidden))
    assert "whether it ends the episode" in finding.reason
    assert names(env) == []
    assert names(only_steps(clew.Environment(clew.Maze.open(3, 3), random_goal=True, slip=slip))) == []


def test_nothing_is_hidden_where_outcomes_are_only_random():
    for world in ("FrozenLake-v1", "Blackjack-v1"):
        env = only_steps(clew.make_gymnasium(world))
        assert not {"hidden-state", "hidden-goal"} & set(names(env)), world


class Wide(Room):
    """A corridor with more states than a table can hold."""

    def __init__(self):
        super().__init__()
        self.observation_space = Discrete(2**45)


def test_a_table_larger_than_the_memory():
    finding = the("memory", clew.examine(Wide()))
    assert (finding.number, finding.severity) == (2**45 * 2 * 4, "error")
    episode = clew.Environment(clew.Maze.open(5, 5), max_episode_steps=10**12)
    finding = the("memory", clew.examine(episode, algorithm="monte-carlo"))
    assert finding.number == 16 * 10**12 + 800
    assert finding.remedy.startswith("take an algorithm that keeps no more than its values, such as q-learning")
    assert the("memory", clew.examine(Wide())).remedy == "take a smaller or coarser world"
    assert "memory" not in names(episode)
    for maze in ("100000x100000", "300x300"):
        [finding] = examine_run(clew.TrainingConfig(maze=maze, random_goal=True))
        assert (finding.name, finding.severity) == ("memory", "error")


@pytest.mark.parametrize("thorough", [True, False])
def test_staying_is_optimal(thorough):
    env = clew.Environment(clew.Maze.open(5, 5), step_reward=0.2)
    finding = the("staying-optimal", clew.examine(env, gamma=0.9, thorough=thorough))
    assert finding.number == pytest.approx(2.0), "0.2 / (1 - 0.9) for going on, and 1.2 for the goal"
    assert names(clew.Environment(clew.Maze.open(5, 5), step_reward=0.01), gamma=0.9, thorough=thorough) == []
    finding = the("staying-optimal", clew.examine(env, gamma=1.0))
    assert (finding.number, finding.severity) == (np.inf, "error")
    steps = TimeLimit(Room(step_reward=0.5), 50)
    assert the("staying-optimal", clew.examine(steps)).number == pytest.approx(5.0)


@pytest.mark.parametrize("thorough", [True, False])
def test_gamma_1_without_a_proper_policy(thorough):
    def slide(s, a):  # from cell 1 the slope leads to a pit, in which one stays
        return [(0.5, 1, -1.0, False), (0.5, 2, 0.0, True)] if s == 0 else [(1.0, 1, -1.0, False)] if s == 1 else []

    env = clew.ModelEnvironment(clew.FiniteMDP.from_function(3, 2, slide, starts=[0]))
    finding = the("undiscounted-without-end", clew.examine(env, gamma=1.0, thorough=thorough))
    assert (finding.number, finding.severity) == (1.0, "error")
    assert "undiscounted-without-end" not in names(env, gamma=0.9, thorough=thorough)
    warehouse = GALLERY["warehouse"].make()
    assert the("undiscounted-without-end", clew.examine(warehouse, gamma=1.0, thorough=thorough)).number == 21.0


@pytest.mark.parametrize("thorough", [True, False])
def test_gamma_too_small_for_the_distance(thorough):
    def found(n, gamma, **rewards):
        env = clew.ModelEnvironment(corridor(n + 1, 1.0, **rewards))
        return the("small-gamma", clew.examine(env, gamma=gamma, thorough=thorough))

    finding = found(1144, 0.9)
    assert finding.number == pytest.approx(0.9**1144)
    assert finding.severity == "warning"
    assert "0.9^1144 = 4.5e-53: no value will reach the start" in finding.reason
    assert finding.remedy == "take a gamma of 0.999"
    assert found(200, 0.9).severity == "note"
    assert found(200, 0.9, step_reward=-1.0).severity == "warning", "beside -10, float32 has steps of 1e-6"
    assert found(60, 0.1).severity == "warning"
    assert names(clew.ModelEnvironment(corridor(100, 1.0)), gamma=0.9, thorough=thorough) == []


# Other findings -------------------------------------------------------------------------------------------------------


def test_a_step_size_too_large_for_the_noise():
    finding = the("large-alpha", clew.examine(clew.ModelEnvironment(bandit(100.0, 1.0)), alpha=0.1))
    assert finding.number == pytest.approx(100.0 * np.sqrt(0.1 / 1.9) / 0.5)
    noisy = clew.ModelEnvironment(bandit(1.0, 1.0))
    assert names(noisy, alpha=0.1) == []
    assert names(noisy, alpha=1.0) == ["large-alpha"]
    assert names(clew.ModelEnvironment(bandit(100.0, 1.0)), alpha_schedule="visits") == []
    alpha = float(finding.remedy.split()[4].rstrip(","))
    assert names(clew.ModelEnvironment(bandit(100.0, 1.0)), alpha=alpha) == []


class Doors(gymnasium.Env):
    """Three doors, each of which pays 1 / p with probability p, and the last `gain` more."""

    observation_space, action_space = Discrete(2), Discrete(3)

    def __init__(self, p, gain=0.0):
        self.p, self.gain = p, gain

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        return 0, {}

    def step(self, action):
        return 1, float(self.np_random.random() < self.p) / self.p + self.gain * (action == 2), True, False, {}


def test_no_step_size_is_too_large_for_what_is_equal():
    assert names(Doors(0.5)) == names(Doors(0.001)) == []
    assert names(Doors(0.5, gain=0.2), alpha=0.2) == ["large-alpha"]
    equal = clew.FiniteMDP.from_function(
        2, 3, lambda s, a: [] if s else [(0.3, 1, 0.1, True), (0.7, 1, 0.7, True)], starts=[0]
    )
    assert names(clew.ModelEnvironment(equal), alpha=1.0) == [], "but for rounding"


def test_values_fluctuate_as_much_as_is_said():
    env = clew.ModelEnvironment(bandit(100.0, 1.0))
    learned = [clew.train_policy(env, 1000, seed=seed, epsilon=1.0, alpha=0.1).q[0] for seed in range(200)]
    assert np.std(learned, axis=0) == pytest.approx(100.0 * np.sqrt(0.1 / 1.9), rel=0.15)
    assert 0.4 < np.mean([q[1] > q[0] for q in learned]) < 0.65, "the better action is found as by a coin"


def test_warnings_of_float32_are_findings():
    env = clew.Environment(clew.Maze.open(3, 3), goal_reward=2e8, step_reward=-1.0)
    found = [each for each in clew.examine(env, gamma=1.0) if each.name == "coarse-rewards"]
    with pytest.warns(clew.PrecisionWarning) as caught:
        clew.train_policy(env, 10, gamma=1.0)
    assert [str(each.message) for each in caught] == [str(each) for each in found]
    assert len(found) == 2
    assert {each.filename for each in caught} == {__file__}


def test_what_is_not_examined_is_said():
    env = clew.Environment(clew.Maze.open(600, 600), slip=0.1)
    finding = the("not-examined", clew.examine(env))
    assert finding.number == 600 * 600 * 4 * 3
    assert names(env, thorough=False) == []
    long = clew.Environment(clew.Maze.open(250, 250), goal_reward=10.0)
    assert the("not-examined", clew.examine(long, gamma=0.999)).number == 250 * 250


# No findings ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", GALLERY)
def test_nothing_is_found_in_the_gallery(name):
    card = GALLERY[name]
    for thorough in (True, False):
        assert names(card.make(), gamma=card.gamma, thorough=thorough) == []
    assert examine_run(clew.TrainingConfig(maze=name, gamma=card.gamma, num_episodes=100)) == []


@pytest.mark.nightly
@pytest.mark.parametrize("name", GALLERY)
def test_nothing_is_found_in_the_gallery_without_models(name):
    card = GALLERY[name]
    assert names(only_steps(card.make()), gamma=card.gamma) == []


# Graphs ---------------------------------------------------------------------------------------------------------------


def test_graphs_are_those_of_a_slow_search():
    rng = np.random.default_rng(0)
    for _ in range(30):
        n, num_actions = 7, 2
        rows = [
            [
                [(1.0 / k, int(rng.integers(n)), 0.0, rng.random() < 0.1) for _ in range(k)]
                for k in rng.integers(1, 3, num_actions)
            ]
            for _ in range(n)
        ]
        rows[-1] = [[(1.0, n - 1, 0.0, False)]] * num_actions  # a trap
        mdp = sparse_world(rows, [0]).mdp
        graph = Graph(mdp)
        everything = np.ones(n * num_actions, np.bool_)
        assert np.array_equal(graph.can_end(everything), slow_can_end(rows))
        assert np.array_equal(graph.can_go_on(np.ones(n, np.bool_), everything), slow_can_go_on(rows))
        assert np.array_equal(graph.distances(graph.ends), slow_distances(rows))


def slow_can_end(rows):
    """Return from where some deterministic policy ends with probability 1, by trying all of them."""
    n = len(rows)
    found = np.zeros(n, np.bool_)
    for policy in itertools.product(*(range(len(actions)) for actions in rows)):
        chain = np.zeros((n, n))
        for s, a in enumerate(policy):
            for p, s_next, _, terminated in rows[s][a]:
                chain[s, s_next] += 0.0 if terminated else p
        found |= np.linalg.matrix_power(chain, 2**20).sum(axis=1) < 1e-9
    return found


def slow_can_go_on(rows):
    """Return from where some deterministic policy never ends, by trying all of them."""
    n = len(rows)
    found = np.zeros(n, np.bool_)
    for policy in itertools.product(*(range(len(actions)) for actions in rows)):
        chain = np.zeros((n, n))
        for s, a in enumerate(policy):
            for p, s_next, _, terminated in rows[s][a]:
                chain[s, s_next] += 0.0 if terminated else p
        found |= np.linalg.matrix_power(chain, n).sum(axis=1) > 1.0 - 1e-9
    return found


def slow_distances(rows):
    """Return the fewest steps to an end from each state, by value iteration."""
    distances = np.full(len(rows), np.inf)
    for _ in rows:
        distances = np.array(
            [min(1.0 if end else 1.0 + distances[t] for outs in actions for _, t, _, end in outs) for actions in rows]
        )
    return np.where(np.isfinite(distances), distances, -1).astype(int)


@pytest.mark.skipif(numba.config.DISABLE_JIT, reason="nothing is compiled")
def test_compiling_takes_none_of_the_time_of_a_random_walk():
    walk_at_random(Compiling(), num_steps=1)  # compiles what any walk needs; the first compilation takes longest
    assert walk_at_random(Compiling(), num_steps=20, seconds=compile_something()).num_steps == 20
