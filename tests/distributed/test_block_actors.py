"""Blocks on a real Ray: the same bits, and what is lost is worked out again."""

import re

import numpy as np
import pytest
from test_failures import actor_processes, hang

from clew import Environment, Maze
from clew.distributed import actors, cluster
from clew.distributed.blocks import BlockWorld
from clew.distributed.blocks.pools import BlockHolder
from clew.errors import ClusterError
from clew.runs.blocks import solve_in_blocks

pytestmark = pytest.mark.ray

LEARNER = {"algorithm": "propagation", "num_rounds": 3, "seed": 5}


@pytest.fixture(scope="module")
def env():
    return Environment(Maze.open(9, 7, obstacles=[(4, c) for c in range(6)]), slip=0.1, step_reward=-0.01)


def work(env, num_actors, happens=lambda world: None):
    """Solve, learn and grade; all that comes out, as bytes."""
    with BlockWorld(env, 4, num_actors=num_actors) as world:
        solution = world.solve(gamma=0.95)
        happens(world)
        trained = world.train(600, gamma=0.95, callback=lambda row: row.round == 1 and happens(world), **LEARNER)
        happens(world)
        states, grade = np.arange(env.mdp.num_states), world.grade()
        v, q = world.values(states), world.action_values(states)
        assert len(world.memory()) == 1 + min(num_actors, 4)
        assert min(world.memory().values()) > 20e6
        figures = solution.bound, solution.num_bytes, trained.num_bytes, trained.num_settling, grade
        return v.tobytes(), q.tobytes(), figures


@pytest.mark.parametrize("num_actors", [2, *(pytest.param(n, marks=pytest.mark.nightly) for n in (1, 4, 9))])
def test_the_same_bits_on_any_number_of_actors(ray_up, env, num_actors):
    assert work(env, num_actors) == work(env, 0)


def test_a_lost_block_comes_out_the_same(ray_up, env):
    """An actor is killed after planning, in the middle of learning, and before grading."""
    lost = []

    def kill(world):
        ray_up.kill(world._pool.handles[len(lost) % 2].actor)
        lost.append(True)

    assert work(env, 2, kill) == work(env, 0)
    assert len(lost) == 3


def test_blocks_whose_actor_hangs_come_out_the_same(ray_up, env, monkeypatch):
    """A stopped process doesn't answer a health check."""
    monkeypatch.setattr(actors, "HEALTH_CHECK_TIMEOUT", 5.0)
    stopped, lost = [], []

    def stop(world):
        if not stopped:
            monkeypatch.setattr(actors, "SECONDS_BEFORE_HEALTH_CHECK", 0.0)
            stopped.extend(actor_processes("BlockHolder")[:1])
            hang(stopped[0])
        lost.append(world._pool.num_lost)

    assert work(env, 2, stop) == work(env, 0)
    assert len(stopped) == 1
    assert lost[0] == 0
    assert lost[-1] == 1


def test_planning_on_actors_is_compared_with_one_process(ray_up, env, caplog):
    caplog.set_level("INFO", "clew")
    with BlockWorld(env, 3) as world:
        here = world.solve()
    assert 0 < here.work_seconds < here.seconds
    figures = solve_in_blocks(env, gamma=0.9, tolerance=1e-6, num_blocks=3, num_actors=2)
    assert 0 < figures["work_seconds"] < 2 * figures["seconds"]
    said = r"planning took [\d.e-]+ s; in this process alone the blocks would have taken about [\d.e-]+ s"
    assert any(re.fullmatch(said, message) for message in caplog.messages)


def test_actors_that_cannot_be_placed_are_not_waited_for_without_end(ray_up, env, monkeypatch):
    monkeypatch.setattr(cluster, "START_TIMEOUT", 1)
    other = ray_up.remote(num_cpus=ray_up.cluster_resources()["CPU"] - 1)(BlockHolder).remote()
    ray_up.get(other.ready.remote())
    with (
        pytest.raises(ClusterError, match="2 actors of one processor each did not all start within 1 s: the cluster"),
        BlockWorld(env, 3, num_actors=2) as world,
    ):
        world.solve()
    ray_up.kill(other)
