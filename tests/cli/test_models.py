"""Models in files on the command line."""

import json
import re
from pathlib import Path

import numpy as np
import pytest

from clew import (
    FiniteMDP,
    Maze,
    ModelEnvironment,
    ModelError,
    Policy,
    SettingError,
    TrainingConfig,
    solve,
    solve_average,
)
from clew.errors import StoppedError
from clew.runs import grade, open_run, save_checkpoints, train_run
from clew.runs.run import open_partial_run

MACHINE = """\
state,action,next_state,probability,reward
new,run,new,0.9,10
new,run,worn,0.1,10
new,replace,new,1,-5
worn,run,worn,0.5,4
worn,run,scrap,0.5,4
worn,replace,new,1,-5
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder with a machine as a table and as a model."""
    monkeypatch.chdir(tmp_path)
    Path("machine.csv").write_text(MACHINE)
    FiniteMDP.read_csv("machine.csv").save("machine.npz")
    return tmp_path


def optimum(**settings):
    return solve(FiniteMDP.read_csv("machine.csv"), **settings)


@pytest.mark.parametrize("name", ["machine.csv", "machine.npz", "./MACHINE.CSV"])
def test_solve_gives_the_optimum_of_a_model(clew, folder, name):
    Path("MACHINE.CSV").write_text(MACHINE)
    code, out, _ = clew("solve", name, "--gamma", 0.8, "--json")
    result = json.loads(out)
    assert code == 0
    assert (result["value"], result["num_states"]) == (pytest.approx(optimum(gamma=0.8).value), 3)
    assert "value_interval" not in result


def test_solve_prints_the_policy_of_a_small_model_with_its_labels(clew, folder):
    _, out, _ = clew("solve", "machine.csv")
    v = optimum().v
    assert out.splitlines()[-4:] == [
        "state  action   value",
        f"new    run      {v[0]:.6g}",
        f"worn   replace  {v[1]:.6g}",
        "scrap  -        0",
    ]


def test_solve_says_which_policy_and_which_figures_it_shows(clew, folder):
    assert clew("solve", "machine.csv", "--average")[1].splitlines()[-4].split() == ["state", "action", "gain"]
    _, out, _ = clew("solve", "machine.csv", "--horizon", 3, "--out", "first.csv")
    assert out.endswith("Saved the policy of the first step to first.csv.\n")


def test_the_policy_of_a_larger_model_is_not_printed(clew, folder):
    FiniteMDP.from_function(41, 1, lambda s, a: [(1.0, s, 1.0, True)]).save("large.npz")
    _, out, _ = clew("solve", "large.npz")
    assert "state  action" not in out


def test_a_policy_is_saved_as_csv(clew, folder):
    assert clew("solve", "machine.npz", "--out", "policy.csv")[1].endswith("Saved the policy to policy.csv.\n")
    v = optimum().v.tolist()
    assert Path("policy.csv").read_text() == (
        f"state,action,value\nnew,run,{v[0]!r}\nworn,replace,{v[1]!r}\nscrap,,0.0\n"
    )
    _, out, _ = clew("solve", "2x2", "--out", "policy.csv", "--horizon", 1)  # replaces it
    assert out.endswith("Saved the policy of the first step to policy.csv.\n")
    assert Path("policy.csv").read_text() == "state,action,value\n0,down,0.0\n1,down,1.0\n2,right,1.0\n3,,0.0\n"
    assert sorted(path.name for path in folder.iterdir()) == ["machine.csv", "machine.npz", "policy.csv"]


def test_a_file_of_another_kind_is_not_replaced(clew, folder):
    Maze.open(2, 2).save("maze.txt")
    Path("maze.txt").rename("maze.csv")
    Path("link.csv").symlink_to("policy.csv")
    for name, message in {
        "machine.csv": "machine.csv: there is a file of that name that isn't a policy",
        "maze.csv": "maze.csv: there is a file of that name that isn't a policy",
        "link.csv": "link.csv: can't be written: there is a symbolic link of that name",
        "machine.npz": "machine.npz: there is a file of that name that isn't a policy",
        "policy.txt": "--out must be a file that ends in .csv or .npz, not 'policy.txt'",
        "nowhere/policy.csv": "nowhere/policy.csv: can't be written: No such file",
    }.items():
        before = {path.name: path.read_bytes() for path in folder.iterdir() if not path.is_symlink()}
        code, out, err = clew("solve", "machine.csv", "--out", name)
        assert (code, out) == (2, "")
        assert message in err
        assert before == {path.name: path.read_bytes() for path in folder.iterdir() if not path.is_symlink()}


@pytest.mark.parametrize("name", ["policy.csv", "policy.npz"])
def test_a_policy_in_a_file_is_graded_like_a_run(clew, folder, name):
    assert clew("solve", "machine.csv", "--out", name)[0] == 0
    code, out, _ = clew("evaluate", "machine.csv", "--policy", name, "--json")
    found = json.loads(out)
    mdp = FiniteMDP.read_csv("machine.csv")
    policy = Policy.read_csv(mdp, name) if name.endswith(".csv") else Policy.load(name)
    expected = grade(TrainingConfig(maze="machine.csv"), ModelEnvironment(mdp), policy)
    assert code == 0
    assert {name: found[name] for name in ("mean_return", "suboptimality", "optimal_states", "optimal_starts")} == {
        "mean_return": expected.mean_return,
        "suboptimality": expected.suboptimality,
        "optimal_states": 1.0,
        "optimal_starts": 1.0,
    }
    assert (found["num_states"], found["table_sha256"]) == (3, None)
    _, out, _ = clew("evaluate", "machine.csv", "--policy", name, "--gamma", 0.5, "--max-steps", 7, "--episodes", 3)
    assert out.startswith(f"{name}: machine.csv\n")
    assert out.splitlines()[1].split() == ["gamma", "0.5"]
    assert "table sha256" not in out


def test_a_policy_written_by_hand_is_graded_in_a_maze(clew, folder):
    Path("right.csv").write_text("state,action\n0,right\n1,right\n2,down\n3,\n4,\n5,\n")
    found = json.loads(clew("evaluate", "2x3", "--policy", "right.csv", "--step-reward", -1, "--json")[1])
    assert (found["mean_steps"], found["excess_steps"], found["mean_return"]) == (3.0, 0.0, -2.0)
    train = clew("train", "2x3", "--episodes", 200, "--out", "run", "--json")[1]
    open_run("run")[2].save("learned.npz")
    found = json.loads(clew("evaluate", "2x3", "--policy", "learned.npz", "--json")[1])
    assert found["table_sha256"] == json.loads(train)["table_sha256"]
    assert found["mean_steps"] == json.loads(train)["mean_steps"]


def test_an_estimated_model_says_how_far_it_may_be_off(clew, folder):
    n = 1000
    log = {"state": np.zeros(n, int), "action": np.zeros(n, int), "reward": np.arange(n) % 2}
    FiniteMDP.from_transitions(**log, next_state=np.ones(n, int), terminated=np.ones(n, bool)).save("log.npz")
    result = json.loads(clew("solve", "log.npz", "--json")[1])
    low, high = result["value_interval"]
    assert low < result["value"] == 0.5 < high
    assert f"value interval  {low:.6g} to {high:.6g}" in clew("solve", "log.npz")[1]
    assert "interval" not in clew("solve", "log.npz", "--gamma", 1)[1]


TRAIN = ("train", "machine.csv", "--episodes", 300, "--gamma", 0.5, "--max-steps", 50, "--seed", 3)


def table(clew, *arguments):
    code, out, _ = clew(*arguments, "--json")
    assert code == 0
    return json.loads(out)["table_sha256"]


def test_a_model_is_trained_and_its_run_stands_without_the_file(clew, folder):
    trained = json.loads(clew(*TRAIN, "--out", "run", "--json")[1])
    assert trained["num_states"] == 3
    assert trained["optimal_states"] == 1.0
    assert table(clew, "train", "machine.npz", *TRAIN[2:]) == trained["table_sha256"]
    Path("machine.csv").write_text("state,action\n")
    config, env, policy = open_run("run")
    assert (config.maze, env.actions, env.mdp.state_labels) == (
        "machine.csv",
        ("run", "replace"),
        ("new", "worn", "scrap"),
    )
    assert (env.max_episode_steps, policy.q.shape) == (50, (3, 2))
    assert table(clew, "evaluate", "run") == trained["table_sha256"]
    code, out, _ = clew("play", "run")
    assert code == 0
    assert re.match(r"step 0\nstep 1: state (new|worn), action (run|replace), reward \S+, next state \w+\n", out)


def test_a_run_whose_model_was_changed_or_removed_is_refused(clew, folder):
    assert clew(*TRAIN, "--out", "run")[0] == 0
    model = Path("run/model.npz")
    data = model.read_bytes()
    model.write_bytes(data.replace(b"worn", b"torn"))
    for message in ("model.npz: damaged: its SHA-256", "model.npz: can't be read"):
        code, _, err = clew("evaluate", "run")
        assert code == 2
        assert message in err
        model.unlink(missing_ok=True)


def test_a_stopped_run_goes_on_with_its_own_model(clew, folder):
    config = TrainingConfig(maze="machine.csv", num_episodes=300, gamma=0.5, max_episode_steps=50, seed=3)

    def stop(metrics):
        if metrics.round == 3:
            raise KeyboardInterrupt

    with pytest.raises(StoppedError), save_checkpoints("run", config, config.read_model(), 1) as checkpoints:
        train_run(config, stop, checkpoints=checkpoints)
    whole = table(clew, *TRAIN)
    Path("machine.csv").unlink()
    assert open_partial_run("run")[1].action_labels == ("run", "replace")
    assert table(clew, "train", "--resume", "run") == whole


def test_a_configuration_reads_its_model_and_no_other(folder):
    assert TrainingConfig(maze="machine.npz").read_model().num_states == 3
    with pytest.raises(ModelError, match=r"'book' is not a file with a model, which ends in \.npz or \.csv"):
        TrainingConfig().read_model()
    with pytest.raises(SettingError, match="maze must be a FiniteMDP or None, not Maze"):
        TrainingConfig(maze="machine.npz").make_environment(Maze.open(2, 2))


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("solve nothing.npz", "nothing.npz: can't be read: No such file or directory"),
        ("solve wrong.csv", "wrong.csv: line 2: probability must be a number, such as 0.25 or 1/3, not 'p'"),
        ("solve machine.csv --slip 0.1", "--slip has no effect on 'machine.csv', which has rules of its own"),
        ("info machine.npz", "'machine.npz' is a model, not a maze; `clew solve machine.npz` shows"),
        ("play machine.csv", "machine.csv: there is no such run folder; `clew train machine.csv --out DIR` makes one"),
        ("evaluate machine.csv", " --out DIR` makes one, and --policy FILE grades a policy in a world"),
        ("solve book --blocks 2 --out a.csv", "--out has no effect in blocks; leave it out"),
        ("evaluate machine.csv --policy wrong.csv", "wrong.csv: not a policy: its columns must be state and action"),
        ("evaluate machine.csv --policy nothing.npz", "nothing.npz: can't be read: No such file or directory"),
        ("evaluate machine.csv --policy p.txt", "--policy must be a file that ends in .csv or .npz, not 'p.txt'"),
        ("evaluate machine.csv --policy machine.npz", "machine.npz: not a policy: it contains "),
        ("evaluate 2x2 --policy right.csv", "right.csv: line 2: 'new' is not a state of this world; from 0 to 3"),
        ("evaluate book --policy other.npz", "a policy of (3, 2) doesn't fit an environment of (25, 4)"),
        ("evaluate machine.csv --policy other.npz", "must be a policy of this world; in other.npz the states have"),
        ("evaluate nothing --policy right.csv", "no maze is called 'nothing'"),
        ("evaluate run --slip 0.1", "a run is graded in the world of its training; leave out --slip, or give a policy"),
    ],
)
def test_a_mistake_is_one_clear_line(clew, folder, line, message):
    Path("wrong.csv").write_text("state,action,next_state,probability,reward\n0,0,0,p,1\n")
    Path("right.csv").write_text("state,action\nnew,run\n")
    Policy(FiniteMDP.read_csv("machine.csv").with_labels(states=["a", "b", "c"])).save("other.npz")
    code, out, err = clew(*line.split())
    assert (code, out) == (2, "")
    assert message in err.splitlines()[-1]


def test_solve_finds_the_average_reward(clew, folder):
    code, out, err = clew("solve", "machine.csv", "--average", "--json", "--out", "average.csv")
    assert code == 0, err
    found = solve_average(FiniteMDP.read_csv("machine.csv"), tolerance=1e-6)
    assert json.loads(out)["gain"] == found.gain
    rows = Path("average.csv").read_text().splitlines()[1:]
    assert [row.split(",")[2] for row in rows] == [str(gain) for gain in found.gains.tolist()]
    for option, value in (("gamma", 0.5), ("horizon", 3), ("method", "policy-iteration")):
        code, out, err = clew("solve", "machine.csv", "--average", f"--{option}", value)
        assert (code, out) == (2, "")
        assert err == f"clew: --{option} has no effect on the average reward; leave it out\n"
