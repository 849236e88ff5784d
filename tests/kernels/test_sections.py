"""Kernels for a section of a world: episodes that end at its boundary, distances and values from outside."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import oracles_episodes
import oracles_learning as plain
from clew.kernels import read_only
from clew.kernels.dynamics import Section, fast_model, is_outside_section
from clew.kernels.learning.boundary_values import propagate_boundary_values, set_boundary_values
from clew.kernels.learning.interleaving import learn_interleaved, new_episode_slots
from clew.kernels.learning.learners import ConstantStepSize, Step, learn
from clew.kernels.learning.queues import num_waiting, peek, pop, push
from clew.kernels.learning.rollouts import EpisodeSpec, learn_episodes
from clew.kernels.planning.backups import bellman_residual, residual_between
from clew.kernels.planning.search import count_wrong_between, count_wrong_distances, lower_distances, measure_distances
from clew.kernels.sampling import new_stream
from loops import (
    ALPHA,
    GAMMA,
    build,
    new_episode_stats,
    new_heap,
    new_learner,
    new_line,
    random_table,
    rows_of,
    rows_of_totals,
    same_bits,
)
from oracles import grid_world, random_layout

pytestmark = pytest.mark.kernels

AGENTS = {
    "q-learning": (lambda q: plain.QLearning(q, GAMMA), {}),
    "propagation": (lambda q: plain.Sweeping(q, GAMMA, plain.FifoQueue(), 2), {"num_planning": 2}),
}
FIRST, LAST = 4, 8  # of the worlds' twelve, or eight, states


def in_section(world, algorithm, max_steps):
    """Return (q, learner of a section, EpisodeSpec, oracle of the learner, EpisodeSpec of the oracle)."""
    make, settings = AGENTS[algorithm]
    q = random_table(world.shape)
    starts = [s for s in world.mdp.starts.tolist() if FIRST <= s < LAST]
    outside = frozenset(range(world.shape[0])) - frozenset(range(FIRST, LAST))
    plain_spec = oracles_episodes.EpisodeSpec("epsilon-greedy", None, starts, max_steps, outside=outside)
    learner = new_learner(world.mdp, algorithm, q, max_steps, behaviour="epsilon-greedy", **settings)
    spec = EpisodeSpec(read_only(np.array(starts, np.int32)), max_steps, False)
    return q, learner, spec, make(rows_of(q)), plain_spec


@pytest.mark.parametrize("max_steps", [25, 3])
@pytest.mark.parametrize("name", ["grid", "slippery grid"])
@pytest.mark.parametrize("algorithm", AGENTS)
def test_an_episode_ends_at_the_edge_as_at_a_step_limit(algorithm, name, max_steps):
    world = build(name)
    q, learner, spec, agent, plain_spec = in_section(world, algorithm, max_steps)
    stream, plain_stream, stats = new_stream(4), new_stream(4).tolist(), new_episode_stats(30)
    section = Section(fast_model(world.mdp.model), FIRST, LAST)
    rates = learner.rates(0, 30, 30)
    learn_episodes(section, spec, learner.rule, learner.behaviour, learner.visits, rates, stream, stats)
    how = [(lambda s, a: ALPHA, 0.3)] * 30
    assert rows_of_totals(stats) == oracles_episodes.learn_episodes(world.rows, agent, plain_spec, how, plain_stream)
    assert same_bits(q, agent.q)
    assert stream.tolist() == plain_stream
    outside = np.r_[0:FIRST, LAST : len(q)]
    assert q[outside].tobytes() == random_table(world.shape)[outside].tobytes()


def test_lanes_end_at_the_edge_too():
    world = build("grid")
    q, learner, spec, agent, plain_spec = in_section(world, "q-learning", 25)
    streams, stats = [new_stream(4, slot) for slot in range(3)], new_episode_stats(30)
    slots = new_episode_slots(streams, 30)
    section = Section(fast_model(world.mdp.model), FIRST, LAST)
    rates = learner.rates(0, 33, 30)
    learn_interleaved(section, spec, learner.rule, learner.behaviour, learner.visits, rates, slots, stats)
    how, plain_streams = [(lambda s, a: ALPHA, 0.3)] * 30, [stream.tolist() for stream in streams]
    expected = oracles_episodes.learn_interleaved(world.rows, agent, plain_spec, how, plain_streams)
    assert rows_of_totals(stats) == expected
    assert same_bits(q, agent.q)


def test_outside_is_what_a_section_does_not_have():
    model = fast_model(build("grid").mdp.model)
    section = Section(model, FIRST, LAST)
    assert [s for s in range(12) if not is_outside_section(section, s)] == list(range(FIRST, LAST))
    assert not any(is_outside_section(model, s) for s in range(12))


# Distances and values of a section ------------------------------------------------------------------------------------


def shortened(cells, columns, first, last, distances):
    """Relax the distances of all cells of the section until none decreases."""
    moves = [columns, -1, -columns, 1]
    found = [d if d >= 0 else 10**6 for d in distances]
    changed = True
    while changed:
        changed = False
        for cell in range(first, last):
            for a in range(4):
                if not cells[cell] >> a & 1 and found[cell + moves[a]] + 1 < found[cell]:
                    found[cell], changed = found[cell + moves[a]] + 1, True
    return [d if d < 10**6 else -1 for d in found]


@given(st.integers(0, 10_000), st.data())
def test_distances_from_outside_are_carried_on(seed, data):
    """From outside cells at any distances, and from the distances found before."""
    layout = random_layout(seed, rows=5, columns=4)
    grid = grid_world(layout).mdp.model
    first, last = 4, 16
    distances = np.full(20, -1, np.int32)
    for _ in range(3):
        told = data.draw(st.lists(st.integers(0, 12), min_size=8, max_size=8))
        outside = np.r_[0:first, last:20]
        known = distances[outside]
        nearer = (known < 0) | (told < known)
        distances[outside[nearer]] = np.array(told)[nearer]
        seeds = outside[nearer].astype(np.int32)
        seeds = seeds[np.argsort(distances[seeds], kind="stable")]
        expected = shortened(grid.cells.tolist(), 4, first, last, distances.tolist())
        before = distances.copy()
        num_found = lower_distances(grid, first, last, distances, read_only(seeds), np.empty(last - first, np.int32))
        assert distances.tolist() == expected
        assert num_found == (before != distances).sum()


def test_the_pieces_of_a_certificate_make_the_whole():
    mdp = build("slippery grid").mdp
    v = np.random.default_rng(0).normal(size=12)
    pieces = [residual_between(mdp.model, v, i, i + 4, 4, 0.9) for i in (0, 4, 8)]
    assert max(pieces) == bellman_residual(mdp.model, v, 4, 0.9)
    assert len(set(pieces)) == 3
    distances = np.empty(12, np.int32)
    measure_distances(mdp.model, -1, distances)
    distances[5:10] += 1
    wrong = [count_wrong_between(mdp.model, -1, distances, i, i + 4) for i in (0, 4, 8)]
    assert sum(wrong) == count_wrong_distances(mdp.model, -1, distances)
    assert sum(wrong) >= 5


# Boundary values ------------------------------------------------------------------------------------------------------


def set_values(learner, states, values):
    set_boundary_values(learner.rule, read_only(np.array(states, np.int32)), read_only(np.array(values, np.float32)))


def corridor(algorithm, **settings):
    """Return a learner that moved left and right from states 1 to 4 of a corridor, with reward -1 each."""
    learner = new_learner(
        build("sparse, 4 actions").mdp, algorithm, np.full((8, 4), -100.0, np.float32), gamma=1.0, **settings
    )
    for s in range(1, 5):
        for a, s_next in ((0, s - 1), (1, s + 1)):
            step = Step(s, a, np.float32(-1.0), s_next, -1, False)
            learn(learner.rule, step, ConstantStepSize(np.float32(1.0)), 0.0, new_stream(0))
    return learner


@pytest.mark.parametrize("algorithm", ["propagation", "prioritized-sweeping"])
def test_what_is_told_reaches_all_that_leads_there(algorithm):
    learner = corridor(algorithm)
    set_values(learner, [5, 0], [-3.0, -10.0])
    propagate_boundary_values(learner.rule)
    assert learner.q[:6].max(axis=1).tolist() == [-10.0, -7.0, -6.0, -5.0, -4.0, -3.0]
    set_values(learner, [0], [0.0])
    propagate_boundary_values(learner.rule)
    assert learner.q[:6].max(axis=1).tolist() == [0.0, -1.0, -2.0, -3.0, -4.0, -3.0]
    assert num_waiting(learner.rule.queue) == 0


def test_better_ones_have_their_turn_before_a_worse_one_is_told():
    """State 5 has value -3, which is propagated before state 0, of value -10, is set."""
    learner = corridor("propagation")
    set_values(learner, [5, 0], [-3.0, -10.0])
    assert learner.q[1:6].max(axis=1).tolist() == [-7.0, -6.0, -5.0, -4.0, -3.0]


def test_who_keeps_no_model_only_has_the_rows():
    learner = corridor("q-learning")
    before = learner.q.copy()
    set_values(learner, [5, 0], [-3.0, -10.0])
    propagate_boundary_values(learner.rule)
    assert learner.q[[0, 5]].tolist() == [[-10.0] * 4, [-3.0] * 4]
    assert (learner.q[1:5] == before[1:5]).all()


@pytest.mark.parametrize("make", [new_line, new_heap])
def test_to_peek_is_to_see_who_is_next(make):
    queue, rng = make(20), np.random.default_rng(0)
    for s in rng.permutation(20).tolist():
        push(queue, s, np.float32(rng.random()))
        if s % 3 == 0:
            assert pop(queue) >= 0
    while num_waiting(queue):
        n, seen = num_waiting(queue), peek(queue)
        assert num_waiting(queue) == n
        assert pop(queue) == seen
