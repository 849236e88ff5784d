"""The gallery: its cards are true."""

import json
import re

import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

import clew as package
from clew.environments import as_compiled
from clew.environments.gallery import GALLERY, SHELF, STORE, make_world
from clew.errors import SettingError

CARDS = sorted(GALLERY.items())
NAMES = sorted(GALLERY)


@pytest.mark.parametrize("name", NAMES)
def test_the_optimum_is_the_one_on_the_card(name):
    card = GALLERY[name]
    assert package.solve(make_world(name), gamma=card.gamma, tolerance=1e-8).value == pytest.approx(
        card.optimum, abs=1e-6
    )
    assert str(make_world(name).mdp.num_states) == card.states.split()[0].rstrip(":")


@pytest.mark.parametrize("name", NAMES)
def test_gymnasium_finds_nothing_wrong(name):
    check_env(make_world(name), skip_render_check=True)


@pytest.mark.parametrize("name", ["cliff", "windy", "warehouse", "assembly"])
def test_a_model_is_stepped_as_it_is_written(name):
    env = make_world(name)
    model, rng = env.mdp.model, np.random.default_rng(0)
    state, _ = env.reset(seed=1)
    for _ in range(2000):
        action = int(rng.integers(env.action_space.n))
        row = state * env.mdp.num_actions + action
        rows = slice(model.offsets[row], model.offsets[row + 1])
        following, reward, terminated, truncated, _ = env.step(action)
        possible = zip(model.next_states[rows], model.rewards[rows].astype(np.float32), strict=True)
        assert (following, np.float32(reward)) in [(int(s), r) for s, r in possible]
        state = env.reset()[0] if terminated or truncated else following


def test_the_shelf_is_filled_up_to_sixteen_when_three_are_left():
    policy = package.solve(make_world("warehouse"), gamma=0.99).actions
    assert policy.tolist() == [16 - stock if stock <= 3 else 0 for stock in range(SHELF + 1)]


def test_the_machine_keeps_two_parts_in_stock_and_is_mended_at_wear_three():
    table = package.solve(make_world("assembly"), gamma=0.99).actions.reshape(-1, STORE + 1)
    assert (table[:, 2:] == 0).all()
    assert table[:, :2].tolist() == [[2, 1], [2, 1], [2, 2], [3, 3], [3, 3]]


@pytest.mark.parametrize("name", ["warehouse", "assembly"])
@pytest.mark.parametrize("seed", range(3))
def test_what_is_learned_earns_99_percent_of_the_optimum(name, seed):
    env, card = make_world(name), GALLERY[name]
    settings = {"alpha": 0.1, "alpha_schedule": "linear", "alpha_last": 0.001, "epsilon": 0.3, "gamma": card.gamma}
    policy = package.train_policy(env, 100_000, seed=seed, **settings)
    gap = package.evaluate_values(env.mdp, policy.q, gamma=card.gamma).suboptimality
    assert 0.0 <= gap <= 0.01 * card.optimum


def test_the_trap_fools_who_takes_the_first_of_equals():
    env = make_world("trap")
    env.reset(seed=0)
    assert [env.step(0)[0] for _ in range(6)] == [5, 10, 15, 20, 20, 20]  # down, then into the wall without end


def test_models_and_limits_come_as_they_are_asked_for():
    config = package.TrainingConfig(maze="cliff", max_episode_steps=7)
    env = config.make_environment()
    env.reset(seed=0)
    assert [env.step(1)[3] for _ in range(7)] == [False] * 6 + [True]
    compiled = as_compiled(env)
    assert (compiled.mdp, compiled.max_episode_steps) == (env.mdp, 7)
    again = package.TrainingConfig(maze="trap", max_episode_steps=7).make_environment().spec.make()
    assert again.unwrapped.max_episode_steps == 7
    with pytest.raises(SettingError, match=r"world must be one of book-walls, .*, not 'nowhere'"):
        make_world("nowhere")
    with pytest.raises(SettingError, match="4 actions need as many names, not 1"):
        package.ModelEnvironment(env.mdp, actions=("go",))
    env.reset()
    with pytest.raises(SettingError, match=r"action must be 0 \(down\), 1 \(left\), 2 \(up\) or 3 \(right\), not 4"):
        env.step(4)


# The command line -----------------------------------------------------------------------------------------------------


def test_worlds_are_listed_and_cards_shown(clew):
    code, out, _ = clew("worlds")
    assert code == 0
    assert all(name in out for name in GALLERY)
    assert json.loads(clew("worlds", "--json")[1]) == {name: card.summary for name, card in GALLERY.items()}
    card = json.loads(clew("worlds", "warehouse", "--json")[1])
    assert card["policy"].startswith("when three items or fewer are left, fill up to sixteen")
    code, _, err = clew("worlds", "nowhere")
    assert (code, err.startswith("clew: world must be one of book-walls, ")) == (2, True)


@pytest.mark.parametrize("name", NAMES)
def test_a_world_is_solved_with_the_discount_of_its_card(clew, name):
    solved, card = json.loads(clew("solve", name, "--json")[1]), GALLERY[name]
    assert (solved["gamma"], solved["value"]) == (card.gamma, pytest.approx(card.optimum, abs=1e-5))


@pytest.mark.parametrize(
    ("line", "gamma"),
    [("warehouse", 0.99), ("warehouse --gamma 0.5", 0.5), ("2x2", 0.9), ("gym:FrozenLake-v1", 0.9)],
)
def test_the_discount_of_a_run_is_the_one_that_is_kept_and_printed(clew, tmp_path, line, gamma):
    code, out, _ = clew("train", *line.split(), "--episodes", "9", "--out", tmp_path / "run")
    assert code == 0
    assert re.search(rf"^gamma +{gamma}$", out, re.MULTILINE)
    assert json.loads((tmp_path / "run" / "config.json").read_text())["gamma"] == gamma
    assert json.loads(clew("evaluate", tmp_path / "run", "--json")[1])["gamma"] == gamma
    assert re.search(rf"^gamma +{gamma}$", clew("solve", *line.split())[1], re.MULTILINE)


STEPS = {"mean steps", "optimal steps", "success rate"}
UNDECLARED = {"terminated rate"}  # instead of the success rate, in worlds that declare no goal
GRADE = {"mean return", "optimal return", "optimal states", "optimal starts", "suboptimality"}


@pytest.mark.parametrize(
    ("world", "shown"),
    [
        ("warehouse", GRADE),
        ("cliff", STEPS | GRADE | {"excess steps"}),
        ("gym:FrozenLake-v1", STEPS | GRADE),
        ("gym:Blackjack-v1", {"mean steps", "terminated rate", "mean return"}),
    ],
)
def test_the_rows_of_a_run_are_those_that_say_something(clew, world, shown):
    code, out, _ = clew("train", world, "--episodes", "400")
    assert code == 0
    rows = dict(re.findall(r"^([a-z/ ]+?)  +(.+)$", out, re.MULTILINE))
    assert rows.keys() & (STEPS | UNDECLARED | GRADE | {"excess steps"}) == shown
    first = "mean steps" if "excess steps" in shown else "mean return"  # steps lead only where fewer are better
    assert list(rows)[:2] == ["gamma", first]
    assert "-" not in rows.values()
    if world == "warehouse":
        assert rows["optimal return"].startswith("1,")  # of the 100 steps of an episode, without a discount
    if world == "cliff":
        assert (rows["mean return"], rows["optimal return"], rows["excess steps"]) == ("-13", "-13", "0")


def test_a_world_without_an_end_has_no_row_of_steps_in_its_optimum(clew):
    assert not re.search(r"^steps|-$", clew("solve", "warehouse")[1], re.MULTILINE)
    assert re.search(r"^steps +13$", clew("solve", "cliff")[1], re.MULTILINE)


@pytest.mark.parametrize(
    ("world", "options", "value"),
    [
        ("cliff", [], -13.0),
        ("gym:FrozenLake-v1", [], 14 / 17),
        ("gym:FrozenLake-v1", ["--horizon", "100"], 0.744190),
        ("gym:FrozenLake8x8-v1", [], 1.0),
        ("gym:FrozenLake8x8-v1", ["--horizon", "200"], 0.913220),
        ("gym:Taxi-v4", [], 7.93),
        ("gym:Taxi-v4", ["--horizon", "200"], 7.93),
        ("gym:CliffWalking-v1", [], -13.0),
        ("gym:CliffWalkingSlippery-v1", [], -64.709176),
    ],
)
def test_worlds_are_solved_by_name(clew, world, options, value):
    code, out, _ = clew("solve", world, "--gamma", "1", *options, "--json")
    assert code == 0
    assert json.loads(out)["value"] == pytest.approx(value, abs=1e-6)


@pytest.mark.parametrize(("world", "gap"), [("windy", 0.0), ("gym:Taxi-v4", 0.0), ("gym:Blackjack-v1", None)])
def test_worlds_are_trained_kept_graded_again_and_played(clew, tmp_path, world, gap):
    streams = "2" if gap is None else "1"  # runs that are stepped in Python are saved only with seeded streams
    settings = "--episodes", "20000", "--alpha", "0.5", "--gamma", "1", "--simulations", streams
    code, out, err = clew("train", world, *settings, "--out", tmp_path / "run", "--json")
    assert (code, [line for line in err.splitlines() if not line.startswith("compiling ")]) == (0, [])
    trained = json.loads(out)
    assert trained["excess_steps"] == (None if gap is None else pytest.approx(gap, abs=0.2))
    assert not (tmp_path / "run" / "maze.txt").exists()
    graded = json.loads(clew("evaluate", tmp_path / "run", "--json")[1])
    assert graded["mean_return"] == trained["mean_return"]
    code, out, _ = clew("play", tmp_path / "run")
    assert code == 0
    assert out.startswith("step 0\nstep 1: state ")


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("train cliff --slip 0.1", "--slip has no effect on 'cliff', which has rules of its own\n"),
        (
            "solve berkeley-bridge --slip 0.01",
            "which has rules of its own; `clew worlds berkeley-bridge --out FILE` saves its maze, which takes it",
        ),
        ("solve gym:Frozen", "Gymnasium has no environment 'Frozen'; similar IDs are FrozenLake-v1"),
        (
            "solve gym:Blackjack-v1",
            "gym:Blackjack-v1 has no model to plan with; clew train gym:Blackjack-v1 learns it by its steps",
        ),
        ("info cliff", "'cliff' is a world with rules of its own, not only a maze"),
    ],
)
def test_what_worlds_cannot_do_is_said(clew, line, said):
    code, _, err = clew(*line.split())
    assert code == 2
    assert said in err
    assert "Traceback" not in err


def test_the_maze_of_a_world_is_saved_solved_learned_and_played_with_other_settings(clew, tmp_path):
    file, run = tmp_path / "discount.txt", tmp_path / "run"
    assert clew("worlds", "berkeley-discount", "--out", file)[0] == 0
    assert package.Maze.load(file) == make_world("berkeley-discount").maze
    solved = json.loads(clew("solve", file, "--exit-action", "--gamma", "0.5", "--json")[1])
    assert solved["value"] == pytest.approx(10 * 0.5**5)  # five moves, and one to exit
    assert json.loads(clew("info", file, "--json")[1])["exits"][0] == [2, 2, 1.0]
    words = "--exit-action", "--slip", 0.2, "--episodes", 3000, "--out", run
    assert json.loads(clew("train", file, *words, "--json")[1])["optimal_starts"] == 1.0
    out = clew("play", run, "--delay", "0")[1]
    assert "A exit 1" in out
    assert re.search(r"\nended after \d+ steps\n$", out)
    for ending in ("svg", "png", "txt"):
        assert clew("render", run, "-o", tmp_path / f"run.{ending}")[0] == 0
    assert "B exit 10" in (tmp_path / "run.txt").read_text()
    assert json.loads(clew("evaluate", run, "--json")[1])["optimal_starts"] == 1.0


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["worlds", "cliff", "--out", "cliff.txt"], "cliff is not a maze, so it can't be saved"),
        (["worlds", "--out", "all.txt"], "--out has no effect without the name of a world"),
        (["worlds", "russell", "--out", "russell.png"], "can't represent exits or rewards of cells"),
        (["solve", "book", "--exit-action"], "--exit-action has no effect on a maze without exits"),
        (["solve", "russell", "--exit-action"], "--exit-action has no effect on 'russell'"),
    ],
)
def test_what_cannot_be_saved_or_set_is_refused(clew, tmp_path, monkeypatch, words, message):
    monkeypatch.chdir(tmp_path)
    code, _, err = clew(*words)
    assert (code, message in err) == (2, True), err
