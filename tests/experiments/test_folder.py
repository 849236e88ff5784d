"""The folder of an experiment: nothing is computed twice, nothing stale is used, and a kill loses little."""

import importlib
import random
import signal
import subprocess
import sys
import threading
import time
from functools import partial

import gymnasium
import numpy as np
import pytest

import clew
from clew import Experiment, SettingError
from clew.experiments import collecting, experiment, fingerprints
from clew.experiments.cells import Budget
from clew.experiments.collecting import kept_cells
from clew.experiments.folder import HEADER
from clew.experiments.running import Schedule
from clew.reference import QLearning
from worlds import only_steps

WORLDS = {"cliff": "cliff", "open": "5x5"}
LEARNERS = {"Q": {"alpha": 0.5}, "Sarsa": {"algorithm": "sarsa", "alpha": 0.5}}


def run(folder, seeds=range(6), worlds=WORLDS, learners=LEARNERS, **more):
    length = {} if "num_steps" in more else {"num_episodes": 30}
    given = {name: more.pop(name) for name in ("num_episodes", "num_steps") if name in more}
    return Experiment(worlds, learners, seeds, **{**length, **given}).run(folder=folder, **more)


def is_same(one, other):
    return all(
        np.array_equal(x, y)
        for name in ("steps", "episode_return", "terminated")
        for x, y in zip(getattr(one, name).ravel(), getattr(other, name).ravel(), strict=True)
    ) and all(
        np.array_equal(one.policy(*cell, seed=seed).q, other.policy(*cell, seed=seed).q)
        for cell in ((learner, world) for learner in one.learners for world in one.worlds)
        for seed in one.seeds
    )


@pytest.mark.parametrize("length", [{"num_episodes": 30}, {"num_steps": 400}])
def test_a_rerun_computes_nothing_and_more_seeds_are_computed_alone(tmp_path, length):
    assert run(tmp_path, **length).num_computed == 24
    rows = []
    again = run(tmp_path, **length, progress=rows.append)
    assert again.num_computed == 0
    assert (rows[0].num_found, rows[0].num_done) == (24, 24)
    assert is_same(again, run(None, **length))
    more = run(tmp_path, [9, 3, 8, 5], **length)
    assert more.num_computed == 2 * 2 * 2
    assert is_same(more, run(None, [9, 3, 8, 5], **length))
    assert len(list(tmp_path.glob("cell-*"))) == 4 * (1 + 2)  # a description of each cell, and a file of each process


def test_names_decide_nothing_and_everything_else_is_another_cell(tmp_path):
    run(tmp_path)
    same = {"a": clew.gallery.make_world("cliff"), "b": clew.Environment(clew.Maze.open(5, 5)).mdp}
    limited = clew.ModelEnvironment(same["b"], max_episode_steps=2500)
    renamed = {"x": clew.Learning(alpha=0.5)}
    assert run(tmp_path, worlds={**same, "b": limited}, learners=renamed).num_computed == 0
    limited = clew.ModelEnvironment(same["b"], max_episode_steps=2499)
    assert run(tmp_path, worlds={**same, "b": limited}, learners=renamed).num_computed == 6
    changing = {"w": {0: "5x5", 20: clew.Environment(clew.Maze.open(5, 5, goal=(0, 4)))}}
    later = {"w": {0: "5x5", 21: changing["w"][20]}}
    assert [run(tmp_path, worlds=each, learners=renamed).num_computed for each in (changing, changing, later)] == [
        6,
        0,
        6,
    ]
    assert run(tmp_path, learners={"Q": {"alpha": 0.25}}).num_computed == 12
    assert run(tmp_path, num_episodes=31).num_computed == 24
    assert run(tmp_path, worlds={"slips": clew.Environment(clew.Maze.open(5, 5), slip=0.1)}).num_computed == 12


def test_a_version_is_part_of_the_key(tmp_path, monkeypatch):
    run(tmp_path)
    monkeypatch.setattr(np, "__version__", "9.9")
    assert run(tmp_path).num_computed == 24


def make_agent(env, seed, alpha=0.1):
    q = np.zeros((env.observation_space.n, env.action_space.n))
    return QLearning(q, random.Random(seed), alpha=alpha)


NOTEBOOK = """
class Agent:
    def __init__(self, env, seed):
        self.step = {step}
    def act(self, state):
        return min(state, 1)
    def update(self, transition):
        pass
def make(env, seed):
    return Agent(env, seed)
"""


def made_in_a_notebook(step):
    """Return a function that makes an agent, whose module has no file."""
    namespace = {"__name__": "notebook"}
    exec(NOTEBOOK.format(step=step), namespace)
    return namespace["make"]


def test_what_an_agent_holds_is_part_of_its_key(tmp_path):
    def computed(agent):
        return run(tmp_path, [1], {"open": "3x3"}, {"agent": agent}).num_computed

    def captured(alpha):
        return lambda env, seed: make_agent(env, seed, alpha)

    for agents in (
        (partial(make_agent, alpha=0.5), partial(make_agent, alpha=0.25)),
        (captured(0.5), captured(0.125)),
        (made_in_a_notebook(1), made_in_a_notebook(2)),
    ):
        assert [computed(agent) for agent in (*agents, *agents)] == [1, 1, 0, 0]
    with pytest.raises(
        SettingError, match=r"the agent of agent in open holds .*, of which nothing tells when it changes"
    ):
        computed(captured(iter([1])))


def test_globals_that_an_agent_uses_are_part_of_its_key(monkeypatch, tmp_path):
    (tmp_path / "agent_with_globals.py").write_text(
        "import numpy\nSTEP, UNUSED = 1, 1\ndef step():\n    return [STEP for _ in range(3)]\n"
        "class Agent:\n    def act(self, state):\n        return (lambda: step()[0])()\n"
        "def make(env, seed):\n    return Agent()\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    module, found = importlib.import_module("agent_with_globals"), []
    for name, value in (("STEP", 1), ("STEP", 2), ("UNUSED", 2), ("STEP", 1)):
        monkeypatch.setattr(module, name, value)
        found.append([fingerprints.digest_of(thing, "agent") for thing in (module.make, module.Agent)])
    assert found[0] == found[3] != found[1] == found[2]
    assert found[0][1] != found[1][1]


def test_functions_within_functions_of_a_notebook_are_part_of_the_key():
    namespace = {"__name__": "notebook"}
    exec("def make(env, seed):\n    return lambda: helper()\ndef helper():\n    return 1", namespace)
    before = fingerprints.digest_of(namespace["make"], "agent")
    exec("def helper():\n    return 2", namespace)
    assert fingerprints.digest_of(namespace["make"], "agent") != before


def test_forty_functions_that_all_call_those_after_them_are_described_at_once():
    calls = [f"def f{i}():\n    return {' + '.join(f'f{j}()' for j in range(i + 1, 40)) or 1}" for i in range(40)]
    namespace = {"__name__": "notebook"}
    exec("\n".join(calls), namespace)
    assert len(fingerprints.digest_of(namespace["f0"], "agent")) == 64  # 2**39 paths


def test_what_the_module_of_an_agent_imports_is_part_of_its_key(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "parts_of_mine.py").write_text(
        "def choose(state):\n    import constants_of_mine as c\n    return c.ACTION\n"
    )
    (tmp_path / "agent_of_mine.py").write_text(
        "import constants_of_mine, numpy\nfrom parts_of_mine import choose\ndef make(env, seed):\n    return None\n"
    )
    found = []
    for action in (0, 1, 0):
        (tmp_path / "constants_of_mine.py").write_text(f"ACTION = {action}\n")
        make = importlib.import_module("agent_of_mine").make
        found.append(fingerprints.digest_of(make, "agent"))
    assert found[0] == found[2] != found[1]
    assert fingerprints.source_of("parts_of_mine") != fingerprints.hash_module("parts_of_mine")
    for name in ("parts_of_mine", "agent_of_mine", "constants_of_mine"):
        del sys.modules[name]


def test_worlds_without_a_model(tmp_path):
    def computed(slip, **more):
        env = only_steps(clew.Environment(clew.Maze.open(3, 3), slip=slip))
        return run(tmp_path, [1, 2], {"w": env}, {"q": {}}, **more).num_computed

    assert [computed(0.1), computed(0.1), computed(0.2)] == [2, 0, 2]
    blackjack = {"w": "gym:Blackjack-v1"}
    assert [run(tmp_path, [1], blackjack, {"q": {}}).num_computed for _ in range(2)] == [1, 0]
    env = only_steps(clew.Environment(clew.Maze.open(3, 3)))
    env.held = iter([1]).__next__  # can't be pickled, or not for long
    env.held = lambda: None
    with pytest.raises(SettingError, match="the environment of 'w' can't be described"):
        run(tmp_path, [1], {"w": env}, {"q": {}})


TYPED_IN = """
import clew, gymnasium
CODE = '''
class Corridor(gymnasium.Env):
    observation_space, action_space = gymnasium.spaces.Discrete(5), gymnasium.spaces.Discrete(2)
    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.place = 0
        return 0, {}
    def step(self, action):
        self.place = max(0, self.place + 2 * action - 1)
        return self.place, %s, self.place == 4, False, {}
'''
for reward, REWARD in (("-1.0", 0.0), ("-2.0", 0.0), ("REWARD", -3.0), ("REWARD", -4.0), ("REWARD", -3.0)):
    exec(CODE % reward)
    results = clew.Experiment({"w": Corridor()}, {"q": {}}, seeds=[0], num_episodes=1).run(folder="kept")
    print(results.num_computed, (results.episode_return / results.steps).item())
"""


def test_an_environment_that_is_typed_in_again_is_another_world(tmp_path):
    ran = subprocess.run([sys.executable, "-"], input=TYPED_IN, cwd=tmp_path, capture_output=True, text=True)
    assert ran.stderr == ""
    assert ran.stdout.splitlines() == ["1 -1.0", "1 -2.0", "1 -3.0", "1 -4.0", "0 -3.0"]


class Drifting(gymnasium.Env):
    """A corridor whose goal wanders as episodes pass: what a run leaves behind would change the next one."""

    def __init__(self):
        self.observation_space, self.action_space = gymnasium.spaces.Discrete(5), gymnasium.spaces.Discrete(2)
        self.episodes = 0

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.episodes += 1
        self.state = int(self.np_random.integers(2))
        return self.state, {}

    def step(self, action):
        self.state = min(4, max(0, self.state + 2 * int(action) - 1))
        return self.state, float(self.episodes), self.state == 2 + self.episodes // 10 % 3, False, {}


@pytest.mark.parametrize("world", [Drifting, lambda: clew.Maze.open(3, 3), lambda: only_steps(Drifting())])
@pytest.mark.parametrize("learner", [{}, make_agent])
def test_runs_leave_nothing_behind_in_an_environment_that_was_given(tmp_path, world, learner):
    """Neither in its description, nor in what the next run computes."""
    env = world()
    experiment = Experiment({"w": env}, {"l": learner}, range(4), num_episodes=20)
    first = experiment.run(folder=tmp_path, num_threads=2)
    assert [first.num_computed, experiment.run(folder=tmp_path).num_computed] == [4, 0]
    if isinstance(env, gymnasium.Env):
        env.reset(seed=7)  # that of the user is not that of the experiment
        assert experiment.run(folder=tmp_path).num_computed == 0
    alone = [Experiment({"w": world()}, {"l": learner}, [seed], num_episodes=20).run() for seed in (3, 0)]
    for results, seed in zip(alone, (3, 0), strict=True):
        assert results.steps[0, 0, 0].tolist() == first.steps[0, 0, seed].tolist()
        assert results.episode_return[0, 0, 0].tolist() == first.episode_return[0, 0, seed].tolist()


class Lottery(gymnasium.Env):
    """One step, whose reward is drawn; `is_seeded` says whether a reset seeds its random numbers."""

    def __init__(self, rng_seed=None, *, is_seeded=True):
        self.observation_space, self.action_space = gymnasium.spaces.Discrete(1), gymnasium.spaces.Discrete(1)
        self.is_seeded = is_seeded
        if rng_seed is not None:
            super().reset(seed=rng_seed)

    def reset(self, *, seed=None, options=None):
        if self.is_seeded:
            super().reset(seed=seed)
        return 0, {}

    def step(self, action):
        return 0, self.np_random.random(), True, False, {}


def test_random_numbers_that_every_run_seeds_decide_nothing(tmp_path):
    def computed(env):
        return run(tmp_path, [1, 2], {"w": env}, {"q": {}, "agent": make_agent}).num_computed

    assert [computed(env) for env in (Lottery(), Lottery(5), only_steps(Lottery(6)))] == [4, 0, 4]
    assert [computed(Lottery(seed, is_seeded=False)) for seed in (5, 6, 5)] == [4, 4, 0]


def test_an_environment_that_can_not_be_copied_is_shared():
    env = only_steps(clew.Environment(clew.Maze.open(3, 3)))
    env.lock = threading.Lock()
    results = Experiment({"w": env}, {"q": {}, "agent": make_agent}, range(6), num_episodes=20).run(num_threads=3)
    assert results.terminated.all()


def test_coarser_records_are_made_of_finer_ones(tmp_path, monkeypatch):
    fine = run(tmp_path)
    monkeypatch.setattr(experiment, "MEMORY_LIMIT", 17 * 24 * 8)
    coarse = run(tmp_path)
    assert coarse.num_computed == 0
    assert coarse.episodes.tolist() == list(range(3, 30, 4))
    assert np.array_equal(coarse.steps, fine.steps[..., 3::4])
    other = tmp_path / "other"
    run(other)
    monkeypatch.undo()
    assert run(other).num_computed == 24  # finer ones aren't there
    monkeypatch.setattr(collecting, "MEMORY_LIMIT", 1000)
    run(tmp_path, num_episodes=20)
    monkeypatch.undo()
    assert run(tmp_path, num_episodes=20).num_computed == 24  # the tables aren't there


def test_damaged_records_are_computed_again(tmp_path):
    whole = run(tmp_path)
    files = sorted(tmp_path.glob("*.runs"))
    cut, changed, foreign = files[0], files[1], files[2]
    cut.write_bytes(cut.read_bytes()[:-1])
    content = bytearray(changed.read_bytes())
    content[HEADER + 100] ^= 1
    changed.write_bytes(content)
    foreign.write_bytes(b"something else, which is longer than a header of a record" * 2)
    again = run(tmp_path)
    assert 0 < again.num_computed < 24
    assert is_same(again, whole)
    assert run(tmp_path).num_computed == 0


def test_a_folder_that_can_not_be_written(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(clew.RunError, match="can't be written"):
        run(tmp_path / "file")


# Several processes ----------------------------------------------------------------------------------------------------

SCRIPT = """
import sys, clew
experiment = clew.Experiment({"open": "30x30"}, {"Q": {}, "Sarsa": "sarsa"}, range(40), num_episodes=200)
print("begun", flush=True)
results = experiment.run(folder=sys.argv[1], num_threads=int(sys.argv[2]))
print(results.num_computed)
"""


def start(folder, num_threads=1):
    process = subprocess.Popen(
        [sys.executable, "-c", SCRIPT, str(folder), str(num_threads)], stdout=subprocess.PIPE, text=True
    )
    process.stdout.readline()
    return process


def long_run(folder):
    return Experiment({"open": "30x30"}, {"Q": {}, "Sarsa": "sarsa"}, range(40), num_episodes=200).run(folder=folder)


def count_records(folder):
    return sum(path.read_bytes().count(b"CLEWRUN1") for path in folder.glob("*.runs"))


def test_a_killed_experiment_goes_on(tmp_path, moments):
    whole = long_run(None)
    for i in range(moments):
        folder = tmp_path / str(i)
        process = start(folder, 1 + i % 2)
        while process.poll() is None and count_records(folder) < 1 + i % 4:  # a different moment each time
            time.sleep(0.002)
        process.send_signal(signal.SIGKILL)
        process.communicate()
        resumed = long_run(folder)
        assert resumed.num_computed < 80
        assert is_same(resumed, whole)


def test_two_processes_share_the_work(tmp_path):
    processes = [start(tmp_path), start(tmp_path)]
    numbers = [int(process.communicate()[0]) for process in processes]
    assert all(process.returncode == 0 for process in processes)
    assert sum(numbers) >= 80
    assert is_same(long_run(tmp_path), long_run(None))
    assert long_run(tmp_path).num_computed == 0
    assert sum(numbers) < 160, numbers  # else each has computed everything


def test_the_second_process_begins_at_the_other_end(tmp_path):
    fcntl = pytest.importorskip("fcntl")
    cells = Experiment(WORLDS, LEARNERS, range(6), num_episodes=30)._cells
    budget = Budget(30, None, 1)
    with kept_cells(tmp_path, cells, range(6), budget) as kept:
        assert kept.is_first
    with (tmp_path / "lock").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        with kept_cells(tmp_path, cells, range(6), budget) as kept:
            assert not kept.is_first
    for backwards, taken in ((False, [(0, [1]), (0, [2]), (2, [0])]), (True, [(0, [2]), (2, [0]), (0, [1])])):
        schedule = Schedule([[1, 2], [], [0]], 1, 1, None, backwards=backwards)
        assert [schedule.take(print) for _ in range(4)] == [*taken, None]
