"""Every algorithm of the table: what it learns, compiled and step by step, and that only the seed decides it."""

import gymnasium
import numpy as np
import pytest
from gymnasium.spaces import Discrete
from gymnasium.wrappers import TimeLimit

from clew import ALGORITHMS, BEHAVIOURS, Environment, Maze, SettingError, evaluate_policy, solve, train_policy
from clew.distributed import train_policy_parallel
from clew.environments import as_compiled
from clew.kernels.learning.sweeping import num_tries
from clew.kernels.sampling import draw_start, new_stream, sample
from loops import new_learner, play, used_settings
from oracles import random_sparse_world
from worlds import only_steps

EPISODIC = [name for name, row in ALGORITHMS.items() if not row.interleaves]
MODELS = ("prioritized-sweeping", "propagation", "r-max")


class Stepped(gymnasium.Env):
    """A world that doesn't say what it is, so that it is played step by step; it ends where a `FiniteMDP` does."""

    def __init__(self, mdp):
        self.mdp, self.stream = mdp, new_stream(0)
        self.observation_space, self.action_space = Discrete(mdp.num_states), Discrete(mdp.num_actions)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        if seed is not None:
            self.stream = new_stream(seed)
        self.state = int(draw_start(self.mdp.starts, self.stream))
        return self.state, {}

    def step(self, action):
        self.state, reward, terminated = sample(self.mdp.model, self.state, action, self.stream)
        return self.state, reward, terminated, False, {}


@pytest.fixture(params=ALGORITHMS)
def algorithm(request):
    return request.param


def small_maze(**world):
    """In the sparse form, for which the loops of the other tests have been compiled."""
    return Environment(Maze.open(3, 4, obstacles=[(1, 1)]), step_reward=-0.1, **world).mdp.to_sparse()


# What is learned ------------------------------------------------------------------------------------------------------

SETTINGS = {"alpha": 0.3, "behaviour": "epsilon-greedy", "epsilon": 0.3, "exploration_schedule": "linear"}
SETTINGS |= {"alpha_schedule": "linear", "n": 3, "lambda_": 0.7}


@pytest.mark.parametrize("seed", [0, 1])
def test_every_algorithm_finds_the_shortest_way(algorithm, seed):
    mdp = small_maze(random_start=True)
    policy = train_policy(mdp, 4000, algorithm=algorithm, seed=seed, **used_settings(algorithm, SETTINGS))
    grade = evaluate_policy(mdp, policy, starts=mdp.starts)
    assert (grade.excess_steps, grade.terminated_rate) == (0.0, 1.0)


BY_EXPERIENCE = ("q-learning", "double-q-learning", "expected-sarsa", "sarsa", "tree-backup", "backward-replay")


@pytest.mark.parametrize("name", [*BY_EXPERIENCE, "watkins-q"])
def test_a_noisy_world_comes_to_its_solution(name):
    """With an exploration that ends at 0, on-policy rules learn the values of the greedy policy too."""
    mdp = random_sparse_world(1, num_states=5, num_actions=3).mdp
    settings = {"alpha_schedule": "exponential", "alpha_last": 0.001, "alpha": 0.3, "exploring_starts": True}
    settings |= {"epsilon": 1.0, "exploration_schedule": "linear", "exploration_last": 0.0} if "sarsa" in name else {}
    settings |= {"epsilon": 1.0} if "sarsa" not in name else {}
    settings |= {"n": 2, "lambda_": 0.3}
    policy = train_policy(mdp, 60_000, algorithm=name, gamma=0.8, **used_settings(name, settings))
    solution = solve(mdp, gamma=0.8)
    assert np.abs(policy.q - solution.q).max() < 0.05 * np.abs(solution.q).max()


@pytest.mark.parametrize("algorithm", MODELS)
def test_noisy_worlds_come_to_the_exact_solution(algorithm):
    """Every action drawn 20,000 times: the model is that near, and its solution too."""
    mdp = random_sparse_world(1, num_states=5, num_actions=3).mdp
    learner = new_learner(mdp, algorithm, gamma=0.8, behaviour="least-tried", num_planning=20)
    play(mdp, learner, 40_000, max_steps=50)
    solution = solve(mdp, gamma=0.8)
    assert np.abs(learner.rule.q - solution.q).max() < 0.02 * np.abs(solution.q).max()


def test_r_max_tries_everything_before_it_settles():
    """Unknown pairs are worth the most that can be, so a greedy policy goes to them all."""
    world = random_sparse_world(2, num_states=6)
    learner = new_learner(world.mdp, "r-max", np.full(world.shape, 2.0 / 0.1, np.float32), known_after=4)
    play(world.mdp, learner, 400)
    tries = [num_tries(learner.rule.model, pair) for pair in range(24)]
    alive = [pair for pair in range(24) if world.rows[pair // 4][0]]
    assert min(tries[pair] for pair in alive) >= 4
    assert max(tries) > 100


def test_a_trained_policy_of_a_noisy_world_with_dead_states_is_near_its_solution():
    mdp = random_sparse_world(2, num_states=8, num_actions=4).mdp
    alive = np.diff(mdp.model.offsets).reshape(8, 4) > 0
    assert not alive.all()
    policy = train_policy(mdp, 3000, algorithm="propagation", gamma=0.8, exploring_starts=True)
    solution = solve(mdp, gamma=0.8)
    assert np.abs(policy.q - solution.q)[alive].max() < 0.05 * np.abs(solution.q).max()


# Step by step ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("settings", [{}, {"exploring_starts": True, "alpha_schedule": "visits"}], ids=["", "visits"])
def test_step_by_step_the_same_bits_are_learned(algorithm, settings):
    """In a world without chance both draw the same."""
    mdp = small_maze()
    settings |= {"behaviour": "epsilon-greedy", "initial_value": 0.5, "n": 3, "num_planning": 2}
    settings = {"algorithm": algorithm, "seed": 3, **used_settings(algorithm, settings)}
    rows, stepped_rows = [], []
    compiled = train_policy(mdp, 60, callback=rows.append, **settings)
    stepped = train_policy(Stepped(mdp), 60, callback=stepped_rows.append, **settings)
    assert compiled.q.tobytes() == stepped.q.tobytes()
    assert [row.num_steps for row in rows] == [row.num_steps for row in stepped_rows]
    assert len(np.unique(compiled.q)) > 2


@pytest.mark.parametrize("behaviour", BEHAVIOURS)
def test_every_behaviour_acts_the_same_step_by_step(behaviour):
    mdp = small_maze()
    tables = [train_policy(env, 40, behaviour=behaviour, seed=3).q for env in (mdp, Stepped(mdp))]
    assert np.array_equal(*tables)
    assert tables[0].any()


@pytest.mark.parametrize("name", ["n-step-sarsa", "tree-backup", "sarsa-lambda", "monte-carlo", "sarsa"])
def test_step_by_step_and_compiled_cut_episodes_off_alike(name):
    """The maze's own step limit, and Gymnasium's: of several the least holds, on the compiled way too."""
    env = Environment(Maze.open(3, 4), step_reward=-0.1, max_episode_steps=5)
    settings = {"algorithm": name, "behaviour": "epsilon-greedy", "seed": 3}
    longer = Environment(Maze.open(3, 4), step_reward=-0.1, max_episode_steps=9)
    worlds = [env, TimeLimit(env, 10**9), TimeLimit(longer, 5), only_steps(env), only_steps(TimeLimit(longer, 5))]
    assert [as_compiled(world) is not None for world in worlds] == [True, True, True, False, False]
    tables = [train_policy(world, 60, **settings).q for world in worlds]
    assert len({table.tobytes() for table in tables}) == 1
    assert tables[0].any()


def test_a_noisy_world_that_only_steps_is_learned_with_a_model_that_grows():
    mdp = random_sparse_world(1, num_states=5, num_actions=3).mdp
    settings = {"behaviour": "least-tried", "initial_value": 0.0, "gamma": 0.8, "num_planning": 20}
    policy = train_policy(Stepped(mdp), 600, algorithm="prioritized-sweeping", **settings)
    solution = solve(mdp, gamma=0.8)
    assert np.abs(policy.q - solution.q).max() < 0.15 * np.abs(solution.q).max()


def test_a_world_that_only_steps_plays_one_episode_at_a_time():
    with pytest.raises(SettingError, match="num_interleaved must be 1"):
        train_policy(Stepped(small_maze()), 10, num_interleaved=2)


# Several streams ------------------------------------------------------------------------------------------------------


def test_one_simulation_is_the_serial_trainer_for_every_algorithm(algorithm):
    mdp, settings = small_maze(), {"algorithm": algorithm, "behaviour": "epsilon-greedy", "seed": 3}
    one = train_policy_parallel(mdp, 50, 1, **settings)
    assert one.q.tobytes() == train_policy(mdp, 50, **settings).q.tobytes()


@pytest.mark.parametrize("name", ["sarsa", "n-step-sarsa", "propagation", "dyna-q"])
def test_several_streams_find_the_shortest_way(name):
    mdp = small_maze(random_start=True)
    settings = {**used_settings(name, SETTINGS), "algorithm": name, "num_actors": 0, "num_simulations": 3}
    short = [train_policy_parallel(mdp, 30, seed=seed, **settings).q.tobytes() for seed in (1, 1, 2)]
    assert short[0] == short[1] != short[2]
    assert evaluate_policy(mdp, train_policy_parallel(mdp, 3000, **settings), starts=mdp.starts).excess_steps == 0.0


@pytest.mark.parametrize("behaviour", [name for name, row in BEHAVIOURS.items() if row.uses_visits])
def test_counts_of_tries_go_from_round_to_round(behaviour):
    """By the counts of all rounds, every action of every state is tried as often as the others, but for one round."""
    mdp = small_maze(random_start=True)
    settings = {"behaviour": behaviour, "algorithm": "propagation", "num_actors": 0, "sync_every": 2}
    curious = {setting: 1000.0 for setting in [BEHAVIOURS[behaviour].setting] if setting}
    policy = train_policy_parallel(mdp, 400, 3, **settings, **curious)
    goals = mdp.num_states - 1
    tried = policy.q[mdp.starts] != policy.q[goals, 0]
    assert tried.all()
