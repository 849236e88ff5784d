"""Training that begins from a policy."""

import numpy as np
import pytest

import clew
from clew.errors import RunError, SettingError, StoppedError
from clew.learning.checkpoints import Checkpoints
from worlds import only_steps

ENV = clew.Environment(clew.Maze.open(5, 6), random_start=True, slip=0.1)
SHORT = clew.Environment(clew.Maze.open(5, 6), random_start=True, slip=0.1, max_episode_steps=10)
SOLUTION = clew.solve(ENV, gamma=0.9)
OPTIMAL = clew.Policy(ENV, q=SOLUTION.q)
RANDOM = clew.Policy(ENV, q=np.random.default_rng(0).uniform(-1.0, 1.0, (30, 4)))


def trainer(env, num_episodes, **settings):
    agent = clew.Trainer(env, num_episodes=num_episodes, **settings)
    agent.learn(num_episodes)
    return agent.policy


def in_parallel(sharing):
    def train(env, num_episodes, **settings):
        return clew.train_policy_parallel(env, num_episodes, 3, num_actors=0, sharing=sharing, **settings)

    return train


WAYS = {
    "train_policy": clew.train_policy,
    "Trainer": trainer,
    "central": in_parallel("central"),
    "local": in_parallel("local"),
}


@pytest.mark.filterwarnings("ignore::clew.PrecisionWarning")
@pytest.mark.parametrize("way", WAYS)
def test_a_training_that_changes_nothing_returns_the_policy_it_began_with(way):
    """An update by the smallest step size changes no value of this size."""
    policy = WAYS[way](ENV, 50, policy=RANDOM, alpha=1e-12)
    assert policy.q.tobytes() == RANDOM.q.tobytes()
    assert policy is not RANDOM
    assert not np.shares_memory(policy.q, RANDOM.q)


@pytest.mark.parametrize("way", WAYS)
def test_a_solution_is_a_policy_of_its_action_values(way):
    began = WAYS[way](ENV, 50, policy=SOLUTION)
    assert began.q.tobytes() == WAYS[way](ENV, 50, policy=OPTIMAL).q.tobytes()
    assert began.q.tobytes() != WAYS[way](ENV, 50).q.tobytes()


@pytest.mark.parametrize("way", WAYS)
def test_a_uniform_policy_is_an_initial_value(way):
    uniform = clew.Policy(ENV, q=np.full((30, 4), 0.75))
    began = WAYS[way](ENV, 200, policy=uniform, seed=2)
    assert began.q.tobytes() == WAYS[way](ENV, 200, initial_value=0.75, seed=2).q.tobytes()
    assert began.q.tobytes() != WAYS[way](ENV, 200, seed=2).q.tobytes()
    assert (uniform.q == 0.75).all()


@pytest.mark.parametrize("settings", [{}, {"threshold": 0.01}], ids=str)
@pytest.mark.parametrize("algorithm", [name for name in clew.ALGORITHMS if ":" not in name])
def test_every_algorithm_begins_with_a_uniform_policy_as_with_an_initial_value(algorithm, settings):
    if settings and "threshold" not in clew.ALGORITHMS[algorithm].settings:
        return
    settings = {"algorithm": algorithm, "seed": 2, **settings}
    began = clew.train_policy(ENV, 100, policy=clew.Policy(ENV, q=np.full((30, 4), 0.5)), **settings)
    assert began.q.tobytes() == clew.train_policy(ENV, 100, initial_value=0.5, **settings).q.tobytes()


@pytest.mark.parametrize("algorithm", [name for name in clew.ALGORITHMS if ":" not in name])
def test_every_algorithm_stays_near_the_optimum_that_it_begins_with(algorithm):
    """In a deterministic world every target is then the value itself, for greedy actions."""
    env = clew.Environment(clew.Maze.open(4, 5), random_start=True)
    optimal = clew.Policy(env, q=clew.solve(env, gamma=0.9).q)
    settings = {"behaviour": "greedy", "algorithm": algorithm}
    if algorithm == "dyna-q+":
        settings["kappa"] = 0.0  # no exploration bonus
    policy = clew.train_policy(env, 50, policy=optimal, **settings)
    assert np.abs(policy.q - optimal.q).max() < 1e-6
    assert np.abs(clew.train_policy(env, 50, **settings).q - optimal.q).max() > 1e-2


@pytest.mark.parametrize("threshold", [0.0, 0.01])
def test_changes_are_propagated_that_are_large_beside_the_values_it_began_with(threshold):
    """The value of state 1 falls from 5 to 1, which is the initial value of state 0."""

    def step(s, a):
        return [(1.0, s + 1, float(s), s == 1)] if s < 2 else []

    chain = clew.FiniteMDP.from_function(3, 1, step, starts=[0])
    policy = clew.Policy(chain, q=[[1.0], [5.0], [5.0]])
    learned = clew.train_policy(chain, 1, policy=policy, algorithm="propagation", threshold=threshold)
    assert learned.q.ravel().tolist() == [np.float32(0.9), 1.0, 5.0]


def test_it_saves_the_episodes_that_had_been_learned_before():
    rows = []
    clew.train_policy(ENV, 100, policy=OPTIMAL, callback=rows.append)
    assert np.mean([row.mean_steps for row in rows[:10]]) < 9.0
    clew.train_policy(ENV, 100, callback=rows.append)
    assert np.mean([row.mean_steps for row in rows[100:110]]) > 15.0


def test_double_q_learning_begins_with_the_policy_in_both_tables():
    policy = clew.train_policy(SHORT, 1, policy=RANDOM, algorithm="double-q-learning", alpha=1.0)
    assert 1 <= (policy.q != RANDOM.q).sum() <= 10  # q is the mean of both tables


def test_environments_without_a_model_begin_with_it_whatever_the_algorithm():
    """R-max needs initial values there, since the bounds of the rewards are unknown."""
    for algorithm in ("q-learning", "r-max"):
        policy = clew.train_policy(only_steps(SHORT), 1, policy=RANDOM, algorithm=algorithm)
        assert 1 <= (policy.q != RANDOM.q).sum() <= 40
    with pytest.raises(SettingError, match="initial_value must be given"):
        clew.train_policy(only_steps(ENV), 1, algorithm="r-max")


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(
    ("policy", "settings", "message"),
    [
        (clew.Policy(clew.Environment()), {}, r"policy must have action values of \(30, 4\), .*, not \(25, 4\)"),
        (
            RANDOM.q,
            {},
            r"policy must be a clew\.Policy or a Solution, not a ndarray; clew\.Policy\(env, q=table\) makes",
        ),
        (clew.solve(ENV, horizon=3), {}, r"policy must be a clew\.Policy or a Solution, not a HorizonSolution"),
        (clew.solve(clew.Environment()), {}, r"q must have the shape \(30, 4\)"),
        (
            SOLUTION.policy,
            {},
            r"a policy made from actions has no action values q; clew\.Policy\(env, q=table\) makes one",
        ),
        (clew.Policy(ENV, q=np.full((30, 4), np.inf)), {}, "policy must have finite action values"),
        (RANDOM, {"initial_value": 0.0}, "policy can't be combined with initial_value, optimistic or pessimistic"),
        (RANDOM, {"optimistic": True}, "policy can't be combined with initial_value, optimistic or pessimistic"),
        (RANDOM, {"pessimistic": True}, "policy can't be combined with initial_value, optimistic or pessimistic"),
    ],
)
def test_what_does_not_fit_is_refused(way, policy, settings, message):
    with pytest.raises(SettingError, match=message):
        WAYS[way](ENV, 10, policy=policy, **settings)


@pytest.mark.parametrize("way", ["train_policy", "central", "local"])
def test_a_checkpoint_belongs_to_the_policy_it_began_with(way, tmp_path):
    def stop(row):
        if row.num_ended > 30:
            raise StoppedError

    with pytest.raises(StoppedError):
        WAYS[way](ENV, 300, policy=RANDOM, callback=stop, checkpoints=Checkpoints(tmp_path))
    for other in ({"policy": OPTIMAL}, {}):
        with pytest.raises(RunError, match="belongs to another training: the policy is another"):
            WAYS[way](ENV, 300, checkpoints=Checkpoints(tmp_path), **other)
    resumed = WAYS[way](ENV, 300, policy=RANDOM, checkpoints=Checkpoints(tmp_path))
    assert resumed.q.tobytes() == WAYS[way](ENV, 300, policy=RANDOM).q.tobytes()


@pytest.mark.ray
@pytest.mark.parametrize("sharing", ["central", "local"])
def test_actors_begin_with_it_too(ray_up, sharing):
    settings = {"policy": RANDOM, "sharing": sharing, "sync_every": 5, "seed": 1}
    here = clew.train_policy_parallel(ENV, 300, 3, num_actors=0, **settings)
    there = clew.train_policy_parallel(ENV, 300, 3, num_actors=2, **settings)
    assert here.q.tobytes() == there.q.tobytes()
    del settings["policy"]
    assert here.q.tobytes() != clew.train_policy_parallel(ENV, 300, 3, num_actors=0, **settings).q.tobytes()


def test_values_of_actions_that_are_not_available_are_ignored():
    def replace(s, a):  # a worn machine (state 1) can be replaced (action 1), a new one can't
        return [(1.0, 1, 3.0, False)] if a == 0 else [(1.0, 0, -1.0, False)] if s == 1 else []

    world = clew.ModelEnvironment(clew.FiniteMDP.from_function(2, 2, replace), max_episode_steps=20)
    learned = clew.train_policy(world, 200, seed=1)
    assert np.isneginf(learned.q).tolist() == [[False, True], [False, False]]
    for sharing in ("central", "local"):
        again = clew.train_policy_parallel(world, 200, 2, num_actors=0, sharing=sharing, policy=learned)
        assert np.isneginf(again.q).tolist() == [[False, True], [False, False]]
    rows = []
    agent = clew.run_agent(Replacer(), world, 100, callback=rows.append)
    assert agent.greedy_actions().tolist() == [[True, False], [True, False]]
    with pytest.raises(SettingError, match="policy must have finite action values"):
        clew.train_policy(clew.FiniteMDP.from_arrays(np.full((2, 2, 2), 0.5), R=np.ones((2, 2))), 1, policy=learned)


class Replacer:
    """An agent that takes action 0 alone."""

    def __init__(self):
        self.q = np.zeros((2, 2))

    def act(self, state):
        return 0

    def update(self, transition):
        self.q[transition.state, transition.action] = 1.0
