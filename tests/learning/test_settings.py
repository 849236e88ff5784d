"""The settings of a learner: their checks, schedules, initial values, and memory."""

import os
import re
from dataclasses import fields
from inspect import getdoc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clew import ALGORITHMS, BEHAVIOURS, Environment, FiniteMDP, Learning, Maze, SettingError, train_policy
from clew.kernels.learning.learners import ConstantStepSize, SampleAverageStepSize, step_size
from clew.kernels.learning.rates import ConstantRates
from clew.learning.declarations import LearnerSpec
from clew.learning.learner import make_learner, uniform_initial_value
from clew.learning.settings import as_learning, default_of
from loops import play, used_settings
from oracles import sparse_world


def loop_world(reward):
    """One state, one action, without end: every step has the same reward."""
    return sparse_world([[[(1.0, 0, float(reward), False)]]]).mdp


# Settings -------------------------------------------------------------------------------------------------------------

NAN, INF = float("nan"), float("inf")
OUT_OF_RANGE = [
    *[(name, value) for name in ("alpha", "alpha_last") for value in (0.0, -0.1, 1.01, NAN, "0.1", None)],
    *[(name, value) for name in ("gamma", "epsilon", "lambda_") for value in (-0.1, 1.01, NAN, INF)],
    *[("temperature", value) for value in (0.0, -1.0, NAN, INF)],
    *[(name, value) for name in ("confidence", "kappa", "threshold") for value in (-0.1, NAN, INF)],
    *[("exploration_last", value) for value in (-0.1, NAN, INF)],
    *[("initial_value", value) for value in (NAN, INF, "high")],
    *[(name, value) for name in ("n", "known_after", "num_interleaved") for value in (0, -1, 1.5, 10**10)],
    *[(name, 65_537) for name in ("n", "num_interleaved")],
    *[("num_planning", value) for value in (-1, 0.5, 10**10)],
    *[(name, 2) for name in ("exploring_starts", "optimistic", "pessimistic", "accumulating")],
    ("initial_value", 10**400),
    *[(name, "best") for name in ("algorithm", "behaviour", "alpha_schedule", "exploration_schedule")],
    ("exploration_schedule", "visits"),
]


@pytest.mark.parametrize(("name", "value"), OUT_OF_RANGE)
def test_a_setting_out_of_range_is_named(name, value):
    with pytest.raises(SettingError, match=name):
        Learning(**{name: value})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *[(name, 1e-50) for name in ("alpha", "alpha_last")],
        *[("gamma", value) for value in (0.99999999, np.nextafter(1.0, 0.0))],
        *[("initial_value", value) for value in (1e39, -1e39)],
    ],
)
def test_a_setting_that_float32_would_change_beyond_its_bounds_is_refused(name, value):
    with pytest.raises(SettingError, match=f"^{name}.*as float32"):
        Learning(**{name: value})


def test_the_last_gamma_below_1_is_the_one_that_the_error_names():
    most = float(np.nextafter(np.float32(1.0), np.float32(0.0)))
    assert np.float32(Learning(gamma=most).gamma) < 1.0
    with pytest.raises(SettingError, match=f"at most {most!r}"):
        Learning(gamma=0.99999999)


TOGETHER = {
    "two values at first": ({"optimistic": True, "pessimistic": True}, "optimistic can't be combined with another"),
    "a value and optimism": ({"initial_value": 1.0, "optimistic": True}, "optimistic can't be combined with another"),
    "interleaved traces": (
        {"algorithm": "sarsa-lambda", "num_interleaved": 2},
        "num_interleaved must be 1 with sarsa-lambda",
    ),
    "never 0": ({"exploration_schedule": "exponential", "exploration_last": 0.0}, "an exponential schedule never"),
    "from 0": ({"exploration_schedule": "exponential", "epsilon": 0.0}, "an exponential schedule never reaches 0"),
    "frozen": (
        {"behaviour": "softmax", "exploration_schedule": "linear", "exploration_last": 0.0},
        "exploration_last must be a finite number above 0 for softmax, not 0.0",
    ),
    "more than always": (
        {"exploration_schedule": "linear", "exploration_last": 1.5},
        r"exploration_last must be a finite number in \[0, 1\] for epsilon-greedy, not 1.5",
    ),
}


@pytest.mark.parametrize(("settings", "message"), TOGETHER.values(), ids=TOGETHER)
def test_settings_that_cannot_be_together_are_refused(settings, message):
    with pytest.raises(SettingError, match=message):
        Learning(**settings)


IDLE = [
    ("n", {"n": 5}, "q-learning; it is for n-step-sarsa, tree-backup$"),
    ("kappa", {"algorithm": "sarsa", "kappa": 3}, r"sarsa; it is for dyna-q\+$"),
    ("accumulating", {"algorithm": "dyna-q", "accumulating": True}, "dyna-q; it is for sarsa-lambda, watkins-q$"),
    ("num_planning", {"algorithm": "sarsa", "num_planning": 0}, "sarsa; it is for dyna-q, "),
    ("alpha", {"algorithm": "propagation", "alpha": 0.3}, "propagation; it is for monte-carlo, "),
    ("alpha_schedule", {"algorithm": "r-max", "alpha_schedule": "visits"}, "r-max; it is for monte-carlo, "),
    ("epsilon", {"algorithm": "r-max", "epsilon": 0.3}, "greedy; it is for epsilon-greedy, first-action$"),
    ("temperature", {"temperature": 3}, "epsilon-greedy; it is for softmax$"),
    ("exploration_schedule", {"behaviour": "greedy", "exploration_schedule": "linear"}, "greedy; it is for epsilon-gr"),
    ("exploration_schedule", {"algorithm": "r-max", "exploration_schedule": "linear"}, "greedy; it is for epsilon-gr"),
    ("exploration_schedule", {"behaviour": "random", "exploration_schedule": "linear"}, "random; it is for epsilon-gr"),
    ("alpha", {"alpha_schedule": "visits", "alpha": 0.3}, "a schedule of 'visits'; take alpha_schedule='linear'$"),
    ("alpha_last", {"alpha_last": 0.3}, "a schedule of 'constant'; take alpha_schedule='linear'$"),
    (
        "alpha_last",
        {"alpha_schedule": "visits", "alpha_last": 0.3},
        "a schedule of 'visits'; take alpha_schedule='linear'$",
    ),
    ("exploration_last", {"exploration_last": 0.3}, "a schedule of 'constant'; take exploration_sch"),
]


@pytest.mark.parametrize(("name", "settings", "idle_with"), IDLE)
def test_a_setting_that_nobody_asks_for_is_refused_with_those_who_would(name, settings, idle_with):
    with pytest.raises(SettingError, match=f"^{name} has no effect with {idle_with}"):
        Learning(**settings)


@pytest.mark.parametrize("name", ALGORITHMS)
def test_every_algorithm_takes_its_own_settings_and_the_defaults_of_all(name):
    defaults = {each.name: default_of(each) for each in fields(Learning)} | {"algorithm": name}
    others = {"alpha": 0.3, "n": 9, "lambda_": 0.3, "accumulating": True, "num_planning": 9}
    others |= {"kappa": 0.3, "threshold": 0.3, "known_after": 9}
    Learning(**defaults)
    for setting, value in others.items():
        if setting in ALGORITHMS[name].settings:
            assert getattr(Learning(**defaults | {setting: value}), setting) == value
        else:
            with pytest.raises(SettingError, match=f"^{setting} has no effect with {re.escape(name)}; it is for "):
                Learning(**defaults | {setting: value})


def test_an_unknown_setting_is_refused_with_those_there_are():
    with pytest.raises(SettingError, match="lr is not a setting; choose from algorithm, behaviour, alpha"):
        as_learning({"lr": 0.1})


def test_the_docstring_describes_every_setting_with_its_default():
    described = dict(re.findall(r"^ {4}(\w+): (.*?)(?=^ {4}\w|^$)", getdoc(Learning), re.MULTILINE | re.DOTALL))
    assert [each.name for each in fields(Learning)] == list(described)[: len(fields(Learning))]
    for each in fields(Learning):
        default = f'"{each.default}"' if isinstance(each.default, str) else str(default_of(each))
        assert re.search(rf"by\s+default\s+{re.escape(default)}[,.]", described[each.name]), each.name


def test_the_limits_themselves_are_allowed():
    Learning(alpha=1.0, gamma=1.0, epsilon=0.0, algorithm="sarsa-lambda", lambda_=0.0)
    Learning(gamma=0.0, epsilon=1.0, algorithm="sarsa-lambda", lambda_=1.0, alpha=np.float32(0.5))
    Learning(algorithm="n-step-sarsa", n=1, behaviour="ucb", exploration_schedule="linear", exploration_last=9.0)
    Learning(algorithm="dyna-q+", num_planning=0, kappa=0.0, behaviour="ucb", confidence=0.0)
    Learning(algorithm="r-max", threshold=0.0, known_after=1_000_000_000)


def test_every_row_heeds_settings_that_there_are():
    known = Learning.__dataclass_fields__.keys()
    for name, row in ALGORITHMS.items():
        assert name == row.name
        assert known >= set(row.settings)
        assert row.behaviour in BEHAVIOURS
    assert known >= {row.setting for row in BEHAVIOURS.values() if row.setting}


# Schedules ------------------------------------------------------------------------------------------------------------

SCHEDULED = {"alpha": 0.8, "alpha_last": 0.05, "epsilon": 0.4, "exploration_last": 0.1}


def rates(schedule, first=0, size=5, total=5, **settings):
    settings = {"alpha_schedule": schedule, "exploration_schedule": schedule, **settings}
    lasting = {"alpha", "epsilon"} | {
        f"{rate}_last" for rate in ("alpha", "exploration") if settings[f"{rate}_schedule"] != "constant"
    }
    settings = {name: value for name, value in SCHEDULED.items() if name in lasting} | settings
    q = np.zeros((2, 3), np.float32)
    return make_learner(q, Learning(**settings), max_steps=9).rates(first, size, total)


def test_a_constant_schedule():
    """Is one number for all episodes."""
    made = rates("constant")
    assert made == ConstantRates(np.float32(0.8), 0.4)
    assert made.alpha.dtype == np.float32
    falling = rates("constant", alpha_schedule="linear")
    assert falling.exploration.tolist() == [0.4] * 5
    assert (falling.alpha.dtype, falling.exploration.dtype) == (np.float32, np.float64)


def test_a_linear_schedule_by_hand():
    made = rates("linear")
    assert made.alpha == pytest.approx([0.8, 0.6125, 0.425, 0.2375, 0.05])
    assert made.exploration == pytest.approx([0.4, 0.325, 0.25, 0.175, 0.1])


def test_an_exponential_schedule_by_hand():
    """Each is half of the one before: 0.8 to 0.05 in four steps."""
    made = rates("exponential", exploration_last=0.025)
    assert made.alpha == pytest.approx([0.8, 0.4, 0.2, 0.1, 0.05])
    assert made.exploration == pytest.approx([0.4, 0.2, 0.1, 0.05, 0.025])


@pytest.mark.parametrize("schedule", ["linear", "exponential"])
def test_a_schedule_goes_on_from_round_to_round_and_ends_where_it_is_told_to(schedule):
    whole = rates(schedule, 0, 103, 103)
    parts = [rates(schedule, first, min(10, 103 - first), 103) for first in range(0, 103, 10)]
    assert np.array_equal(whole.alpha, np.concatenate([part.alpha for part in parts]))
    assert np.array_equal(whole.exploration, np.concatenate([part.exploration for part in parts]))
    beyond = rates(schedule, 103, 3, 103)
    assert beyond.alpha == pytest.approx([0.05] * 3)
    assert beyond.exploration == pytest.approx([0.1] * 3)


@pytest.mark.parametrize("schedule", ["linear", "exponential"])
def test_a_single_episode_is_the_first_of_its_schedule(schedule):
    assert rates(schedule, 0, 1, 1).alpha.tolist() == [np.float32(0.8)]


@pytest.mark.parametrize(("behaviour", "first"), [("softmax", 0.3), ("ucb", 7.0), ("greedy", 0.0), ("random", 0.0)])
def test_the_exploration_is_that_of_the_behaviour(behaviour, first):
    own = {BEHAVIOURS[behaviour].setting: first} if first else {}
    q = np.zeros((2, 3), np.float32)
    assert make_learner(q, Learning(behaviour=behaviour, **own), max_steps=9).rates(0, 5, 5).exploration == first


def test_one_over_the_visits_makes_a_value_the_mean_of_its_targets():
    counts = np.zeros((1, 2), np.int32)
    alpha = SampleAverageStepSize(np.float32(0), counts)
    assert [step_size(alpha, 0, 1) for _ in range(3)] == [1.0, 0.5, np.float32(1 / 3)]
    assert counts.tolist() == [[0, 3]]
    assert step_size(ConstantStepSize(np.float32(0.25)), 0, 1) == 0.25
    assert counts.tolist() == [[0, 3]]


def test_the_mean_of_what_a_coin_pays():
    """Heads 1, tails 0: with one over the visits the value is the share of heads, to the last bits."""
    world = sparse_world([[[(0.5, 0, 1.0, True), (0.5, 0, 0.0, True)]]])
    learner = make_learner(np.zeros((1, 1), np.float32), Learning(alpha_schedule="visits"), max_steps=1)
    stats, _ = play(world.mdp, learner, 1000)
    assert learner.rule.q[0, 0] == pytest.approx(sum(paid for _, paid, _ in stats) / 1000, rel=1e-5)
    assert learner.counts.tolist() == [[1000]]


# Values at first ------------------------------------------------------------------------------------------------------


@given(
    st.floats(-1e6, 1e6, width=32).filter(lambda reward: abs(reward) > 1e-6),
    st.sampled_from([0.0, 0.1, 0.5, 0.9, 0.99, 0.999, 0.9999, 0.99999]) | st.floats(0, 0.9999),
    st.floats(2.0**-10, 1.0, width=32),
)
def test_the_most_and_the_least_that_can_be_are_exact_fixed_points(reward, gamma, alpha):
    kind = {"optimistic": True} if reward > 0 else {"pessimistic": True}
    value = uniform_initial_value(Learning(gamma=gamma, **kind), loop_world(reward))
    assert value.dtype == np.float32
    target = np.float32(reward) + np.float32(gamma) * value
    assert value + np.float32(alpha) * (target - value) == value
    assert value == pytest.approx(reward / (1 - gamma), rel=1e-6 / (1 - gamma))


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize(("gamma", "reward"), [(0.3, 0.17), (0.3, 1.25), (0.9, 0.71105266)])
def test_an_initial_value_is_a_fixed_point_also_where_the_rounded_quotient_is_not(gamma, reward, sign):
    """31 of 2,400 pairs of discount and reward are like these: the quotient is off by one unit in the last place."""
    reward, discount = np.float32(sign * reward), np.float32(gamma)
    quotient = reward / (np.float32(1) - discount)
    assert reward + discount * quotient != quotient
    kind = "optimistic" if sign > 0 else "pessimistic"
    value = uniform_initial_value(Learning(gamma=gamma, **{kind: True}), loop_world(reward))
    assert reward + discount * value == value
    assert abs(float(value) - float(quotient)) == np.spacing(abs(quotient))


def test_such_a_value_is_found_at_once_for_a_million_rewards():
    """The loop in `initial_value`, for many at a time: after two steps none of them moves."""
    rng = np.random.default_rng(0)
    for gamma in (0.0, 0.5, 0.9, 0.95, 0.99, 0.999, 0.9999, 0.99999, 0.9999999):
        gamma = np.float32(gamma)
        reward = (rng.normal(size=150_000) * 10.0 ** rng.uniform(-6, 6, 150_000)).astype(np.float32)
        value = reward / (np.float32(1) - gamma)
        for _ in range(2):
            value = reward + gamma * value
        assert np.array_equal(reward + gamma * value, value)


@pytest.mark.parametrize("gamma", [0.3, 0.9, 0.99, 0.9999])
@pytest.mark.parametrize("kind", ["optimistic", "pessimistic"])
def test_a_step_that_pays_the_most_leaves_the_values_as_they_are(gamma, kind):
    """Episodes in a world with a constant reward; every update has the value itself as its target."""
    reward = 0.7 if kind == "optimistic" else -0.7
    policy = train_policy(loop_world(reward), 20, gamma=gamma, alpha=0.3, **{kind: True})
    assert policy.q[0, 0] == uniform_initial_value(Learning(gamma=gamma, **{kind: True}), loop_world(reward))


def test_values_at_first_of_a_maze():
    mdp = Environment(Maze.open(2, 2, hazards=[(0, 1)]), step_reward=-0.5, goal_reward=3.0, hazard_reward=-4.0).mdp
    assert mdp.reward_range == (-4.5, 2.5)
    assert uniform_initial_value(Learning(gamma=0.5), mdp) == 0.0
    assert uniform_initial_value(Learning(gamma=0.5, optimistic=True), mdp) == 5.0
    assert uniform_initial_value(Learning(gamma=0.5, pessimistic=True), mdp) == -9.0
    assert uniform_initial_value(Learning(gamma=0.5, algorithm="r-max"), mdp) == 5.0
    assert uniform_initial_value(Learning(gamma=0.5, algorithm="propagation"), mdp) == -9.0
    assert uniform_initial_value(Learning(gamma=0.5, algorithm="propagation", initial_value=1.5), mdp) == 1.5
    assert uniform_initial_value(Learning(gamma=0.5, algorithm="r-max", pessimistic=True), mdp) == -9.0


def test_the_range_of_rewards_has_what_can_happen_and_0():
    assert Environment(step_reward=-1.0, goal_reward=0.5).mdp.reward_range == (-1.0, 0.0)
    assert Environment(outer_wall_reward=-2.0, hazard_reward=-9.0).mdp.reward_range == (-2.0, 1.0)
    mdp = FiniteMDP.sparse([0, 2], [0.5, 0.5], [0, 0], [-3.0, 2.0], [True, False], num_actions=1, starts=0)
    assert mdp.reward_range == (-3.0, 2.0)
    assert loop_world(4.0).reward_range == (0.0, 4.0)


@pytest.mark.parametrize(("gamma", "reward"), [(1.0, 1.0), (0.9, 3e38)])
def test_a_value_at_first_that_float32_cannot_hold_is_refused(gamma, reward):
    with pytest.raises(SettingError, match="the optimistic initial value is not finite in float32; take initial_value"):
        uniform_initial_value(Learning(gamma=gamma, optimistic=True), loop_world(reward))


def test_a_world_that_does_not_say_what_it_pays_needs_a_value():
    with pytest.raises(SettingError, match=r"initial_value must be given: .* and so the pessimistic value"):
        uniform_initial_value(Learning(algorithm="propagation"), None)
    assert uniform_initial_value(Learning(algorithm="propagation", initial_value=-2.0), None) == -2.0
    assert uniform_initial_value(Learning(), None) == 0.0


# Memory ---------------------------------------------------------------------------------------------------------------


def arrays_of(part):
    """The arrays in a named tuple and in those inside it."""
    if isinstance(part, np.ndarray):
        return [part]
    return [array for each in part for array in arrays_of(each)] if isinstance(part, tuple) else []


@pytest.mark.parametrize("schedule", ["constant", "visits"])
@pytest.mark.parametrize("name", ALGORITHMS)
def test_a_row_knows_how_much_memory_it_takes(name, schedule):
    """But for a few counters, and a queue of either kind."""
    q = np.zeros((300, 5), np.float32)
    settings = Learning(algorithm=name, **used_settings(name, {"alpha_schedule": schedule, "n": 40}))
    learner = make_learner(q, settings, max_steps=700, num_outcomes=2000)
    memory = {array.__array_interface__["data"][0]: array.nbytes for array in arrays_of(learner.rule) if array is not q}
    memory.pop(q.__array_interface__["data"][0], None)
    spec = LearnerSpec(q, q, settings, 700, 2000, learner.behaviour, learner.visits, schedule == "visits")
    taken = sum(memory.values())
    assert taken - 64 <= ALGORITHMS[name].num_bytes(spec) <= taken + 8 * 300


@pytest.mark.parametrize(
    ("settings", "bytes_a_pair"),
    [
        ({"algorithm": "q-learning", "alpha_schedule": "visits", "behaviour": "ucb"}, 12),
        ({"algorithm": "double-q-learning"}, 12),
        ({"algorithm": "watkins-q"}, 16),
        ({"algorithm": "dyna-q"}, 28),
    ],
)
def test_a_learner_that_would_take_too_much_is_refused_before_it_takes_any(settings, bytes_a_pair):
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    q = np.zeros((int(0.85 * memory) // bytes_a_pair // 5, 5), np.float32)  # the system gives it when it is written
    with pytest.raises(SettingError, match=rf"{settings['algorithm']} with [\d,]+ states.* would take"):
        make_learner(q, Learning(**settings), max_steps=9)


@pytest.mark.parametrize("name", ["monte-carlo", "every-visit-monte-carlo", "backward-replay"])
def test_an_episode_that_memory_cannot_hold_is_refused(name):
    with pytest.raises(SettingError, match=f"{name}.*1,099,511,627,776 steps an episode would take"):
        make_learner(np.zeros((2, 2), np.float32), Learning(algorithm=name), max_steps=2**40)


@pytest.mark.parametrize("name", ["n-step-sarsa", "tree-backup"])
def test_a_window_is_no_longer_than_an_episode(name):
    for n, max_steps, size in ((4, 9, 4), (9, 9, 9), (65_536, 9, 9)):
        learner = make_learner(np.zeros((2, 2), np.float32), Learning(algorithm=name, n=n), max_steps=max_steps)
        assert learner.rule.window.states.size == size


def test_both_tables_of_double_q_learning_begin_with_all_the_values():
    q = np.arange(12, dtype=np.float32).reshape(3, 4)
    rule = make_learner(q, Learning(algorithm="double-q-learning"), max_steps=9).rule
    for table in (rule.q1, rule.q2):
        assert np.array_equal(table, q)
        assert not np.shares_memory(table, q)
