"""Models estimated from logged steps, and the intervals of their probabilities and values."""

import pickle
import warnings

import numpy as np
import pytest

import clew
from clew import FiniteMDP, ModelError, SettingError, solve
from clew.kernels.sampling import new_stream
from oracles import random_sparse_world

LOG = {
    "state": [0, 0, 0, 0, 1, 0],
    "action": [0, 0, 0, 0, 1, 0],
    "reward": [0.1, 0.1, 0.1, 5.0, -2.0, 3.0],
    "next_state": [0, 0, 0, 1, 3, 1],
    "terminated": [False, False, False, False, True, False],
}


def estimate(**changes):
    return FiniteMDP.from_transitions(**(LOG | changes))


def test_shares_and_means_by_hand():
    """State 2 was never seen, state 3 only as an end; what was never tried stays and pays the lowest reward."""
    mdp = estimate()
    assert (mdp.num_states, mdp.num_actions, mdp.starts.tolist()) == (4, 2, [0, 1])
    assert mdp.model.offsets.tolist() == [0, 2, 3, 4, 5, 6, 7, 7, 7]
    assert mdp.model.probabilities.tolist() == [0.6, 0.4, 1, 1, 1, 1, 1]
    assert mdp.model.next_states.tolist() == [0, 1, 0, 1, 3, 2, 2]
    assert mdp.model.rewards.tolist() == [0.1, 4.0, -2.0, -2.0, -2.0, -2.0, -2.0]
    assert mdp.model.terminated.tolist() == [False, False, False, False, True, False, False]
    found = mdp.estimate
    assert found.counts.tolist() == [3, 2, 0, 0, 1, 0, 0]
    assert found.reward_variances.tolist() == [0, 1, 0, 0, 0, 0, 0]
    assert found.tries.tolist() == [[5, 0], [0, 1], [0, 0], [0, 0]]
    assert found.untried.tolist() == [[False, True], [True, False], [True, True], [False, False]]
    assert (found.reward_range, found.confidence) == ((-2.0, 5.0), 0.95)


def test_what_was_never_tried_does_not_look_good():
    mdp = estimate()
    solution = solve(mdp, gamma=0.9)
    assert solution.actions[:2].tolist() == [0, 1]
    assert solution.q[mdp.estimate.untried].tolist() == pytest.approx([-2 + 0.9 * v for v in solution.v[[0, 1, 2, 2]]])
    paid = estimate(reward=[1.0] * 6)  # rewards are all good: to stay must not be better than to end
    assert paid.model.rewards[paid.estimate.counts == 0].tolist() == [0.0] * 4


def test_a_log_without_rewards_is_warned_of():
    """Its range of rewards is from 0 to 0, with which the interval of every value would be [0, 0]."""
    log = {"state": [0], "action": [0], "reward": [0.0], "next_state": [0], "terminated": [False]}
    with pytest.warns(clew.PrecisionWarning, match=r"all rewards of the log are 0, .* give reward_range=") as caught:
        clew.FiniteMDP.from_transitions(**log)
    assert caught[0].filename == __file__
    assert clew.solve(clew.FiniteMDP.from_transitions(**log, reward_range=(0, 1)), gamma=0.5).value_interval[1] > 0.0


def test_labels_name_states_and_actions():
    words = np.array(["left", "right", "attic", "street"])
    log = {"state": words[LOG["state"]], "next_state": words[LOG["next_state"]], "action": words[LOG["action"]]}
    mdp = estimate(**log, starts=["left"])
    assert (mdp.state_labels, mdp.action_labels) == (("left", "right", "street"), ("left", "right"))
    assert mdp.starts.tolist() == [0]
    with pytest.raises(SettingError, match="num_states has no effect on texts: the log has 3 different ones"):
        estimate(**log, num_states=3)


def test_a_trajectory_of_ours_is_a_log():
    env = clew.Environment(clew.Maze.open(3, 3))
    log = clew.Simulation(env).rollouts(np.zeros((9, 4), np.float32), 2000, exploration=1.0, stream=new_stream(1))
    columns = {name: getattr(log, name) for name in LOG}
    mdp = FiniteMDP.from_transitions(**columns, starts=[0])
    assert not mdp.estimate.untried.any()
    assert mdp.is_deterministic
    assert solve(mdp, gamma=0.9).v.tolist() == pytest.approx(solve(env, gamma=0.9).v.tolist())


def test_more_states_and_actions_than_the_log_has_were_never_tried():
    mdp = estimate(num_states=6, num_actions=3)
    assert (mdp.num_states, mdp.num_actions) == (6, 3)
    assert mdp.estimate.untried.sum() == 6 * 3 - 2 - 3  # two pairs were tried, and state 3 is terminal


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"num_states": 3}, SettingError, "num_states must be a whole number from 4 to 2,147,483,647, not 3"),
        ({"num_actions": 1}, SettingError, "num_actions must be a whole number from 2"),
        ({"num_states": 2**31 - 1, "num_actions": 1000}, SettingError, "a model of num_states 2,147,483,647 .* GB"),
        ({"reward": [0.0]}, ModelError, "all columns must have the same length, not state 6, action 6, reward 1"),
        ({"reward": [0, 0, np.nan, 0, 0, 0]}, ModelError, "step 2: reward must be finite, not nan"),
        ({"state": [0, 0, 0, 0, 1, -1]}, ModelError, "step 5: state must be from 0 to"),
        ({"terminated": [0, 0, 0, 0, 7, 0]}, ModelError, "step 4: terminated must be True or False, not 7"),
        ({name: [] for name in LOG}, ModelError, "there are no steps"),
        (
            {"reward_range": (-1, 5)},
            SettingError,
            r"reward_range must be \(lowest, highest\), finite, .* -2 to 5, between",
        ),
        ({"reward_range": (-np.inf, 5)}, SettingError, "reward_range must be"),
        ({"confidence": 1.0}, SettingError, "confidence must be a finite number in"),
        ({"starts": 4}, ModelError, "start state 4 is outside"),
    ],
)
def test_a_log_that_cannot_be_right_is_refused(changes, error, message):
    with pytest.raises(error, match=message):
        estimate(**changes)


def test_an_estimate_is_pickled_and_saved_with_its_model(tmp_path):
    mdp = estimate(reward_range=(-3.0, 6.0), confidence=0.9).with_labels(states=list("abcd"))
    mdp.save(tmp_path / "model.npz")
    for copy in (pickle.loads(pickle.dumps(mdp)), FiniteMDP.load(tmp_path / "model.npz"), mdp.to_sparse()):
        assert copy.estimate.counts.tolist() == mdp.estimate.counts.tolist()
        assert copy.estimate.reward_variances.tolist() == mdp.estimate.reward_variances.tolist()
        assert (copy.estimate.reward_range, copy.estimate.confidence) == ((-3.0, 6.0), 0.9)
        assert np.array_equal(copy.estimate.intervals, mdp.estimate.intervals)
        assert copy.state_labels == ("a", "b", "c", "d")


@pytest.mark.parametrize("changes", [{"counts": [1] * 6}, {"counts": [-1] * 7}, {"confidence": 2.0}])
def test_counts_in_a_file_are_not_trusted(changes, tmp_path):
    arguments = estimate()._arguments() | {name: np.asarray(array) for name, array in changes.items()}
    np.savez(tmp_path / "model.npz", **arguments)
    with pytest.raises(ModelError, match=r"damaged: counts, .* don't belong to this model"):
        FiniteMDP.load(tmp_path / "model.npz")


# Intervals ------------------------------------------------------------------------------------------------------------


def entropy(p, q):
    return sum(a * np.log(a / b) for a, b in ((p, q), (1 - p, 1 - q)) if a > 0)


def test_intervals_are_where_the_relative_entropy_reaches_the_limit():
    found = estimate().estimate
    limit = np.log(2 * (4 * 2) * (4 * 2) / 0.05 * 6)
    (low, high), other = found.intervals[:2]
    assert 5 * entropy(0.6, low) == pytest.approx(limit)
    assert 5 * entropy(0.6, high) == pytest.approx(limit)
    assert other.tolist() == pytest.approx([1 - high, 1 - low])
    assert found.unseen[0, 0] == pytest.approx(1 - np.exp(-limit / 5))
    assert found.intervals[2].tolist() == [0.0, 1.0]  # never tried
    assert found.intervals[4, 1] == 1.0
    assert (found.unseen[0, 1], found.unseen[3].tolist()) == (1.0, [0.0, 0.0])


def test_intervals_of_an_exact_model_are_its_bound():
    solution = solve(clew.Maze.open(3, 3), gamma=0.9)
    low, high = solution.v_interval
    assert (low <= solution.v).all()
    assert (high - low).tolist() == pytest.approx([2 * solution.bound] * 9)


def test_a_coin_by_hand():
    """One state that pays 0 or 1 and ends. What was never seen may lead back to it, and pay the best reward too."""
    n, heads = 1000, 700
    log = {"state": [0] * n, "action": [0] * n, "reward": [1.0] * heads + [0.0] * (n - heads)}
    mdp = FiniteMDP.from_transitions(**log, next_state=[1] * n, terminated=[True] * n)
    c = np.log((n + 1) / (0.05 / (2 * 2 * 1))) / n

    def deviation(width):
        y = (np.sqrt(c / 2) * width + np.sqrt(c / 2 * width**2 + 0.21)) ** 2
        return np.sqrt(2 * y * c) + width * c / 3

    high = 2.0
    for _ in range(100):
        high = min(high, 0.7 + deviation(1.0 + 0.5 * high), 1.0 + 0.5 * high)
    solution = solve(mdp, gamma=0.5)
    assert solution.value == pytest.approx(0.7)
    assert solution.value_interval == pytest.approx((0.7 - deviation(1.0), high), abs=1e-3)
    assert solution.value_interval[0] > 0.4
    assert high < 1.2
    assert [bounds[1] for bounds in solution.v_interval] == [0.0, 0.0]


def test_without_a_discount_there_is_no_interval():
    with pytest.raises(SettingError, match="gamma must be below 1 for intervals of values"):
        _ = solve(estimate(reward=[-1.0] * 6), gamma=1.0, horizon=None).v_interval


def test_what_was_never_tried_may_pay_whatever_rewards_allow():
    mdp = estimate(reward_range=(-2.0, 7.0))
    low, high = solve(mdp, gamma=0.9).v_interval
    assert high.tolist() == pytest.approx([70.0, 70.0, 70.0, 0.0])
    assert low[2:].tolist() == pytest.approx([-20.0, 0.0])


@pytest.mark.parametrize("gamma", [0.5, 0.9])
def test_random_worlds_are_within_their_intervals_which_shrink(gamma):
    """Rewards may be lower than 0; logs are of uniformly random actions in random states."""
    for seed in range(20):
        world = random_sparse_world(seed)
        mdp = world.mdp
        truth = solve(mdp, gamma=gamma).v
        rng = np.random.default_rng(seed)
        lengths = np.diff(mdp.model.offsets)
        is_terminal = lengths[:: mdp.num_actions] == 0
        pairs = np.flatnonzero(lengths)
        widths = []
        for n in (300, 30_000):
            pair = np.repeat(pairs, n)
            draws = [rng.choice(np.arange(*mdp.model.offsets[p : p + 2]), n, p=chances(mdp, p)) for p in pairs]
            rows = np.concatenate(draws)
            log = FiniteMDP.from_transitions(
                pair // mdp.num_actions,
                pair % mdp.num_actions,
                mdp.model.rewards[rows],
                mdp.model.next_states[rows],
                mdp.model.terminated[rows] | is_terminal[mdp.model.next_states[rows]],
                num_states=mdp.num_states,
                num_actions=mdp.num_actions,
                reward_range=mdp.reward_range,
            )
            low, high = solve(log, gamma=gamma).v_interval
            live = ~log.estimate.untried.any(axis=1)
            assert (low[live] <= truth[live] + 1e-5).all()
            assert (truth[live] <= high[live] + 1e-5).all()
            widths.append((high - low)[~is_terminal].max())
        assert widths[1] < 0.5 * widths[0]


def chances(mdp, pair):
    p = mdp.model.probabilities[mdp.model.offsets[pair] : mdp.model.offsets[pair + 1]]
    return p / p.sum()


LAKE = "FrozenLake-v1"


def is_right_about_the_lake(seed):
    """Estimate the slippery lake from a million random steps; return whether all intervals hold, and widths."""
    env = clew.make_gymnasium(LAKE)
    truth = FiniteMDP.from_gymnasium(env)
    log = clew.Simulation(env).rollouts(
        np.zeros((16, 4), np.float32), 140_000, exploration=1.0, stream=new_stream(seed)
    )
    mdp = FiniteMDP.from_transitions(**{name: getattr(log, name)[: 10**6] for name in LOG}, starts=[0])
    assert mdp.estimate.counts.sum() == 10**6
    offsets, holds, widths = mdp.model.offsets, True, []
    for pair in np.flatnonzero(np.diff(offsets)):
        state, action = divmod(int(pair), 4)
        rows = slice(*offsets[pair : pair + 2])
        keys = zip(mdp.model.next_states[rows].tolist(), mdp.model.terminated[rows].tolist(), strict=True)
        intervals = dict(zip(keys, mdp.estimate.intervals[rows].tolist(), strict=True))
        real = {}
        for p, s_next, _, ends in env.unwrapped.P[state][action]:
            real[s_next, bool(ends)] = real.get((s_next, bool(ends)), 0.0) + p
        for key, p in real.items():
            low, high = intervals.get(key, (0.0, mdp.estimate.unseen[state, action]))
            holds &= low <= p <= high
    for gamma in (0.9, 0.99):
        optimum = solve(truth, gamma=gamma).v
        solution = solve(mdp, gamma=gamma)
        low, high = solution.v_interval
        holds &= bool((low <= optimum).all() and (optimum <= high).all())
        widths.append(solution.value_interval[1] - solution.value_interval[0])
    return holds, widths


@pytest.mark.long
def test_the_lake_is_within_its_intervals():
    for seed in range(5):
        holds, widths = is_right_about_the_lake(seed)
        assert holds
        assert widths[0] < 0.1  # around 0.069; rewards alone allow 0 to 10
        assert widths[1] < 0.5  # around 0.54; rewards alone allow 0 to 100


@pytest.mark.nightly
def test_the_lake_is_within_its_intervals_in_95_of_100_seeds():
    assert sum(is_right_about_the_lake(1000 + seed)[0] for seed in range(100)) >= 95


def test_rewards_near_the_largest_float_have_infinite_bounds():
    log = {"state": [0], "action": [0], "reward": [1e308], "next_state": [0], "terminated": [True]}
    mdp = FiniteMDP.from_transitions(**log)
    with pytest.warns(clew.errors.PrecisionWarning):
        solution = clew.solve(mdp)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert solution.value_interval == (0.0, np.inf)


def test_a_confidence_of_one_is_refused_by_a_bound_that_is_below_one():
    log = {"state": [0], "action": [0], "reward": [1.0], "next_state": [0], "terminated": [True]}
    with pytest.raises(SettingError, match=r"confidence must be .* in \[0\.5, 0\.999999999999\], not 1\.0"):
        FiniteMDP.from_transitions(**log, confidence=1.0)
