"""Actions that aren't available in a state: planners, learners, strategies, grades and environments leave them out.

A twin in plain Python, from `oracles_learning` and `oracles_episodes`, learns from lists of the available actions only:
it knows nothing of the others. Planners and grades are compared with the same world in which each unavailable action is
a copy of an available one.
"""

import pickle

import gymnasium
import numpy as np
import pytest
from gymnasium.spaces import Discrete

import clew
import oracles_episodes
from clew import ALGORITHMS, BEHAVIOURS, FiniteMDP, ModelEnvironment, ModelError, SettingError, planning
from clew.environments import model_of
from clew.kernels import read_only
from clew.kernels.learning.behaviours import choose, expected_value
from clew.kernels.sampling import new_stream
from clew.kernels.wide import as_values
from clew.learning.settings import Learning
from clew.learning.training import new_policy
from loops import ALPHA, GAMMA, rows_of, used_settings
from oracles import random_sparse_world, sparse_world
from oracles_learning import RULES, SETTINGS
from worlds import only_steps

NUM_MODELS = 200
OFTEN = 8  # of these are tested at every commit, all with three actions, so that each loop compiles once
EXPLORATION = {name: 0.7 if row.setting else 0.0 for name, row in BEHAVIOURS.items()}
some_models = pytest.mark.parametrize(
    "seeds",
    [
        pytest.param(range(OFTEN), id="some"),
        pytest.param(range(OFTEN, NUM_MODELS), id="others", marks=pytest.mark.nightly),
    ],
)


def random_world(seed, first_actions=False):
    """Return a random world in which about half of the actions are available; with `first_actions` the first ones."""
    num_actions = 3 if seed < OFTEN else (2, 3, 4, 5, 70)[seed % 5]
    rng, rows = np.random.default_rng([seed, 1]), random_sparse_world(seed, 6, num_actions).rows
    for s, actions in enumerate(rows):
        kept = rng.random(num_actions) < 0.5
        kept[rng.integers(num_actions)] = True
        if first_actions:
            kept = np.sort(kept)[::-1]
        if seed % 2 == 0 and seed >= OFTEN:  # deterministic
            actions = [[(1.0, *outcomes[0][1:])] if outcomes else [] for outcomes in actions]
        rows[s] = [outcomes if kept[a] else [] for a, outcomes in enumerate(actions)]
    return sparse_world(rows, [s for s, actions in enumerate(rows) if any(actions)])


def available_actions(rows):
    return [[a for a, outcomes in enumerate(actions) if outcomes or not any(actions)] for actions in rows]


def ragged(rows, available):
    """Return rows of the available actions alone, of outcomes or of values."""
    return [[row[a] for a in actions] for row, actions in zip(rows, available, strict=True)]


def check_equal(q, twin, available):
    """Check that values equal those of lists of available actions, to the bit, and are -inf for all others."""
    for row, values, actions in zip(q, twin, available, strict=True):
        assert row[actions].tolist() == values
        others = np.setdiff1d(np.arange(row.size), actions)
        assert np.isneginf(row[others]).all()


def learn_both(world, algorithm, seed, behaviour="epsilon-greedy", num_interleaved=1):
    """Learn with the compiled loop and with the twin; return (values, values of the twin, available actions)."""
    available, exploration = available_actions(world.rows), EXPLORATION[behaviour]
    usual = {"behaviour": behaviour, "alpha": float(ALPHA), "epsilon": 0.7, "temperature": 0.7, "confidence": 0.7}
    settings = used_settings(algorithm, {**usual, **SETTINGS}) | {"num_interleaved": num_interleaved}
    env = ModelEnvironment(world.mdp, max_episode_steps=12)
    q = clew.train_policy(env, 10, algorithm=algorithm, initial_value=0.25, seed=seed, **settings).q

    agent = RULES[algorithm].twin([[np.float32(0.25)] * len(actions) for actions in available])
    visits = [[0] * len(actions) for actions in available] if BEHAVIOURS[behaviour].uses_visits else None
    spec = oracles_episodes.EpisodeSpec(behaviour, visits, world.mdp.starts.tolist(), 12)
    rates, rows = [(lambda s, a: ALPHA, exploration)] * 10, ragged(world.rows, available)
    if num_interleaved == 1:
        oracles_episodes.learn_episodes(rows, agent, spec, rates, new_stream(seed, 0, 0).tolist())
    else:
        streams = [new_stream(seed, 0, 0, slot).tolist() for slot in range(num_interleaved)]
        oracles_episodes.learn_interleaved(rows, agent, spec, rates, streams)
    return q, agent.q, available


# Learning -------------------------------------------------------------------------------------------------------------


@some_models
@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_each_algorithm_equals_its_twin_with_lists_of_available_actions(algorithm, seeds):
    for seed in seeds:
        check_equal(*learn_both(random_world(seed), algorithm, seed))


@some_models
@pytest.mark.parametrize("behaviour", BEHAVIOURS)
def test_each_strategy_equals_its_twin_with_lists_of_available_actions(behaviour, seeds):
    for seed in seeds:
        world = random_world(seed, first_actions=behaviour == "persistent")  # whose twin knows actions by their place
        check_equal(*learn_both(world, "q-learning", seed, behaviour))


@some_models
def test_interleaved_episodes_equal_their_twin(seeds):
    for seed in seeds:
        check_equal(*learn_both(random_world(seed), "q-learning", seed, num_interleaved=3))


@pytest.mark.kernels
@pytest.mark.parametrize("num_actions", [2, 4, 7, 70])
@pytest.mark.parametrize("behaviour", BEHAVIOURS)
def test_draws_and_expectations_are_those_of_the_available_actions(behaviour, num_actions):
    rng, exploration = np.random.default_rng(1), EXPLORATION[behaviour]
    q = rng.integers(-1, 2, (40, num_actions)).astype(np.float32)
    is_open = rng.random(q.shape) < 0.5
    is_open[np.arange(40), rng.integers(num_actions, size=40)] = True
    q[~is_open] = -np.inf
    available = [np.flatnonzero(row).tolist() for row in is_open]
    visits = rng.integers(0, 3, q.shape).astype(np.int32)
    strategy, table = BEHAVIOURS[behaviour].strategy, as_values(read_only(q), masked=True)
    stream, plain = new_stream(5), new_stream(5).tolist()
    values, tries = ragged(rows_of(q), available), ragged(visits.tolist(), available)
    for s, actions in enumerate(available):
        expected = actions[oracles_episodes.choose(behaviour, values, tries, s, exploration, plain)]
        assert choose(strategy, table, visits, s, exploration, stream) == expected
        chances = oracles_episodes.probabilities(behaviour, values, tries, s, exploration)
        mean = sum(chance * float(x) for chance, x in zip(chances, values[s], strict=True))
        assert expected_value(strategy, table, visits, s, exploration) == pytest.approx(mean, rel=1e-5, abs=1e-6)
    assert stream.tolist() == plain


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_step_by_step_is_the_same(algorithm):
    world = random_world(0)
    settings = used_settings(algorithm, {"behaviour": "epsilon-greedy", "epsilon": 0.7, **SETTINGS})
    whole, stepped = (
        clew.Trainer(ModelEnvironment(world.mdp, max_episode_steps=12), algorithm=algorithm, seed=3, **settings)
        for _ in range(2)
    )
    whole.learn(10)
    while stepped.num_ended < 10:
        stepped.step()
    assert whole.policy.q.tobytes() == stepped.policy.q.tobytes()


def test_exploring_starts_and_bounds_of_values_leave_unavailable_actions_out():
    world = random_world(3)
    for algorithm, settings in (
        ("sarsa", {"exploring_starts": True}),
        ("r-max", {"threshold": 0.1}),
        ("propagation", {}),
    ):
        q = clew.train_policy(world.mdp, 200, algorithm=algorithm, seed=1, **settings).q
        assert np.array_equal(np.isneginf(q), ~world.mdp.available)


def test_values_that_changes_are_measured_from_are_those_of_available_actions():
    mdp = FiniteMDP.from_function(2, 2, lambda s, a: [(1.0, 1, 1.0, False)] if (s, a) != (0, 0) else [])
    settings = Learning(algorithm="prioritized-sweeping", threshold=0.1, initial_value=0.5)
    _, learner = new_policy(mdp, ModelEnvironment(mdp), settings, 0)
    assert learner.q.tolist() == [[-np.inf, 0.5], [0.5, 0.5]]
    assert learner.rule.propagated_values.tolist() == [0.5, 0.5]


def test_a_policy_and_a_trainer_know_what_is_available():
    mdp = random_world(0).mdp
    policy = clew.Policy(mdp, q=np.where(mdp.available, 0.0, 9.0))
    assert np.array_equal(policy.greedy_actions(), mdp.available)
    copy = pickle.loads(pickle.dumps(policy))
    for s in np.flatnonzero(~mdp.available.all(axis=1)).tolist():
        drawn = {copy.get_action(s, epsilon=1.0) for _ in range(60)}
        assert drawn == set(np.flatnonzero(mdp.available[s]).tolist())
    with pytest.raises(SettingError, match="a world in which the same actions are available in the same states"):
        clew.Trainer(mdp).change_world(mdp.filled)


def policies_without_values(mdp):
    first = np.where(mdp.is_terminal, -1, mdp.available.argmax(axis=1))
    return {
        "a solution": (clew.solve(mdp), clew.solve(mdp).actions),
        "actions": (clew.Policy.from_actions(mdp, first), first),
        "any action": (clew.Policy.from_actions(mdp, np.full(mdp.num_states, -1)), None),
        "equal probabilities": (clew.Policy.from_probabilities(mdp, np.ones(mdp.available.shape) / 3), None),
        "rows of zeros": (clew.Policy.from_probabilities(mdp, np.zeros(mdp.available.shape)), None),
    }


def test_a_policy_without_values_knows_what_is_available_also_in_a_file(tmp_path):
    mdp = random_world(0).mdp
    random = mdp.available / mdp.available.sum(axis=1, keepdims=True)
    for given, actions in policies_without_values(mdp).values():
        policy = getattr(given, "policy", given)
        policy.save(tmp_path / "policy.npz")
        policy.to_csv(tmp_path / "policy.csv")
        for each in (
            policy,
            pickle.loads(pickle.dumps(policy)),
            clew.Policy.load(tmp_path / "policy.npz"),
            clew.Policy.read_csv(mdp, tmp_path / "policy.csv"),
        ):
            shares = random if actions is None else np.eye(3)[actions]
            shares = np.where(mdp.is_terminal[:, None], random, shares)
            assert each.probabilities() == pytest.approx(shares)
            assert each.probabilities(epsilon=0.3) == pytest.approx(0.7 * shares + 0.3 * random)
            assert np.array_equal(each.greedy_actions(), shares > 0.0)
            for s in range(mdp.num_states):
                assert mdp.available[s, each.action(s)]
                drawn = {each.get_action(s, epsilon=1.0) for _ in range(60)}
                assert drawn == set(np.flatnonzero(mdp.available[s]).tolist())
                drawn = {each.get_action(s, explore=False) for _ in range(60)}
                assert drawn == set(np.flatnonzero(shares[s]).tolist())


@pytest.mark.parametrize("kind", ["a solution", "actions", "any action", "equal probabilities", "rows of zeros"])
def test_a_policy_without_values_is_played_among_available_actions(kind):
    mdp = random_world(0).mdp
    given, _ = policies_without_values(mdp)[kind]
    env = Watched(ModelEnvironment(mdp, max_episode_steps=30))  # fails if a masked action is taken
    for _ in range(5):
        assert len(clew.Simulation(env).rollout(given, epsilon=1.0)) > 0
        assert len(clew.Simulation(env).rollout(given, explore=False)) > 0
        assert len(clew.Simulation(env.env).rollout(given, epsilon=1.0)) > 0
    assert len(clew.Simulation(env).rollouts(given, 5, exploration=1.0, stream=new_stream(1))) > 0
    assert clew.evaluate_policy(env, given, 5).num_episodes == 5


def test_a_policy_that_takes_a_masked_action_is_refused_by_name():
    mdp = random_world(0).mdp
    s, a = np.argwhere(~mdp.available)[0].tolist()
    probabilities = np.where(mdp.available, 1.0, 0.0)
    probabilities[s] = 0.0
    probabilities[s, a] = 1.0
    probabilities /= probabilities.sum(axis=1, keepdims=True)
    for env in (mdp, Watched(ModelEnvironment(mdp))):
        policy = clew.Policy.from_probabilities(env, probabilities)
        with pytest.raises(SettingError, match=f"policy takes an action that isn't available: state {s}, action {a}"):
            clew.Simulation(env).rollouts(policy, 200, stream=new_stream(1))


def test_values_of_minus_infinity_alone_are_a_tie():
    """So are those of a solution where every policy loses without bound."""
    mdp = FiniteMDP.from_function(
        3, 2, lambda s, a: [[(1.0, 0, -1.0, False)], [(1.0, 2 * (a == 0), 1.0, a == 0)], []][s], starts=[1]
    )
    solution = clew.solve(mdp, gamma=1.0)
    assert np.isneginf(solution.q[0]).all()
    policy = clew.Policy(mdp, q=solution.q)
    assert policy.probabilities(epsilon=0.5).tolist() == [[0.5, 0.5], [1.0, 0.0], [0.5, 0.5]]
    assert {policy.get_action(0, explore=False) for _ in range(60)} == {0, 1}


def test_training_begins_with_a_policy_of_the_same_world():
    mdp = random_world(0).mdp
    first = clew.train_policy(mdp, 50, seed=1)
    again = clew.train_policy(mdp, 50, seed=2, policy=first)
    assert np.array_equal(np.isneginf(again.q), ~mdp.available)
    stepped = clew.train_policy(only_steps(ModelEnvironment(mdp)), 5, policy=first)
    assert np.array_equal(np.isneginf(stepped.q), ~mdp.available)
    with pytest.raises(SettingError, match="policy must have finite action values"):
        clew.train_policy(mdp.filled, 50, policy=first)


def test_a_step_that_could_not_be_taken_is_no_news():
    policy = clew.Policy(random_world(0).mdp)
    s, a = np.argwhere(np.isneginf(policy.q))[0].tolist()
    steps = clew.Trajectory.from_transitions([clew.Transition(s, a, 1.0, s, False, True)])
    with pytest.raises(SettingError, match=f"step 0 of the trajectory takes action {a} in state {s}, where it isn't"):
        clew.update_policy(policy, steps)


@pytest.mark.parametrize("sharing", ["central", "local"])
def test_simulations_share_what_is_available(sharing):
    mdp = random_world(0).mdp
    for alpha_schedule in ("constant", "visits"):
        settings = {"sharing": sharing, "num_actors": 0, "num_simulations": 3, "alpha_schedule": alpha_schedule}
        for algorithm in ("q-learning", "double-q-learning", "expected-sarsa"):
            q = clew.train_policy_parallel(mdp, 300, algorithm=algorithm, seed=1, **settings).q
            assert np.array_equal(np.isneginf(q), ~mdp.available)
            assert not np.isnan(q).any()


# Planning and grades --------------------------------------------------------------------------------------------------


def with_copies(world, seed):
    """Return the model in which an unavailable action is a copy of one that is available, drawn at random."""
    rng = np.random.default_rng(seed)
    rows = [
        [actions[a] or actions[rng.choice(open_ones)] for a in range(len(actions))]
        for actions, open_ones in zip(world.rows, available_actions(world.rows), strict=True)
    ]
    return sparse_world(rows, world.mdp.starts).mdp


def check_solutions(ours, theirs):
    """Check that a solution equals that of the world with copies, to within both bounds."""
    bound, available = ours.bound + theirs.bound, ours.mdp.available
    np.testing.assert_allclose(ours.v, theirs.v, rtol=0.0, atol=bound)
    np.testing.assert_allclose(ours.q[available], theirs.q[available], rtol=0.0, atol=bound)
    assert np.isneginf(ours.q[~available]).all()
    assert available[np.arange(len(available)), ours.actions].all()
    assert (~ours.optimal_actions | available).all()
    assert ours.optimal_actions.any(axis=1).all()
    assert clew.policy_values(ours.mdp, clew.Policy(ours.mdp, q=ours.q), gamma=ours.gamma).value == pytest.approx(
        theirs.value, abs=max(1e-9, 4 * bound)
    )


@some_models
@pytest.mark.parametrize("method", planning.PLANNERS)
def test_each_planner_equals_the_world_with_copies(method, seeds):
    for seed in seeds:
        world = random_world(seed)
        if method in ("breadth-first", "directional-sweeps"):
            with pytest.raises(SettingError, match="grid"):
                clew.solve(world.mdp, method=method)
            continue
        solutions = (clew.solve(mdp, method=method) for mdp in (world.mdp, with_copies(world, seed)))
        check_solutions(*solutions)


@some_models
def test_planning_without_a_discount_and_with_a_horizon_equals_the_world_with_copies(seeds):
    num_solved = 0
    for seed in seeds:
        world = random_world(seed)
        mdp, copied = world.mdp, with_copies(world, seed)
        ours, theirs = (clew.solve(each, gamma=0.9, horizon=7) for each in (mdp, copied))
        assert ours.v.tolist() == theirs.v.tolist()
        assert mdp.available[np.arange(mdp.num_states), ours.actions].all()
        costly = [
            FiniteMDP.sparse(
                *each.model[:3],
                -np.abs(each.model.rewards) - 0.25,
                *each.model[4:5],
                num_actions=each.num_actions,
                starts=each.starts,
            )
            for each in (mdp, copied)
        ]
        for pair in ((mdp, copied), costly):
            results = []
            for each in pair:
                try:
                    results.append(clew.solve(each, gamma=1.0))
                except SettingError as error:
                    results.append(str(error).partition(":")[0])
            if isinstance(results[0], str):
                assert results[0] == results[1]
                continue
            num_solved += 1
            np.testing.assert_allclose(results[0].v, results[1].v, rtol=0.0, atol=results[0].bound + results[1].bound)
            assert mdp.available[np.arange(mdp.num_states), results[0].actions].all()
            assert np.isneginf(results[0].q[~mdp.available]).all()
    assert num_solved > len(seeds) / 4


@some_models
def test_grades_equal_those_of_the_world_with_copies(seeds):
    for seed in seeds:
        world = random_world(seed)
        rng = np.random.default_rng(seed)
        q = rng.normal(size=(world.mdp.num_states, world.mdp.num_actions))  # also prefers unavailable actions
        is_open = world.mdp.available
        ours = clew.evaluate_values(world.mdp, q)
        theirs = clew.evaluate_values(with_copies(world, seed), np.where(is_open, q, -9.0))
        assert ours.optimal_states == theirs.optimal_states
        assert ours.optimal_starts == theirs.optimal_starts
        assert ours.suboptimality == pytest.approx(theirs.suboptimality, abs=1e-5)
        evaluations = [
            clew.evaluate_policy(mdp, clew.Policy(mdp, q=table), 20, seed=2)
            for mdp, table in ((world.mdp, q), (with_copies(world, seed), np.where(is_open, q, -9.0)))
        ]
        assert evaluations[0].mean_return == evaluations[1].mean_return
        assert evaluations[0].optimal_return == pytest.approx(evaluations[1].optimal_return, abs=1e-5)


def test_random_actions_of_a_policy_are_available_ones():
    """Values of the uniform policy, by linear equations over lists of available actions."""
    world = random_world(1)
    available, n = available_actions(world.rows), world.mdp.num_states
    moves, pay = np.zeros((n, n)), np.zeros(n)
    for s, actions in enumerate(ragged(world.rows, available)):
        for outcomes in actions:
            for p, s_next, reward, terminated in outcomes:
                pay[s] += p * reward / len(actions)
                moves[s, s_next] += 0.0 if terminated else p / len(actions)
    v = clew.policy_values(world.mdp, np.zeros((n, world.mdp.num_actions)), gamma=0.9, epsilon=1.0).v
    assert v == pytest.approx(np.linalg.solve(np.eye(n) - 0.9 * moves, pay))
    assert clew.policy_values(world.mdp, np.zeros((n, world.mdp.num_actions)), gamma=0.9).v == pytest.approx(v)


# Models ---------------------------------------------------------------------------------------------------------------

MACHINE = """state,action,next_state,probability,reward
new,run,new,0.9,10
new,run,worn,0.1,10
worn,run,worn,0.5,4
worn,run,broken,1/2,4
worn,replace,new,1,-5
broken,replace,new,1,-20
"""


def machine_from_csv(path):
    path.write_text(MACHINE)
    return FiniteMDP.read_csv(path)


def machine_from_arrays(path):
    P, R = np.zeros((3, 2, 3)), np.full((3, 2), -np.inf)
    P[0, 0], P[1, 0], P[1, 1], P[2, 1] = [0.9, 0.1, 0.0], [0.0, 0.5, 0.5], [1.0, 0.0, 0.0], [1.0, 0.0, 0.0]
    P[2, 0, 0] = 1.0  # with a reward of -inf
    R[0, 0], R[1], R[2, 1] = 10.0, [4.0, -5.0], -20.0
    return FiniteMDP.from_arrays(P, R)


def machine_from_function(path):
    outcomes = {
        (0, 0): [(0.9, 0, 10.0, False), (0.1, 1, 10.0, False)],
        (1, 0): [(0.5, 1, 4.0, False), (0.5, 2, 4.0, False)],
    }
    outcomes |= {(1, 1): [(1.0, 0, -5.0, False)], (2, 1): [(1.0, 0, -20.0, False)]}
    return FiniteMDP.from_function(3, 2, lambda s, a: outcomes.get((s, a), []))


def machine_from_vectorized(path):
    def step(states, actions):
        stays = np.array([0.9, 0.5, 0.0])[states]
        runs = (actions == 0) & (states < 2)
        p = (
            np.where(runs[:, None], np.stack([stays, 1.0 - stays], 1), [1.0, 0.0])
            * (runs | (actions == 1) & (states > 0))[:, None]
        )
        nexts = np.where(runs[:, None], np.stack([states, np.minimum(states + 1, 2)], 1), 0)
        return nexts, p, np.where(runs, np.array([10.0, 4.0, 0.0])[states], np.array([0.0, -5.0, -20.0])[states])

    return FiniteMDP.from_vectorized(3, 2, step)


def machine_from_file(path):
    machine_from_function(path).save(path)
    return FiniteMDP.load(path)


@pytest.mark.parametrize(
    "make",
    [machine_from_csv, machine_from_arrays, machine_from_function, machine_from_vectorized, machine_from_file],
)
def test_every_way_to_make_a_model_can_leave_actions_out(make, tmp_path):
    mdp = make(tmp_path / "machine.npz")
    assert mdp.available.tolist() == [[True, False], [True, True], [False, True]]
    assert repr(mdp) == "FiniteMDP(3 states, 2 actions, 6 outcomes, 4 of 6 pairs available)"
    solution = clew.solve(mdp, gamma=0.9)
    v = np.linalg.solve([[1 - 0.81, -0.09, 0.0], [-0.9, 1.0, 0.0], [-0.9, 0.0, 1.0]], [10.0, -5.0, -20.0])
    assert solution.v == pytest.approx(v)
    assert solution.actions.tolist() == [0, 1, 1]
    assert pickle.loads(pickle.dumps(mdp)).available.tolist() == mdp.available.tolist()


def test_a_state_without_any_action_is_still_refused_in_arrays():
    P, R = np.zeros((2, 2, 2)), np.zeros((2, 2))
    P[0, 0, 0] = P[1, :, 1] = 1.0
    R[1] = -np.inf
    with pytest.raises(ModelError, match=r"state 1: no action is available, .* or rewards are -inf; .* terminal"):
        FiniteMDP.from_arrays(P, R)
    with pytest.raises(ModelError, match="state 0, action 0: reward must be finite"):
        FiniteMDP.from_arrays(P, np.full((2, 2, 2), -np.inf), terminal=np.array([False, False]))


# Environments ---------------------------------------------------------------------------------------------------------


def test_infos_have_the_mask_of_the_state():
    env = ModelEnvironment(machine_from_function(None))
    env.action_space.seed(1)
    s, info = env.reset(seed=3)
    for _ in range(300):
        assert (info["action_mask"].dtype, info["action_mask"].tolist()) == (
            np.int8,
            env.mdp.available[s].astype(int).tolist(),
        )
        s, _, terminated, truncated, info = env.step(env.action_space.sample(info["action_mask"]))
        if terminated or truncated:
            s, info = env.reset()


def test_a_step_with_an_unavailable_action_is_refused(tmp_path):
    env = ModelEnvironment(machine_from_csv(tmp_path / "machine.csv"))
    while env.reset()[0] != 2:
        pass
    with pytest.raises(SettingError, match="action 0 isn't available in state 'broken'; take one of 1"):
        env.step(0)
    assert env.step(1)[0] == 0


class Watched(gymnasium.Wrapper):
    """Notes all transitions with the mask of the next state, and fails if a masked action is taken."""

    def __init__(self, env):
        super().__init__(env)
        self.steps, self.mask = [], None

    def reset(self, **how):
        s, info = self.env.reset(**how)
        self.s, self.mask = s, info["action_mask"]
        return s, info

    def step(self, action):
        assert self.mask[action] == 1
        s_next, reward, terminated, truncated, info = self.env.step(action)
        self.steps.append((self.s, action, np.float32(reward), s_next, terminated, self.mask, info["action_mask"]))
        self.s, self.mask = s_next, info["action_mask"]
        return s_next, reward, terminated, truncated, info


def test_taxi_stepped_never_takes_a_masked_action_nor_bootstraps_from_one():
    """Plain Q-learning from the same steps, with a maximum over unmasked actions, finds the same bits."""
    env = Watched(gymnasium.make("Taxi-v4", max_episode_steps=60))
    q = clew.train_policy(env, 120, alpha=0.5, epsilon=0.5, initial_value=5.0, seed=1).q  # masked ones would be best
    twin = {}
    for s, a, reward, s_next, terminated, mask, next_mask in env.steps:
        row = twin.setdefault(s, dict.fromkeys(np.flatnonzero(mask).tolist(), np.float32(5.0)))
        nexts = twin.setdefault(s_next, dict.fromkeys(np.flatnonzero(next_mask).tolist(), np.float32(5.0)))
        target = reward if terminated else reward + GAMMA * max(nexts.values())
        row[a] += np.float32(0.5) * (target - row[a])
    seen = {step[0] for step in env.steps}
    assert len(seen) > 100
    for s in seen:
        assert {a: q[s, a] for a in range(6) if q[s, a] > -np.inf} == twin[s]


@pytest.mark.parametrize("algorithm", ["q-learning", "double-q-learning", "dyna-q+"])
def test_taxi_compiled_has_its_mask_and_the_same_optimum(algorithm):
    env = gymnasium.make("Taxi-v4")
    mdp, whole = model_of(env), FiniteMDP.from_gymnasium(env, action_mask=False)
    masks = np.array([env.unwrapped.action_mask(s) for s in range(500)], np.bool_)
    assert np.array_equal(mdp.available[~mdp.is_terminal], masks[~mdp.is_terminal])
    assert whole.all_available
    assert clew.solve(mdp, gamma=1.0).value == pytest.approx(clew.solve(whole, gamma=1.0).value)
    q = clew.train_policy(env, 50, algorithm=algorithm, seed=1).q
    assert np.array_equal(np.isneginf(q), ~mdp.available)
    played = clew.Simulation(env).rollouts(np.zeros((500, 6)), 20, exploration=1.0, stream=new_stream(1))
    assert mdp.available[played.state, played.action].all()


def test_a_policy_that_is_played_step_by_step_heeds_the_mask():
    env = Watched(gymnasium.make("Taxi-v4", max_episode_steps=60))
    policy = clew.Policy(env)
    assert len(clew.Simulation(env).rollout(policy, epsilon=1.0)) > 0
    clew.Simulation(env).rollouts(np.zeros((500, 6)), 5, exploration=1.0, stream=new_stream(1))
    assert clew.evaluate_policy(env, policy, 3).num_episodes == 3
    assert np.isneginf(policy.q).any()


def test_simulations_of_an_environment_without_a_model_share_masks_locally_or_say_that_they_do_not():
    mdp = machine_from_function(None)
    env = only_steps(ModelEnvironment(mdp, max_episode_steps=20))
    q = clew.train_policy_parallel(env, 60, num_actors=0, num_simulations=2, sharing="local", seed=1).q
    assert np.array_equal(np.isneginf(q), ~mdp.available)
    with pytest.raises(SettingError, match="sharing must be 'local' with an environment without a model whose infos"):
        clew.train_policy_parallel(env, 60, num_actors=0, num_simulations=2, sharing="central", seed=1)


class Moody(gymnasium.Env):
    """Two states, and masks as they are given, one after the other."""

    observation_space, action_space = Discrete(2), Discrete(2)

    def __init__(self, masks):
        self.masks = iter(masks)

    def reset(self, *, seed=None, options=None):
        return 0, {"action_mask": next(self.masks)}

    def step(self, action):
        return 0, 0.0, False, False, {"action_mask": next(self.masks)}


@pytest.mark.parametrize(
    ("masks", "message"),
    [
        ([[1, 0], [1, 1]], "must depend on the state alone: in state 0 action 1 is available now, and wasn't before"),
        ([[0, 0]], "leaves no action in state 0"),
        ([[1, 0, 1]], "must be an array of 2 numbers, 1 for actions that are available and 0 for the others"),
        ([[1.0, 0.5]], r"must be an array of 2 numbers, .* not \[1\.0, 0\.5\]"),
        (["10"], "must be an array of 2 numbers"),
    ],
)
def test_masks_that_cannot_be_heeded_are_refused(masks, message):
    with pytest.raises(SettingError, match=message):
        clew.train_policy(Moody(masks), 1, epsilon=0.0)


@pytest.mark.parametrize("kind", ["solution", "actions", "probabilities", "any action"])
def test_a_policy_without_values_explores_among_available_actions(kind):
    mdp = machine_from_function(None)
    solution = clew.solve(mdp)
    policy = {
        "solution": solution,
        "actions": solution.policy,
        "probabilities": clew.Policy.from_probabilities(mdp, solution.policy.probabilities()),
        "any action": np.full(mdp.num_states, -1),
    }[kind]
    simulation = clew.Simulation(ModelEnvironment(mdp, max_episode_steps=200))
    for settings in {"epsilon": 1.0}, {"epsilon": 0.1}, {"explore": False}:
        played = simulation.rollout(policy, **settings)
        assert len(played) == 200
        assert mdp.available[played.state, played.action].all()
    if kind != "any action":
        greedy = played  # the last one
        assert (greedy.action == solution.actions[greedy.state]).all()


def test_a_strategy_that_takes_unavailable_actions_is_found_out():
    from typing import NamedTuple

    from clew.extending import Behaviour, choose, row_length

    class Last(NamedTuple):
        pass

    @choose.register(Last)
    def choose_last(behaviour, q, visits, s, exploration, stream):
        return row_length(q) - 1

    clew.register_behaviour("unavailable:last", Behaviour(Last(), "the last action"))
    try:
        with (
            np.errstate(invalid="ignore"),
            pytest.raises(SettingError, match="strategy took an action in a state where it isn't available"),
        ):
            clew.train_policy(machine_from_function(None), 10, behaviour="unavailable:last")
    finally:
        del BEHAVIOURS["unavailable:last"]
