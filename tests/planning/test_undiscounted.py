"""Gamma 1 without a step limit: the bound holds, the policy ends, and worlds without finite values are refused."""

import math
from contextlib import nullcontext
from fractions import Fraction

import numpy as np
import pytest
from scipy import sparse
from scipy.optimize import linprog
from scipy.sparse.csgraph import connected_components

import oracles
from clew import Environment, FiniteMDP, Maze, PrecisionError, PrecisionWarning, SettingError, solve, solve_average
from clew.kernels.planning.undiscounted import (
    STAY,
    UNKNOWN,
    EndComponents,
    backward_search,
    evaluation_sweep,
    improvement_sweep,
    label_strong_components,
    margins,
    prune_leaving_pairs,
)
from clew.planning.end_components import collapse_end_components
from oracles import grid_world, random_layout, random_sparse_world, sparse_world


def small_world(seed, kind, num_states=5, num_actions=2):
    """Return a world with few states and actions, so that all policies can be enumerated; half of the rewards are 0."""
    rng = np.random.default_rng([seed, ord(kind[0])])
    low, high = {"positive": (0, 9), "negative": (-8, 1), "mixed": (-8, 4)}[kind]

    def outcomes():
        n = rng.integers(1, 4)
        over = rng.random(n) < 0.15
        rewards = rng.integers(low, high, n) / 4 * (rng.random(n) < 0.5)
        if kind == "positive":
            rewards *= over | (rng.random() < 0.03)  # mostly, only an end has a reward
        if kind == "mixed":
            rewards -= 0.25 * (rng.random(n) < 0.7)
        probabilities = rng.multinomial(8, np.ones(n) / n) / 8
        return list(zip(probabilities.tolist(), rng.integers(num_states, size=n).tolist(), rewards, over, strict=True))

    is_terminal = rng.random(num_states) < 0.1
    is_terminal[0] = False
    return sparse_world([[[] if end else outcomes() for _ in range(num_actions)] for end in is_terminal], starts=[0])


# Against every policy, one by one -------------------------------------------------------------------------------------

SEEDS = 150


@pytest.mark.parametrize("kind", ["positive", "negative", "mixed"])
def test_no_policy_is_better_and_the_one_found_is_as_good(kind):
    refused = endless = 0
    for seed in range(SEEDS):
        world = small_world(seed, kind)
        best = oracles.best_total_rewards(world.rows)
        if best is None:
            refused += 1
            with pytest.raises(SettingError, match=r"from state \d an episode can go on forever"):
                solve(world.mdp, gamma=1.0)
            continue
        finite = np.isfinite(best)
        if not finite[0]:
            endless += 1
            with pytest.raises(SettingError, match="from start state 0 every policy may go on forever and lose"):
                solve(world.mdp, gamma=1.0)
            if not finite.any():
                continue
        solution = solve(sparse_world(world.rows, np.flatnonzero(finite)).mdp, gamma=1.0)
        assert solution.method == "total-reward"
        assert solution.bound <= 1e-6
        assert np.array_equal(np.isneginf(solution.v), ~finite), seed
        assert np.abs(solution.v[finite] - best[finite]).max(initial=0.0) <= solution.bound + 1e-11
        earned = oracles.total_rewards(world.rows, solution.actions)
        assert np.abs(earned[finite] - best[finite]).max(initial=0.0) <= 2 * solution.bound + 1e-11
        assert solution.v == pytest.approx(solution.q.max(axis=1), abs=1e-9)
    assert (refused, endless) == {"positive": (12, 0), "negative": (0, 2), "mixed": (15, 4)}[kind]


# Against a linear program ---------------------------------------------------------------------------------------------


def linear_program(rows):
    """Return the least v >= 0 with v >= every backup: the optimum for nonnegative rewards and finite values."""
    n = len(rows)
    pairs = [outcomes for actions in rows for outcomes in actions]
    left, right = np.zeros((len(pairs), n)), np.zeros(len(pairs))
    for i, outcomes in enumerate(pairs):
        left[i, i // len(rows[0])] -= 1.0
        for p, s_next, reward, terminated in outcomes:
            right[i] -= p * reward
            left[i, s_next] += 0.0 if terminated else p
    result = linprog(np.ones(n), A_ub=left, b_ub=right, bounds=(0, None), method="highs")
    assert result.success
    return result.x


def paying_ends(seed):
    """Return a world of 40 states in which only ends have rewards, with many zero-reward end components."""
    rows = random_sparse_world(seed, num_states=40, num_actions=3).rows
    return sparse_world(
        [[[(p, t, abs(r) if over else 0.0, over) for p, t, r, over in pair] for pair in pairs] for pairs in rows]
    )


@pytest.mark.parametrize("seed", range(40))
def test_worlds_in_which_only_an_end_pays_equal_their_linear_program(seed):
    world = paying_ends(seed)
    solution = solve(world.mdp, gamma=1.0, tolerance=1e-7)
    assert solution.bound <= 1e-7
    assert solution.v == pytest.approx(linear_program(world.rows), abs=2e-7)
    earned = oracles.total_rewards(world.rows, solution.actions)
    assert solution.v == pytest.approx(earned, abs=2e-7)


# Grids ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [7, 40])
def test_where_a_step_costs_1_the_value_is_the_number_of_steps(size):
    """Small worlds may be solved by linear equations, large ones by sweeps alone."""
    env = Environment(Maze.open(size, size), slip=0.2, step_reward=-1.0, goal_reward=0.0)
    solution = solve(env, gamma=1.0)
    assert solution.bound <= 1e-6
    assert -solution.v == pytest.approx(solution.steps_from, abs=1e-6)
    assert 2 * (size - 1) < solution.steps < 1.3 * 2 * (size - 1)


@pytest.mark.parametrize("seed", range(6))
def test_slippery_grids_have_the_values_of_a_discount_near_1(seed):
    """The first two have an enclosed cell, in which an episode must not start."""
    layout = random_layout(seed, 4, 4, slip=0.3, step_reward=-0.1, outer_wall_reward=-0.2, hazard_reward=-1.0)
    world = grid_world(layout)
    near = oracles.policy_iteration(world.rows, 1 - 1e-9)
    finite = near > -1e6
    assert (~finite).sum() == (1 if seed < 2 else 0)
    mdp = FiniteMDP.grid(layout.cells(), [s for s in world.mdp.starts if finite[s]], **layout.settings)
    solution = solve(mdp, gamma=1.0)
    assert solution.v[finite] == pytest.approx(near[finite], abs=1e-5)
    assert np.isneginf(solution.v[~finite]).all()
    if not finite.all():
        with pytest.raises(SettingError, match=f"from start state {np.flatnonzero(~finite)[0]} every policy may go on"):
            solve(world.mdp, gamma=1.0)


def test_a_slippery_maze_is_left_with_certainty():
    """Only the goal has a reward, so all values are 1, and staying in place would look optimal."""
    solution = solve(Environment(Maze.open(6, 6), slip=0.1), gamma=1.0)
    assert solution.v[:-1] == pytest.approx(1.0, abs=1e-6)
    assert np.isfinite(solution.steps_from).all()


def test_hazards_that_one_can_only_just_avoid():
    """Waiting forever has value 0; the goal has 1, minus what the hazard costs on the paths through it."""
    maze = Maze.from_text("S!G\n")
    assert solve(Environment(maze, hazard_reward=-0.25), gamma=1.0).value == pytest.approx(0.75, abs=1e-6)
    waiting = solve(Environment(maze, hazard_reward=-2.0), gamma=1.0)
    assert waiting.value == 0.0
    assert waiting.steps == math.inf


def test_where_no_policy_surely_ends_the_value_is_minus_infinity():
    """In the enclosed cells steps cost forever; without outcomes the value is 0."""
    solution = solve(Environment(Maze.from_text("S.G#..\n"), slip=0.1, step_reward=-1.0), gamma=1.0)
    assert np.isneginf(solution.v[4:]).all()
    assert np.isneginf(solution.q[4:]).all()
    assert solution.v[2:4].tolist() == [0.0, 0.0]
    assert np.isinf(solution.steps_from[4:]).all()
    assert solution.value == pytest.approx(1 - solution.steps, abs=1e-6)


# By hand --------------------------------------------------------------------------------------------------------------


def test_a_way_that_risks_to_go_on_for_ever_is_avoided():
    """Action 1 would end more cheaply, but half of the time leads to a state where every step costs, forever.

    Without action 0 that would happen whatever the policy, so the start has no finite value.
    """
    rows = [
        [[(1.0, 0, -10.0, True)], [(0.5, 0, -1.0, True), (0.5, 1, -1.0, False)]],
        [[(1.0, 1, -1.0, False)], [(1.0, 1, -2.0, False)]],
    ]
    solution = solve(sparse_world(rows, starts=[0]).mdp, gamma=1.0)
    assert solution.v.tolist() == [pytest.approx(-10.0, abs=1e-6), -math.inf]
    assert solution.actions[0] == 0
    for where, actions, starts in ((0, [rows[0][1]] * 2, [0]), (1, rows[0], [0, 1])):
        with pytest.raises(
            SettingError, match=f"gamma must be below 1 here: from start state {where} every policy may go on"
        ):
            solve(sparse_world([actions, rows[1]], starts).mdp, gamma=1.0)


def test_a_rest_that_costs_to_come_to_is_taken_if_the_end_costs_more():
    rows = [
        [[(1.0, 0, -5.0, True)], [(1.0, 1, -1.0, False)]],
        [[(1.0, 2, 0.0, False)], [(1.0, 0, -1.0, True)]],
        [[(1.0, 1, 0.0, False)], [(1.0, 0, -0.5, True)]],
    ]
    solution = solve(sparse_world(rows).mdp, gamma=1.0)
    assert solution.v == pytest.approx([-1.0, 0.0, 0.0], abs=1e-6)
    assert solution.actions.tolist() == [1, 0, 0]


def test_a_group_takes_its_best_way_out_from_wherever_one_stands():
    """Three states in a zero-reward ring, of which only the last has the best exit."""
    rows = [[[(1.0, (s + 1) % 3, 0.0, False)], [(1.0, 0, float(s), True)]] for s in range(3)]
    solution = solve(sparse_world(rows).mdp, gamma=1.0)
    assert solution.v == pytest.approx([2.0, 2.0, 2.0], abs=1e-6)
    assert solution.actions.tolist() == [0, 0, 1]
    assert solution.steps_from == pytest.approx([3.0, 2.0, 1.0])


@pytest.mark.parametrize("power", [4, 10, 20])
def test_the_bound_holds_however_long_an_episode_is(power):
    """Each step costs 1 and is the last with probability 2**-power: exactly 2**power steps are expected."""
    chance = 0.5**power
    rows = [[[(1.0 - chance, 1, -1.0, False), (chance, 0, -1.0, True)]], [[(1.0, 0, 0.0, False)]]]
    lost = pytest.warns(PrecisionWarning, match="not to within the tolerance of 1e-06")  # by rounding of 2**20 steps
    with lost if power == 20 else nullcontext():
        solution = solve(sparse_world(rows, starts=[0]).mdp, gamma=1.0)
    assert abs(Fraction(float(solution.value)) + 2**power) <= solution.bound
    assert solution.bound <= 1e-6 if power < 20 else solution.bound <= 0.1


@pytest.mark.parametrize("excess", [-9e-10, 9e-10])
def test_the_bound_counts_probabilities_that_hardly_sum_to_1(excess):
    """The intended world has probabilities that sum to 1; this tolerance is too small to reach."""
    stays, ends = 0.9 + excess, 0.1
    world = sparse_world([[[(stays, 0, -1.0, False), (ends, 0, -1.0, True)]]])
    with pytest.warns(PrecisionWarning, match="not to within the tolerance of 1e-12"):
        solution = solve(world.mdp, gamma=1.0, tolerance=1e-12)
    meant = -(Fraction(stays) + Fraction(ends)) / Fraction(ends)
    assert abs(Fraction(float(solution.value)) - meant) <= solution.bound < 1e-5


def test_certain_moves_have_total_rewards_too():
    """With hazards a shortest path isn't always optimal."""
    solution = solve(Environment(Maze.from_text("S!G\n...\n"), step_reward=-1.0, hazard_reward=-5.0), gamma=1.0)
    assert solution.method == "total-reward"
    assert (solution.steps, solution.value) == (4.0, pytest.approx(-3.0, abs=1e-6))


def test_discounted_planners_refuse_gamma_1():
    with pytest.raises(SettingError, match="below 1 here: gauss-seidel needs a discount"):
        solve(Environment(Maze.open(3, 4), slip=0.1), gamma=1.0, method="gauss-seidel")


def test_what_never_happens_does_not_count():
    """An outcome of probability 0 leads to a state where every step costs, forever."""
    rows = [[[(0.0, 1, -1.0, False), (1.0, 0, 2.0, True)]], [[(1.0, 1, -1.0, False)]]]
    solution = solve(sparse_world(rows, starts=[0]).mdp, gamma=1.0)
    assert solution.q.tolist() == [[pytest.approx(2.0, abs=1e-6)], [-math.inf]]


def test_a_tighter_tolerance_gives_a_tighter_bound():
    world = Environment(Maze.open(4, 4), slip=0.2, step_reward=-1.0)
    bounds = [solve(world, gamma=1.0, tolerance=tolerance).bound for tolerance in (1e-2, 1e-5, 1e-8)]
    assert bounds[0] > bounds[1] > bounds[2]
    assert bounds[2] <= 1e-8


# What has no finite value ---------------------------------------------------------------------------------------------

ROUND = {
    "a step pays": (Environment(Maze.open(3, 4), step_reward=0.1), r"from state \d+"),
    "the edge pays": (Environment(Maze.open(3, 4), outer_wall_reward=1.0), r"from state \d+"),
    "one pays in a ring": ([[[(1.0, 1, 3.0, False)]], [[(1.0, 0, -2.0, False)]]], r"from state [01] "),
    "a ring pays nothing": ([[[(1.0, 1, 2.0, False)]], [[(1.0, 0, -2.0, False)]]], r"from state [01] "),
    "a fair game": ([[[(0.5, 0, 1.0, False), (0.5, 0, -1.0, False)]]], "from state 0 "),
    "beyond where one ends": (
        [[[(1.0, 0, -1.0, True)], [(1.0, 1, -5.0, False)]], [[(1.0, 1, 0.001, False)], [(1.0, 0, -1.0, False)]]],
        r"from state [01] ",
    ),
    "where one never ends": ([[[(1.0, 0, -1.0, True)]], [[(1.0, 1, 0.001, False)]]], "from state 1 "),
}


@pytest.mark.parametrize("name", ROUND)
def test_where_one_can_go_round_for_a_gain_gamma_1_is_refused(name):
    world, where = ROUND[name]
    mdp = sparse_world(world).mdp if isinstance(world, list) else world
    with pytest.raises(SettingError, match=f"gamma must be below 1 here: {where}.*an episode can go on forever"):
        solve(mdp, gamma=1.0)


def test_a_ring_that_costs_hardly_anything_is_not_refused():
    rows = [[[(1.0, 1, 2.0, False)], [(1.0, 0, -1.0, True)]], [[(1.0, 0, -2.0 - 1e-9, False)]] * 2]
    assert solve(sparse_world(rows).mdp, gamma=1.0).v == pytest.approx([-1.0, -3.0], abs=1e-6)


# End components -------------------------------------------------------------------------------------------------------


def greatest_free_sets(rows):
    """Return the zero-reward end component of each state, by removing leaving pairs one at a time."""
    states = range(len(rows))
    free = {
        (s, a): {t for p, t, _, _ in outcomes if p > 0}
        for s in states
        for a, outcomes in enumerate(rows[s])
        if outcomes and all(p == 0 or (reward == 0 and not over) for p, _, reward, over in outcomes)
    }

    def reachable(s):
        found, waiting = {s}, [s]
        while waiting:
            here = waiting.pop()
            new = set().union(*(after for (t, _), after in free.items() if t == here)) - found
            found |= new
            waiting += new
        return found

    while True:
        ways = {s: reachable(s) for s in states}
        wrong = [pair for pair, after in free.items() if any(pair[0] not in ways[t] for t in after)]
        if not wrong:
            return {pair[0]: {t for t in ways[pair[0]] if pair[0] in ways[t]} for pair in free}
        del free[wrong[0]]


@pytest.mark.parametrize("seed", range(40))
def test_groups_equal_their_oracle(seed):
    world = paying_ends(seed) if seed % 2 else small_world(seed, "negative", num_states=9)
    quotient = collapse_end_components(world.mdp)
    sets = greatest_free_sets(world.rows)
    group_of = dict(zip(quotient.states.tolist(), quotient.component_of.tolist(), strict=True))
    for s in group_of:
        assert {t for t in group_of if group_of[t] == group_of[s]} == sets.get(s, {s})
    resting = {s for s, pairs in enumerate(world.rows) if s in sets or [] in pairs}
    stay_pairs = dict(zip(quotient.states.tolist(), (quotient.stay_pairs != UNKNOWN).tolist(), strict=True))
    assert {s for s in stay_pairs if stay_pairs[s]} == resting


def grouped(seed):
    """A world with its components, half of the pairs excluded, and random values and choices."""
    rng = np.random.default_rng(seed)
    rows = random_sparse_world(seed, num_states=12, num_actions=3).mdp.model
    members, first = rng.permutation(12).astype(np.int32), np.array([0, 3, 4, 9, 12])
    excluded = rng.random(36) < 0.5
    may_stay = np.array([True, False, True, False])
    choice = np.full(4, STAY)
    for g in range(4):
        open_pairs = [3 * s + a for s in members[first[g] : first[g + 1]] for a in range(3) if not excluded[3 * s + a]]
        if open_pairs and (not may_stay[g] or rng.random() < 0.5):
            choice[g] = rng.choice(open_pairs)
        may_stay[g] |= not open_pairs
    v = np.empty(12)
    for g in range(4):
        v[members[first[g] : first[g + 1]]] = rng.normal()
    return rows, EndComponents(members, first, may_stay, excluded), v, choice


def worth(rows, v, pair):
    outcomes = range(rows.offsets[pair], rows.offsets[pair + 1])
    return sum(
        rows.probabilities[i] * (rows.rewards[i] + (0 if rows.terminated[i] else v[rows.next_states[i]]))
        for i in outcomes
    )


def open_to(components, g):
    states = components.members[components.firsts[g] : components.firsts[g + 1]]
    pairs = [3 * s + a for s in states for a in range(3) if not components.excluded[3 * s + a]]
    return states, pairs + [STAY] * bool(components.may_stay[g])


@pytest.mark.kernels
@pytest.mark.parametrize("seed", range(8))
def test_sweeps_over_groups_equal_their_oracles(seed):
    rows, components, v, choice = grouped(seed)
    above, below = margins(rows, components, v, choice)
    gaps, falls = [math.inf], [math.inf]
    for g in range(4):
        states, pairs = open_to(components, g)
        value = v[states[0]]
        gaps += [value - worth(rows, v, pair) for pair in pairs if pair != STAY]
        gaps += [-math.inf] if components.may_stay[g] and value < 0 else []
        falls += [worth(rows, v, choice[g]) - value] if choice[g] != STAY else [-math.inf] if value > 0 else []
    assert (above, below) == (pytest.approx(min(gaps)), pytest.approx(min(falls)))

    improved, plain, chosen = v.copy(), v.copy(), choice.copy()
    change = improvement_sweep(rows, components, improved, chosen, 0.25, 0.0)
    for g in range(4):
        states, pairs = open_to(components, g)
        values = {pair: 0.0 if pair == STAY else worth(rows, plain, pair) + 0.25 for pair in pairs}
        plain[states] = max(values.values())
        assert values[chosen[g]] == pytest.approx(max(values.values()))
    assert improved == pytest.approx(plain)
    assert change == pytest.approx(np.abs(improved - v).max())

    for backwards in (False, True):
        followed, plain = v.copy(), v.copy()
        change = evaluation_sweep(rows, components, followed, choice, -0.5, backwards)
        for g in reversed(range(4)) if backwards else range(4):
            plain[open_to(components, g)[0]] = 0.0 if choice[g] == STAY else worth(rows, plain, choice[g]) - 0.5
        assert followed == pytest.approx(plain)
        assert change == pytest.approx(np.abs(followed - v).max())


@pytest.mark.kernels
def test_ties_keep_what_was_chosen():
    rows = sparse_world([[[(1.0, 0, 1.0, True)], [(1.0, 0, 1.0, True)], [(1.0, 0, 1.5, True)]]]).mdp.model
    components = EndComponents(np.zeros(1, np.int32), np.array([0, 1]), np.array([False]), np.zeros(3, np.bool_))
    for threshold, expected in ((0.0, 2), (1.0, 1)):
        choice = np.array([1])
        improvement_sweep(rows, components, np.zeros(1), choice, 0.0, threshold)
        assert choice.tolist() == [expected]


@pytest.mark.kernels
@pytest.mark.parametrize("seed", range(8))
def test_components_are_those_of_scipy(seed):
    rng = np.random.default_rng(seed)
    rows = random_sparse_world(seed, num_states=30, num_actions=2).mdp.model
    internal = rng.random(60) < 0.5
    labels = np.zeros(30, np.int32)
    room = np.empty((4, 30), np.int32)
    found = label_strong_components(rows, internal, labels, *room, np.empty(30, np.int64))
    matrix = np.zeros((30, 30))
    for pair in np.flatnonzero(internal):
        matrix[pair // 2, rows.next_states[rows.offsets[pair] : rows.offsets[pair + 1]]] = 1
    number, expected = connected_components(sparse.csr_array(matrix), directed=True, connection="strong")
    assert found == number
    assert np.array_equal(labels[:, None] == labels, expected[:, None] == expected)


@pytest.mark.kernels
@pytest.mark.parametrize("seed", range(8))
def test_trimming_equals_its_oracle(seed):
    rng = np.random.default_rng(seed)
    rows = random_sparse_world(seed, num_states=30, num_actions=4).mdp.model
    internal, labels = rng.random(120) < 0.7, (rng.random(30) < 0.9).astype(np.int32) - 1
    plain, alive = internal.copy(), labels.copy()
    while True:
        before = plain.copy(), alive.copy()
        for pair in np.flatnonzero(plain):
            after = rows.next_states[rows.offsets[pair] : rows.offsets[pair + 1]]
            plain[pair] = alive[pair // 4] < 0 or all(alive[t] == alive[pair // 4] for t in after)
        alive[~plain.reshape(30, 4).any(axis=1)] = -1
        if np.array_equal(plain, before[0]) and np.array_equal(alive, before[1]):
            break
    changed = prune_leaving_pairs(rows, labels, internal)
    assert labels.tolist() == alive.tolist()
    assert internal.tolist() == plain.tolist()
    assert changed
    assert not prune_leaving_pairs(rows, labels, internal)


@pytest.mark.kernels
def test_reaching_by_hand():
    """0 <- 1 <- 2 by pairs 2 and 4, and 0 <- 2 by pair 5, which isn't allowed; nothing leads from 3."""
    first, predecessors = np.array([0, 2, 3, 3, 3]), np.array([2, 5, 4])
    allowed = np.ones(8, np.bool_)
    allowed[5] = False
    chosen = np.array([STAY, UNKNOWN, UNKNOWN, UNKNOWN])
    queue = np.zeros(4, np.int32)
    assert backward_search(first, predecessors, allowed, 2, queue, 1, chosen) == 3
    assert queue[:3].tolist() == [0, 1, 2]
    assert chosen.tolist() == [STAY, 2, 4, UNKNOWN]


def test_episodes_that_take_too_many_steps_for_double_precision_are_refused():
    mdp = FiniteMDP.from_function(2, 1, lambda s, a: [(1.0 - 1e-15, 1 - s, -1.0, False), (1e-15, s, 0.0, True)])
    with pytest.raises(PrecisionError, match="too many steps for double precision"):
        solve(mdp, gamma=1.0)
    with pytest.raises(PrecisionError, match="too many steps for double precision"):
        solve_average(mdp)
