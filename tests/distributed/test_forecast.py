import itertools
import math

import pytest

from clew.distributed import beginning, train_policy_parallel
from clew.distributed import forecast as module
from clew.distributed.beginning import extrapolate, measure
from clew.distributed.forecast import RoundTimes, forecast, time_sizes
from clew.distributed.rounds import ROUNDS_PER_SIZE, Plan
from clew.distributed.settings import Sharing
from clew.environments import Environment
from clew.errors import SettingError
from clew.learning.settings import Learning
from clew.mazes import Maze
from worlds import only_steps

TWO = Sharing(num_simulations=2, num_actors=2, sharing="local")


@pytest.fixture(scope="module")
def env():
    return Environment(Maze.open(6, 7), random_start=True, slip=0.1)


class Timed:
    """Rounds whose duration is known, of a plan."""

    def __init__(self, monkeypatch, sync_every=None):
        sharing = Sharing(num_simulations=2, sync_every=sync_every)
        self.plan = Plan.of(100_000, sharing, 0, num_pairs=6400, by_steps=sync_every is None)
        monkeypatch.setattr(module, "time_round", self.time_round)

    def seconds(self, is_there, number):
        n = 200 if self.plan.sync_every else 2 * self.plan.num_steps(number)
        return 3e-3 + n * 5e-7 if is_there else 1e-4 + n * 1e-6

    def time_round(self, rounds, is_there, number):
        return self.seconds(is_there, number), 2 * self.plan.num_steps(number)


def test_the_forecast_is_the_sum_over_all_rounds(monkeypatch):
    """250 rounds of each size, each where it ends sooner, until all steps are taken."""
    rounds = Timed(monkeypatch)
    num_steps = sum(2 * rounds.plan.num_steps(number) for number in range(2_300))
    sizes = list(time_sizes(rounds, False, True, num_steps))
    assert [size.num_rounds for size in sizes] == [*[ROUNDS_PER_SIZE] * 9, 50]
    in_process = [rounds.seconds(False, number) for number in range(2_300)]
    on_actors = [rounds.seconds(True, number) for number in range(2_300)]
    fastest = list(map(min, in_process, on_actors))
    assert 0 < sum(map(float.__eq__, fastest, on_actors)) < 2_300  # some run here, some on actors
    assert sum(size.num_rounds * size.in_process for size in sizes) == pytest.approx(sum(in_process))
    assert sum(size.num_rounds * size.on_actors for size in sizes) == pytest.approx(sum(fastest))


def test_rounds_of_episodes_are_all_alike_and_all_run_on_actors(monkeypatch):
    """Where the first rounds are longer than the timed one, so are all of them in the mean."""
    rounds = Timed(monkeypatch, sync_every=100)
    steps_per_round = 2 * rounds.plan.num_steps(0)
    assert list(time_sizes(rounds, False, True, 3 * 500 * steps_per_round)) == [
        RoundTimes(500, 3 * rounds.seconds(False, 0), 3 * rounds.seconds(True, 0))
    ]


@pytest.mark.ray
@pytest.mark.parametrize("sharing", ["local", "central"])
@pytest.mark.parametrize("is_stepped", [False, True])
def test_a_short_training_is_forecast_to_the_step(ray_up, env, sharing, is_stepped):
    """It ends while its steps are counted; then the forecast knows that actors take longer than all of it."""
    rows = []
    world = only_steps(env) if is_stepped else env
    train_policy_parallel(world, 400, 2, num_actors=0, sharing=sharing, seed=3, callback=rows.append)
    found = forecast(world, 400, Learning(), Sharing(num_simulations=2, num_actors=2, sharing=sharing), seed=3)
    assert found.num_steps == sum(row.num_steps for row in rows)
    assert 0 < found.start < found.on_actors
    assert found.ratio > 1
    assert found.num_actors == 2


@pytest.mark.parametrize("power", [-0.3, -0.6, -0.8])
@pytest.mark.parametrize("steps_at_end", [0.0, 7.0])
@pytest.mark.parametrize("excess", [0.0, 100.0])
def test_steps_are_continued_as_a_power_beyond_those_at_the_end(power, steps_at_end, excess):
    def steps(ended):
        return steps_at_end * ended + excess * ended ** (power + 1)

    ends = [0, 250, 500, 1000]
    assert extrapolate(ends, [steps(each) for each in ends], 10**6, steps_at_end) == pytest.approx(steps(10**6))


@pytest.mark.parametrize(("seconds", "num_rounds"), [(6, 51), (2, 21)])
def test_steps_are_counted_until_a_twentieth_is_done_or_ten_times_the_seconds_have_passed(
    monkeypatch, seconds, num_rounds
):
    """A round of one episode takes a second."""
    monkeypatch.setattr(beginning, "clock", itertools.count().__next__)
    rows = ((ended, 100 * ended) for ended in range(1, 1_001))
    found = measure(rows, 1_000, 0.0, seconds, 10 * seconds)
    assert found.num_steps == found.most_steps == pytest.approx(100_000)
    assert (found.num_ended, found.seconds, found.steps_per_second) == (num_rounds, num_rounds, 100)
    assert next(rows) == (num_rounds + 1, 100 * (num_rounds + 1))


def test_the_expected_steps_lie_between_those_of_the_optimum_and_those_of_the_last_episodes(monkeypatch):
    """A hundred episodes of 1,000 to 10 steps were measured, of a thousand; the first row only loads machine code."""
    monkeypatch.setattr(beginning, "clock", itertools.count().__next__)
    steps = list(itertools.accumulate(range(1_000, 0, -10)))
    found = measure(enumerate([0, *steps]), 1_000, 5.0, 100, 100)
    assert (found.num_ended, found.num_measured, found.seconds) == (100, 50_500, 100)
    assert found.fewest_steps == 50_500 + 900 * 5
    assert found.most_steps == 50_500 + 900 * 255  # the mean of the last fifty
    assert found.fewest_steps < found.num_steps < found.most_steps
    nothing = measure(iter([(0, 500)]), 10, 7.0, 1, 1)
    assert (nothing.num_ended, nothing.fewest_steps, nothing.most_steps) == (0, 570, math.inf)


@pytest.mark.parametrize(
    ("num_simulations", "is_stepped", "settings"),
    [
        (1, False, {"algorithm": "sarsa-lambda"}),
        (1, False, {"num_interleaved": 3}),
        (1, True, {}),
        (2, False, {}),
        (2, False, {"algorithm": "monte-carlo"}),
        (2, True, {}),
    ],
)
def test_a_short_training_in_this_process_is_forecast_to_the_step(env, num_simulations, is_stepped, settings):
    world, rows = only_steps(env) if is_stepped else env, []
    train_policy_parallel(world, 200, num_simulations, num_actors=0, seed=3, callback=rows.append, **settings)
    found = forecast(world, 200, Learning(**settings), Sharing(num_simulations=num_simulations), seed=3)
    assert found.num_steps == found.fewest_steps == found.most_steps == sum(row.num_steps for row in rows)
    assert found.num_measured == found.num_episodes == 200
    assert found.interval == pytest.approx((found.in_process, found.in_process))
    assert (found.num_actors, found.on_actors, found.ratio) == (0, None, None)


def test_a_long_training_is_forecast_from_its_beginning(env):
    rows = []
    train_policy_parallel(env, 100_000, 1, seed=3, callback=rows.append)
    found = forecast(env, 10**9, Learning(), Sharing(num_simulations=1), seed=3, seconds=0.2)
    assert found.num_steps == pytest.approx(10**4 * sum(row.num_steps for row in rows), rel=0.25)
    assert 100 < found.num_measured < 10**8
    assert found.in_process == pytest.approx(found.num_steps / found.steps_per_second)


def test_an_episode_that_takes_too_long_is_not_waited_for():
    """The first random walk through 2,000 x 2,000 cells takes more steps than are done in a tenth of a second."""
    env = Environment(Maze.open(2000, 2000))
    found = forecast(env, 10, Learning(epsilon=0.0), Sharing(num_simulations=1), seconds=0.01)
    assert found.num_measured == 0
    assert found.most_steps == 10 * env.max_episode_steps == 4_000_000_000
    assert 10_000 <= found.fewest_steps < 40_000_000


def test_the_memory_is_that_of_the_learner(env):
    def num_bytes(**settings):
        return forecast(env, 10, Learning(**settings), Sharing(num_simulations=1)).num_bytes

    assert num_bytes() == 4 * 42 * 4
    assert num_bytes(algorithm="double-q-learning") == 3 * 4 * 42 * 4


@pytest.mark.ray
def test_the_rest_of_a_training_is_expected_to_be_as_its_last_rounds(ray_up, env):
    rows = []
    train_policy_parallel(env, 200_000, 2, num_actors=0, sharing="local", seed=3, callback=rows.append)
    found = forecast(env, 200_000, Learning(), TWO, seed=3, seconds=0.2)
    assert found.num_steps == pytest.approx(sum(row.num_steps for row in rows), rel=0.25)
    assert found.num_rounds == pytest.approx(rows[-1].round + 1, rel=0.25)


@pytest.mark.parametrize(
    ("sharing", "message"),
    [
        (Sharing(num_simulations=1, num_actors=2), "num_simulations must be at least 2: one is trained without actors"),
        (Sharing(num_simulations=2, num_actors=2, asynchronous=True), "asynchronous has no forecast"),
    ],
)
def test_a_training_that_would_not_use_its_actors_has_no_forecast(env, sharing, message):
    with pytest.raises(SettingError, match=message):
        forecast(env, 100, Learning(), sharing)
