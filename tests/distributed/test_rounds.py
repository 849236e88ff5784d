import numpy as np
import pytest

from clew.distributed import train_policy_parallel
from clew.distributed.tasks import Task, Values, play
from clew.environments import Environment
from clew.errors import SettingError
from clew.evaluation import evaluate_policy
from clew.mazes import Maze
from clew.policies import Policy
from clew.simulation import Simulation
from clew.training import train_policy
from loops import NONE


def table(env, **settings):
    return train_policy_parallel(env, 400, **{"num_actors": 0, **settings}).q.tobytes()


def test_a_task_gives_the_same_episodes_wherever_it_is_played():
    env, other = Environment(Maze.open(4, 6), slip=0.1), Environment(Maze.open(4, 6), slip=0.1)
    values = Values(Policy(env).q, NONE)
    tasks = [Task(3, "epsilon-greedy", 0.1, False, (5, 2, i)) for i in range(3)]
    first = [play(Simulation(env), values, task) for task in tasks]
    again = [play(Simulation(other), values, task) for task in reversed(tasks)][::-1]
    assert [t.state.tobytes() for t in first] == [t.state.tobytes() for t in again]
    assert len({t.state.tobytes() for t in first}) == 3


def test_the_streams_decide_the_result():
    env = Environment()
    assert table(env) == table(env)
    different = [table(env), table(env, seed=1), table(env, num_simulations=3), table(env, sync_every=50)]
    assert len(set(different)) == 4


def test_every_setting_reaches_the_update():
    env = Environment()
    assert len({table(env), table(env, alpha=0.3), table(env, gamma=0.5), table(env, epsilon=0.5)}) == 4


@pytest.mark.parametrize(
    ("num_episodes", "num_simulations", "sync_every"), [(10, 4, 1), (7, 4, None), (103, 5, 3), (2, 4, 9)]
)
def test_every_episode_is_learned_once(num_episodes, num_simulations, sync_every):
    rows = []
    train_policy_parallel(
        Environment(), num_episodes, num_simulations, num_actors=0, sync_every=sync_every, callback=rows.append
    )
    assert sum(row.num_episodes for row in rows) == num_episodes
    assert [row.round for row in rows] == list(range(rows[0].num_rounds))
    assert sum(row.mean_steps * row.num_episodes for row in rows) == pytest.approx(sum(row.num_steps for row in rows))


def test_one_simulation_is_the_serial_trainer():
    env = Environment(random_start=True)
    assert train_policy_parallel(env, 300, 1, seed=4).q.tobytes() == train_policy(env, 300, seed=4).q.tobytes()


def test_a_round_learns_from_all_its_simulations_in_their_order():
    """One round, restated: each stream played with zeros, then learned from, one after the other."""
    env = Environment()
    policy = Policy(env)
    expected = np.zeros_like(policy.q)
    for i in range(3):
        task = Task(2, "epsilon-greedy", 0.1, False, (8, 0, i))
        for t in play(Simulation(env), Values(policy.q, NONE), task):
            best = 0.0 if t.terminated else expected[t.next_state].max()
            expected[t.state, t.action] += np.float32(0.1) * (
                np.float32(t.reward) + np.float32(0.9) * best - expected[t.state, t.action]
            )
    learned = train_policy_parallel(env, 6, 3, num_actors=0, sync_every=2, seed=8).q
    np.testing.assert_allclose(learned, expected, rtol=1e-6)
    assert learned.max() > 0


def test_it_reaches_the_optimum():
    env = Environment(Maze.open(6, 9, obstacles=[(r, 4) for r in range(6) if r != 3]))
    policy = train_policy_parallel(env, 8000, 4, num_actors=0)
    assert evaluate_policy(env, policy).gap == 0


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"num_simulations": 0}, "num_simulations must be a whole number of at least 1, not 0"),
        ({"num_actors": -1}, "num_actors must be a whole number of at least 0, not -1"),
        ({"sync_every": 0}, "sync_every must be a whole number of at least 1, not 0"),
        ({"num_episodes": 0}, "num_episodes must be a whole number from 1 to .*, not 0"),
    ],
)
def test_settings_out_of_range_are_named(settings, message):
    with pytest.raises(SettingError, match=message):
        train_policy_parallel(Environment(), **settings)
