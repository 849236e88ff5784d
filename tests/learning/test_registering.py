"""Algorithms and exploration strategies of users: what is registered, what is refused, and what both then do."""

import importlib
import pickle
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest

import clew
from clew.distributed.local import LocalLearner, TableMerger
from clew.distributed.settings import Sharing
from clew.distributed.tasks import Job, Task
from clew.errors import SettingError
from clew.extending import (
    Algorithm,
    Behaviour,
    Bounds,
    Parameter,
    Values,
    assign,
    best_action,
    choose,
    count_visit,
    increment,
    learn,
    max_value,
    next_bits,
    step_size,
    td_update,
    value,
    with_counts,
)
from clew.kernels.sampling import new_stream
from clew.learning.checkpoints import Checkpoints, versions
from clew.learning.declarations import MEMORIES
from clew.policies.plugins import check_known, hash_module, load_plugin, plugins_of

EXAMPLE = Path(__file__).parents[2] / "examples" / "my_rules.py"
pytestmark = pytest.mark.usefixtures("tables")


@pytest.fixture
def rules():
    load_plugin(EXAMPLE)
    return sys.modules["my_rules"]


def counted_in_python(env, num_episodes, bonus, alpha, seed):
    """The rule of the example in plain Python, over the steps that it has learned from."""
    steps = []
    trainer = clew.Trainer(
        env, seed=seed, algorithm="my_rules:counted", alpha=alpha, algorithm_settings={"bonus": bonus}
    )
    q, counts = np.zeros_like(trainer.policy.q), np.zeros(trainer.policy.q.shape, int)
    while trainer.num_ended < num_episodes:
        s, a, reward, s_next, terminated, _ = trainer.step()
        counts[s, a] += 1
        target = np.float32(reward) + np.float32(bonus) / np.sqrt(np.float32(counts[s, a]))
        if not terminated:
            target += np.float32(0.9) * q[s_next].max()
        q[s, a] += np.float32(alpha) * (target - q[s, a])
        steps.append(terminated)
    return q


def test_the_example_learns_what_its_formula_says_compiled_and_step_by_step(rules):
    env = clew.Environment(clew.Maze.open(4, 5))
    expected = counted_in_python(env, 30, 0.5, 0.25, 3)
    settings = {"algorithm": "my_rules:counted", "alpha": 0.25, "algorithm_settings": {"bonus": 0.5}}
    policy = clew.train_policy(env, 30, seed=3, **settings)
    assert np.abs(policy.q - expected).max() < 1e-6
    assert np.count_nonzero(policy.q) > 20
    other = clew.train_policy(env, 30, seed=3, algorithm="my_rules:counted", alpha=0.25)  # with the default, 0.1
    assert np.abs(policy.q - other.q).max() > 0.1


def test_the_strategy_of_the_example_takes_the_last_action_twice_as_often(rules):
    env = clew.Environment(clew.Maze.open(30, 40), max_episode_steps=30, random_start=True)
    policy = clew.Policy(env)
    steps = clew.Simulation(env).rollouts(
        policy.q, 1000, behaviour="my_rules:momentum", exploration=1.0, stream=policy.stream
    )
    goes_on = ~(steps.terminated | steps.truncated)[:-1]
    again = (np.diff(steps.action) == 0)[goes_on].mean()
    assert abs(again - 2 / 5) < 4 * np.sqrt(0.4 * 0.6 / goes_on.sum())
    first = steps.action[1:][~goes_on]
    assert np.abs(np.bincount(first) / first.size - 1 / 4).max() < 4 * np.sqrt(0.25 * 0.75 / first.size)


@pytest.mark.parametrize("behaviour", ["my_rules:momentum", "softmax"])
@pytest.mark.parametrize("algorithm", ["my_rules:counted", "expected-sarsa", "dyna-q"])
def test_algorithms_and_strategies_go_together(rules, algorithm, behaviour):
    env = clew.Environment(clew.Maze.open(3, 4))
    settings = {"algorithm_settings": {"bonus": 0.001}} if algorithm == "my_rules:counted" else {}
    policy = clew.train_policy(env, 500, algorithm=algorithm, behaviour=behaviour, seed=1, **settings)
    assert clew.evaluate_policy(env, policy).mean_steps == 5.0


# Registering ----------------------------------------------------------------------------------------------------------


class Mine(NamedTuple):
    q: Values


def row(**fields):
    usual = {"name": "my:rule", "update": "none", "source": "a test", "settings": ("alpha",)}
    return Algorithm(**{**usual, "make": lambda spec: Mine(spec.q), **fields})


BONUS = Parameter("bonus", float, 0.1)
REFUSED = [
    ({"name": "rule"}, "name must be package:name, such as 'my_rules:counted', not 'rule'"),
    ({"name": "my: rule"}, "name must be package:name"),
    ({"name": "my:rule:x"}, "name must be package:name"),
    ({"name": 3}, "name must be package:name, .* not 3"),
    ({"name": "my_rules:counted"}, "name must be new, and 'my_rules:counted' is registered already by my_rules"),
    ({"make": 3}, "make must be a function of a LearnerSpec, not 3"),
    ({"memory": "forever"}, "memory must be one of step, episode, run, not 'forever'"),
    ({"merge": 3}, "merge must be a function of memory, before and after, not 3"),
    ({"merge": print, "memory": "step"}, "merge has no effect with memory='step'; it is for memory='run'"),
    (
        {"merge": print, "memory": "run", "settings": ()},
        "merge has no effect without 'alpha' in `settings`: tables are merged by their step size",
    ),
    ({"behaviour": "greed"}, "behaviour must be one of .*; did you mean 'greedy'"),
    ({"behaviour": "my:none"}, "behaviour must be registered, and 'my:none' is not: import the module"),
    ({"initial_values": "high"}, "initial_values must be one of"),
    ({"settings": ("alfa",)}, "settings must be fields of clew.Learning, and 'alfa' is none; did you mean 'alpha'"),
    ({"settings": ("algorithm_settings",)}, "settings must be fields of clew.Learning"),
    ({"parameters": (3,)}, "parameters must be a tuple of clew.extending.Parameter, not 3"),
    ({"parameters": (BONUS, BONUS)}, "parameters must have names of their own, and 'bonus' is there twice"),
    (
        {"parameters": (Parameter("alpha", float, 0.1),)},
        "parameters must .*, and 'alpha' is a setting of every learner",
    ),
]


@pytest.mark.parametrize(("fields", "message"), REFUSED)
def test_a_row_without_meaning_is_refused(rules, fields, message):
    before = list(clew.ALGORITHMS)
    with pytest.raises(SettingError, match=f"^{message}"):
        clew.register_algorithm(row(**fields))
    assert list(clew.ALGORITHMS) == before


def test_what_is_no_row_is_refused():
    with pytest.raises(SettingError, match=r"^row must be a clew.extending.Algorithm, not 3"):
        clew.register_algorithm(3)
    with pytest.raises(SettingError, match=r"^row must be a clew.extending.Behaviour, not 3"):
        clew.register_behaviour("my:strategy", 3)


class Waits(NamedTuple):
    pass


class Goes(NamedTuple):
    pass


@choose.register(Goes)
def choose_to_go(behaviour, q, visits, s, exploration, stream):
    return 0


class Counts(NamedTuple):
    pass


choose.register(Counts)(choose_to_go)


@count_visit.register(Counts)
def count_of_all(behaviour, visits, s, a):
    increment(visits, s, a)


@pytest.mark.parametrize(
    ("name", "strategy", "message"),
    [
        ("mine", Behaviour(Goes(), ""), "name must be package:name"),
        ("my_rules:momentum", Behaviour(Goes(), ""), "name must be new, and .* by my_rules; take another name"),
        ("my:waits", Behaviour(Waits(), ""), r"chooses no action: @choose.register\(Waits\) registers a kernel"),
        (
            "my:goes",
            Behaviour(Goes(), "", uses_visits=True),
            r"uses_visits must be False where nothing counts them: @count_visit.register\(Goes\)",
        ),
        ("my:counts", Behaviour(Counts(), ""), r"uses_visits must be True, because @count_visit.register\(Counts\)"),
        ("my:goes", Behaviour(3, ""), "strategy must be a named tuple, not 3"),
        ("my:goes", Behaviour(Goes(), "", "gamma"), "setting must be None or one of epsilon, temp.*, not 'gamma'"),
    ],
)
def test_a_strategy_without_meaning_is_refused(rules, name, strategy, message):
    with pytest.raises(SettingError, match=f"^{message}"):
        clew.register_behaviour(name, strategy)


def test_a_strategy_has_bounds_of_its_own_which_bind_no_other():
    clew.register_behaviour("my:bold", Behaviour(Goes(), "", "epsilon", Bounds(0.5, 3.0)))
    assert clew.Learning(behaviour="my:bold", epsilon=2.0).exploration == 2.0
    assert clew.Learning().exploration == 0.1
    with pytest.raises(SettingError, match=r"^epsilon must be a finite number in \[0.5, 3\], not 0.1"):
        clew.Learning(behaviour="my:bold")
    with pytest.raises(SettingError, match=r"^epsilon must be a finite number in \[0, 1\], not 2"):
        clew.Learning(epsilon=2.0)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda spec: 3, "make of my:rule must return a named tuple with a field q, not 3"),
        (lambda spec: Waits(), "make of my:rule must return a named tuple with a field q"),
        (lambda spec: Mine(spec.q), r"my:rule has no update rule: @learn.register\(Mine\) registers one"),
    ],
)
def test_a_rule_that_would_learn_nothing_is_refused(make, message):
    clew.register_algorithm(row(make=make))
    with pytest.raises(SettingError, match=f"^{message}"):
        clew.train_policy(clew.Environment(), 10, algorithm="my:rule")


class Paired(NamedTuple):
    q: Values
    v: np.ndarray
    v_counts: np.ndarray


@learn.register(Paired)
def learn_paired(learner, step, alpha, exploration, stream):
    learner.v_counts[step.state] += 1


def test_fields_that_would_be_taken_for_tables_of_action_values_are_refused():
    def make(spec):
        return Paired(spec.q, np.zeros(25, np.float32), np.zeros(25, np.int32))

    clew.register_algorithm(row(make=make))
    with pytest.raises(SettingError, match=r"^make of my:rule must give other names than v and v_counts to what isn't"):
        clew.train_policy(clew.Environment(), 10, algorithm="my:rule")


class Two(NamedTuple):
    """Learner of double Q-learning."""

    q: Values
    q1: np.ndarray
    q2: np.ndarray
    q1_counts: np.ndarray
    q2_counts: np.ndarray
    gamma: np.float32


@learn.register(Two)
def learn_two(learner, step, alpha, exploration, stream):
    s, a, bits = step.state, step.action, next_bits(stream)
    q1, q2, counts = learner.q2, learner.q1, learner.q2_counts
    if bits & np.uint64(1):
        q1, q2, counts = learner.q1, learner.q2, learner.q1_counts
    target = step.reward
    if not step.terminated:
        best = best_action(q1, step.next_state, bits >> np.uint64(32))
        target += learner.gamma * value(q2, step.next_state, best)
    td_update(q1, s, a, target, step_size(with_counts(alpha, counts), s, a))
    assign(learner.q, s, a, np.float32(0.5) * (value(learner.q1, s, a) + value(learner.q2, s, a)))


def test_a_rule_with_two_tables_is_merged_like_ours():
    def make(spec):
        shape = spec.table.shape if spec.counted else (0, 0)
        tables, counts = (spec.table.copy(), spec.table.copy()), (np.zeros(shape, np.int32), np.zeros(shape, np.int32))
        return Two(spec.q, *tables, *counts, spec.gamma)

    clew.register_algorithm(row(make=make, memory="step"))
    settings = {"num_actors": 0, "sharing": "local", "seed": 1}
    ours, theirs = (
        clew.train_policy_parallel(clew.Environment(), 300, 3, algorithm=name, **settings).q
        for name in ("double-q-learning", "my:rule")
    )
    assert np.count_nonzero(ours) > 40
    assert (ours == theirs).all()


def test_a_kernel_that_cannot_be_compiled_is_named_in_a_training():
    """There the compiler goes on with other functions after the one that has failed."""

    class Listing(NamedTuple):
        q: Values

    @learn.register(Listing)
    def learn_by_a_list(learner, step, alpha, exploration, stream):
        seen = [step.state]
        seen.append(step.action)

    clew.register_algorithm(row(make=lambda spec: Listing(spec.q)))
    with pytest.raises(clew.KernelError, match=r"^learn_by_a_list \(.*\) can't be compiled: it makes an array, a list"):
        clew.train_policy(clew.Environment(), 10, algorithm="my:rule")


def test_a_module_may_register_again_and_no_other(monkeypatch):
    monkeypatch.syspath_prepend(EXAMPLE.parent)
    rules = importlib.import_module("my_rules")
    before = clew.ALGORITHMS["my_rules:counted"]
    importlib.reload(rules)
    assert clew.ALGORITHMS["my_rules:counted"] is not before
    for _ in range(2):
        clew.register_algorithm(row())
    exec("import clew\ndef register(row):\n    clew.register_algorithm(row)", other := {"__name__": "other"})
    with pytest.raises(SettingError, match=f"is registered already by {__name__}; take another name"):
        other["register"](row())


def test_a_module_that_is_edited_and_reloaded_runs_as_edited(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)  # two edits within a second
    file, text = tmp_path / "my_edited.py", EXAMPLE.read_text().replace("my_rules:", "my_edited:")
    settings = {"algorithm": "my_edited:counted", "seed": 1}
    file.write_text(text)
    load_plugin("my_edited")
    before, plugins = clew.train_policy(clew.Environment(), 20, **settings).q, plugins_of("my_edited:counted", "")
    file.write_text(text.replace("bonus / np.sqrt(np.float32(n))", "bonus / np.float32(n)"))
    importlib.reload(sys.modules["my_edited"])
    after = clew.train_policy(clew.Environment(), 20, **settings).q
    assert np.abs(after - before).max() > 0.01
    assert plugins_of("my_edited:counted", "") != plugins
    assert plugins[0].module == "my_edited"


def test_a_rule_that_is_called_like_another_is_not_taken_for_it():
    """Numba finds the machine code of a named tuple by its name and fields alone."""
    env = clew.Environment()
    before = clew.train_policy(env, 50, seed=1).q

    class QLearning(NamedTuple):  # as in clew.kernels.learning.updates
        q: Values
        gamma: np.float32

    @learn.register(QLearning)
    def learn_nothing_but_rewards(learner, step, alpha, exploration, stream):
        td_update(learner.q, step.state, step.action, step.reward, step_size(alpha, step.state, step.action))

    clew.register_algorithm(row(make=lambda spec: QLearning(spec.q, spec.gamma)))
    policy = clew.train_policy(env, 50, seed=1, algorithm="my:rule")
    assert np.count_nonzero(policy.q.max(axis=1)) < np.count_nonzero(before.max(axis=1))
    assert clew.train_policy(env, 50, seed=1).q.tobytes() == before.tobytes()


# Parameters -----------------------------------------------------------------------------------------------------------


def test_parameters_have_their_defaults_and_are_plain_numbers(rules):
    learning = clew.Learning(algorithm="my_rules:counted")
    assert learning.algorithm_settings == {"bonus": 0.1}
    given = clew.Learning(algorithm="my_rules:counted", algorithm_settings={"bonus": np.float32(0.5)})
    assert given.algorithm_settings == {"bonus": 0.5}
    assert type(given.algorithm_settings["bonus"]) is float
    assert given != learning
    assert {learning: 1}[clew.Learning(algorithm="my_rules:counted")] == 1
    config = clew.TrainingConfig(algorithm="my_rules:counted", algorithm_settings={"bonus": 3})
    assert clew.TrainingConfig.from_dict(config.to_dict()) == config == replace(config)
    assert config.learning.algorithm_settings == {"bonus": 3.0}


def test_what_was_given_is_copied(rules):
    given = {"bonus": 0.5}
    learning = clew.Learning(algorithm="my_rules:counted", algorithm_settings=given)
    given["bonus"] = 7
    assert learning.algorithm_settings == {"bonus": 0.5}


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"bonus": -1}, r"bonus must be a finite number in \[0, 100\] for my_rules:counted, not -1"),
        ({"bonus": "much"}, "bonus must be a finite number .*, not 'much'"),
        ({"bonus": True}, "bonus must be a number for my_rules:counted, not True"),
        ({"bonus": None}, "bonus must be a finite number"),
        (
            {"bonis": 1},
            "algorithm_settings must have parameters of my_rules:counted, and 'bonis' is none; did you mean",
        ),
        ({3: 1}, "algorithm_settings must have parameters of my_rules:counted, and 3 is none"),
        ([("bonus", 1)], "algorithm_settings must be a dictionary of names and values"),
    ],
)
def test_a_parameter_out_of_range_is_refused_by_its_name(rules, given, message):
    with pytest.raises(SettingError, match=f"^{message}"):
        clew.Learning(algorithm="my_rules:counted", algorithm_settings=given)


@pytest.mark.parametrize(
    ("kind", "default", "right", "wrong"),
    [(int, 3, 4, 4.5), (int, 3, np.int64(4), True), (float, 0.5, 1, False), (bool, False, np.True_, 1)],
)
def test_parameters_have_types(kind, default, right, wrong):
    parameter = Parameter("x", kind, default)
    assert type(parameter.check(right, "my:rule")) is kind
    with pytest.raises(SettingError, match=r"^x must be .* for my:rule, not "):
        parameter.check(wrong, "my:rule")


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        (("a b", float, 0.1), "name must be a name of Python, such as 'bonus', not 'a b'"),
        (("a", str, "x"), "type must be int, float or bool, not <class 'str'>"),
        (("a", float, 2.0, Bounds(0.0, 1.0)), r"a must be a finite number in \[0, 1\]"),
    ],
)
def test_a_parameter_without_meaning_is_refused(fields, message):
    with pytest.raises(SettingError, match=f"^{message}"):
        Parameter(*fields)


def test_other_algorithms_have_no_parameters():
    with pytest.raises(SettingError, match="parameters of q-learning, and 'bonus' is none; it has none of its own"):
        clew.Learning(algorithm_settings={"bonus": 1})
    assert clew.Learning().algorithm_settings == {}


# Memory ---------------------------------------------------------------------------------------------------------------


def test_memory_that_lives_for_a_run_is_refused_where_copies_learn(rules):
    env = clew.Environment(clew.Maze.open(3, 3))
    for sharing, n in (("central", 2), ("local", 1)):
        clew.train_policy_parallel(env, 20, n, num_actors=0, sharing=sharing, algorithm="my_rules:counted")
    message = (
        "^sharing must be 'central' with my_rules:counted, which remembers for a whole run: memories can't be merged"
    )
    with pytest.raises(SettingError, match=message):
        clew.train_policy_parallel(env, 20, 2, num_actors=0, sharing="local", algorithm="my_rules:counted")


class OwnStep(NamedTuple):
    """Learner of Q-learning with a step size of its own, which isn't counted."""

    q: Values
    gamma: np.float32


@learn.register(OwnStep)
def learn_with_own_step_size(learner, step, alpha, exploration, stream):
    target = step.reward
    if not step.terminated:
        target += learner.gamma * max_value(learner.q, step.next_state)
    td_update(learner.q, step.state, step.action, target, np.float32(0.5))


def test_interleaved_episodes_need_a_rule_that_declares_them(rules):
    with pytest.raises(SettingError, match=r"^num_interleaved must be 1 with my_rules:counted, which doesn't declare"):
        clew.Learning(algorithm="my_rules:counted", num_interleaved=2)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ((), "^sharing must be 'central' with my:own, which doesn't use alpha: tables are merged by their step size$"),
        (("alpha",), r"^my:own wrote the value of action \d in state \d without counting the update, .* step_size\("),
    ],
)
def test_updates_that_merging_would_lose_are_refused(settings, message):
    clew.register_algorithm(
        row(name="my:own", make=lambda spec: OwnStep(spec.q, spec.gamma), settings=settings, memory="step")
    )
    env = clew.Environment(clew.Maze.open(3, 3))
    for sharing, n in (("central", 2), ("local", 1)):
        policy = clew.train_policy_parallel(env, 100, n, num_actors=0, sharing=sharing, algorithm="my:own")
        assert policy.q.any()
    with pytest.raises(SettingError, match=message):
        clew.train_policy_parallel(env, 100, 2, num_actors=0, sharing="local", algorithm="my:own")


def merge_counts(memory, before, after):
    assert memory.keys() == before.keys() == after.keys() == {"counts"}
    memory["counts"] += after["counts"] - before["counts"]


@pytest.fixture
def merging(rules):
    clew.register_algorithm(replace(clew.ALGORITHMS["my_rules:counted"], name="my:merged", merge=merge_counts))


def test_memory_that_a_rule_merges_is_that_of_all_simulations(merging):
    """Whichever worker runs a task; without the function each round would begin with the counts of none."""
    env = clew.Environment(clew.Maze.open(3, 4))
    job = Job(env, clew.Learning(algorithm="my:merged"), Sharing(sharing="local"))
    learned = []
    for num_workers in (1, 2):
        merger, workers, num_steps = TableMerger(job, 0), [LocalLearner(job) for _ in range(num_workers)], 0
        for number in range(3):
            snapshot = merger.snapshot()
            tasks = [Task(20, 0.1, 0.1, (0, number, simulation), 100) for simulation in range(3)]
            results = [workers[i % num_workers].perform(snapshot, task) for i, task in enumerate(tasks)]
            for task, result in zip(tasks, results, strict=True):
                merger.merge(result.update, snapshot, task, new_stream(0))
                num_steps += result.totals.num_steps
            assert merger.learner.rule.counts.sum() == num_steps
        learned.append((merger.policy.q.tobytes(), num_steps))
    assert learned[0] == learned[1]
    assert learned[0][1] > 300


@pytest.mark.parametrize("memory", ["step", "episode"])
def test_other_memory_is_allowed_everywhere(rules, memory):
    clew.register_algorithm(replace(clew.ALGORITHMS["my_rules:counted"], name="my:other", memory=memory))
    Sharing(sharing="local").check(clew.Learning(algorithm="my:other"))


def test_every_row_of_ours_declares_its_memory():
    """Those with a model remember for a run, those that can't be interleaved for an episode."""
    for name, each in clew.ALGORITHMS.items():
        assert each.memory in MEMORIES
        expected = "run" if each.learns_model else "step" if each.interleaves else "episode"
        assert each.memory == expected, name


# Plug-ins -------------------------------------------------------------------------------------------------------------


def test_a_job_carries_the_modules_that_it_needs(rules):
    env, sharing = clew.Environment(), Sharing()
    assert Job(env, clew.Learning(), sharing).plugins == ()
    for settings in ({"algorithm": "my_rules:counted"}, {"behaviour": "my_rules:momentum"}):
        (plugin,) = pickle.loads(pickle.dumps(Job(env, clew.Learning(**settings), sharing))).plugins
        assert plugin == ("my_rules", hash_module("my_rules"), str(EXAMPLE))


def test_a_package_is_hashed_as_a_whole(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    package = tmp_path / "my_package"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "rules.py").write_text("")
    importlib.import_module("my_package.rules")
    before = hash_module("my_package.rules")
    assert before == hash_module("my_package")
    (package / "constants.py").write_text("C = 1")
    assert hash_module("my_package.rules") != before
    assert hash_module("sys") == hash_module("my_none") == ""


FAULTS = [
    (
        "my_none",
        None,
        "the plug-in my_none can't be imported: .*No module .* give its file, such as my_none.py, or put",
    ),
    ("none/my_none.py", None, "the plug-in .*my_none.py can't be read: there is no such file"),
    ("my_fault.py", "1 / 0\n", r"the plug-in .*can't be imported: ZeroDivisionError: .* \(.*my_fault.py:1\)$"),
    (
        "my_fault.py",
        "import clew\n\nclew.register_algorithm(3)\n",
        r"the plug-in .*can't be imported: row must be a clew.extending.Algorithm, not 3 \(.*my_fault.py:3\)$",
    ),
    ("my_fault.py", "x = (\n", r"the plug-in .*can't be imported: SyntaxError: .* \(.*my_fault.py:1\)$"),
    ("my-fault.py", "", "the plug-in .*: 'my-fault' is not a name of Python; rename the file"),
    ("json.py", "", "the plug-in .*: another module is called json, .*json/__init__.py; rename the file"),
    ("colorsys.py", "", "the plug-in .*: another module is called colorsys, .*; rename the file"),
]


@pytest.mark.parametrize(("given", "text", "message"), FAULTS)
def test_a_plug_in_that_cannot_be_imported_is_one_clear_line(given, text, message, tmp_path):
    if text is not None:
        (tmp_path / given).write_text(text)
    with pytest.raises(SettingError, match=f"^{message}") as refused:
        load_plugin(tmp_path / given if given.endswith(".py") else given)
    assert "\n" not in str(refused.value)
    assert "my_fault" not in sys.modules


def test_a_file_that_failed_can_be_loaded_when_it_is_mended(tmp_path):
    (tmp_path / "my_fault.py").write_text("1 / 0\n")
    with pytest.raises(SettingError):
        load_plugin(tmp_path / "my_fault.py")
    (tmp_path / "my_fault.py").write_text("VALUE = 1\n")
    for _ in range(2):
        load_plugin(tmp_path / "my_fault.py")
    assert sys.modules["my_fault"].VALUE == 1


ENTRY_POINT = "[clew.plugins]\nmy_installed = my_installed\nmy_other = my_other\n"


def test_an_installed_package_is_loaded_when_its_name_is_used(tmp_path, monkeypatch):
    (tmp_path / "my_installed.py").write_text(EXAMPLE.read_text().replace("my_rules:", "my_installed:"))
    (tmp_path / "my_other.py").write_text("1 / 0\n")
    folder = tmp_path / "my_installed-1.dist-info"
    folder.mkdir()
    (folder / "METADATA").write_text("Metadata-Version: 2.1\nName: my_installed\nVersion: 1\n")
    (folder / "entry_points.txt").write_text(ENTRY_POINT)
    monkeypatch.syspath_prepend(tmp_path)
    clew.Learning()
    check_known("behaviour", "softmax", clew.BEHAVIOURS)
    assert "my_installed" not in sys.modules
    assert clew.Learning(algorithm="my_installed:counted").algorithm_settings == {"bonus": 0.1}
    assert clew.Learning(behaviour="my_installed:momentum").behaviour_name == "my_installed:momentum"
    assert "my_other" not in sys.modules
    with pytest.raises(SettingError, match=r"^algorithm must be registered, and 'my_installed:none' is not: import"):
        clew.Learning(algorithm="my_installed:none")
    with pytest.raises(SettingError, match=r"^the plug-in my_other can't be imported: ZeroDivisionError: division by"):
        clew.Learning(algorithm="my_other:rule")


# Checkpoints ----------------------------------------------------------------------------------------------------------


class StopAfter(Checkpoints):
    """Stops when it has saved a number of checkpoints."""

    left = 3

    def save_if_due(self, num_episodes, training):
        size = super().save_if_due(num_episodes, training)
        self.left -= size > 0
        if not self.left:
            self.stop()
        return size


def test_a_training_goes_on_with_the_counts_that_it_had(rules, tmp_path):
    env = clew.Environment(clew.Maze.open(4, 4))
    settings = {"algorithm": "my_rules:counted", "behaviour": "my_rules:momentum", "seed": 5}
    with pytest.raises(clew.errors.StoppedError):
        clew.train_policy(env, 200, checkpoints=StopAfter(tmp_path, every=20), **settings)
    policy = clew.train_policy(env, 200, checkpoints=Checkpoints(tmp_path), **settings)
    assert policy.q.tobytes() == clew.train_policy(env, 200, **settings).q.tobytes()


def test_a_training_goes_on_with_the_memory_that_it_has_merged(merging, tmp_path):
    """Rounds are in flight when it is stopped, whose simulations began with earlier counts."""
    env = clew.Environment(clew.Maze.open(4, 4))
    settings = {"algorithm": "my:merged", "sharing": "local", "sync_every": 5, "rounds_ahead": 1, "seed": 5}
    with pytest.raises(clew.errors.StoppedError):
        clew.train_policy_parallel(env, 200, 3, num_actors=0, checkpoints=StopAfter(tmp_path, every=20), **settings)
    policy = clew.train_policy_parallel(env, 200, 3, num_actors=0, checkpoints=Checkpoints(tmp_path), **settings)
    whole = clew.train_policy_parallel(env, 200, 3, num_actors=0, **settings)
    assert policy.q.tobytes() == whole.q.tobytes()
    assert whole.q.any()


def test_a_checkpoint_of_another_source_or_parameter_is_refused(rules, tmp_path, monkeypatch):
    env, settings = clew.Environment(), {"algorithm": "my_rules:counted", "seed": 5}
    assert versions("my_rules:counted")["plug-in my_rules"] == hash_module("my_rules")
    assert versions("q-learning", "my_rules:momentum")["plug-in my_rules"] == hash_module("my_rules")
    assert versions("q-learning").keys() == versions().keys()
    with pytest.raises(clew.errors.StoppedError):
        clew.train_policy(env, 200, checkpoints=StopAfter(tmp_path, every=20), **settings)
    with pytest.raises(
        clew.RunError, match=r"belongs to another training: algorithm_settings was {'bonus': 0.1}, and is"
    ):
        clew.train_policy(env, 200, checkpoints=Checkpoints(tmp_path), algorithm_settings={"bonus": 0.2}, **settings)
    monkeypatch.setattr("clew.learning.checkpoints.plugins_of", lambda *names: [clew_plugin("my_rules", "f" * 64)])
    with pytest.raises(clew.RunError, match=r"was computed with plug-in my_rules \w{12}, which is ffffffffffff now"):
        clew.train_policy(env, 200, checkpoints=Checkpoints(tmp_path), **settings)
    clew.train_policy(env, 200, checkpoints=Checkpoints(tmp_path, other_versions=True), **settings)


def clew_plugin(*fields):
    from clew.policies.plugins import Plugin

    return Plugin(*fields)


PROGRAM = """
import sys
import clew
from clew.extending import Algorithm
from clew.learning.checkpoints import versions

clew.register_algorithm(Algorithm("my_program:rule", "", "", (), lambda spec: spec))
print(versions("my_program:rule")["plug-in __main__"])
"""


def test_the_source_of_a_program_that_registers_a_rule_is_compared_too(tmp_path):
    """So a checkpoint isn't continued by a rule that was edited in the program itself."""
    hashes = []
    for text in (PROGRAM, PROGRAM, PROGRAM + "# edited"):
        (tmp_path / "program.py").write_text(text)
        command = [sys.executable, tmp_path / "program.py"]
        hashes.append(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    assert len(hashes[0]) == 65
    assert hashes[0] == hashes[1] != hashes[2]
