"""`learn_while_acting` gives the same bits as `record_episodes` followed by `replay`."""

import numpy as np
import pytest

import oracles
from clew import ALGORITHMS
from clew.kernels.dynamics import fast_model
from clew.kernels.learning.learn_while_acting import Actor, learn_while_acting
from clew.kernels.learning.learners import ConstantStepSize
from clew.kernels.learning.rollouts import EpisodeSpec, replay
from clew.kernels.sampling import new_stream
from clew.policies.behaviours import BEHAVIOURS
from clew.policies.episodes import record
from loops import ALPHA, acting_rule, build, first_values, new_learner, random_table

pytestmark = pytest.mark.kernels


def memory(rule):
    """Return the bytes of a learner's arrays, except lists whose unused entries are undefined."""
    if isinstance(rule, tuple):
        return {name: memory(part) for name, part in rule._asdict().items() if name not in ("states", "pairs")}
    return rule.tobytes() if isinstance(rule, np.ndarray) else rule


def both_ways(world, algorithm, max_steps, exploring_starts=False, *, learns=False, num_steps=10_000, **settings):
    """Learn from records of some steps, then at once; return (learner's memory, its stream, actor's stream, sums)."""
    outcomes = []
    acting_q = random_table(world.shape, seed=3)
    for at_once in (False, True):
        q = first_values(world, algorithm)
        learner = new_learner(world.mdp, algorithm, q, max_steps, **settings)
        drawn, visits = new_stream(9), learner.visits.copy()
        if visits.size:
            visits[:] = np.random.default_rng(2).integers(0, 3, visits.shape)
        exploration = 0.0 if BEHAVIOURS[learner.settings.behaviour_name].setting is None else 0.4
        now, rule = learner.step_size(0.3), acting_rule(acting_q, learns)
        model, spec = fast_model(world.mdp.model), EpisodeSpec(world.mdp.starts, max_steps, exploring_starts)
        stream, cursor, sums = new_stream(4), np.zeros(4, np.int64), []
        while cursor[0] < 20:
            if at_once:
                actor = Actor(rule, ConstantStepSize(ALPHA), visits, stream)
                parts = learner.rule, learner.behaviour, learner.visits, (now, exploration), drawn
                sums.append(learn_while_acting(model, spec, actor, *parts, 20, num_steps, cursor))
            else:
                acting = rule, learner.behaviour, visits, (ConstantStepSize(ALPHA), exploration)
                trajectory = record(world.mdp, spec, acting, 20, num_steps, stream, cursor)
                replay(learner.rule, learner.behaviour, learner.visits, trajectory.columns, now, exploration, drawn)
                rewards = np.cumsum(trajectory.reward, dtype=np.float64)[-1]
                sums.append((len(trajectory), trajectory.num_terminated, rewards))
        assert (q != first_values(world, algorithm)).any()
        everything = memory(learner.rule), learner.visits.tobytes(), visits.tobytes(), memory(rule)
        outcomes.append((everything, drawn.tolist(), stream.tolist(), np.array(sums, np.float64).tolist()))
    return outcomes


@pytest.mark.parametrize("name", ["grid", "moving goal", "slippery moving goal", "sparse, 1 action", "wide rows"])
def test_every_form_of_a_world_is_followed_the_same(name):
    world = oracles.random_sparse_world(3, num_actions=70) if name == "wide rows" else build(name)
    from_record, at_once = both_ways(world, "q-learning", 25)
    assert at_once == from_record


@pytest.mark.parametrize("max_steps", [1, 25])
@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_every_algorithm_learns_the_same_at_once(algorithm, max_steps):
    from_record, at_once = both_ways(build("slippery grid"), algorithm, max_steps)
    assert at_once == from_record


@pytest.mark.parametrize("num_steps", [1, 7])
@pytest.mark.parametrize("algorithm", [row.name for row in ALGORITHMS.values() if not row.learns_at_end])
def test_every_algorithm_learns_the_same_at_once_where_episodes_are_cut(algorithm, num_steps):
    """By an actor that learns, too."""
    from_record, at_once = both_ways(build("slippery grid"), algorithm, 25, learns=True, num_steps=num_steps)
    assert at_once == from_record
    assert all(steps == num_steps for steps, *_ in at_once[-1][:-1])


@pytest.mark.parametrize("exploring_starts", [False, True])
@pytest.mark.parametrize("behaviour", BEHAVIOURS)
def test_every_behaviour_acts_the_same_at_once(behaviour, exploring_starts):
    """Sarsa needs the next action; after a truncated step the learner chooses it."""
    world = build("sparse, 3 actions")
    from_record, at_once = both_ways(world, "sarsa", 4, exploring_starts, behaviour=behaviour)
    assert at_once == from_record
