"""A visitor's world without a browser: what is asked is done in order; what is taken away gives the same table."""

import contextlib
import io
import json
import struct
import threading
import warnings
import zipfile

import numpy as np
import pytest

pytest.importorskip("nicegui")

import clew
import clew.environments.gallery
from clew.errors import MazeError, SettingError
from clew.kernels.dynamics import BLOCKED
from clew.mazes.formats.pictures import picture_size
from clew.rendering.colours import ValueScale
from clew.runs.examination import warnings_about
from clew.runs.storage import table_sha256
from clew.web import notices
from clew.web.curve import POINTS_PER_EFOLD, Curve
from clew.web.export import command_line, html_report, python_code, zip_archive
from clew.web.frames import UNKNOWN_SHADE, format_value, pack_frame
from clew.web.live import start_run
from clew.web.notices import _examiner, collected_warnings
from clew.web.playground import MAX_UNDO, MazeVersion, Playground
from clew.web.worlds import greedy_path


@pytest.fixture
def playground():
    made = Playground(clew.TrainingConfig(maze="6x7", alpha=0.5))
    yield made
    made.close()
    made._thread.join(10)
    assert not made._thread.is_alive()


def do(playground, what):
    return playground.submit(what).result(timeout=60)


def finished(playground):
    """The hash of the table, after the episode that is under way."""
    do(playground, playground.finish_episode)
    return table_sha256(playground.trainer.policy.q)


def read(data):
    (size,) = struct.unpack("<I", data[:4])
    frame, at = json.loads(data[4 : 4 + size]), 4 + size
    for name, length in frame["arrays"]:
        frame[name] = np.frombuffer(data, np.uint8, length, at)
        at += length
    assert at == len(data)
    return frame


def run_code(code, folder):
    with contextlib.chdir(folder), contextlib.redirect_stdout(io.StringIO()) as printed:
        exec(code, {})
    return printed.getvalue().strip()


# Learning -------------------------------------------------------------------------------------------------------------


def test_episodes_and_steps_come_to_what_train_policy_learns(playground):
    for _ in range(30):
        do(playground, playground.episode)
    for _ in range(25):
        do(playground, playground.step)
    digest = finished(playground)
    n = playground.trainer.num_ended
    env = clew.Environment(clew.Maze.open(6, 7))
    rows = []
    expected = clew.train_policy(env, n, alpha=0.5, callback=rows.append)
    assert digest == table_sha256(expected.q)
    assert playground.num_steps == sum(row.num_steps for row in rows)


def test_it_learns_by_itself_until_it_is_paused_and_is_graded(playground):
    playground.speed = None
    do(playground, playground.start)
    while playground.trainer.num_ended < 5000:
        do(playground, lambda: None)
    do(playground, playground.pause)
    n = playground.trainer.num_ended
    assert playground.grade.optimal_starts == 1.0
    assert playground.grade.suboptimality == pytest.approx(0.0, abs=1e-6)
    assert do(playground, lambda: playground.trainer.num_ended) == n, "paused, it still learned"
    assert playground.world.optimal_return == 1.0
    assert playground.world.optimum.steps == 11.0


def test_at_a_speed_it_goes_step_by_step(playground):
    playground.speed = 200.0
    do(playground, playground.start)
    while playground.num_steps < 20:
        do(playground, lambda: None)
    assert playground.seeker == playground.trainer.episode[-1].next_state
    do(playground, playground.pause)
    assert len(playground.trainer.episode) == 20 or playground.num_steps > 20


def test_an_error_while_it_learns_is_said_in_words(playground):
    do(playground, lambda: setattr(playground, "_started_at", -1e9))
    playground.running = True
    do(playground, lambda: None)
    while not playground.error:
        do(playground, lambda: None)
    assert playground.error == "Paused after an hour. Press Start to continue."
    assert not playground.running


# Painting -------------------------------------------------------------------------------------------------------------


def test_what_is_painted_is_learned_and_undone(playground):
    for _ in range(200):
        do(playground, playground.episode)
    before, q = playground.maze, playground.trainer.policy.q.copy()
    wall = [(3, column) for column in range(6)]
    do(playground, lambda: playground.paint(wall, "wall"))
    assert playground.maze.blocked[3, :6].all()
    assert np.array_equal(playground.trainer.policy.q, q), "what was learned stays"
    assert playground.grade.suboptimality > 0.01, "and leads into the wall"
    assert playground.maze_versions == [MazeVersion(before, 0), MazeVersion(playground.maze, 200)]
    do(playground, lambda: playground.trainer.learn(2000))
    do(playground, playground.pause)
    assert playground.grade.optimal_starts == 1.0
    assert playground.world.optimum.steps == 11.0
    do(playground, playground.undo)
    assert playground.maze == before
    do(playground, playground.undo)
    assert playground.maze == before, "there is nothing more to undo"


def test_painting_that_cannot_be_changes_nothing(playground):
    before, version = playground.maze, playground.world.number
    with pytest.raises(MazeError, match="no path from the start"):
        do(playground, lambda: playground.paint([(3, column) for column in range(7)], "wall"))
    assert (playground.maze, playground.world.number, len(playground.maze_versions)) == (before, version, 1)
    assert playground._undo_stack == []


def test_only_so_many_mazes_are_kept_for_undo(playground):
    for i in range(MAX_UNDO + 5):
        do(playground, lambda i=i: playground.paint([(2, 2)], ("hazard", "free")[i % 2]))
    assert len(playground._undo_stack) == MAX_UNDO
    assert len(playground.maze_versions) == 1, "mazes in which nothing was learned are not told"


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"maze": "513x5"}, "up to 512 x 512"),
        ({"random_goal": True}, "values for one goal only"),
        ({"moves": "robot"}, "a cell has several"),
        ({"maze": "warehouse"}, "is not a maze"),
        ({"num_interleaved": 4}, "one episode at a time"),
        ({"alpha": 2.0}, "alpha must be"),
    ],
    ids=str,
)
def test_what_the_page_cannot_show_is_refused_and_nothing_changes(playground, settings, message):
    do(playground, playground.episode)
    config, env = playground.config, playground.world.env
    with pytest.raises(clew.ClewError, match=message):
        do(playground, lambda: playground.configure(**settings))
    assert (playground.config, playground.world.env, playground.trainer.num_ended) == (config, env, 1)


def test_a_warning_goes_to_the_visitor_who_caused_it(playground):
    assert playground.notice == ""
    do(playground, lambda: playground.configure(goal_reward=16777217.0))
    assert playground.notice == (
        "a reward of 16777217 becomes 16777216 in float32, in which values are learned; scale the rewards"
    )
    do(playground, lambda: playground.paint([(1, 1)], "wall"))
    do(playground, playground.reset)
    assert "16777217" in playground.notice, "each time, not only the first"
    other = Playground(clew.TrainingConfig(maze="6x7"))
    assert other.notice == ""
    other.close()
    thread = threading.Thread(target=lambda: warnings.warn("elsewhere", clew.PrecisionWarning, stacklevel=1))
    with collected_warnings() as messages, warnings.catch_warnings(record=True) as others:
        thread.start()
        thread.join()
    assert (messages, len(others)) == ([], 1)
    do(playground, lambda: playground.configure(goal_reward=1.0))
    assert playground.notice == ""


def findings_of(playground):
    """What is found, when the examiner has told it."""
    _examiner.submit(lambda: None).result(60)  # it does one thing at a time
    do(playground, lambda: None)
    return playground.notice


def test_the_playground_warns_in_the_words_of_doctor(playground):
    assert findings_of(playground) == ""
    do(playground, lambda: playground.configure(max_episode_steps=5))
    [finding] = clew.examine(playground.world.env, gamma=0.9)
    assert findings_of(playground) == str(finding)
    assert "the goal is at least 11 steps away, and episodes are cut off after 5" in str(finding)
    version = playground.version
    do(playground, playground.episode)
    assert playground.version > version
    do(playground, lambda: playground.paint([(5, 5)], "goal"))
    assert "the goal is at least 10 steps away" in findings_of(playground), "of the maze as it is painted"
    do(playground, lambda: playground.configure(max_episode_steps=None, goal_reward=16777217.0))
    assert findings_of(playground).count("16777217") == 1, "not twice, of the precision of rewards"
    do(playground, lambda: playground.configure(goal_reward=1.0, gamma=1.0))
    assert "a greedy policy may loop forever; take a gamma below 1" in findings_of(playground)
    do(playground, lambda: playground.configure(gamma=0.9))
    assert findings_of(playground) == ""


def test_a_large_maze_is_examined_too_and_by_another_thread(playground, monkeypatch):
    """Of models with this many outcomes `clew train` says nothing; the page has a thread for them."""
    names = []

    def examine(*arguments, **settings):
        names.append(threading.current_thread().name)
        return warnings_about(*arguments, **settings)

    monkeypatch.setattr(notices, "warnings_about", examine)
    do(playground, lambda: playground.configure(maze="120x120", gamma=0.5))
    assert warnings_about(playground.world.env, 10_000, playground.config.learning) == []
    assert findings_of(playground).startswith("the goal is 238 steps away, and 0.5^238 = 2.3e-72: no value will reach")
    assert names
    assert all(name.startswith("clew-examiner") for name in names)


# What is drawn --------------------------------------------------------------------------------------------------------


def test_a_frame_shows_what_was_learned(playground):
    frame = read(pack_frame(playground, "values", 0).data)
    assert (frame["rows"], frame["columns"], frame["start"], frame["seeker"]) == (6, 7, 0, None)
    assert not frame["shades"].any(), "nothing was learned yet"
    assert pack_frame(playground, "values", 0).scale is None
    assert not frame["arrows"].any()
    assert np.array_equal(frame["cells"], playground.maze.cells.reshape(-1))
    do(playground, lambda: playground.trainer.learn(3000))
    data, scale = pack_frame(playground, "values", playground.world.number)
    frame = read(data)
    assert "cells" not in frame, "the browser has the maze"
    assert "arrows" not in read(pack_frame(playground, "values", 0, with_arrows=False).data)
    q = playground.trainer.policy.q
    best = q.max(axis=1)
    cell = 40  # left of the goal
    assert frame["arrows"][cell] == sum(1 << a for a in range(4) if q[cell, a] == best[cell])
    assert frame["shades"][cell] == 255, "nothing is worth more"
    assert frame["shades"][0] < 100
    known = frame["arrows"] > 0
    assert scale == ValueScale.of(best[known].astype(float))
    assert frame["greedy_path"][0] == 0
    assert frame["greedy_path"][-1] == 41
    assert len(frame["greedy_path"]) == len(frame["optimal_path"]) == 12


def test_updates_are_shown_where_they_are_asked_for(playground):
    do(playground, lambda: playground.trainer.learn(50))
    frame = read(pack_frame(playground, "updates", 0).data)
    updates = playground.trainer.updates
    assert updates.sum() > 50 * 11
    assert np.array_equal(frame["shades"] > UNKNOWN_SHADE, updates > 0)
    assert frame["shades"][updates.argmax()] == 255


def test_every_layer_shows_its_numbers(playground):
    do(playground, lambda: playground.configure(algorithm="sarsa-lambda"))
    do(playground, lambda: playground.trainer.learn(300))
    for _ in range(5):
        do(playground, playground.step)
    q, optimum = playground.trainer.policy.q, playground.world.optimum
    known = q.min(axis=1) < q.max(axis=1)
    numbers = {
        "values": q.max(axis=1),
        "errors": np.abs(q.max(axis=1) - optimum.v),
        "updates": playground.trainer.updates,
        "traces": playground.trainer.eligibility.max(axis=1),
    }
    for layer, expected in numbers.items():
        shades, scale = read(pack_frame(playground, layer, 0).data)["shades"], pack_frame(playground, layer, 0).scale
        shown = known if layer in ("values", "errors") else expected > 0
        assert np.array_equal(shades > UNKNOWN_SHADE, shown & (np.arange(42) != 41)), layer
        assert scale == ValueScale.of(expected[shades > UNKNOWN_SHADE].astype(float)), layer
    assert 1 <= np.count_nonzero(numbers["traces"]) <= 5
    frame = read(pack_frame(playground, "actions", 0).data)
    assert np.array_equal(frame["triangles"].reshape(42, 4) > UNKNOWN_SHADE, np.repeat(known[:, None], 4, axis=1))
    assert frame["triangles"].max() == frame["triangles"][q.argmax()] == 255
    assert np.array_equal(frame["shades"][known], frame["triangles"].reshape(42, 4).max(axis=1)[known])  # one scale
    assert frame["numbers"][4 * 40 + 3] == f"{q[40, 3]:.2f}"
    assert [*map(format_value, (0.0, 1.0, -0.25, 3.94e-8, -1234.0))] == ["0", "1.00", "-0.25", "4e-8", "-1e3"]
    assert "triangles" not in read(pack_frame(playground, "actions", 0, with_arrows=False).data)
    do(playground, lambda: playground.configure(algorithm="q-learning"))
    assert pack_frame(playground, "traces", 0).scale is None
    assert playground.trainer.eligibility is None


def test_an_episode_is_walked_again_and_nothing_is_learned(playground):
    do(playground, lambda: playground.trainer.learn(3000))
    q = playground.trainer.policy.q.copy()
    do(playground, playground.replay)
    assert playground.is_animated
    assert playground.seeker == 0
    playground._replay_began -= 1e3
    assert playground.seeker == 41, "it comes to the goal"
    assert not playground.is_animated
    assert np.array_equal(playground.trainer.policy.q, q)


def test_a_path_goes_as_far_as_values_are_known(playground):
    do(playground, lambda: playground.open(clew.Maze.from_text("S.#\n..G\n")))
    down, right, everywhere = 0, 3, np.ones(6, np.bool_)
    q = np.eye(4)[[down, 0, 0, right, right, 0]]
    assert greedy_path(playground.world.env, q, everywhere) == [0, 3, 4, 5]
    assert greedy_path(playground.world.env, q, np.arange(6) < 3) == [0, 3], "nothing is known there"
    do(playground, lambda: playground.configure(random_start=True))
    do(playground, lambda: playground.open(clew.Maze.from_text("..\n.G\n")))
    assert greedy_path(playground.world.env, q, everywhere) == [], "it begins anywhere"


def test_a_knights_path_leaps_and_has_no_arrows(playground):
    do(playground, lambda: playground.configure(maze="5x5", moves="knight"))
    do(playground, lambda: playground.trainer.learn(3000))
    frame = read(pack_frame(playground, "values", 0).data)
    assert "arrows" not in frame
    rows, columns = np.divmod(frame["greedy_path"], 5)
    assert {tuple(sorted(step)) for step in np.abs(np.diff([rows, columns])).T.tolist()} == {(1, 2)}
    assert len(frame["greedy_path"]) == len(frame["optimal_path"]) == playground.world.optimum.steps + 1


def test_a_curve_keeps_the_first_episodes_apart_and_the_mean_of_all():
    curve, rng = Curve(), np.random.default_rng(0)
    steps, returns = rng.integers(1, 100, 20_000), rng.normal(size=20_000)
    for part in np.split(np.arange(20_000), [1, 40, 41, 9000]):
        curve.add(steps[part], returns[part])
    assert [point[1] for point in curve.points[:POINTS_PER_EFOLD]] == steps[:POINTS_PER_EFOLD].tolist()
    assert [point[0] for point in curve.points[:3]] == [1.0, 2.0, 3.0]
    assert len(curve.points) < 300
    last, size = curve.points[-1], 1 + (curve.num_episodes - 1) // (POINTS_PER_EFOLD + 1)
    at = round(last[0] - (size + 1) / 2)
    assert last[1] == pytest.approx(steps[at : at + size].mean())
    assert last[2] == pytest.approx(returns[at : at + size].mean())


# What is taken away ---------------------------------------------------------------------------------------------------


@pytest.mark.long
def test_the_code_and_the_command_come_to_the_same_table(playground, tmp_path, clew, monkeypatch):
    do(playground, lambda: playground.configure(slip=0.1, gamma=0.95, algorithm="sarsa", seed=4))
    do(playground, lambda: playground.trainer.learn(70))
    digest = finished(playground)
    assert run_code(python_code(playground), tmp_path) == digest
    (tmp_path / "maze-0.txt").write_text(playground.maze.to_text())
    line = command_line(playground)
    assert line == (
        "clew train maze-0.txt --slip 0.1 --seed 4 --algorithm sarsa --alpha 0.5 --gamma 0.95 --episodes 70 "
        "--simulations 1"
    )
    monkeypatch.chdir(tmp_path)
    code, printed, _ = clew(*line.split()[1:], "--json")
    assert code == 0
    assert json.loads(printed)["table_sha256"] == digest


@pytest.mark.long
def test_the_code_tells_of_mazes_that_were_painted_and_the_zip_holds_them(playground, tmp_path):
    do(playground, playground.episode)
    do(playground, lambda: playground.paint([(1, 1)], "wall"))
    for _ in range(7):
        do(playground, playground.step)
    do(playground, lambda: playground.paint([(3, 3)], "hazard"))
    digest = finished(playground)
    assert command_line(playground) is None, "a command learns in one maze"
    code = python_code(playground)
    assert code.count("change_world") == 2
    assert run_code(code, tmp_path) == digest
    archive = zipfile.ZipFile(io.BytesIO(zip_archive(playground)))
    assert archive.namelist() == [
        "learn.py",
        "maze-0.txt",
        "maze-1.txt",
        "maze-2.txt",
        "maze.svg",
        "maze.png",
        "run.html",
    ]
    assert archive.read("learn.py").decode() == code
    assert clew.Maze.from_text(archive.read("maze-2.txt").decode()) == playground.maze
    assert (playground.maze.cells & BLOCKED).any()
    page = html_report(playground)
    assert "<svg" in page
    assert "http://" not in page.replace("http://www.w3.org/2000/svg", "")


def test_a_maze_of_the_gallery_brings_its_rewards(playground):
    do(playground, lambda: playground.configure(maze="hazards", gamma=1.0))
    assert playground.maze == clew.gallery.make_world("hazards").maze
    assert (playground.config.slip, playground.config.hazard_reward) == (0.2, -10.0)
    assert playground.world.optimum.value == pytest.approx(
        clew.environments.gallery.GALLERY["hazards"].optimum, abs=1e-6
    )


def test_large_mazes_are_files_beside_the_code(playground):
    do(playground, lambda: playground.configure(maze="60x60"))
    assert 'maze = clew.Maze.load("maze-0.txt")' in python_code(playground)
    with pytest.raises(SettingError, match="is not a maze"):
        do(playground, lambda: playground.configure(maze="assembly"))


# Names, limits, and what a visitor sees -------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["/etc/hostname", "secret.txt", "./maze.png", "gym:evil:X-v0", "..", "10x12/.."])
def test_e2_a_visitor_reads_no_file_of_the_server(playground, name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "secret.txt").write_text("S#secret\n")
    with pytest.raises(MazeError, match=r"no maze is called .*a size such as '10x12'") as error:
        do(playground, lambda: playground.configure(maze=name))
    assert "S#secret" not in str(error.value)
    with pytest.raises(MazeError, match="no maze is called"):
        start_run(clew.TrainingConfig(maze=name, num_actors=2), 0.0)


@pytest.mark.parametrize("name", ["random:4000x4000", "4000x4000", "wilson:513x2"])
def test_e4_limits_are_checked_before_a_maze_is_made(playground, name, monkeypatch):
    monkeypatch.setattr(clew.TrainingConfig, "make_maze", lambda config: pytest.fail("was made"))
    with pytest.raises(SettingError, match="the page draws up to 512 x 512 cells, not"):
        do(playground, lambda: playground.configure(maze=name))


def test_a_name_has_a_limit_that_is_said_in_words(playground):
    with pytest.raises(MazeError, match="the name of a maze has up to 200 characters, not 100,000"):
        do(playground, lambda: playground.configure(maze="9" * 100_000))


def test_a7_a_step_and_an_episode_are_graded(playground):
    for _ in range(200):
        do(playground, playground.episode)
    grade = playground.grade
    assert grade == clew.evaluate_values(playground.world.env, playground.trainer.policy.q)
    do(playground, playground.step)
    assert playground.grade == clew.evaluate_values(playground.world.env, playground.trainer.policy.q)
    assert grade.optimal_starts == 1.0


def test_a7_a_world_brings_its_own_rules_and_discount_and_takes_them_along(playground):
    do(playground, lambda: playground.configure(maze="hazards"))
    assert (playground.config.gamma, playground.config.slip) == (1.0, 0.2)
    assert playground.world.optimum.steps == pytest.approx(20.85, abs=0.01)
    do(playground, lambda: playground.configure(maze="book"))
    fresh = clew.TrainingConfig()
    for name in ("gamma", "slip", "step_reward", "goal_reward", "hazard_reward"):
        assert getattr(playground.config, name) == getattr(fresh, name)
    assert playground.config.alpha == 0.5  # of the learner


def test_f_the_size_of_a_picture_is_known_without_decoding_it(tmp_path):
    clew.Maze.open(3, 5).save(tmp_path / "maze.png", cell_size=2)
    clew.Maze.open(3, 5).save(tmp_path / "maze.pgm")
    assert picture_size((tmp_path / "maze.png").read_bytes()) == (6, 10)
    assert picture_size((tmp_path / "maze.pgm").read_bytes()) == (3, 5)
    assert picture_size(b"S.G") is None


# Exits and rewards of cells -------------------------------------------------------------------------------------------


def test_exits_and_rewards_are_painted_learned_and_drawn(playground, tmp_path):
    do(playground, lambda: playground.trainer.learn(300))
    do(playground, lambda: playground.paint([(0, 6), (3, 3)], "exit", -2.0))  # the model is another form from now on
    do(playground, lambda: playground.paint([(1, 1)], "reward", -0.25))
    do(playground, lambda: playground.paint([(5, 0)], "exit", 3.0))
    do(playground, lambda: playground.trainer.learn(3000))
    do(playground, playground.pause)
    assert playground.grade.optimal_starts == 1.0
    assert (playground.world.optimum.steps, playground.world.optimum.value) == (5.0, pytest.approx(3.0 * 0.9**4))
    frame = read(pack_frame(playground, "values", 0).data)
    assert frame["exits"] == [[6, "-2"], [24, "-2"], [35, "+3"]]
    assert frame["cell_rewards"] == [[8, "-0.25"]]
    assert "exits" not in read(pack_frame(playground, "values", playground.world.number).data)
    assert run_code(python_code(playground), tmp_path) == finished(playground)
    assert "A exit -2" in python_code(playground)
    with pytest.raises(SettingError, match="reward must be given for 'exit'"):
        do(playground, lambda: playground.paint([(0, 1)], "exit"))


@pytest.mark.parametrize("name", ["russell", "berkeley-book", "berkeley-bridge", "berkeley-cliff", "berkeley-discount"])
def test_worlds_of_courses_open_with_their_settings(playground, name):
    card = clew.environments.gallery.GALLERY[name]
    do(playground, lambda: playground.configure(maze=name))
    assert (playground.config.slip, playground.config.gamma) == (0.2, card.gamma)
    assert playground.config.exit_action == name.startswith("berkeley")
    assert playground.world.optimum.value == pytest.approx(card.optimum, abs=1e-5)
    do(playground, lambda: playground.configure(slip=0.0))
    assert playground.world.env.mdp.is_deterministic
