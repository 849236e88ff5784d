"""Planning kernels compared with their oracles: compiled, uncompiled and with bounds checks (`make test`)."""

from functools import cache

import numpy as np
import pytest

import oracles
import oracles_planning
from clew.kernels import read_only
from clew.kernels.dynamics import num_outcomes, outcome
from clew.kernels.planning.backups import backup, backup_all, bellman_residual, greedy_backup
from clew.kernels.planning.priorities import Heap, fill_heap, prioritized_backups
from clew.kernels.planning.search import (
    breadth_first_search,
    count_walled_cells,
    count_wrong_distances,
    label_regions,
    mark_nearer,
    measure_distances,
    queue_size,
    sweep_distances,
)
from clew.kernels.planning.sweeps import (
    directional_sweep,
    evaluation_sweeps,
    gauss_seidel_sweep,
    improve_policy,
    mark_nonterminating,
    mark_proper,
    steps_sweep,
    synchronous_sweep,
)
from clew.mazes import Maze
from clew.models.mdp import FiniteMDP
from clew.planning.orders import breadth_first_order, predecessors
from oracles import Layout, grid_world, random_layout, random_sparse_world, sparse_world

pytestmark = pytest.mark.kernels

REWARDS = {"goal_reward": 2.0, "step_reward": -0.25, "outer_wall_reward": -0.5, "hazard_reward": -3.5}
WORLDS = {
    "grid": lambda: grid_world(random_layout(1, **REWARDS)),
    "tall grid": lambda: grid_world(random_layout(2, rows=6, columns=2, **REWARDS)),
    "one row": lambda: grid_world(random_layout(11, rows=1, columns=6, slip=0.3, **REWARDS)),
    "slippery grid": lambda: grid_world(random_layout(3, slip=0.3, **REWARDS)),
    "always slipping grid": lambda: grid_world(random_layout(4, slip=1.0, **REWARDS)),
    "moving goal": lambda: grid_world(random_layout(5, rows=3, columns=3, moving_goal=True, **REWARDS)),
    "slippery moving goal": lambda: grid_world(random_layout(6, 2, 3, moving_goal=True, slip=0.25, **REWARDS)),
    "sparse, 1 action": lambda: random_sparse_world(7, num_actions=1),
    "sparse, 4 actions": lambda: random_sparse_world(9, num_actions=4),
    "sparse, 7 actions": lambda: random_sparse_world(10, num_actions=7),
}


@cache
def build(name):
    return WORLDS[name]()


@pytest.fixture(params=WORLDS)
def world(request):
    return build(request.param)


@pytest.fixture
def ordered(world):
    return breadth_first_order(world.mdp)


def random_values(world, seed=0):
    return np.random.default_rng(seed).normal(size=world.mdp.num_states)


def random_policy(world, seed=0):
    return np.random.default_rng(seed).integers(world.mdp.num_actions, size=world.mdp.num_states).astype(np.int32)


# Backups --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("gamma", [0.0, 0.9, 1.0])
def test_backups_equal_their_oracle(world, gamma):
    v, q = random_values(world), np.full(world.shape, np.nan)
    backup_all(world.mdp.model, read_only(v), gamma, q)
    expected = oracles.backup_all(world.rows, v.tolist(), gamma)
    assert q.tolist() == expected
    s, a = world.mdp.num_states // 2, world.mdp.num_actions - 1
    assert backup(world.mdp.model, read_only(v), s, a, gamma) == expected[s][a]
    for s in range(world.mdp.num_states):
        found = greedy_backup(world.mdp.model, read_only(v), s, world.mdp.num_actions, gamma)
        assert found == oracles_planning.greedy(world.rows, v.tolist(), s, gamma)


def test_both_forms_of_a_world_back_up_the_same_values(world):
    v, sparse = random_values(world), world.mdp.to_sparse()
    q, q_sparse = np.empty(world.shape), np.empty(world.shape)
    backup_all(world.mdp.model, read_only(v), 0.9, q)
    backup_all(sparse.model, read_only(v), 0.9, q_sparse)
    assert np.array_equal(q, q_sparse)


def test_bellman_residual_equals_its_oracle_and_changes_nothing(world):
    v = random_values(world)
    residual = bellman_residual(world.mdp.model, read_only(v), world.mdp.num_actions, 0.9)
    assert residual == oracles.bellman_residual(world.rows, v.tolist(), 0.9)


# Sweeps ---------------------------------------------------------------------------------------------------------------


def test_an_improving_sweep_equals_its_oracle(world, ordered):
    v, policy = random_values(world), np.full(ordered.num_live, -1, np.int32)
    v[ordered.order[ordered.num_live :]] = 0.0
    plain, reordered = v.tolist(), ordered.to_ordered(v)
    live = ordered.order[: ordered.num_live].tolist()
    change = gauss_seidel_sweep(ordered.model, reordered, policy, ordered.num_actions, 0.9)
    expected, actions = oracles_planning.sweep(world.rows, plain, live, 0.9)
    assert (change, ordered.to_original(reordered).tolist()) == (expected, plain)
    assert policy.tolist() == [actions[s] for s in live]


def test_evaluating_sweeps_equal_its_oracle(world, ordered):
    v, policy = random_values(world), random_policy(world)
    plain, reordered = v.tolist(), ordered.to_ordered(v)
    live = ordered.order[: ordered.num_live].tolist()
    change = evaluation_sweeps(ordered.model, reordered, read_only(policy[live]), 0.9, 2)
    changes = [oracles_planning.sweep(world.rows, plain, live, 0.9, policy.tolist())[0] for _ in range(2)]
    assert change == changes[1]
    assert ordered.to_original(reordered).tolist() == plain


def test_a_synchronous_sweep_and_the_greedy_policy_equal_their_oracle(world, ordered):
    v, out = random_values(world), np.empty(world.mdp.num_states)
    policy = np.full(world.mdp.num_states, -1, np.int32)
    reordered = ordered.to_ordered(v)
    change = synchronous_sweep(ordered.model, reordered, ordered.num_actions, 0.9, out)
    improve_policy(ordered.model, reordered, ordered.num_actions, 0.9, policy)
    expected = [oracles_planning.greedy(world.rows, v.tolist(), s, 0.9) for s in range(v.size)]
    assert list(zip(ordered.to_original(out).tolist(), ordered.to_original(policy).tolist(), strict=True)) == expected
    assert change == max(abs(value - v[s]) for s, (value, _) in enumerate(expected))


@pytest.mark.parametrize(("upward", "leftward"), [(False, False), (True, False), (False, True), (True, True)])
def test_a_directional_sweep_equals_its_oracle(world, upward, leftward):
    if world.layout is None:
        return
    v = random_values(world)
    plain, columns = v.tolist(), world.layout.columns
    lines = np.arange(v.size).reshape(-1, columns)[:: -1 if upward else 1, :: -1 if leftward else 1]
    change = directional_sweep(world.mdp.model, v, 0.9, upward, leftward)
    assert change == oracles_planning.sweep(world.rows, plain, lines.reshape(-1).tolist(), 0.9)[0]
    assert v.tolist() == plain


@pytest.mark.parametrize("max_backups", [1, 7, 1000])
def test_prioritized_backups_equal_their_oracle(world, ordered, max_backups):
    v = random_values(world)
    v[ordered.order[ordered.num_live :]] = 0.0
    plain, reordered, n = v.tolist(), ordered.to_ordered(v), ordered.num_live
    lists = predecessors(ordered.model, ordered.num_states, ordered.num_actions)
    heap = Heap(np.empty(n, np.int32), np.empty(n, np.int32), np.empty(n))
    fill_heap(ordered.model, reordered, ordered.num_actions, 0.9, heap)
    left = prioritized_backups(ordered.model, reordered, ordered.num_actions, 0.9, *lists, heap, 1e-3, max_backups)
    found = ordered.to_original(reordered).tolist()
    if max_backups < 1000:  # after many backups errors tie, and the order is arbitrary
        oracles_planning.prioritized_backups(world.rows, plain, 0.9, 1e-3, max_backups)
        assert found == plain
    else:
        assert left <= 1e-3
    assert left == oracles.bellman_residual(world.rows, found, 0.9)


@pytest.mark.parametrize("margin", [0.0, 0.3, 100.0])
def test_mark_proper_equals_its_oracle(world, ordered, margin):
    v = random_values(world)
    marks, room = np.empty((2, v.size), np.bool_)
    mark_proper(ordered.model, ordered.to_ordered(v), ordered.num_actions, 0.9, margin, marks, room)
    assert ordered.to_original(marks).tolist() == oracles_planning.proper(world.rows, v.tolist(), 0.9, margin)


@pytest.mark.parametrize("seed", range(4))
def test_mark_endless_equals_its_oracle(world, seed):
    policy = np.random.default_rng(seed).integers(world.mdp.num_actions, size=world.mdp.num_states).astype(np.int32)
    endless = np.zeros(world.mdp.num_states, np.bool_)
    mark_nonterminating(world.mdp.model, read_only(policy), endless)
    assert endless.tolist() == oracles.mark_endless(world.rows, policy.tolist())


def test_endless_are_the_states_that_may_come_to_one_without_an_end():
    """0 may end or reach 1, which never ends; 2 ends; 3 leads to 2; 4 leads to 2, and to 1 with probability 0."""
    rows = [[(0.5, 0, 0.0, True), (0.5, 1, 0.0, False)], [(1.0, 1, 0.0, False)], [(1.0, 2, 0.0, True)]]
    rows += [[(1.0, 2, 0.0, False)], [(1.0, 2, 0.0, False), (0.0, 1, 0.0, False)], []]
    endless = np.zeros(6, np.bool_)
    policy = read_only(np.zeros(6, np.int32))
    mark_nonterminating(sparse_world([[outcomes] for outcomes in rows], starts=[0]).mdp.model, policy, endless)
    assert endless.tolist() == [True, True, False, False, False, False]


@pytest.mark.parametrize("backwards", [False, True])
def test_steps_sweep_equals_its_oracle(world, backwards):
    rng = np.random.default_rng(0)
    policy = rng.integers(world.mdp.num_actions, size=world.mdp.num_states).astype(np.int32)
    steps = np.where(oracles.mark_endless(world.rows, policy.tolist()), np.inf, rng.random(policy.size))
    plain = steps.tolist()
    change = steps_sweep(world.mdp.model, read_only(policy), steps, backwards)
    assert change == oracles.steps_sweep(world.rows, policy.tolist(), plain, backwards)
    assert steps.tolist() == plain


# Searching ------------------------------------------------------------------------------------------------------------


def search(layout, goal, room=None):
    grid = grid_world(layout).mdp.model
    distances = np.full(grid.num_cells, 99, np.int32)
    queue = np.empty(room or queue_size(grid.num_cells), np.int32)
    return grid, distances, queue, breadth_first_search(grid, goal, distances, queue)


def spiral():
    """Return a large open maze with a wall around which a path has to turn back twice."""
    lines = [["."] * 60 for _ in range(60)]
    for i in range(5):
        lines[20][20 + i] = lines[22][18 + i] = lines[20 + i][25] = "#"
    lines[21][24] = "G"
    return "\n".join("".join(line) for line in lines)


def expected_distances(layout, goal):
    goals = sorted(layout.goals) if goal < 0 else [layout.places[goal]]
    return [-1 if distance is None else distance for distance in oracles.breadth_first(layout, goals).values()]


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("goal", [-1, 0, 5])
def test_breadth_first_equals_its_oracle(seed, goal):
    layout = random_layout(seed, rows=4, columns=5)
    _, distances, queue, num_reached = search(layout, goal)
    expected = expected_distances(layout, goal)
    assert distances.tolist() == expected
    assert [expected[cell] for cell in queue[:num_reached]] == sorted(d for d in expected if d >= 0)


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("goal", [-1, 5])
def test_swept_distances_are_those_of_ways_that_turn_back_once(seed, goal):
    """Swept distances are never too small, pass the check only if right, and are right on an open grid."""
    layout = random_layout(seed, rows=4, columns=5)
    walled, distances = grid_world(layout).mdp.model, np.full(20, 99, np.int32)
    sweep_distances(walled, goal, distances)
    expected = np.array(expected_distances(layout, goal))
    assert ((distances >= expected) | (distances == -1)).all()
    assert (count_wrong_distances(walled, goal, distances) == 0) == (distances.tolist() == expected.tolist())
    assert count_walled_cells(walled) == np.count_nonzero(walled.cells & 15)
    bare = Layout(4, 5, layout.goals)
    sweep_distances(grid_world(bare).mdp.model, goal, distances)
    assert distances.tolist() == expected_distances(bare, goal)


@pytest.mark.parametrize("text", ["." * 300 + "G", ("." * 40 + "\n") * 39 + "." * 39 + "G", spiral()])
def test_measured_distances_are_right_however_they_come_about(text):
    """A row, an open grid, and few walls that sweeps can't follow."""
    maze = Maze.from_text(text + "\n")
    grid, distances = FiniteMDP.grid(maze.cells, 0).model, np.empty(maze.cells.size, np.int32)
    measure_distances(grid, -1, distances)
    assert count_wrong_distances(grid, -1, distances) == 0
    assert distances.max() == {300: 300, 39: 78}.get(maze.goals[0][1], distances.max())


@pytest.mark.parametrize("room", [1, 2, 4, 8, 16])
def test_a_queue_too_short_is_noticed_and_one_long_enough_serves_as_a_ring(room):
    layout = random_layout(3, rows=6, columns=7)
    _, distances, _, num_reached = search(layout, -1, room)
    if room <= 4:
        assert num_reached == -1
    if num_reached >= 0:
        assert distances.tolist() == expected_distances(layout, -1)
    if room == 16:
        assert num_reached > room


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("goal", [-1, 5])
def test_right_distances_pass_and_any_other_is_counted(seed, goal):
    layout = random_layout(seed, rows=4, columns=5)
    grid, distances, _, _ = search(layout, goal)
    assert count_wrong_distances(grid, goal, distances) == 0
    for cell in range(grid.num_cells):
        for wrong in (-1, 0, 1, distances[cell] + 1, distances[cell] - 1):
            tampered = distances.copy()
            tampered[cell] = wrong
            assert (count_wrong_distances(grid, goal, tampered) > 0) == (wrong != distances[cell])


@pytest.mark.parametrize("seed", range(8))
def test_nearer_moves_lead_a_step_closer(seed):
    layout = random_layout(seed, rows=4, columns=5)
    grid, distances, _, _ = search(layout, -1)
    nearer = np.empty((grid.num_cells, 4), np.bool_)
    mark_nearer(grid, distances, nearer)
    steps = dict(zip(layout.places, distances.tolist(), strict=True))
    for here, row in zip(layout.places, nearer.tolist(), strict=True):
        for a in range(4):
            there = layout.ahead(here, a)
            assert row[a] == (layout.is_open(here, there) and steps[here] > 0 and steps[there] == steps[here] - 1)


# Orders ---------------------------------------------------------------------------------------------------------------


def test_states_are_ordered_by_the_steps_to_an_end(world, ordered):
    steps = np.array(oracles_planning.steps_to_an_end(world.rows))[ordered.order]
    assert sorted(ordered.order.tolist()) == list(range(world.mdp.num_states))
    assert [any(world.rows[s]) for s in ordered.order] == [i < ordered.num_live for i in range(steps.size)]
    if world.layout is None:  # on a grid slip is ignored, and the states of one goal follow each other
        assert steps[: ordered.num_live].tolist() == sorted(steps[: ordered.num_live])


def test_an_ordered_model_has_the_outcomes_of_the_world(world, ordered):
    for number, s in enumerate(ordered.order.tolist()):
        for a, expected in enumerate(world.rows[s]):
            found = [outcome(ordered.model, number, a, k) for k in range(num_outcomes(ordered.model, number, a))]
            # The next state of a terminating outcome is arbitrary.
            found = [(p, s if end else int(ordered.order[s_next]), r, bool(end)) for p, s_next, r, end in found]
            assert found == [(p, s if end else s_next, r, end) for p, s_next, r, end in expected]


def test_predecessors_equal_their_oracle(world):
    offsets, listed = predecessors(world.mdp.model, world.mdp.num_states, world.mdp.num_actions)
    found = [listed[offsets[s] : offsets[s + 1]].tolist() for s in range(world.mdp.num_states)]
    assert found == [sorted(states) for states in oracles_planning.predecessors(world.rows)]


@pytest.mark.parametrize("seed", range(8))
def test_label_regions_equals_its_oracle(seed):
    layout = random_layout(seed, rows=4, columns=5)
    grid = grid_world(layout).mdp.model
    labels, queue = (np.full(grid.num_cells, 99, np.int32) for _ in range(2))
    label_regions(grid, labels, queue)
    assert labels.tolist() == list(oracles.label_regions(layout).values())
