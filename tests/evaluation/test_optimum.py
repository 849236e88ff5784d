"""The optimum of a grade belongs to the problem that was graded: its starts and its step limit."""

import gymnasium
import numpy as np
import pytest

from clew import Environment, FiniteMDP, Maze, ModelEnvironment, Policy, evaluate_policy, solve, train_policy
from clew.evaluation import optimum as optima
from clew.evaluation.optimum import optimal_episode, steps_count
from oracles import random_sparse_world


def episode_by_hand(mdp, gamma, max_steps):
    """Backward induction over lists: (steps, undiscounted return) from every state, by the first best action."""
    rows, model = mdp.to_sparse().model, range(mdp.num_actions)
    outcomes = [
        [
            [
                (rows.probabilities[i], rows.next_states[i], rows.rewards[i], rows.terminated[i])
                for i in range(rows.offsets[s * mdp.num_actions + a], rows.offsets[s * mdp.num_actions + a + 1])
            ]
            for a in model
        ]
        for s in range(mdp.num_states)
    ]
    v = steps = returns = [0.0] * mdp.num_states
    for _ in range(max_steps):
        q = [[sum(p * (r + (0 if end else gamma * v[t])) for p, t, r, end in row) for row in each] for each in outcomes]
        best = [outcomes[s][int(np.argmax(q[s]))] for s in range(mdp.num_states)]
        steps = [sum(p * (1 + (0 if end else steps[t])) for p, t, _, end in row) for row in best]
        returns = [sum(p * (r + (0 if end else returns[t])) for p, t, r, end in row) for row in best]
        v = [max(row) for row in q]
    return np.array(steps), np.array(returns)


@pytest.mark.parametrize("gamma", [0.9, 1.0])
@pytest.mark.parametrize("seed", range(6))
def test_a_short_limit_is_planned_for(seed, gamma):
    mdp = random_sparse_world(np.random.default_rng(seed), num_states=7, num_actions=3).mdp
    starts = np.arange(mdp.num_states, dtype=np.int32)
    if gamma == 1.0:  # every step costs, so that nothing can be gained without end
        rows = mdp.model._asdict()
        mdp = FiniteMDP.sparse(**rows | {"rewards": rows["rewards"] - rows["rewards"].max() - 0.1}, starts=starts)
    optimum = solve(mdp, gamma=gamma)
    for max_steps in (1, 4, 9):
        steps, returns = episode_by_hand(mdp, gamma, max_steps)
        found = optimal_episode(optimum, starts, max_steps)
        assert found.steps == pytest.approx(steps, abs=1e-6)
        assert found.returns == pytest.approx(returns, abs=1e-6)


@pytest.mark.parametrize(
    ("name", "limited"), [("FrozenLake-v1", 0.744190), ("FrozenLake8x8-v1", 0.913220), ("Taxi-v4", 7.93)]
)
def test_gymnasiums_environments_have_the_optimum_of_their_step_limit(name, limited):
    """Without the limit they are 14/17 and 1 on the lakes."""
    env = gymnasium.make(name)
    policy = Policy(env)
    mdp = FiniteMDP.from_gymnasium(env)
    evaluation = evaluate_policy(env, policy, gamma=1.0, starts=mdp.starts if name == "Taxi-v4" else None)
    assert evaluation.optimal_return == pytest.approx(limited, abs=1e-6)
    assert (evaluation.excess_steps is None) == name.startswith("FrozenLake")  # falling in is short


def test_a_policy_as_good_as_the_optimum_earns_as_much_whatever_the_limit():
    for limit in (100, 12, 5, 3):
        env = Environment(Maze.open(3, 3), step_reward=-1.0, goal_reward=0.0, max_episode_steps=limit)
        evaluation = evaluate_policy(env, train_policy(env, 500, gamma=1.0, seed=1), gamma=1.0)
        assert evaluation.mean_return == evaluation.optimal_return == -min(4, limit)
        assert evaluation.mean_steps == evaluation.optimal_steps == min(4, limit)


def test_a_limit_that_is_too_short_to_pay_for_the_way_changes_what_is_optimal():
    """Without a limit the long way round is best; in 3 steps nothing can be reached but the hazard."""
    env = Environment(Maze.from_text("S!G\n...\n"), hazard_reward=-5.0, goal_reward=1.0, max_episode_steps=3)
    evaluation = evaluate_policy(env, Policy(env, q=solve(env).q))
    assert (evaluation.optimal_return, evaluation.optimal_steps) == (0.0, 3.0)


def test_slippery_mazes_take_the_unlimited_optimum_where_the_limit_is_far():
    env = Environment(Maze.open(6, 6), slip=0.2)
    optimum = solve(env)
    found = optimal_episode(optimum, env.mdp.starts, env.max_episode_steps)
    assert found.steps.tolist() == optimum.steps_from[env.mdp.starts].tolist()
    assert found.returns == pytest.approx([1.0], abs=1e-9)


def test_what_would_take_too_long_is_not_computed(monkeypatch, clew, tmp_path):
    monkeypatch.setattr(optima, "MAX_OUTCOMES", 5_000)
    evaluation = evaluate_policy(gymnasium.make("FrozenLake-v1"), Policy(gymnasium.make("FrozenLake-v1")), gamma=1.0)
    assert (evaluation.optimal_return, evaluation.optimal_steps, evaluation.excess_steps) == (None, None, None)
    assert evaluation.optimal_starts is not None
    code, out, _ = clew("train", "gym:FrozenLake-v1", "--episodes", 10, "--gamma", 1)
    assert code == 0
    assert ["optimal", "return", "not", "computed"] in [line.split() for line in out.splitlines()]


def test_fewer_steps_are_better_only_where_all_ends_are_alike_and_better_than_going_on():
    assert steps_count(Environment().mdp, 0.9)
    assert steps_count(Environment(step_reward=-1.0, hazard_reward=-5.0).mdp, 1.0)
    assert steps_count(Environment(step_reward=-1.0, goal_reward=-1.0).mdp, 0.9)
    assert steps_count(Environment(step_reward=-1.0, goal_reward=0.0).mdp, 0.9)
    assert not steps_count(Environment().mdp, 0.0)
    assert not steps_count(Environment(step_reward=0.1).mdp, 0.9)
    assert not steps_count(Environment(goal_reward=-1.0).mdp, 1.0)
    assert not steps_count(Environment(goal_reward=0.0).mdp, 0.9)
    assert not steps_count(FiniteMDP.from_gymnasium(gymnasium.make("FrozenLake-v1")), 1.0)
    assert steps_count(FiniteMDP.from_gymnasium(gymnasium.make("CliffWalking-v1")), 1.0)
    assert steps_count(FiniteMDP.from_gymnasium(gymnasium.make("Taxi-v4")), 1.0)


def test_an_end_that_is_worse_than_going_on_has_no_excess_steps():
    """A way that costs 10 and ends, or nothing for ever: the policy that ends is the worse one, in fewer steps."""
    mdp = FiniteMDP.from_function(
        2, 2, lambda s, a: [(1.0, 1, -10.0, True)] if (s, a) == (0, 1) else [(1.0, 0, 0.0, False)] if s == 0 else []
    )
    env = ModelEnvironment(mdp, max_episode_steps=50)
    for gamma in (0.0, 0.9, 1.0):
        evaluation = evaluate_policy(env, Policy(env, q=[[0.0, 1.0], [0.0, 0.0]]), 10, gamma=gamma)
        steps = 50.0 if gamma else None  # without a future, no number of steps is better than another
        assert (evaluation.optimal_steps, evaluation.optimal_return, evaluation.excess_steps) == (steps, 0.0, None)


def test_a_limit_of_many_steps_is_not_computed_step_by_step():
    """Each step costs a call of a kernel, however small the world is: 2**62 of them are not begun."""
    env = Environment(Maze.open(4, 4), max_episode_steps=2**62)
    assert optimal_episode(solve(env, gamma=0.0), env.mdp.starts, 10**5) is None
