"""`clew.testing.check_algorithm`: it finds faults that are planted in rules, and none in rules that are right."""

import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import clew
from clew.errors import CheckError, SettingError
from clew.policies.plugins import load_plugin
from clew.testing import CHECKS, check_algorithm

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
pytestmark = [pytest.mark.usefixtures("tables"), pytest.mark.long]


@pytest.fixture
def faulty():
    load_plugin(HERE / "my_faulty_rules.py")


def problems_of(*names, **options):
    """Return what is found in rules of `my_faulty_rules`, by name."""
    with pytest.raises(CheckError) as failed:
        check_algorithm(*(f"my_faulty_rules:{name}" for name in names), **options)
    return {name.partition(":")[2]: found for name, found in failed.value.problems.items()}


def all_but(name):
    return [each for each in CHECKS if each != name]


# Faults ---------------------------------------------------------------------------------------------------------------

FAULTS = {
    "unmasked": ("terminal mask", "with higher values of that state q.* add the value of step.next_state only"),
    "returns": ("truncation", "a step limit doesn't end the world: .* is .* as before"),
    "guessing": ("truncation", "a step limit doesn't end the world"),
    "first_of_ties": ("ties", r"in another order q\[\d, \d\] is \S+ on average, not .* break ties by best_action"),
    "counting_for_a_step": ("memory", "with memory='step' a new learner .* declare memory='episode' or 'run'"),
    "counting_for_an_episode": ("memory", "with memory='episode' a new learner .* declare memory='run', or clear it"),
    "sharing": ("make", "two learners share one"),
    "merging_twice": ("merge", "counts has other values; add what it has changed"),
    "unkeyed": ("draws", "the second time q.* draw random numbers from `stream` alone"),
    "wrong_row": ("rows", r"learn must write values of states \[\d\] alone here, and wrote q\[\d, \d\]"),
    "uncounted": ("rows", "learn must count its updates, .* take its step size from step_size"),
    "divergent": ("step size", "with a step size of 1, and the last changes were up to"),
    "early": ("finite", r"must stay finite numbers, and .* q\[\d, \d\] is (inf|nan); look for a division by 0"),
    "beyond": ("bounds", r"learn_beyond \(.*my_faulty_rules.py:\d+\): index 6 is out of bounds for axis 0 with size 6"),
    "mean": ("availability", r"no other value must be learned from it: q\[\d, \d\] is (nan|-inf)"),
    "previous": ("interleaving", "declare interleaves=False"),
}


def test_faults_of_single_updates_are_found(faulty):
    found = problems_of(*FAULTS)
    for name, (check, message) in FAULTS.items():
        assert re.search(message, found[name][check]), found[name]
        assert "\n" not in found[name][check]
    assert found["guessing"].keys() == {"truncation", "next action"}
    for name in (
        "unmasked",
        "returns",
        "first_of_ties",
        "sharing",
        "unkeyed",
        "mean",
        "previous",
        "uncounted",
        "divergent",
        "early",
    ):
        assert found[name].keys() == {FAULTS[name][0]}, found[name]


def test_faults_that_only_trainings_show_are_found(faulty):
    found = problems_of("far_sighted", "twice", "listing")
    assert re.search(r"after 40000 episodes in a random world they are off by", found["far_sighted"]["convergence"])
    assert "nearer to the mean reward of a step" in found["twice"]["step limit"]
    assert re.search(r"learn_by_a_list \(.*\) can't be compiled: it makes an array, a list", found["listing"]["kernel"])


def test_a_crash_and_a_hang_are_found_and_the_others_are_checked_nevertheless(faulty):
    found = problems_of("crash", "endless", "unmasked", timeout=15.0)
    assert re.match(r"the check must end, and its process ended by SIGABRT", found["crash"]["make"])
    assert "it was still running after 15 seconds" in found["endless"]["draws"]
    assert "terminal mask" in found["unmasked"]


# What is right --------------------------------------------------------------------------------------------------------


COMPILED = [name for name, check in CHECKS.items() if check.is_compiled]
REPRESENTATIVES = "sarsa", "watkins-q", "dyna-q"  # with the memory of a step, an episode, a run


def test_our_own_algorithms_pass():
    """All of them in plain Python, and some compiled; see the next test for the others."""
    check_algorithm(*(name for name in clew.ALGORITHMS if name not in REPRESENTATIVES), skip=COMPILED)
    check_algorithm(*REPRESENTATIVES, timeout=600.0)


@pytest.mark.nightly
@pytest.mark.timeout(900)  # compiles the loops of all of them, with bounds checks
def test_our_own_algorithms_pass_compiled():
    check_algorithm(*clew.ALGORITHMS, timeout=600.0)


def counted(q, transitions, learning):
    """The rule of the example in plain Python."""
    counts = np.zeros(q.shape)
    for s, a, reward, s_next, terminated, _ in transitions:
        counts[s, a] += 1
        target = reward + learning.algorithm_settings["bonus"] / np.sqrt(counts[s, a])
        target += 0.0 if terminated else learning.gamma * q[s_next].max()
        q[s, a] += learning.alpha * (target - q[s, a])


def counted_without_bonus(q, transitions, learning):
    counted(q, transitions, replace(learning, algorithm_settings={"bonus": 0.0}))


def test_the_example_passes_and_equals_its_twin():
    load_plugin(ROOT / "examples" / "my_rules.py")
    check_algorithm("my_rules:counted", twin=counted, behaviour="my_rules:momentum")


def test_rules_that_draw_and_that_merge_pass(faulty):
    check_algorithm(*(f"my_faulty_rules:{name}" for name in ("double", "merging", "averaging")))


QV_LEARNING = """
from typing import NamedTuple

import clew
import numpy as np
from clew.extending import BEFORE_UPDATE, Algorithm, Bounds, Parameter, Values
from clew.extending import learn, step_size, td_update


class QV(NamedTuple):
    q: Values
    gamma: np.float32
    v: np.ndarray
    beta: np.float32


def make(spec):
    beta = np.float32(spec.settings.algorithm_settings["beta"])
    return QV(spec.q, spec.gamma, np.zeros(len(spec.table), np.float32), beta)


@learn.register(QV)
def learn_qv(learner, step, alpha, exploration, stream):
    s, a = step.state, step.action
    target = step.reward
    if not step.terminated:
        target += learner.gamma * learner.v[step.next_state]
    learner.v[s] += learner.beta * (target - learner.v[s])
    td_update(learner.q, s, a, target, step_size(alpha, s, a))


clew.register_algorithm(
    Algorithm(
        name="my_qv:qv-learning",
        update="r + gamma v[s'], where v[s] learns the same target",
        source="Wiering (2005)",
        settings=("alpha",),
        make=make,
        on_policy=True,
        memory="run",
        parameters=(Parameter("beta", float, 0.02, Bounds(0.0, 1.0), "step size of the state values"),),
    )
)

if __name__ == "__main__":
    clew.testing.check_algorithm("my_qv:qv-learning")
    print("all is well")
"""


def test_rules_that_are_added_by_the_page_pass(tmp_path):
    """The rule of the page without its training, and QV-learning; the latter checked by its own program."""
    page = (ROOT / "docs" / "extending.md").read_text()
    rule, training = re.search(r"```python\n(.*?)(\nenv = .*?)```", page, re.DOTALL).groups()
    assert "train_policy" not in rule
    assert "train_policy" in training  # each process that imports the rule would train; test_docs.py does
    (tmp_path / "my_rules.py").write_text(rule)
    load_plugin(tmp_path / "my_rules.py")
    check_algorithm("my_rules:counted")
    (tmp_path / "my_qv.py").write_text(QV_LEARNING)
    command = [sys.executable, str(tmp_path / "my_qv.py")]
    assert subprocess.run(command, check=True, capture_output=True, text=True).stdout == "all is well\n"


@pytest.mark.ray
@pytest.mark.parametrize(
    "names",
    [
        ("my_faulty_rules:merging", "my_qv:qv-learning"),
        pytest.param(("my_faulty_rules:double", "sarsa"), marks=pytest.mark.nightly),
    ],
    ids=", ".join,
)
def test_actors_learn_the_same_bits(ray_up, faulty, tmp_path, monkeypatch, names):
    """On the Ray of other tests: each training starts its own otherwise, as the next test has it."""
    monkeypatch.setenv("RAY_ADDRESS", ray_up.get_runtime_context().gcs_address)
    (tmp_path / "my_qv.py").write_text(QV_LEARNING)
    load_plugin(tmp_path / "my_qv.py")
    check_algorithm(*names, num_actors=2, skip=all_but("actors"))


@pytest.mark.ray
@pytest.mark.nightly
def test_actors_of_a_ray_that_the_check_starts_learn_the_same_bits(faulty):
    check_algorithm("my_faulty_rules:merging", num_actors=2, skip=all_but("actors"))


# What is asked --------------------------------------------------------------------------------------------------------


def test_a_twin_that_learns_something_else_is_found():
    load_plugin(ROOT / "examples" / "my_rules.py")
    others = [name for name in CHECKS if name != "twin"]
    with pytest.raises(
        CheckError, match=r"(?s)my_rules:counted fails a check .*- twin: .* by the rule, and .* by twin"
    ):
        check_algorithm("my_rules:counted", twin=counted_without_bonus, skip=others)


def test_a_strategy_that_takes_the_first_of_ties_is_found(faulty):
    with pytest.raises(CheckError) as failed:
        check_algorithm(
            "q-learning", behaviour="my_faulty_rules:first", skip=[each for each in CHECKS if each != "ties"]
        )
    assert "break ties at random, and of 4000 choices actions [0, 1]" in failed.value.problems["q-learning"]["ties"]


def test_checks_that_are_skipped_find_nothing(faulty):
    check_algorithm("my_faulty_rules:unmasked", skip=all_but("rows"))


REFUSED = [
    ((), {}, "names must name at least one algorithm"),
    (("q-lerning",), {}, "algorithm must be one of .*; did you mean 'q-learning'"),
    (("my:rule",), {}, "algorithm must be registered, and 'my:rule' is not"),
    (("q-learning",), {"skip": ["tie"]}, "skip must be one of .*; did you mean 'ties'"),
    (("q-learning",), {"twin": lambda *given: None}, "twin must be a function of a module"),
    (("q-learning",), {"twin": 3}, "twin must be a function of q, transitions and learning, not 3"),
    (("q-learning",), {"timeout": 0}, "timeout must be"),
    (("q-learning",), {"num_actors": -1}, "num_actors must be"),
    (("q-learning",), {"gamma": 2.0}, "gamma must be a finite number in"),
    (("q-learning",), {"n": 2}, "n has no effect with q-learning"),
    (("q-learning",), {"alfa": 2}, "alfa is not a setting; did you mean 'alpha'"),
    (("q-learning",), {"algorithm": "sarsa"}, "algorithm must be named by the first argument"),
    (("q-learning",), {"skip": "ties"}, "skip must be a list of names of clew.testing.CHECKS, not 'ties'"),
]


@pytest.mark.parametrize(("names", "options", "message"), REFUSED)
def test_what_cannot_be_checked_is_refused(names, options, message):
    with pytest.raises(SettingError, match=f"^{message}"):
        check_algorithm(*names, **options)


def test_rules_that_no_other_process_can_import_are_refused(tmp_path):
    source = (ROOT / "examples" / "my_rules.py").read_text()
    exec(compile(source.replace("my_rules:", "my_notebook:"), "notebook", "exec"), {"__name__": "my_notebook"})
    with pytest.raises(SettingError, match=r"^my_notebook:counted can't be checked in another process: it was regist"):
        check_algorithm("my_notebook:counted")
    file = tmp_path / "my_edited.py"
    file.write_text(source.replace("my_rules:", "my_edited:"))
    load_plugin(file)
    file.write_text("1 / 0\n")
    with pytest.raises(SettingError, match=r"can't be imported there: ZeroDivisionError"):
        check_algorithm("my_edited:counted")
