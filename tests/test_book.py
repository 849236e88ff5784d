"""The chapter's calls, and its eleven faults by number (docs/book.md says what each was)."""

import random
from itertools import pairwise

import numpy as np
import pytest

import clew
from clew import RoundMetrics, book, distributed
from clew.book.environment import fast_world
from clew.mazes import Maze


@pytest.fixture
def env():
    return book.Environment()


def test_discrete_samples_its_numbers_evenly():
    space = book.Discrete(4)
    counts = np.bincount([space.sample() for _ in range(4000)], minlength=4)
    assert space.n == 4
    assert counts.sum() == 4000
    assert ((counts - 1000) ** 2 / 1000).sum() < 16.3  # chi-square, 3 degrees of freedom, p = 0.001


def test_the_environment_is_the_chapters(env):
    assert (env.seeker, env.goal) == ((0, 0), (4, 4))
    assert env.info == {"seeker": (0, 0), "goal": (4, 4)}
    assert (env.action_space.n, env.observation_space.n) == (4, 25)
    assert (env.reset(), env.get_observation(), env.get_reward(), env.is_done()) == (0, 0, 0, False)


@pytest.mark.parametrize(
    ("action", "seeker", "observation"), [(0, (3, 2), 17), (1, (2, 1), 11), (2, (1, 2), 7), (3, (2, 3), 13)]
)
def test_a_step_goes_down_left_up_right(env, action, seeker, observation):
    env.seeker = (2, 2)
    assert env.step(action) == (observation, 0, False, {"seeker": seeker, "goal": (4, 4)})


def test_the_border_stops_a_step_and_the_goal_ends(env):
    assert env.step(2)[0] == env.step(1)[0] == 0
    env.seeker = (4, 3)
    assert env.step(3) == (24, 1, True, {"seeker": (4, 4), "goal": (4, 4)})
    assert (env.is_done(), env.get_reward()) == (True, 1)


@pytest.mark.parametrize("action", [4, -1, None, "down"])
def test_another_action_raises_value_error(env, action):
    with pytest.raises(ValueError, match="action must be 0"):
        env.step(action)


def test_world_and_table_lead_to_the_rest_of_clew(env):
    policy = book.train_policy(env)
    values = clew.Policy(env.world, q=policy.state_action_table)
    assert clew.evaluate_policy(env.world, values).excess_steps == 0.0


def test_the_same_call_gives_the_same_table():
    tables = [book.train_policy(book.Environment(), 50).state_action_table for _ in range(2)]
    assert (tables[0] == tables[1]).all()
    assert tables[0].any()


def test_render_draws_cells_with_s_over_g(env, capsys):
    env.render()
    assert capsys.readouterr().out == "|S| | | | |\n" + "| | | | | |\n" * 3 + "| | | | |G|\n"
    env.seeker = (4, 4)
    env.render()
    assert capsys.readouterr().out.endswith("| | | | |S|\n")


def test_a_policy_begins_with_zeros(env):
    policy = book.Policy(env)
    assert len(policy.state_action_table) == 25
    assert [list(row) for row in policy.state_action_table] == [[0, 0, 0, 0]] * 25
    assert policy.action_space.n == 4


def test_a_policy_exploits_and_explores(env):
    policy = book.Policy(env)
    policy.state_action_table[7][2] = 1
    assert {policy.get_action(7, explore=False) for _ in range(50)} == {2}
    assert {policy.get_action(7, explore=True, epsilon=1.0) for _ in range(100)} == {0, 1, 2, 3}


def test_a_rollout_is_a_list_of_four_columns(env):
    experiences = book.Simulation(env).rollout(book.Policy(env))
    assert experiences[0][0] == 0
    assert experiences[-1][2:] == [1, 24]
    assert all(before[3] == after[0] for before, after in pairwise(experiences))


def test_update_policy_follows_the_rule(env):
    policy = book.Policy(env)
    policy.state_action_table[1] = [0.25, 0.5, 0.0, 0.0]
    policy.state_action_table[0][3] = 0.2
    book.update_policy(policy, [[0, 3, 0, 1]], weight=0.1, discount_factor=0.9)
    assert policy.state_action_table[0][3] == pytest.approx(0.9 * 0.2 + 0.1 * 0.9 * 0.5)


def test_the_chapter_in_sequence(env, capsys):
    policy = book.train_policy(env)
    assert book.evaluate_policy(env, policy) == 8.0
    assert capsys.readouterr().out == "8.0 steps on average for a total of 10 episodes.\n"


# The faults -----------------------------------------------------------------------------------------------------------


@pytest.mark.ray
def test_fault_1_actors_play_with_fresh_values(env, ray_up):
    rows: list[RoundMetrics] = []
    policy = distributed.train_policy_parallel(env.world, 4000, 4, num_actors=2, callback=rows.append)
    assert sum(row.num_steps for row in rows) / 4000 < 20  # the chapter: 397, in every round
    table = book.train_policy_parallel(env).state_action_table
    assert table.tobytes() == policy.q.tobytes()


@pytest.mark.parametrize("goal", [(0, 4), (4, 0), (2, 2)])
def test_fault_2_ties_are_broken_at_random_so_any_goal_is_found(goal):
    env = book.Environment(Maze.open(5, 5, goal=goal))
    assert book.evaluate_policy(env, book.train_policy(env)) == sum(goal)


def test_fault_3_a_rollout_ends_even_if_the_policy_never_does(env):
    policy = book.Policy(env)
    policy.state_action_table[:, 2] = 1  # up, for ever
    simulation = book.Simulation(env)
    assert len(simulation.rollout(policy, explore=False)) == 2500
    assert simulation.truncated
    simulation.rollout(book.Policy(env))
    assert not simulation.truncated


def test_fault_4_what_follows_the_goal_counts_nothing(env):
    policy = book.Policy(env)
    policy.state_action_table[24] = 5.0  # whatever stands in the goal's row
    book.update_policy(policy, [[23, 3, 1, 24]])
    assert policy.state_action_table[23][3] == pytest.approx(0.1)


@pytest.mark.ray
def test_fault_5_actors_get_the_environment_that_was_passed_in(ray_up):
    env = book.Environment(Maze.open(10, 10))
    policy = book.train_policy_parallel(env)
    assert policy.state_action_table.shape == (100, 4)
    assert book.evaluate_policy(env, policy) == 18.0
    actor = book.SimulationActor.remote(env)
    assert ray_up.get(actor.rollout.remote(policy, explore=False))[-1][3] == 99


def test_fault_6_num_episodes_is_the_total_but_for_the_chapters_own_function(env):
    seen: list[RoundMetrics] = []
    distributed.train_policy_parallel(env.world, 50, 4, num_actors=0, callback=seen.append)
    assert sum(row.num_episodes for row in seen) == 50


@pytest.mark.ray
def test_fault_7_settings_reach_the_parallel_update(env, ray_up):
    tables = [
        book.train_policy_parallel(env, 20, 2, weight, discount_factor).state_action_table.tobytes()
        for weight, discount_factor in [(0.1, 0.9), (0.5, 0.9), (0.1, 0.5), (0.1, 0.9)]
    ]
    assert tables[0] == tables[3]
    assert len(set(tables)) == 3


@pytest.mark.ray
def test_fault_8_two_parallel_runs_agree_whatever_the_global_seed(env, ray_up):
    def table(seed):
        random.seed(seed)
        np.random.seed(seed)  # noqa: NPY002  # as the chapter's readers do
        return book.train_policy_parallel(env).state_action_table.tobytes()

    assert table(1) == table(2)


def test_fault_9_the_table_is_one_array_that_is_not_copied(env):
    table = book.Policy(env).state_action_table
    assert isinstance(table, np.ndarray)
    assert (table.dtype, table.flags.c_contiguous, table.nbytes) == (np.float32, True, 400)


def test_fault_10_evaluation_returns_a_figure_and_draws_nothing(env, capsys):
    assert book.evaluate_policy(env, book.train_policy(env), num_episodes=3) == 8.0
    assert capsys.readouterr().out.count("\n") == 1


def test_fault_11_a_random_start_is_never_the_goal():
    env = book.Environment(Maze.open(2, 2), random_start=True)
    seen = {(env.reset(), env.seeker)[1] for _ in range(200)}
    assert seen == {(0, 0), (0, 1), (1, 0)}


# The exercises --------------------------------------------------------------------------------------------------------


def test_a_readers_own_environment_is_played_as_it_stands():
    class Backwards(book.Environment):
        def step(self, action):
            return super().step([2, 3, 0, 1][action])

    env = Backwards()
    policy = book.train_policy(env, 2000)
    assert book.evaluate_policy(env, policy) == 8.0
    assert policy.get_action(0, explore=False) in (2, 1)  # up is down, left is right


def test_random_goals_are_part_of_the_observation():
    env = book.Environment(Maze.open(3, 3), random_goal=True)
    goals = set()
    for _ in range(100):
        observation = env.reset()
        goals.add(env.goal)
        assert observation == 9 * (3 * env.goal[0] + env.goal[1]) + 0
    assert len(goals) == 8


# What readers change --------------------------------------------------------------------------------------------------


class Ten(book.Environment):
    def get_reward(self):
        return 10 if self.is_done() else -1


class SecondGoal(book.Environment):
    def is_done(self):
        return self.seeker in ((4, 4), (2, 2))


class GoalThere(book.Environment):
    goal = (2, 2)


class GoalSet(book.Environment):
    def __init__(self):
        super().__init__()
        self.goal = (2, 2)


class ColumnsFirst(book.Environment):
    def get_observation(self):
        return 5 * self.seeker[1] + self.seeker[0]


class FarStart(book.Environment):
    def reset(self):
        self.seeker = (0, 4)
        return self.get_observation()


class DownThenRight(book.Policy):
    def get_action(self, state, explore=True, epsilon=0.1):
        return 0 if state < 20 else 3


TRAINERS = {
    "serial": lambda env: book.train_policy(env, 3000),
    "parallel": lambda env: book.train_policy_parallel(env, 750),
}


OVERRIDING = {Ten: (8.0, 10.0), SecondGoal: (4.0, 1.0), GoalThere: (4.0, 1.0), GoalSet: (4.0, 1.0)}
OVERRIDING |= {ColumnsFirst: (8.0, 1.0), FarStart: (4.0, 1.0)}  # mean steps, greatest action value
ON_ACTORS = Ten, ColumnsFirst  # an environment goes to actors as a whole, whatever it overrides; the others go by night


@pytest.mark.ray
@pytest.mark.parametrize(
    ("trainer", "env_class"),
    [
        pytest.param(trainer, each, marks=[pytest.mark.nightly] * (trainer == "parallel" and each not in ON_ACTORS))
        for trainer in TRAINERS
        for each in OVERRIDING
    ],
)
def test_a1_every_override_is_called_by_both_trainers(trainer, env_class, ray_up):
    mean_steps, greatest = OVERRIDING[env_class]
    env = env_class()
    policy = TRAINERS[trainer](env)
    assert book.evaluate_policy(env, policy) == mean_steps
    assert policy.state_action_table.max() == pytest.approx(greatest, rel=1e-3)


def test_a1_step_calls_what_is_overridden():
    assert Ten().step(0)[1] == -1
    env = SecondGoal()
    env.seeker = (2, 1)
    assert env.step(3)[:3] == (12, 1.0, True)
    assert ColumnsFirst().step(0)[0] == 1
    assert GoalSet().info == {"seeker": (0, 0), "goal": (2, 2)}


def test_a1_a_method_set_on_the_object_is_an_override():
    env = book.Environment()
    env.is_done = lambda: env.seeker in ((4, 4), (2, 2))
    assert book.evaluate_policy(env, book.train_policy(env, 3000)) == 4.0


@pytest.mark.parametrize("kind", [book.Environment, type("Child", (book.Environment,), {})])
def test_a1_a_method_set_in_the_class_itself_is_an_override(kind, monkeypatch):
    before = book.train_policy(kind(), 20).state_action_table
    assert before.min() >= 0.0
    monkeypatch.setattr(book.Environment, "get_reward", lambda self: -1)
    env = kind()
    assert env.step(0)[1] == -1.0
    assert book.train_policy(env, 20).state_action_table.min() < 0.0
    with pytest.raises(clew.SettingError, match="get_reward was replaced in the class Environment itself, which isn't"):
        book.train_policy_parallel(env, 20)
    monkeypatch.undo()
    assert np.array_equal(book.train_policy(kind(), 20).state_action_table, before)


def test_a1_a_choice_of_actions_set_in_the_class_itself_is_an_override(monkeypatch):
    env, states = book.Environment(), []
    policy = book.Policy(env)
    monkeypatch.setattr(
        book.Policy, "get_action", lambda self, state, explore=True, epsilon=0.1: states.append(state) or state % 4
    )
    monkeypatch.setattr(env.world, "max_episode_steps", 9)
    assert book.evaluate_policy(env, policy, 1) == len(states) == 9


def test_a1_the_rewards_of_the_world_stay_where_only_the_end_is_overridden():
    env = SecondGoal(step_reward=-0.5, outer_wall_reward=-3.0, goal_reward=5.0)
    assert env.step(1)[1] == -3.5
    env.seeker = (2, 1)
    assert env.step(3)[1] == 4.5


def test_a1_an_environment_that_overrides_nothing_runs_compiled():
    class Renamed(book.Environment):
        def render(self, *args, **kwargs):
            pass

    table = book.train_policy(Renamed()).state_action_table
    assert np.array_equal(table, book.train_policy(book.Environment()).state_action_table)
    assert fast_world(Renamed()).mdp.num_states == 25


def test_a1_the_goal_can_be_set_unless_it_is_random():
    env = book.Environment()
    env.goal = (0, 2)
    assert book.evaluate_policy(env, book.train_policy(env)) == 2.0
    with pytest.raises(clew.SettingError, match="random_goal must be False"):
        book.Environment(random_goal=True).goal = (1, 1)
    with pytest.raises(clew.SettingError, match="moves must be 'four'"):
        book.Environment(moves="robot")


def test_a1_a_policy_that_overrides_get_action_is_asked_for_each_action():
    env = book.Environment()
    assert book.evaluate_policy(env, DownThenRight(env)) == 8.0
    with pytest.raises(clew.SettingError, match="num_episodes"):
        book.evaluate_policy(env, DownThenRight(env), 0)


class TypedEnvironment:
    """The chapter's class, as a reader types it: nothing of Clew in it."""

    def __init__(self):
        self.seeker, self.goal = (0, 0), (4, 4)
        self.info = {"seeker": self.seeker, "goal": self.goal}
        self.action_space, self.observation_space = book.Discrete(4), book.Discrete(25)

    def reset(self):
        self.seeker = (0, 0)
        return self.get_observation()

    def get_observation(self):
        return 5 * self.seeker[0] + self.seeker[1]

    def get_reward(self):
        return 1 if self.is_done() else 0

    def is_done(self):
        return self.seeker == self.goal

    def step(self, action):
        row, column = self.seeker
        down, right = ((1, 0), (0, -1), (-1, 0), (0, 1))[action]
        self.seeker = (min(max(row + down, 0), 4), min(max(column + right, 0), 4))
        return self.get_observation(), self.get_reward(), self.is_done(), self.info


class TypedPolicy:
    def __init__(self, env):
        self.state_action_table = [[0] * env.action_space.n for _ in range(env.observation_space.n)]
        self.action_space = env.action_space
        self.rng = np.random.default_rng(1)

    def get_action(self, state, explore=True, epsilon=0.1):
        if explore and self.rng.random() < epsilon:
            return self.action_space.sample()
        row = self.state_action_table[state]
        return int(self.rng.choice(np.flatnonzero(np.array(row) == max(row))))


@pytest.mark.ray
@pytest.mark.parametrize("trainer", TRAINERS)
@pytest.mark.parametrize("env_class", [TypedEnvironment, clew.Environment])
def test_a1_environments_of_other_classes_are_learned(env_class, trainer, ray_up):
    env = env_class()
    policy = TRAINERS[trainer](env)
    assert book.evaluate_policy(env, policy) == 8.0
    assert len(book.Simulation(env).rollout(policy, explore=False)) == 8


def test_a1_a_typed_policy_is_updated_and_evaluated():
    env = book.Environment()
    policy, simulation = TypedPolicy(env), book.Simulation(TypedEnvironment())
    book.update_policy(policy, [[19, 0, 1, 24]])
    assert policy.state_action_table[19] == [0.1, 0, 0, 0]
    for _ in range(2000):
        book.update_policy(policy, simulation.rollout(policy))
    assert book.evaluate_policy(env, policy) == 8.0


def test_a1_a_policy_knows_that_the_goal_has_moved():
    env = book.Environment()
    policy = book.Policy(env)
    policy.state_action_table[24] = 5.0
    book.update_policy(policy, [[23, 3, 0.0, 24]])
    assert policy.state_action_table[23, 3] == 0.0
    env.goal = (2, 2)
    book.update_policy(policy, [[23, 3, 0.0, 24]])
    assert policy.state_action_table[23, 3] == pytest.approx(0.1 * 0.9 * 5.0)


@pytest.mark.parametrize("env_class", [book.Environment, Ten])
def test_a1_the_step_limit_holds_step_by_step_too(env_class):
    env = env_class(max_episode_steps=3)
    simulation = book.Simulation(env)
    assert len(simulation.rollout(book.Policy(env))) == 3
    assert simulation.truncated
    assert book.evaluate_policy(env, book.Policy(env)) == 3.0


@pytest.mark.parametrize("place", ["abc", None, (9, 9), (1.5, 2)])
def test_a_goal_that_is_not_a_place_of_the_maze_is_refused(place):
    env = book.Environment()
    with pytest.raises(clew.MazeError, match=r"the goal .*(must be \(row, column\)|is outside the maze)"):
        env.goal = place
    assert env.goal == (4, 4)


@pytest.mark.parametrize("place", [(10**9, 0), (-1, 0), (9, 9), (1.5, 2), "ab", 5, None])
def test_a_seeker_that_is_not_in_the_maze_is_refused_before_it_is_used(env, place):
    env.seeker = place
    for use in (lambda: env.step(0), env.is_done, env.get_observation, env.render):
        with pytest.raises(clew.SettingError, match=r"seeker must be \(row, column\) inside the maze of 5x5 cells"):
            use()


def test_a_seeker_may_be_any_pair_of_integers(env):
    env.seeker = [np.int64(4), 3]
    assert env.step(3)[:3] == (24, 1, True)


@pytest.mark.parametrize(
    "table", [7, "abc", None, [[1.0]], np.zeros((4, 25)), np.full((25, 4), np.nan), np.full((25, 4), 1e300)]
)
def test_a_table_that_is_set_must_fit(env, table):
    policy = book.Policy(env)
    with pytest.raises(clew.SettingError, match="state_action_table must"):
        policy.state_action_table = table
    policy.state_action_table = [[0, 0, 0, 1]] * 25
    assert policy.get_action(3, explore=False) == 3


class OwnTable(book.Policy):
    make = staticmethod(lambda: [[0.0] * 4 for _ in range(25)])

    def __init__(self, env):
        super().__init__(env)
        self.own = self.make()

    @property
    def state_action_table(self):
        return self.own


class OwnArray(OwnTable):
    make = staticmethod(lambda: np.zeros((25, 4)))


class NewTable(book.Policy):
    @property
    def state_action_table(self):
        return [[0.0, 0.0, 0.0, 1.0]] * 20 + [[1.0, 0.0, 0.0, 0.0]] * 5


@pytest.mark.parametrize("policy_class", [OwnTable, OwnArray])
def test_a_table_that_is_overridden_is_learned_and_evaluated(env, policy_class):
    policy, simulation = policy_class(env), book.Simulation(env)
    policy.own[7][2] = 1.0
    assert {policy.get_action(7, explore=False) for _ in range(20)} == {2}
    for _ in range(500):
        book.update_policy(policy, simulation.rollout(policy))
    assert max(policy.own[23]) == pytest.approx(1.0, abs=1e-3)
    assert book.evaluate_policy(env, policy) == 8.0


def test_a_table_that_keeps_nothing_is_refused_when_it_is_learned(env):
    policy = NewTable(env)
    assert policy.get_action(7, explore=False) == 3
    assert book.evaluate_policy(env, policy) == 2500.0  # into the corner, and never to the goal
    with pytest.raises(clew.SettingError, match="NewTable overrides state_action_table by a table that doesn't keep"):
        book.update_policy(policy, [[23, 3, 1.0, 24]])


class NoWorld(book.Environment):
    def __init__(self):
        pass


class NoTable(book.Policy):
    def __init__(self, env):
        pass


class NoEnvironment(book.Simulation):
    def __init__(self, env):
        pass


def test_an_init_that_does_not_call_that_of_clew_is_named(env):
    uses = [
        (NoWorld, lambda: NoWorld().step(0)),
        (NoWorld, lambda: NoWorld().reset()),
        (NoWorld, lambda: book.train_policy(NoWorld(), 1)),
        (NoTable, lambda: NoTable(env).state_action_table),
        (NoTable, lambda: book.evaluate_policy(env, NoTable(env))),
        (NoEnvironment, lambda: NoEnvironment(env).rollout(book.Policy(env))),
    ]
    for kind, use in uses:
        with pytest.raises(clew.SettingError, match=rf"the __init__ of {kind.__name__} must call super\(\).__init__"):
            use()
    with pytest.raises(AttributeError, match="'Environment' object has no attribute 'wrold'"):
        _ = env.wrold
