"""Every function that takes a policy, with every kind of policy: a table of tests."""

import numpy as np
import pytest

import clew
import oracles
from clew import Environment, Maze, Policy, SettingError, Simulation, policy_steps, policy_values
from clew.kernels.sampling import new_stream
from clew.kernels.values import best_action
from clew.policies.given import as_policy, choices_of, weights_of
from clew.runs import grade
from oracles import random_sparse_world
from worlds import only_steps

LEFT, RIGHT = 1, 3
ENV = Environment(Maze.open(1, 6), random_start=True, step_reward=-1.0)  # going right is best, and nothing else is
SOLUTION = clew.solve(ENV)
WANDERING = [[0.0, 0.5, 0.0, 0.5]] * 6  # left or right


class Found:
    """An object of another library, which has a policy."""

    policy = SOLUTION.policy


def loaded(path):
    SOLUTION.policy.save(path / "policy.npz")
    return Policy.load(path / "policy.npz")


def read(path):
    SOLUTION.policy.to_csv(path / "policy.csv")
    return Policy.read_csv(ENV, path / "policy.csv")


# Each makes the policy that goes right.
KINDS = {
    "a policy of action values": lambda path: Policy(ENV, q=SOLUTION.q),
    "a policy of actions": lambda path: Policy.from_actions(ENV, [RIGHT] * 6),
    "a policy of probabilities": lambda path: Policy.from_probabilities(ENV, np.eye(4)[[RIGHT] * 6]),
    "a solution": lambda path: SOLUTION,
    "the policy of a solution": lambda path: SOLUTION.policy,
    "the policy of a step": lambda path: clew.solve(ENV, horizon=9).policy_at(0),
    "what has a policy": lambda path: Found(),
    "an array of action values": lambda path: SOLUTION.q,
    "a list of action values": lambda path: SOLUTION.q.tolist(),
    "an array of float32 in Fortran's order": lambda path: np.asfortranarray(SOLUTION.q, np.float32),
    "zeros and ones": lambda path: np.eye(4)[[RIGHT] * 6],
    "True and False": lambda path: SOLUTION.optimal_actions,
    "an array of actions": lambda path: SOLUTION.actions,
    "a list of actions": lambda path: [RIGHT] * 6,
    "a policy from an .npz file": loaded,
    "a policy from a .csv file": read,
}
# Each returns what has to be the same for all kinds.
FUNCTIONS = {
    "policy_values": lambda policy: policy_values(ENV, policy).v.tolist(),
    "policy_values, exploring": lambda policy: policy_values(ENV, policy, epsilon=0.25).v.tolist(),
    "policy_values, for a horizon": lambda policy: policy_values(ENV, policy, epsilon=0.25, horizon=3).v.tolist(),
    "policy_steps": lambda policy: policy_steps(ENV, policy, epsilon=0.25).tolist(),
    "policy_gain": lambda policy: clew.policy_gain(ENV, policy, epsilon=0.25).gains.tolist(),
    "policy_statistics": lambda policy: clew.policy_statistics(ENV, policy, gamma=1).action_occupancy.tolist(),
    "evaluate_values": lambda policy: clew.evaluate_values(ENV, policy),
    "evaluate_policy": lambda policy: clew.evaluate_policy(ENV, policy, starts=ENV.mdp.starts),
    "evaluate_policy, step by step": lambda policy: clew.evaluate_policy(only_steps(ENV), policy, 7),
    "runs.grade": lambda policy: grade(clew.TrainingConfig(), ENV, policy),
    "rollout": lambda policy: [step.action for step in Simulation(ENV).rollout(policy, explore=False)][-1:],
    "rollouts": lambda policy: (
        Simulation(ENV).rollouts(policy, 9, exploration=0.5, stream=new_stream(1)).state.tolist()
    ),
    "rollouts, step by step": lambda policy: (
        Simulation(only_steps(ENV)).rollouts(policy, 9, exploration=0.0, stream=new_stream(1)).num_terminated
    ),
    "weights_of": lambda policy: (weights_of(policy, ENV.mdp) > 0.0)[:5].tolist(),
    "choices_of": lambda policy: best_action(choices_of(policy, (6, 4)), 2, np.uint64(7)),
    "as_policy": lambda policy: [as_policy(policy, ENV).action(s) for s in range(5)],
}


def drawn(policy):
    return clew.draw(Environment(Maze.open(1, 6)), policy).picture


@pytest.mark.parametrize("function", FUNCTIONS)
def test_every_function_takes_every_kind_of_policy(function, tmp_path):
    expected = FUNCTIONS[function](KINDS["a policy of action values"](tmp_path))
    for kind, make in KINDS.items():
        assert FUNCTIONS[function](make(tmp_path)) == expected, kind


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_policy_is_drawn(kind, tmp_path):
    policy = KINDS[kind](tmp_path)
    if kind.endswith("of actions") and not isinstance(policy, Policy):  # which may be numbers of cells
        policy = as_policy(policy, ENV)
    picture = drawn(policy)
    assert picture.path == tuple((0, column) for column in range(6))
    assert picture.greedy[:5].tolist() == [[False, False, False, True]] * 5
    has_values = isinstance(policy, clew.Solution) or as_policy(policy, ENV).kind == "values"
    assert (picture.values is not None) == has_values


# What is refused ------------------------------------------------------------------------------------------------------

REFUSED = {
    "a table of probabilities": (
        WANDERING,
        r"can be read in two ways: .*; give clew\.Policy\(world, q=table\) or "
        r"clew\.Policy\.from_probabilities\(world, table\)",
    ),
    "probabilities, but for rows of zeros": (np.array([*WANDERING[:5], [0.0] * 4], np.float32), "in two ways"),
    "the solution for a horizon": (
        clew.solve(ENV, horizon=2),
        r"depends on the step, .*; give solution\.policy_at\(0\)",
    ),
    "too few actions": ([RIGHT] * 5, r"must have the shape \(6,\) of \(num_states,\), not \(5,\)"),
    "no action": ([RIGHT] * 5 + [4], r"must be actions in 0\.\.3, or -1 where any may be taken, not 4 as in state 5"),
    "values of states": (SOLUTION.v, r"expected action values of shape \(6, 4\), .* got float64 of shape \(6,\)"),
    "values of another world": (np.zeros((5, 4)), r"expected action values of shape \(6, 4\)"),
    "the policy of another world": (Policy(Environment(Maze.open(1, 5))), r"a policy of \(5, 4\) doesn't fit"),
    "a solution of another world": (clew.solve(Maze.open(1, 5)), r"a policy of \(5, 4\) doesn't fit"),
    "values that are NaN": (np.full((6, 4), np.nan), "that are numbers, got NaN"),
    "a text": ("right", r"expected a clew\.Policy, a Solution or an array, got a str; clew\.Policy\(env, q=table\)"),
    "None": (None, r"expected a clew\.Policy, a Solution or an array, got a NoneType"),
}


@pytest.mark.parametrize("function", FUNCTIONS)
@pytest.mark.parametrize("given", REFUSED)
def test_what_is_no_policy_or_can_be_read_in_two_ways_is_refused(given, function):
    policy, message = REFUSED[given]
    if given == "the solution for a horizon" and function.startswith("policy_values"):
        message = "horizon must be that of the solution, 2, or left out, not 3"
        if "horizon" not in function:
            return
    with pytest.raises(SettingError, match=message):
        FUNCTIONS[function](policy)


def test_a_table_that_is_refused_is_taken_in_either_of_the_two_ways():
    values = Policy(ENV, q=WANDERING)  # ties
    chances = Policy.from_probabilities(ENV, WANDERING)
    for function in ("policy_values", "policy_steps", "evaluate_values"):
        assert FUNCTIONS[function](values) == FUNCTIONS[function](chances)
    assert values.q.tolist() == WANDERING


def test_an_array_is_played_as_it_is_graded():
    """Values that differ by less than float32 tells apart aren't tied by rounding."""
    mdp = clew.FiniteMDP.from_function(1, 2, lambda s, a: [(1.0, 0, float(a), True)])
    q = np.array([[1.0, 1.0 + 1e-8]])
    assert np.float32(q[0, 0]) == np.float32(q[0, 1])
    for given in (q, Policy(mdp, q=q)):
        grade = clew.evaluate_policy(mdp, given, 50)
        assert (grade.mean_return, grade.suboptimality) == (1.0, 0.0)


def test_integers_for_cells_may_be_actions_and_are_drawn_as_what_was_said():
    env = Environment(Maze.open(1, 6))
    actions = [RIGHT] * 6
    for given in (actions, np.array(actions, np.uint8), [-1] * 6):
        with pytest.raises(SettingError, match=r"two ways: .* clew\.Policy\.from_actions\(env, .* or show='values'"):
            clew.draw(env, given)
        assert clew.draw(env, given, show="values").picture.values.tolist() == list(map(float, given))
    assert clew.draw(env, [*range(6)]).picture.values[5] == 5.0  # there are four actions
    assert clew.draw(env, [3.0] * 6).picture.values[5] == 3.0
    assert clew.draw(env, actions, show="visits").picture.label == "visits"
    assert drawn(Policy.from_actions(env, actions)).values is None


def test_a_policy_that_wanders_has_no_path_and_all_its_arrows():
    picture = drawn(Policy.from_probabilities(ENV, WANDERING))
    assert (picture.path, picture.values) == ((), None)
    assert picture.greedy[0].tolist() == [False, True, False, True]
    with pytest.raises(SettingError, match="a Trajectory or an array of counts to show visits of, got a Policy"):
        clew.draw(Environment(Maze.open(1, 6)), Policy.from_probabilities(ENV, WANDERING), show="visits")
    with pytest.raises(SettingError, match="depends on the step"):
        drawn(clew.solve(ENV, horizon=2))


class Own(Policy):
    """A policy with a choice of its own."""

    def get_action(self, state, explore=True, epsilon=0.1):
        return RIGHT


def test_a_class_with_a_choice_of_its_own_is_played_and_not_graded():
    policy = Own(ENV)
    assert {step.action for step in Simulation(ENV).rollout(policy)} == {RIGHT}
    functions = "policy_values", "policy_steps", "policy_gain", "policy_statistics"
    for function in (*functions, "evaluate_values", "evaluate_policy", "rollouts"):
        with pytest.raises(SettingError, match="Own overrides get_action, which isn't called here"):
            FUNCTIONS[function](policy)


# Stochastic policies --------------------------------------------------------------------------------------------------


def random_probabilities(shape, seed):
    """Return random distributions, some of which have zeros."""
    rng = np.random.default_rng(seed)
    shares = rng.random(shape) * (rng.random(shape) < 0.7)
    shares[:, 0] += shares.sum(axis=1) == 0.0
    return shares / shares.sum(axis=1, keepdims=True)


@pytest.mark.parametrize("seed", range(12))
def test_values_and_steps_of_a_stochastic_policy_equal_those_of_linear_equations(seed):
    world = random_sparse_world(seed, 3 + seed, 2 + seed % 4)
    chances = random_probabilities(world.shape, seed)
    policy = Policy.from_probabilities(world.mdp, chances)
    gamma, epsilon = (0.5, 0.9, 0.999)[seed % 3], (0.0, 0.3)[seed % 2]
    values = policy_values(world.mdp, policy, gamma=gamma, epsilon=epsilon)
    expected = oracles.policy_values(world.rows, chances, epsilon, gamma)
    assert abs(values.v - expected).max() <= values.bound + 1e-11 * abs(expected).max()
    assert policy_steps(world.mdp, policy, epsilon=epsilon) == pytest.approx(
        oracles.policy_steps(world.rows, chances, epsilon), rel=1e-8
    )
    moves, reward, *_ = oracles.policy_chain(world.rows, chances, epsilon)
    for horizon in (1, 2, 7):
        v = np.zeros(len(moves))
        for _ in range(horizon):
            v = reward + gamma * moves @ v
        found = policy_values(world.mdp, policy, gamma=gamma, epsilon=epsilon, horizon=horizon)
        assert abs(found.v - v).max() <= found.bound + 1e-13
        assert (found.horizon, found.bound < 1e-9) == (horizon, True)
    assert policy.probabilities(epsilon) == pytest.approx((1 - epsilon) * chances + epsilon / world.shape[1], abs=1e-12)


def test_a_stochastic_policy_is_graded_by_every_action_that_it_may_take():
    """A quarter of the steps stay, so that no state is optimal, and each cell takes 4/3 steps."""
    chances = [[0.0, 0.0, 0.25, 0.75]] * 6  # up stays
    policy = Policy.from_probabilities(ENV, chances)
    graded = clew.evaluate_values(ENV, policy, gamma=0.5)
    assert (graded.optimal_states, graded.optimal_starts) == (0.0, 0.0)
    v = np.zeros(6)
    for s in reversed(range(5)):  # v[s] = -1 + 0.25 * 0.5 * v[s] + 0.75 * (1 at the goal, else 0.5 * v[s + 1])
        v[s] = (-1.0 + 0.75 * (1.0 if s == 4 else 0.5 * v[s + 1])) / (1.0 - 0.25 * 0.5)
    optimum = clew.solve(ENV, gamma=0.5)
    assert graded.suboptimality == pytest.approx(float((optimum.v - v)[:5].mean()))
    assert policy_steps(ENV, policy)[:5] == pytest.approx([4 / 3 * n for n in (5, 4, 3, 2, 1)])


@pytest.mark.parametrize("wrap", [lambda env: env, only_steps], ids=["compiled", "step by step"])
def test_a_stochastic_policy_is_played_with_its_probabilities(wrap):
    """4,000 episodes: the share of each action is within four standard deviations of its probability."""
    chances = np.array([[0.0, 0.3, 0.1, 0.6]] * 6)
    policy = Policy.from_probabilities(ENV, chances)
    for exploration in (0.0, 0.5):
        played = Simulation(wrap(ENV)).rollouts(policy, 400, exploration=exploration, stream=new_stream(3))
        shares = np.bincount(played.action, minlength=4) / len(played)
        expected = (1 - exploration) * chances[0] + exploration / 4
        assert abs(shares - expected).max() <= 4 * np.sqrt(0.25 / len(played))
        assert (shares[0] == 0.0) == (exploration == 0.0)
    found = clew.evaluate_policy(wrap(ENV), policy, 4000)
    low, high = found.mean_steps_interval
    assert low < policy_steps(ENV, policy)[ENV.mdp.starts].mean() < high


@pytest.mark.parametrize("behaviour", ["softmax", "ucb", "persistent", "first-action"])
def test_a_strategy_that_compares_values_needs_some(behaviour):
    for policy in (SOLUTION, Policy.from_probabilities(ENV, WANDERING)):
        with pytest.raises(SettingError, match=f"'{behaviour}' needs action values, and this policy has none"):
            Simulation(ENV).rollouts(policy, 1, behaviour=behaviour, stream=new_stream(1))
    assert Simulation(ENV).rollouts(SOLUTION, 3, behaviour="greedy", stream=new_stream(1)).num_terminated == 3


# Horizons -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(6))
def test_the_solution_for_a_horizon_is_evaluated_with_its_action_at_each_step(seed):
    mdp = random_sparse_world(seed).mdp
    solution = clew.solve(mdp, gamma=0.9, horizon=6)
    values = policy_values(mdp, solution, gamma=0.9)
    assert values.horizon == 6
    assert abs(values.v - solution.v).max() <= values.bound + solution.bound
    first = policy_values(mdp, solution.policy_at(0), gamma=0.9, horizon=6)
    assert (first.v <= solution.v + 1e-12).all()


def test_the_first_step_of_a_horizon_alone_is_worse():
    """Two steps to go: stay and be paid 1; one step to go: end for 5. Either alone earns less than 6."""
    mdp = clew.FiniteMDP.from_function(2, 2, lambda s, a: [(1.0, a, (1.0, 5.0)[a], a == 1)] if s == 0 else [])
    solution = clew.solve(mdp, gamma=1.0, horizon=2)
    assert solution.actions[:, 0].tolist() == [0, 1]
    assert policy_values(mdp, solution, gamma=1.0).value == solution.value == 6.0
    earned = [policy_values(mdp, solution.policy_at(t), gamma=1.0, horizon=2).value for t in (0, 1)]
    assert earned == [2.0, 5.0]
    with pytest.raises(SettingError, match=r"t must be a whole number from 0 to 1, not 2"):
        solution.policy_at(2)
    for horizon in (0, 1.5, True):
        with pytest.raises(SettingError, match="horizon must be a whole number from 1 to 1,000,000"):
            policy_values(mdp, solution.policy_at(0), horizon=horizon)


# Actions that aren't available ----------------------------------------------------------------------------------------


def ladder():
    """Three rungs: wait (0) pays nothing, climb (1) pays 1 and ends on top, fall (2) is available on rung 1 alone."""

    def step(s, a):
        if s == 3 or (a == 2 and s != 1):
            return []
        return [(1.0, s, 0.0, False)] if a == 0 else [(1.0, s + 1, 1.0, s == 2)] if a == 1 else [(1.0, 0, -1.0, False)]

    return clew.FiniteMDP.from_function(4, 3, step, starts=[0, 1, 2])


def test_every_kind_of_policy_takes_available_actions_alone():
    mdp = ladder()
    kinds = [
        Policy(mdp, q=[[0, 1, 9]] * 4),  # the value of what isn't available is ignored, and on rung 1 it is the best
        Policy.from_actions(mdp, [1, 2, 1, -1]),
        Policy.from_probabilities(mdp, [[0, 1, 0], [0, 0, 1], [0, 1, 0], [0, 0, 0]]),
        [[0, 1, 9]] * 4,
        [1, 2, 1, -1],
    ]
    for policy in kinds:
        assert policy_values(mdp, policy, gamma=0.5).v == pytest.approx([2 / 3, -2 / 3, 1.0, 0.0])
        values = policy_values(mdp, policy, gamma=0.5, epsilon=0.3).v
        assert values[2] == pytest.approx((0.85 + 0.0) / (1 - 0.5 * 0.15))  # half of 0.3 for each of two actions
        played = Simulation(mdp).rollouts(policy, 60, exploration=0.5, stream=new_stream(1))
        assert not ((played.action == 2) & (played.state != 1)).any()
        assert ((played.action == 0) & (played.state != 1)).any()
        assert clew.evaluate_policy(mdp, policy, 9).suboptimality == clew.evaluate_values(mdp, policy).suboptimality


def test_an_action_that_is_not_available_is_refused_where_it_is_taken():
    mdp = ladder().with_labels(states=["low", "middle", "high", "top"], actions=["wait", "climb", "fall"])
    for policy in (Policy.from_actions(mdp, [2, 1, 1, 0]), Policy.from_probabilities(mdp, [[0, 0.5, 0.5]] * 4)):
        for use in (policy_values, policy_steps, clew.evaluate_values, clew.evaluate_policy):
            with pytest.raises(SettingError, match="takes an action that isn't available: state 'low', action 'fall'"):
                use(mdp, policy)
    any_action = Policy.from_actions(mdp, [-1] * 4)
    assert policy_values(mdp, any_action, gamma=0.5).v == pytest.approx(policy_values(mdp, Policy(mdp), gamma=0.5).v)
    assert clew.solve(mdp, gamma=0.5).policy.action(0) == 1
