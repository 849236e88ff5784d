"""Experiments: every run has the bits of the call that it stands for, whatever is run beside it."""

import csv
import random
import sys
import threading
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import clew
from clew import Experiment, Learning, SettingError
from clew.experiments import collecting, experiment
from clew.kernels.learning.rollouts import EpisodeStats
from clew.learning.loops import new_loop
from clew.learning.training import new_policy
from clew.policies.plugins import load_plugin
from clew.reference import QLearning
from worlds import only_steps

EXAMPLE = Path(__file__).parents[2] / "examples" / "my_rules.py"
CLIFF = {"alpha": 0.5, "gamma": 1.0}


def episodes_of(env, num_episodes, seed, **settings):
    """Return the statistics of all episodes, and the action values, of a training by the loop of `train_policy`."""
    learning, world = Learning(**settings), clew.environments.as_compiled(env)
    policy, learner = new_policy(env, world, learning, seed)
    return new_loop(env, world, learner, num_episodes, (seed, 0, 0)).learn(num_episodes), policy.q


def is_same(results, place, stats: EpisodeStats):
    return all(np.array_equal(getattr(results, name)[place], getattr(stats, name)) for name in stats._fields)


# Bits -----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("num_seeds", [30, pytest.param(1000, marks=pytest.mark.nightly)])
def test_a_run_has_the_bits_of_train_policy_with_its_seed(num_seeds):
    results = Experiment({"cliff": "cliff"}, {"Q": CLIFF}, range(num_seeds), num_episodes=500).run(num_threads=2)
    env = clew.gallery.make_world("cliff")
    assert results.steps.shape == results.episode_return.shape == results.terminated.shape == (1, 1, num_seeds, 500)
    for seed in range(num_seeds):
        stats, q = episodes_of(env, 500, seed, **CLIFF)
        assert is_same(results, (0, 0, seed), stats)
        assert np.array_equal(results.policy("Q", "cliff", seed=seed).q, q)
        assert np.array_equal(clew.train_policy(env, 500, seed=seed, **CLIFF).q, q)


LEARNERS = {
    "q-learning": {"exploration_schedule": "linear", "alpha_schedule": "exponential"},
    "double-q-learning": {"alpha_schedule": "visits", "exploring_starts": True},
    "dyna-q": {"behaviour": "ucb"},
}


def check_learner(algorithm, settings):
    """Assert that four runs in worlds that can't be told from each other by memory have the bits of `train_policy`."""
    env = clew.Environment(clew.Maze.open(4, 4), slip=0.2, random_start=True)
    settings = {"algorithm": algorithm, **settings}
    results = Experiment({"w": env}, {"l": settings}, [5, 3, 2**70, 8], num_episodes=60).run(num_threads=1)
    for k, seed in enumerate(results.seeds):
        stats, q = episodes_of(env, 60, seed, **settings)
        assert is_same(results, (0, 0, k), stats)
        assert np.array_equal(results.policy("l", "w", seed=seed).q, q)


@pytest.mark.parametrize("algorithm", LEARNERS)
def test_the_memory_of_a_learner_is_set_back_between_the_runs(algorithm):
    check_learner(algorithm, LEARNERS[algorithm])


@pytest.mark.nightly
@pytest.mark.parametrize("algorithm", [name for name in clew.ALGORITHMS if ":" not in name])
@pytest.mark.parametrize("behaviour", ["epsilon-greedy", "least-tried"])
def test_every_algorithm_is_set_back(algorithm, behaviour):
    check_learner(algorithm, {"behaviour": behaviour})


def test_interleaved_episodes_and_actions_that_are_not_available():

    def step(s, a):  # the last action is there in every second state
        return [] if a == 2 and s % 2 else [(1.0, (s + a + 1) % 6, -1.0, (s + a) % 6 == 5)]

    env = clew.ModelEnvironment(clew.FiniteMDP.from_function(6, 3, step), max_episode_steps=20)
    assert not env.mdp.all_available
    learners = {"eight": {"num_interleaved": 8}, "one": {}}
    results = Experiment({"w": env}, learners, [4, 9, 2], num_episodes=30).run()
    for i, settings in enumerate(learners.values()):
        for k, seed in enumerate((4, 9, 2)):
            stats, q = episodes_of(env, 30, seed, **settings)
            assert is_same(results, (i, 0, k), stats)
            assert np.array_equal(results.policy(results.learners[i], "w", seed=seed).q, q)
            assert np.isneginf(q).any()


@pytest.mark.usefixtures("tables")
def test_a_rule_of_a_plug_in():
    load_plugin(EXAMPLE)
    settings = {"algorithm": "my_rules:counted", "alpha": 0.5}
    results = Experiment({"book": "book"}, {"counted": settings}, range(12), num_episodes=50).run(num_threads=1)
    env = clew.Environment(clew.Maze.open(5, 5))
    for seed in range(12):
        q = clew.train_policy(env, 50, seed=seed, **settings).q
        assert np.array_equal(results.policy("counted", "book", seed=seed).q, q)


def make_agent(env, seed):
    import random

    return QLearning(np.zeros((env.observation_space.n, env.action_space.n)), random.Random(seed))


def test_worlds_without_a_model_and_agents_in_plain_python():
    maze = clew.Maze.open(3, 3)
    stepped = only_steps(clew.Environment(maze, slip=0.1))
    worlds = {"maze": maze, "stepped": stepped, "model": clew.Environment(maze).mdp}
    learners = {"agent": make_agent, "sarsa": "sarsa"}
    results = Experiment(worlds, learners, [1, 4], num_episodes=20).run(num_threads=2)
    fresh = only_steps(clew.Environment(maze, slip=0.1))
    for seed in (1, 4):
        for name, env in {"maze": clew.Environment(maze), "stepped": fresh, "model": worlds["model"]}.items():
            q = clew.train_policy(env, 20, seed=seed, algorithm="sarsa").q
            assert np.array_equal(results.policy("sarsa", name, seed=seed).q, q)
            rows = []
            playable = clew.ModelEnvironment(env) if name == "model" else env
            policy = clew.run_agent(make_agent(playable, seed), env, 20, seed=seed, callback=rows.append)
            assert np.array_equal(results.policy("agent", name, seed=seed).q, policy.q)
            place = results.learners.index("agent"), results.worlds.index(name), results.seeds.index(seed)
            assert results.steps[place].tolist() == [row.num_steps for row in rows]


@pytest.mark.parametrize("num_seeds", [1, 4])
def test_a_world_that_changes_at_given_episodes(num_seeds):
    first, second, third = (clew.Environment(clew.Maze.open(4, 4, goal=goal)) for goal in ((3, 3), (0, 3), (3, 0)))
    learning = {"exploration_schedule": "linear", "algorithm": "dyna-q"}
    world = {0: first, 50: second, 120: clew.Maze.open(4, 4, goal=(3, 0))}
    results = Experiment({"w": world}, {"l": learning}, range(num_seeds), num_episodes=150).run()
    for seed in range(num_seeds):
        trainer = clew.Trainer(first, num_episodes=150, seed=seed, **learning)
        parts = [trainer.learn(50)]
        for env, n in ((second, 70), (third, 30)):
            trainer.change_world(env)
            parts.append(trainer.learn(n))
        assert np.array_equal(results.steps[0, 0, seed], np.concatenate([part.steps for part in parts]))
        assert np.array_equal(results.policy("l", "w", seed=seed).q, trainer.policy.q)


@pytest.mark.parametrize("starts", [(700, 1500), (10, 12), (700, 2999), (1, 2990)])
@pytest.mark.parametrize("algorithm", ["dyna-q", "prioritized-sweeping"])
def test_with_num_steps_a_world_changes_at_given_steps(algorithm, starts):
    """An episode under way is completed in the old world, and may pass the next change."""
    worlds = [
        clew.Environment(clew.Maze.open(4, 4, goal=g), slip=0.1 * i) for i, g in enumerate(((3, 3), (0, 3), (3, 0)))
    ]
    world = dict(zip((0, *starts), worlds, strict=True))
    results = Experiment({"w": world}, {"l": algorithm}, [3, 8], num_steps=3000).run()
    for k, seed in enumerate((3, 8)):
        trainer, parts, taken = clew.Trainer(worlds[0], seed=seed, algorithm=algorithm), [], 0
        left = list(zip(starts, worlds[1:], strict=True))
        while taken < 3000:
            while left and taken >= left[0][0]:
                trainer.change_world(left.pop(0)[1])
            parts.append(trainer.learn(1))
            taken += int(parts[-1].steps[0])
        assert np.array_equal(results.steps[0, 0, k], np.concatenate([part.steps for part in parts]))
        assert np.array_equal(results.policy("l", "w", seed=seed).q, trainer.policy.q)


@pytest.mark.parametrize("length", [{"num_episodes": 150}, {"num_steps": 3000}])
def test_an_agent_in_plain_python_goes_on_in_the_next_world(length):
    """The goal lies beside the start from the change on, so a step suffices there; the agent is the same object."""
    agents = {}

    class Counting(QLearning):
        def act(self, state):
            self.num_steps = getattr(self, "num_steps", 0) + 1
            return super().act(state)

    def make(env, seed):
        agents[seed] = Counting(np.zeros((16, 4)), random.Random(seed))
        return agents[seed]

    world = {0: "4x4", 100: clew.Environment(clew.Maze.open(4, 4, goal=(0, 1)), slip=0.1)}
    results, again = (Experiment({"w": world}, {"a": make}, [3, 8], **length).run(num_threads=n) for n in (1, 2))
    for k, seed in enumerate((3, 8)):
        steps = results.steps[0, 0, k]
        assert steps.tolist() == again.steps[0, 0, k].tolist()
        changed = 100 if "num_episodes" in length else int(np.searchsorted(np.cumsum(steps), 100)) + 1
        assert min(steps[:changed]) >= 6
        assert min(steps[changed:]) == 1
        assert agents[seed].num_steps == steps.sum()
        assert np.array_equal(results.policy("a", "w", seed=seed).q, np.float32(agents[seed].q))


def test_of_a_world_that_changes_the_same_episodes_are_recorded(monkeypatch):
    world = {0: "4x4", 51: clew.Maze.open(4, 4, goal=(0, 3)), 53: "4x4"}
    whole = Experiment({"w": world}, {"l": {}}, range(3), num_episodes=101).run()
    monkeypatch.setattr(experiment, "MEMORY_LIMIT", 17 * 100)
    part = Experiment({"w": world}, {"l": {}}, range(3), num_episodes=101).run()
    assert part.episodes.tolist() == list(range(3, 101, 4))
    assert np.array_equal(part.steps, whole.steps[..., 3::4])


# A number of steps ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("world", ["compiled", "stepped"])
def test_with_num_steps_episodes_begin_until_they_are_taken(world):
    env = clew.Environment(clew.Maze.open(4, 4), slip=0.2)
    env = only_steps(env) if world == "stepped" else env
    results = Experiment({"w": env}, {"dyna": "dyna-q"}, [2, 7], num_steps=1500).run()
    assert results.episodes is None
    for k, seed in enumerate((2, 7)):
        steps = results.steps[0, 0, k]
        assert steps[:-1].sum() < 1500 <= steps.sum()
        stats, q = episodes_of(env, steps.size, seed, algorithm="dyna-q")
        assert is_same(results, (0, 0, k), stats)
        assert np.array_equal(results.policy("dyna", "w", seed=seed).q, q)


# Memory ---------------------------------------------------------------------------------------------------------------


def test_beyond_the_limit_some_episodes_are_recorded(monkeypatch):
    monkeypatch.setattr(experiment, "MEMORY_LIMIT", 17 * 1000)
    monkeypatch.setattr(collecting, "MEMORY_LIMIT", 10_000)
    settings = {"one": {}, "interleaved": {"num_interleaved": 2}}
    results = Experiment({"w": "12x12"}, settings, range(3), num_episodes=301).run()
    assert results.episodes.tolist() == list(range(1, 301, 2))  # 2 x 3 x 150 episodes
    env = clew.Environment(clew.Maze.open(12, 12))
    for i, each in enumerate(settings.values()):
        stats, _ = episodes_of(env, 301, 2, **each)
        assert np.array_equal(results.steps[i, 0, 2], stats.steps[1::2])
    for last, count in ((1, 1), (2, 1), (3, 2), (150, 75), (298, 149), (300, 150), (10_000, 150)):  # to episode 299
        found = results.sample("one", "w", "steps", last=last)
        assert found.tolist() == results.steps[0, 0, :, -count:].mean(axis=1).tolist()
    assert results.compare(last=50).title == "return: mean of the recorded ones of the last 50 episodes, 3 seeds"
    assert results.compare().title == "return: mean of all recorded episodes, 3 seeds"
    with pytest.raises(SettingError, match="would take more than 512 MiB"):  # 6 x 144 x 16 bytes
        results.policy("one", "w", seed=1)
    with pytest.raises(SettingError, match="num_steps must be smaller"):
        Experiment({"w": "12x12"}, {"q": {}}, range(3), num_steps=100_000).run()


# What is given, and what is asked for ---------------------------------------------------------------------------------


class Failing:
    """An agent that raises an exception with one seed."""

    def __init__(self, error, seed):
        self.error, self.seed = error, seed

    def act(self, state):
        if self.seed == 2:
            raise self.error
        return 1

    def update(self, transition):
        pass


def test_an_exception_of_an_agent_names_its_learner_world_and_seed():
    short = clew.Environment(clew.Maze.open(3, 3), max_episode_steps=5)
    for error in (ZeroDivisionError("mine"), SettingError("mine")):
        learners = {"q": {}, "mine": lambda env, seed, error=error: Failing(error, seed)}
        with pytest.raises(type(error), match="mine") as caught:
            Experiment({"short": short}, learners, range(4), num_episodes=2).run(num_threads=1)
        assert caught.value.__notes__ == ["raised by mine in short with seed 2"]
    stopping = {"mine": lambda env, seed: Failing(clew.StopTraining(), seed)}
    with pytest.raises(SettingError, match="mine in short, seed 2: StopTraining was raised in a run"):
        Experiment({"short": short}, stopping, range(4), num_episodes=2).run()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"worlds": "cliff"}, "worlds must be a dictionary of names and '5x5', .*, not 'cliff'"),
        ({"worlds": {}}, "worlds must not be empty"),
        ({"worlds": {"": "cliff"}}, "worlds must have printable names, not ''"),
        ({"worlds": {"mine": "clif"}}, "the world 'mine': .*clif"),
        ({"worlds": {"mine": 5}}, "the world 'mine': expected an environment, got a int"),
        ({"worlds": {"w": {1: "cliff"}}}, r"a world that changes is a dictionary .* with the keys \[1\]"),
        ({"worlds": {"w": {0: "cliff", 4: "5x5"}}}, r"q in w: expected a world with a table of \(48, 4\)"),
        (
            {"worlds": {"w": {0: "5x5", 10: "5x5"}}, "num_episodes": 10},
            "'w': would change at 10, and runs end after 10",
        ),
        ({"learners": {"a" * 501: "sarsa"}}, "^learners must have names of at most 500 characters, not 501$"),
        ({"seeds": range(10_000_001)}, "seeds must be at most 10,000,000"),
        ({"seeds": range(10**30)}, "seeds must be at most 10,000,000"),
        (
            {"seeds": range(6_000_000), "learners": {"a": "sarsa", "b": "q-learning"}},
            "seeds must be fewer: 2 learners x 1 worlds x 6,000,000 seeds are more than 10,000,000 runs",
        ),
        ({"worlds": {"w": {0: {0: "5x5", 3: "5x5"}, 5: "5x5"}}}, "a world to which it changes can't be a dictionary"),
        ({"worlds": {"w": {0: "gym:Blackjack-v1"}}}, "the world 'w': only worlds with a model can change"),
        (
            {"worlds": {"w": {0: "5x5", 4: "5x6"}}, "learners": {"a": make_agent}},
            "a in w: expected a world with a table",
        ),
        ({"learners": {"q": {"alfa": 0.5}}}, "the learner 'q': alfa is not a setting; did you mean 'alpha'"),
        ({"learners": {"q": "q-lerning"}}, "the learner 'q': algorithm must be one of"),
        ({"learners": {"q": 3}}, "the learner 'q' must be settings, .*, not 3"),
        ({"learners": {"q": lambda env: None}}, "the learner 'q' must be settings"),
        ({"learners": {"q": clew.TrainingConfig()}}, "the learner 'q': is a whole TrainingConfig"),
        ({"learners": {"mine": lambda env, seed: 5}}, "mine in cliff: agent must have the methods act"),
        ({"seeds": 30}, r"seeds must be a list, such as range\(30\), not 30"),
        ({"seeds": [1, 2, 1]}, "seeds must be different, and 1 is there twice"),
        ({"seeds": [*range(300_000), 299_999]}, "seeds must be different, and 299999 is there twice"),
        ({"seeds": [-1]}, "seeds: each must be a whole number of at least 0, not -1"),
        ({"seeds": []}, "seeds must not be empty"),
        ({"num_episodes": None}, "give either num_episodes or num_steps"),
        ({"num_steps": 5}, "give either num_episodes or num_steps"),
        ({"num_episodes": 0}, "num_episodes must be a whole number"),
        (
            {"num_episodes": None, "num_steps": 9, "learners": {"q": {"exploration_schedule": "linear"}}},
            "q in cliff: exploration_schedule needs num_episodes",
        ),
    ],
)
def test_nonsense_is_refused_in_words(arguments, message):
    given = {"worlds": {"cliff": "cliff"}, "learners": {"q": {}}, "num_episodes": 5, **arguments}
    with pytest.raises(SettingError, match=message):
        Experiment(**given)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"num_threads": 0}, "num_threads must be a whole number"),
        ({"num_actors": -1}, "num_actors must be a whole number"),
        ({"num_actors": 2, "num_threads": 2}, "num_threads can't be combined with num_actors"),
        ({"progress": True}, "progress must be a function"),
        ({"max_seconds": 0}, "max_seconds must be a finite number above 0, not 0"),
        ({"max_seconds": float("inf")}, "max_seconds must be a finite number above 0, not inf"),
        ({"folder": 5}, "folder must be a path"),
    ],
)
def test_nonsense_is_refused_by_run(arguments, message):
    with pytest.raises(SettingError, match=message):
        Experiment({"cliff": "cliff"}, {"q": {}}, num_episodes=5).run(**arguments)


@pytest.fixture(scope="module")
def results():
    learners = {"Q": CLIFF, "Sarsa": {"algorithm": "sarsa", **CLIFF}}
    return Experiment({"cliff": "cliff", "open": "5x5"}, learners, range(6), num_episodes=40).run()


def test_samples_are_means_of_each_run(results):
    sample = results.sample("Sarsa", "open", "steps", last=10)
    assert np.array_equal(sample, results.steps[1, 1, :, -10:].mean(axis=1))
    with pytest.raises(SettingError, match="learner 'sarsa' is not in the experiment; did you mean 'Sarsa'"):
        results.sample("sarsa", "open")
    with pytest.raises(SettingError, match="seed 6 is not in the experiment; from 0 to 5"):
        results.policy("Q", "open", seed=6)


def test_metrics_are_those_of_train_policy(results):
    rows = []
    clew.train_policy(clew.Environment(clew.Maze.open(5, 5)), 40, seed=4, callback=rows.append, **CLIFF)
    of_run = results.metrics("open")["Q"][4]
    assert [replace(row, seconds=0.0) for row in rows] == of_run
    few = results.metrics("open", num_rounds=3)["Q"][4]
    assert [row.num_episodes for row in few] == [14, 14, 12]
    assert sum(row.num_steps for row in few) == results.steps[0, 1, 4].sum()
    assert few[-1].mean_return == results.episode_return[0, 1, 4, 28:].mean()


def test_csv_has_a_row_for_each_episode(results, tmp_path):
    results.to_csv(tmp_path / "all.csv")
    with (tmp_path / "all.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 2 * 2 * 6 * 40
    row = rows[(((1 * 2 + 0) * 6) + 3) * 40 + 7]
    assert (row["learner"], row["world"], row["seed"], row["episode"]) == ("Sarsa", "cliff", "3", "7")
    assert int(row["steps"]) == results.steps[1, 0, 3, 7]
    assert float(row["episode_return"]) == results.episode_return[1, 0, 3, 7]
    with pytest.raises(clew.RunError, match="can't be written"):
        results.to_csv(tmp_path / "no" / "folder.csv")
    picture = tmp_path / "picture.png"
    picture.write_bytes(b"\x89PNG of mine")
    with pytest.raises(clew.RunError, match="there is a PNG picture of that name"):
        results.to_csv(picture)
    assert picture.read_bytes() == b"\x89PNG of mine"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["all.csv", "picture.png"]


def test_pandas_is_asked_for_if_it_is_not_there(results, monkeypatch):
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(clew.ExtraError, match="pip install pandas"):
        results.to_pandas()


def test_a_notebook_shows_a_table(results):
    html = results._repr_html_()
    assert html.count("<tr>") == 3
    assert f"{results.sample('Q', 'open').mean():.4g}" in html


# Threads --------------------------------------------------------------------------------------------------------------


def test_progress_counts_all_runs_and_an_error_in_it_ends_the_threads():
    rows = []
    experiment = Experiment({"open": "5x5"}, {"q": {}, "s": "sarsa"}, range(10), num_episodes=20)
    experiment.run(progress=rows.append)
    assert [row.num_done for row in rows] == sorted(row.num_done for row in rows)
    assert (rows[-1].num_done, rows[-1].num_runs, rows[-1].num_found) == (20, 20, 0)
    assert rows[-1].seconds_left == 0.0

    def refuse(_):
        raise RuntimeError("no more")

    with pytest.raises(RuntimeError, match="no more"):
        experiment.run(num_threads=3, progress=refuse)
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("clew-")]


def test_an_error_of_an_agent_is_raised():
    class Broken:
        def act(self, state):
            return 99

        def update(self, transition):
            pass

    experiment = Experiment({"open": "5x5"}, {"broken": lambda env, seed: Broken()}, range(3), num_episodes=2)
    with pytest.raises(SettingError, match="act gave action 99"):
        experiment.run(num_threads=2)


def test_values_that_grow_too_large_are_refused_as_by_train_policy():
    mdp = clew.FiniteMDP.from_function(2, 1, lambda s, a: [(1.0, 1 - s, 3e38, False)])
    env = clew.ModelEnvironment(mdp, max_episode_steps=50)
    for seeds in ([1], [1, 2, 3]):
        with pytest.raises(SettingError, match="too large for float32"):
            Experiment({"huge": env}, {"q": {"alpha": 1.0, "gamma": 1.0}}, seeds, num_episodes=5).run(num_threads=1)


def test_example_6_6_of_sutton_and_barto():
    """Sarsa's return is better while it explores, and Q-learning's greedy path is shorter."""
    learners = {"Q": CLIFF, "Sarsa": {"algorithm": "sarsa", **CLIFF}}
    results = Experiment({"cliff": "cliff"}, learners, range(30), num_episodes=500).run()
    returns = results.samples("cliff", "episode_return", last=400)
    assert (returns["Sarsa"] > returns["Q"]).all()
    env = clew.gallery.make_world("cliff")
    steps = {
        name: [
            clew.evaluate_policy(env, results.policy(name, "cliff", seed=seed), gamma=1.0).mean_steps
            for seed in range(9)
        ]
        for name in learners
    }
    assert np.median(steps["Q"]) == 13.0
    assert np.median(steps["Sarsa"]) > 14.0


@pytest.mark.parametrize("num_with", [1, 20], ids=["in blocks", "within a block"])
def test_an_agent_that_has_a_table_with_some_seeds_only(num_with):
    class Sometimes:
        def __init__(self, env, seed):
            if seed < num_with:
                self.q = np.zeros((9, 4))

        def act(self, state):
            return 0

        def update(self, transition):
            pass

    experiment = Experiment({"open": "3x3"}, {"a": Sometimes}, range(40), num_steps=1)
    with pytest.raises(SettingError, match="a in open: with some seeds the agent has a table q"):
        experiment.run(num_threads=1)
