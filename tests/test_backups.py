"""Planning and searching kernels against their oracles."""

import numpy as np
import pytest

import oracles
from clew.kernels import read_only
from clew.kernels.backups import (
    backup,
    backup_all,
    bellman_residual,
    best_backup,
    breadth_first,
    label_regions,
    mark_endless,
    steps_sweep,
    sweep,
)
from loops import CERTAIN, WORLDS, build
from oracles import grid_world, random_layout, sparse_world

pytestmark = pytest.mark.kernels


@pytest.fixture(params=WORLDS)
def world(request):
    return build(request.param)


@pytest.fixture(params=CERTAIN)
def certain_world(request):
    return build(request.param)


def random_values(world, seed=0):
    return np.random.default_rng(seed).normal(size=world.mdp.num_states)


# Planning -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("gamma", [0.0, 0.9, 1.0])
def test_backups_equal_their_oracle(world, gamma):
    v, q = random_values(world), np.full(world.shape, np.nan)
    backup_all(world.mdp.model, read_only(v), gamma, q)
    expected = oracles.backup_all(world.rows, v.tolist(), gamma)
    assert q.tolist() == expected
    s, a = world.mdp.num_states // 2, world.mdp.num_actions - 1
    assert backup(world.mdp.model, read_only(v), s, a, gamma) == expected[s][a]
    assert best_backup(world.mdp.model, read_only(v), s, world.mdp.num_actions, gamma) == max(expected[s])


def test_both_forms_of_a_world_back_up_the_same_values(world):
    v, sparse = random_values(world), world.mdp.to_sparse()
    q, q_sparse = np.empty(world.shape), np.empty(world.shape)
    backup_all(world.mdp.model, read_only(v), 0.9, q)
    backup_all(sparse.model, read_only(v), 0.9, q_sparse)
    assert np.array_equal(q, q_sparse)


@pytest.mark.parametrize("backwards", [False, True])
def test_sweep_equals_its_oracle(world, backwards):
    v = random_values(world)
    plain = v.tolist()
    for _ in range(2):
        change = sweep(world.mdp.model, v, world.mdp.num_actions, 0.9, backwards)
        assert change == oracles.sweep(world.rows, plain, 0.9, backwards)
        assert v.tolist() == plain


def test_bellman_residual_equals_its_oracle_and_changes_nothing(world):
    v = random_values(world)
    residual = bellman_residual(world.mdp.model, read_only(v), world.mdp.num_actions, 0.9)
    assert residual == oracles.bellman_residual(world.rows, v.tolist(), 0.9)


@pytest.mark.parametrize("seed", range(4))
def test_mark_endless_equals_its_oracle(world, seed):
    policy = np.random.default_rng(seed).integers(world.mdp.num_actions, size=world.mdp.num_states).astype(np.int32)
    endless = np.zeros(world.mdp.num_states, np.bool_)
    mark_endless(world.mdp.model, read_only(policy), endless)
    assert endless.tolist() == oracles.mark_endless(world.rows, policy.tolist())


def test_endless_are_the_states_that_may_come_to_one_without_an_end():
    """0 may end or come to 1, from where only 1 follows; 2 ends surely; 3 comes to 2; 4 to a state of probability 0."""
    rows = [[(0.5, 0, 0.0, True), (0.5, 1, 0.0, False)], [(1.0, 1, 0.0, False)], [(1.0, 2, 0.0, True)]]
    rows += [[(1.0, 2, 0.0, False)], [(1.0, 2, 0.0, False), (0.0, 1, 0.0, False)], []]
    endless = np.zeros(6, np.bool_)
    policy = read_only(np.zeros(6, np.int32))
    mark_endless(sparse_world([[outcomes] for outcomes in rows], starts=[0]).mdp.model, policy, endless)
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


def search(layout, goal):
    grid = grid_world(layout).mdp.model
    distances, actions, queue = (np.full(grid.num_cells, 99, np.int32) for _ in range(3))
    breadth_first(grid, goal, distances, actions, queue)
    return distances.tolist(), actions.tolist()


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("goal", [-1, 0, 5])
def test_breadth_first_equals_its_oracle_and_every_action_leads_closer(seed, goal):
    layout = random_layout(seed, rows=4, columns=5)
    distances, actions = search(layout, goal)
    goals = sorted(layout.goals) if goal < 0 else [layout.places[goal]]
    expected = oracles.breadth_first(layout, goals)
    assert distances == [-1 if distance is None else distance for distance in expected.values()]
    for (here, distance), a in zip(expected.items(), actions, strict=True):
        if distance:
            there = layout.ahead(here, a)
            assert layout.is_open(here, there)
            assert expected[there] == distance - 1
        else:
            assert a == 0


@pytest.mark.parametrize("seed", range(8))
def test_label_regions_equals_its_oracle(seed):
    layout = random_layout(seed, rows=4, columns=5)
    grid = grid_world(layout).mdp.model
    labels, queue = (np.full(grid.num_cells, 99, np.int32) for _ in range(2))
    label_regions(grid, labels, queue)
    assert labels.tolist() == list(oracles.label_regions(layout).values())
