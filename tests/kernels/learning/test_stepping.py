"""Many copies of a world, stepped by one call, against each copy stepped alone."""

import numpy as np
import pytest

import oracles
from clew.kernels import read_only
from clew.kernels.dynamics import fast_model
from clew.kernels.learning.stepping import (
    StepResults,
    find_invalid_action,
    find_places,
    new_copy_states,
    reset_copies,
    step_copies,
)
from clew.kernels.sampling import new_stream
from loops import WORLDS, build

pytestmark = pytest.mark.kernels

NUM_COPIES, MAX_STEPS = 6, 9


@pytest.fixture(params=WORLDS)
def world(request):
    return build(request.param)


class Lonely:
    """One copy, without arrays."""

    def __init__(self, world, key):
        self.rows, self.starts, self.stream = world.rows, world.mdp.starts.tolist(), new_stream(3, key).tolist()
        self.begin()

    def begin(self):
        self.state, self.steps, self.is_over = oracles.draw_start(self.starts, self.stream), 0, False

    def step(self, a, same_step):
        """Take a step; return (state, reward, terminated, truncated, last state if another episode began, else -1)."""
        if self.is_over:
            self.begin()
            return self.state, 0.0, False, False, -1
        self.state, reward, terminated = oracles.sample(self.rows, self.state, a, self.stream)
        self.steps += 1
        truncated = self.steps == MAX_STEPS
        self.is_over, final = terminated or truncated, -1
        if self.is_over and same_step:
            final = self.state
            self.begin()
        return self.state, float(np.float32(reward)), terminated, truncated, final


def keyed_copies(n=NUM_COPIES):
    copies = new_copy_states(n)
    copies.streams[:] = [new_stream(3, i) for i in range(n)]
    return copies


@pytest.mark.parametrize("same_step", [False, True])
def test_copies_together_go_as_each_goes_alone(world, same_step):
    copies, mdp = keyed_copies(), world.mdp
    reset_copies(mdp.starts, read_only(np.ones(NUM_COPIES, np.bool_)), copies)
    alone = [Lonely(world, i) for i in range(NUM_COPIES)]
    assert copies.state.tolist() == [each.state for each in alone]
    results = StepResults(np.empty(NUM_COPIES), *np.empty((2, NUM_COPIES), np.bool_), np.empty(NUM_COPIES, np.int64))
    rng, total = np.random.default_rng(0), 0
    for _ in range(200):
        actions = rng.integers(0, mdp.num_actions, NUM_COPIES)
        results.final_state[:] = -1
        num_ended = step_copies(
            fast_model(mdp.model), mdp.starts, MAX_STEPS, same_step, read_only(actions), copies, results
        )
        expected = [each.step(int(a), same_step) for each, a in zip(alone, actions, strict=True)]
        columns = copies.state, results.reward, results.terminated, results.truncated, results.final_state
        assert list(zip(*(column.tolist() for column in columns), strict=True)) == expected
        assert copies.is_over.tolist() == [each.is_over for each in alone]
        assert num_ended == (results.terminated | results.truncated).sum()
        total += num_ended
    assert copies.streams.tolist() == [list(map(int, each.stream)) for each in alone]
    assert total > 50


def test_only_chosen_copies_begin():
    world = build("grid")
    copies = keyed_copies(3)
    copies.state[:], copies.steps[:], copies.is_over[:] = 7, 5, True
    before = copies.streams.copy()
    reset_copies(world.mdp.starts, read_only(np.array([False, True, False])), copies)
    assert copies.steps.tolist() == [5, 0, 5]
    assert copies.is_over.tolist() == [True, False, True]
    assert copies.state[[0, 2]].tolist() == [7, 7]
    assert copies.state[1] in world.mdp.starts
    assert (copies.streams[[0, 2]] == before[[0, 2]]).all()


@pytest.mark.parametrize(
    ("actions", "over", "first"),
    [
        ([0, 3, 2], [0, 0, 0], -1),
        ([0, 4, -1], [0, 0, 0], 1),
        ([0, 4, -1], [0, 1, 0], 2),
        ([-(2**63), 0, 0], [0, 0, 0], 0),
        ([9, 9, 9], [1, 1, 1], -1),
    ],
)
def test_the_first_action_that_is_none_is_named_unless_nobody_looks_at_it(actions, over, first):
    assert find_invalid_action(read_only(np.array(actions)), np.array(over, np.bool_), 4) == first


def test_places_are_rows_and_columns_of_seeker_and_goal():
    places = np.empty((3, 4), np.int64)
    find_places(read_only(np.array([0, 5, 11])), 12, 4, 6, places)
    assert places.tolist() == [[0, 0, 1, 2], [1, 1, 1, 2], [2, 3, 1, 2]]
    find_places(read_only(np.array([0, 12 * 7 + 5, 12 * 11 + 11])), 12, 4, -1, places)
    assert places.tolist() == [[0, 0, 0, 0], [1, 1, 1, 3], [2, 3, 2, 3]]


def test_places_of_the_largest_states_there_are():
    places, cells = np.empty((1, 4), np.int64), 46_340  # 46,340 squared is just below 2**31
    find_places(read_only(np.array([cells * cells - 1])), cells, 46_340, -1, places)
    assert places.tolist() == [[0, cells - 1, 0, cells - 1]]
