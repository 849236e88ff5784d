"""Each number of an explained update is that which the kernel has used."""

import numpy as np
import pytest

import clew
from clew.kernels.sampling import new_stream
from clew.learning.explanations import explain

EXPLAINED = {
    "q-learning": {"slip": 0.2},
    "sarsa": {"slip": 0.2},
    "expected-sarsa": {"slip": 0.2, "behaviour": "softmax"},
    "double-q-learning": {"slip": 0.2},
    "n-step-sarsa": {"n": 3},
    "sarsa-lambda": {"accumulating": True},
    "watkins-q": {},
    "dyna-q": {"num_planning": 0},
}


@pytest.mark.parametrize("schedule", ["constant", "visits"])
@pytest.mark.parametrize("algorithm", EXPLAINED)
def test_the_numbers_are_those_of_the_kernel(algorithm, schedule):
    """Values that were updated twice in a step are not compared: those of n-step Sarsa at the end of an episode."""
    settings = {"slip": 0.0, **EXPLAINED[algorithm]}
    env = clew.Environment(clew.Maze.open(3, 3), slip=settings.pop("slip"), outer_wall_reward=-0.25, step_reward=-0.1)
    trainer = clew.Trainer(env, seed=4, algorithm=algorithm, gamma=0.9, alpha_schedule=schedule, **settings)
    rule, num_explained = trainer._learner.rule, 0
    names = ("Q1", "Q2") if algorithm == "double-q-learning" else ("Q",)
    tables = {name: getattr(rule, name.lower()) if len(names) > 1 else trainer.policy.q for name in names}
    for _ in range(300):
        before = {name: table.copy() for name, table in tables.items()}
        step = trainer.step()
        found = trainer.explanation
        if found is None or (algorithm == "n-step-sarsa" and step.terminated):
            continue
        num_explained += 1
        pair = found.state, found.action
        assert before[found.table][pair] == found.old
        assert tables[found.table][pair] == found.new
        change = found.step_size * found.td_error * found.eligibility
        assert found.new == pytest.approx(found.old + change, abs=1e-6)
        numbers = [
            found.old,
            found.step_size,
            *found.rewards,
            *([] if found.next_value is None else [found.next_value]),
        ]
        assert all(f"{number:.4g}" in found.equation for number in [*numbers, found.new])
        if len(found.rewards) == 1 and algorithm != "n-step-sarsa":
            assert (found.state, found.action, found.rewards) == (step.state, step.action, (step.reward,))
            assert (found.next_value is None) == step.terminated
    assert num_explained >= 100


def test_equations():
    trainer = clew.Trainer(clew.Environment(clew.Maze.open(1, 3)), seed=1, algorithm="n-step-sarsa", n=2, gamma=0.5)
    while trainer.explanation is None:
        trainer.step()
    assert (
        trainer.explanation.symbols == "Q(s, a) <- Q(s, a) + alpha * (r1 + gamma * r2 + gamma^2 * Q(s', a') - Q(s, a))"
    )
    assert trainer.explanation.equation == "Q(s, a) <- 0 + 0.1 * (0 + 0.5 * 0 + 0.5^2 * 0 - 0) = 0"
    assert trainer.explanation.td_error == 0.0


@pytest.mark.parametrize("algorithm", sorted(clew.ALGORITHMS.keys() - EXPLAINED.keys() - {"dyna-q+"}))
def test_other_rules_have_no_equation(algorithm):
    trainer = clew.Trainer(clew.Environment(clew.Maze.open(3, 3)), algorithm=algorithm)
    trainer.step()
    assert trainer.explanation is None
    assert explain(trainer._learner.rule, None, None, 0.0, new_stream(1)) is None


@pytest.mark.parametrize("algorithm", ["q-learning", "sarsa"])
def test_the_draw_says_whether_an_action_was_explored(algorithm):
    """Steps in which the draw is below epsilon take other actions; the others take a best one of that moment."""
    env = clew.Environment(clew.Maze.open(4, 4))
    trainer = clew.Trainer(env, seed=2, algorithm=algorithm, epsilon=0.3, policy=clew.solve(env))
    explored = []
    for _ in range(500):
        trainer.step()
        is_explored = trainer.choice.drawn < trainer.choice.exploration
        assert trainer.choice.exploration == 0.3
        assert is_explored or trainer.choice.is_best
        explored.append(is_explored)
    assert 0.22 < np.mean(explored) < 0.38


@pytest.mark.parametrize("behaviour", ["epsilon-greedy", "softmax"])
def test_only_epsilon_greedy_has_a_draw(behaviour):
    """The first action of an exploring start is random, whatever epsilon is."""
    settings = {"behaviour": behaviour, "exploring_starts": True}
    trainer = clew.Trainer(clew.Environment(clew.Maze.open(3, 3)), seed=2, **settings)
    for _ in range(100):
        trainer.step()
        is_first = len(trainer.episode) == 1
        assert (trainer.choice.drawn is None) == (is_first or behaviour == "softmax")


@pytest.mark.parametrize(("num_planning", "said"), [(0, ""), (1, "then 1 update of"), (5, "then 5 updates of")])
def test_planning_is_said_as_often_as_it_happens(num_planning, said):
    env = clew.Environment(clew.Maze.open(1, 3))
    trainer = clew.Trainer(env, algorithm="dyna-q", num_planning=num_planning)
    trainer.step()
    assert trainer.explanation.also == (said and f"{said} remembered pairs")
