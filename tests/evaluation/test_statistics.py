"""Statistics of policies: against closed forms, dense linear algebra, and simulation."""

import numpy as np
import pytest
from benchmarks.continuing import MODELS
from scipy.stats import poisson

import clew
import oracles
from clew.kernels.sampling import new_stream
from clew.planning import absorbing
from oracles import grid_world, random_layout, random_sparse_world


def walk_of(n, up, down, ends=()):
    """A birth-death chain on 0, ..., n; it stays where it can't move, and ends in some states."""

    def outcomes(s, a):
        if s in ends:
            return []
        moves = [(up, min(s + 1, n)), (down, max(s - 1, 0)), (1.0 - up - down, s)]
        return [(p, t, 0.0, t in ends) for p, t in moves if p > 0.0]

    return clew.FiniteMDP.from_function(n + 1, 1, outcomes)


def statistics_of(mdp, **settings):
    """Statistics of the only policy of a world with one action."""
    return clew.policy_statistics(mdp, np.zeros(mdp.num_states, int), **settings)


# Closed forms ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("capacity", "arrival", "service"), [(5, 0.3, 0.4), (50, 0.2, 0.4), (400, 0.45, 0.3), (7, 0.2, 0.2)]
)
def test_a_queue_with_one_server(capacity, arrival, service):
    """M/M/1/K in discrete time: the number of customers is geometric, cut off at the capacity."""
    expected = (arrival / service) ** np.arange(capacity + 1.0)
    statistics = statistics_of(walk_of(capacity, arrival, service))
    assert abs(statistics.occupancy - expected / expected.sum()).sum() <= statistics.bound + 1e-14
    assert statistics.bound < 1e-10
    assert statistics.action_occupancy[:, 0].tolist() == statistics.occupancy.tolist()


@pytest.mark.parametrize("n", [10, 300])
def test_a_symmetric_random_walk(n):
    """Steps to either end: s * (n - s); to the upper end, if it is reflected in 0: n * n - s * s + (n - s)."""
    s = np.arange(n + 1)
    between = statistics_of(walk_of(n, 0.5, 0.5, ends=(0, n)))
    assert between.hitting_times([0, n]) == pytest.approx(s * (n - s), rel=1e-9)
    assert between.hitting_probabilities([n]) == pytest.approx(s / n, abs=1e-9)
    assert np.isinf(between.hitting_times([n])[:-1]).all()
    reflected = statistics_of(walk_of(n, 0.5, 0.5, ends=(n,)))
    assert reflected.hitting_times([n]) == pytest.approx(n * n - s * s + (n - s), rel=1e-9)
    assert reflected.hitting_probabilities(n).tolist() == [1.0] * (n + 1)


@pytest.mark.parametrize("n", [10, 200])
def test_visits_of_a_random_walk_before_its_end(n):
    """Green's function: from s, 2 * min(s, k) * (n - max(s, k)) / n visits of k."""
    k, start = np.arange(n + 1), n // 3
    mdp = walk_of(n, 0.5, 0.5, ends=(0, n))
    statistics = statistics_of(clew.FiniteMDP(mdp.model, n + 1, 1, np.array([start], np.int32)), gamma=1)
    expected = 2.0 * np.minimum(start, k) * (n - np.maximum(start, k)) / n
    assert abs(statistics.occupancy - expected).sum() <= statistics.bound + 1e-12 * expected.sum()
    assert statistics.occupancy.sum() == pytest.approx(start * (n - start))


@pytest.mark.parametrize(("n", "p"), [(10, 0.45), (100, 0.45), (400, 0.55), (20, 0.9)])
def test_gamblers_ruin(n, p):
    """To win n before all is lost: (1 - (q/p)**s) / (1 - (q/p)**n)."""
    ratio, s = (1.0 - p) / p, np.arange(n + 1.0)
    statistics = statistics_of(walk_of(n, p, 1.0 - p, ends=(0, n)))
    won = (ratio**s - 1.0) / (ratio**n - 1.0)
    assert statistics.hitting_probabilities([n]) == pytest.approx(won, abs=1e-9)
    assert statistics.hitting_probabilities([0]) == pytest.approx(1.0 - won, abs=1e-9)
    duration = (s - n * won) / (1.0 - 2.0 * p)
    assert statistics.hitting_times([0, n]) == pytest.approx(duration, rel=1e-9, abs=1e-9)


def test_in_the_long_run_classes_share_by_their_probabilities():
    """From 2, a third each to 0, which stays, to the cycle of 3 and 4, and to the end; 1 is never reached."""

    def outcomes(s, a):
        if s == 2:
            return [(1 / 3, 0, 0.0, False), (1 / 3, 3, 0.0, False), (1 / 3, 2, 0.0, True)]
        return [(1.0, {0: 0, 1: 2, 3: 4, 4: 3}[s], 0.0, False)]

    mdp = clew.FiniteMDP.from_function(5, 1, outcomes, starts=[2])
    assert statistics_of(mdp).occupancy == pytest.approx([1 / 3, 0.0, 0.0, 1 / 6, 1 / 6], abs=1e-15)
    visits = statistics_of(mdp, gamma=1)
    assert visits.occupancy.tolist() == [np.inf, 0.0, 1.0, np.inf, np.inf]
    assert visits.action_occupancy[:, 0].tolist() == visits.occupancy.tolist()
    assert visits.hitting_probabilities([4]) == pytest.approx([0.0, 1 / 3, 1 / 3, 1.0, 1.0], abs=1e-15)
    assert visits.hitting_times([4]).tolist() == [np.inf, np.inf, np.inf, 1.0, 0.0]
    assert visits.hitting_times([2, 4]).tolist() == [np.inf, 1.0, 0.0, 1.0, 0.0]  # what follows an entry doesn't matter
    assert visits.hitting_times([2]).tolist() == [np.inf, 1.0, 0.0, np.inf, np.inf]


def test_a_state_in_which_an_episode_ends_counts_as_entered():
    env = clew.Environment(clew.Maze.open(1, 5), random_start=True)
    statistics = clew.policy_statistics(env, clew.solve(env), gamma=1)
    assert statistics.hitting_times([4]).tolist() == [4.0, 3.0, 2.0, 1.0, 0.0]
    assert statistics.occupancy == pytest.approx([0.25, 0.5, 0.75, 1.0, 0.0], abs=1e-15)


# Against dense linear algebra -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(20))
def test_occupancy_is_that_of_linear_equations(seed):
    """Random worlds, with ties, slips and exploration; values are occupancy times rewards."""
    rng = np.random.default_rng(seed)
    world = random_sparse_world(seed, 3 + seed, 1 + seed % 4) if seed % 2 else grid_world(random_layout(seed, slip=0.2))
    q, epsilon = rng.integers(0, 3, world.shape), (0.0, 0.3)[seed // 2 % 2]
    greedy = (q == q.max(axis=1, keepdims=True)).tolist()
    moves, reward, goes_on, _ = oracles.policy_chain(world.rows, greedy, epsilon)
    start = np.bincount(world.mdp.starts, minlength=len(reward)) / world.mdp.starts.size
    for gamma in (0.0, 0.9, 0.9999):
        statistics = clew.policy_statistics(world.mdp, q, gamma=gamma, epsilon=epsilon)
        expected = np.linalg.solve(np.eye(len(reward)) - gamma * moves.T, start) * (goes_on > 0.0)
        assert abs(statistics.occupancy - expected).sum() <= statistics.bound + 1e-9 * expected.sum()
        assert statistics.bound <= 1e-9 * max(1.0, expected.sum())
        assert statistics.action_occupancy.sum(axis=1) == pytest.approx(statistics.occupancy)
        value = clew.policy_values(world.mdp, q, gamma=gamma, epsilon=epsilon).value
        assert statistics.occupancy @ reward == pytest.approx(value, abs=1e-6)
    steps = clew.policy_steps(world.mdp, q, epsilon=epsilon)[world.mdp.starts].mean()
    assert clew.policy_statistics(world.mdp, q, gamma=1, epsilon=epsilon).occupancy.sum() == pytest.approx(steps)


@pytest.mark.parametrize("seed", range(20))
def test_hitting_times_and_probabilities_are_those_of_linear_equations(seed):
    rng = np.random.default_rng(seed)
    n = 4 + seed
    moves = rng.dirichlet(np.full(n, 0.15), n)
    moves[moves < 0.02] = 0.0
    moves /= moves.sum(axis=1, keepdims=True)
    targets = rng.choice(n, 2, replace=False)
    mdp = clew.FiniteMDP.from_arrays(moves[:, None, :], np.zeros((n, 1)))
    statistics = statistics_of(mdp)
    stopped = moves.copy()
    stopped[targets] = np.eye(n)[targets]
    reach = oracles.reachable(stopped)
    lost = ~reach[:, targets].any(axis=1)
    unsure = reach[:, lost].any(axis=1)
    rest = np.setdiff1d(np.flatnonzero(~lost), targets)
    p = np.zeros(n)
    p[targets] = 1.0
    inner = np.eye(rest.size) - moves[np.ix_(rest, rest)]
    p[rest] = np.linalg.solve(inner, moves[np.ix_(rest, targets)].sum(axis=1))
    assert statistics.hitting_probabilities(targets) == pytest.approx(p, abs=1e-9)
    times = np.where(unsure, np.inf, 0.0)
    sure = np.setdiff1d(rest, np.flatnonzero(unsure))
    times[sure] = np.linalg.solve(np.eye(sure.size) - moves[np.ix_(sure, sure)], np.ones(sure.size))
    assert statistics.hitting_times(targets) == pytest.approx(times, rel=1e-9)


@pytest.mark.parametrize("name", ["inventory 1,001 x 21", "queues 50x50", "river swim 1,000", "clusters"])
def test_the_gain_is_occupancy_times_rewards(name):
    mdp = MODELS[name]()
    rewards = np.add.reduceat(mdp.model.probabilities * mdp.model.rewards, mdp.model.offsets[:-1])
    for policy in (clew.solve_average(mdp), np.zeros((mdp.num_states, mdp.num_actions))):
        statistics = clew.policy_statistics(mdp, policy)
        gain = (statistics.action_occupancy * rewards.reshape(mdp.num_states, -1)).sum()
        assert abs(gain - clew.policy_gain(mdp, policy).gain) <= 1e-8 + statistics.bound * abs(rewards).max()
        assert (statistics.bound < 1e-8, statistics.occupancy.sum()) == (True, pytest.approx(1.0))


def test_what_is_too_large_to_factorise_is_solved_by_a_krylov_method(monkeypatch):
    mdp = MODELS["random 2,000 x 4 x 5"]()
    policy = np.zeros(2000, int)
    expected = clew.policy_statistics(mdp, policy)
    monkeypatch.setattr(absorbing, "MAX_COST", 0.0)
    statistics = clew.policy_statistics(mdp, policy)
    assert abs(statistics.occupancy - expected.occupancy).sum() <= statistics.bound + expected.bound < 1e-8
    assert statistics.hitting_times([5]) == pytest.approx(expected.hitting_times([5]), rel=1e-9)


# By simulation --------------------------------------------------------------------------------------------------------


def test_a_stock_is_simulated():
    """Orders up to 12 when at most 4 are left: means of 400 episodes of 400 steps, within 4 standard errors."""
    demand = poisson.pmf(np.arange(60), 3.0)

    def outcomes(stock, order):
        left = np.maximum(min(stock + order, 12) - np.arange(60), 0).tolist()
        return [(p, s, 0.0, False) for p, s in zip(demand / demand.sum(), left, strict=True)]

    mdp = clew.FiniteMDP.from_function(13, 13, outcomes, starts=[12])
    orders = np.where(np.arange(13) <= 4, 12 - np.arange(13), 0)
    env = clew.ModelEnvironment(mdp, max_episode_steps=400)
    played = clew.Simulation(env).rollouts(orders, 400, exploration=0.1, stream=new_stream(7))
    states, actions = played.state.reshape(400, 400), played.action.reshape(400, 400)

    def check(samples, exact):
        assert abs(samples.mean() - exact) <= 4.0 * samples.std() / np.sqrt(samples.size) + 1e-12

    long_run = clew.policy_statistics(mdp, orders, epsilon=0.1)
    discounted = clew.policy_statistics(mdp, orders, epsilon=0.1, gamma=0.9)
    weights = 0.9 ** np.arange(400)
    for stock in (0, 3, 12):
        check((states[:, 50:] == stock).mean(axis=1), long_run.occupancy[stock])
        check((states == stock) @ weights, discounted.occupancy[stock])
    check(((states == 0) & (actions == 12))[:, 50:].mean(axis=1), long_run.action_occupancy[0, 12])
    check((states == 0).argmax(axis=1), long_run.hitting_times([0])[12])
    first = np.where((states == 0).any(axis=1), (states == 0).argmax(axis=1), 400)
    second = np.where((states == 1).any(axis=1), (states == 1).argmax(axis=1), 400)
    before = clew.policy_statistics(mdp, orders, epsilon=0.1)
    assert before.hitting_times([0, 1])[12] == pytest.approx(np.minimum(first, second).mean(), rel=0.15)


# What is refused ------------------------------------------------------------------------------------------------------


def test_numbers_that_rounding_hides_are_refused():
    """Against the stream, an end is reached after more steps than double precision holds."""
    mdp = walk_of(100, 0.1, 0.6, ends=(100,))
    statistics = statistics_of(mdp, gamma=0.9)
    assert statistics.hitting_probabilities([100]).tolist() == [1.0] * 101
    with pytest.raises(clew.PrecisionError, match="expected steps are not proved to within a relative error of 1e-09"):
        statistics.hitting_times([100])
    with pytest.raises(clew.PrecisionError, match="occupancy is not proved to within 1e-06 of its sum: it takes too"):
        statistics_of(mdp, gamma=1)


@pytest.mark.parametrize("method", ["hitting_times", "hitting_probabilities"])
@pytest.mark.parametrize(
    ("states", "message"), [([], "non-empty"), ([9], r"states in 0\.\.4"), ([0.5], "whole numbers")]
)
def test_states_that_are_none_are_refused(method, states, message):
    with pytest.raises(clew.SettingError, match=f"states.*{message}"):
        getattr(statistics_of(walk_of(4, 0.5, 0.5)), method)(states)
