"""Two hosts, each a network namespace: needs root, and says so where there is none."""

import pytest
from benchmarks import hosts

import clew
from clew.distributed import train_policy_parallel
from clew.runs.storage import table_sha256

pytestmark = [pytest.mark.ray, pytest.mark.nightly]


def test_a_link_that_is_cut_and_restored_changes_no_bit():
    reason = hosts.why_not()
    if reason:
        pytest.skip(reason)
    settings = {"num_episodes": 4_000, "num_simulations": 4, "sharing": "local", "sync_every": 20, "seed": 7}
    request = {"maze": (200, 200), "max_steps": 4_000, "num_actors": 2, "settings": settings}
    env = clew.Environment(clew.Maze.open(200, 200), random_start=True, max_episode_steps=4_000)
    expected = table_sha256(train_policy_parallel(env, num_actors=0, **settings).q)
    with hosts.joined_hosts(cpus=(0, 2)) as pair:  # no processor on the driver's side: all work crosses the link
        result = hosts.train(pair, request, seconds_cut=4.0)
    assert result["sha256"] == expected
    assert max(seconds for _, seconds in result["rounds"]) > 2.0  # it did wait for the link
