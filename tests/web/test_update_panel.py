"""What the page says of the last step, without a browser."""

import pytest

pytest.importorskip("nicegui")

import clew
from clew.web.playground import Playground
from clew.web.update_panel import describe_update


@pytest.fixture
def open_playground():
    opened = []

    def start(**settings):
        opened.append(Playground(clew.TrainingConfig(maze="3x3", **settings)))
        return opened[-1]

    yield start
    for each in opened:
        each.close()
        each._thread.join(10)


def steps_of(playground, count):
    for _ in range(count):
        playground.submit(playground.step).result(timeout=60)
        yield playground.last_step


def test_a_step_is_described_while_the_next_one_is_taken(open_playground):
    playground = open_playground()
    (step,) = steps_of(playground, 1)
    described = describe_update(step)
    playground.trainer.episode, playground.trainer.choice = [], None  # as at the beginning of the next step
    assert describe_update(playground.last_step) == described
    playground.submit(lambda: playground.configure(algorithm="monte-carlo", moves="eight")).result(timeout=60)
    assert playground.last_step is None
    assert describe_update(step) == described


def test_the_first_action_of_an_exploring_start_is_not_said_to_be_greedy(open_playground):
    playground = open_playground(exploring_starts=True)
    for step in steps_of(playground, 30):
        is_first = len(playground.trainer.episode) == 1
        assert ("ε" in describe_update(step)) != is_first


def test_only_strategies_with_epsilon_name_it(open_playground):
    for behaviour in ("greedy", "softmax", "random"):
        (step,) = steps_of(open_playground(behaviour=behaviour), 1)
        assert "ε" not in describe_update(step)
