"""`clew render`: pictures and films of a run."""

import io
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from clew.environments import Environment
from clew.errors import RunError, SettingError
from clew.figures.films import Film, render_run
from clew.learning.metrics import RoundMetrics
from clew.mazes import Maze
from clew.planning import solve
from clew.rendering.colours import COLOURS, ValueScale, ramp, rgb
from clew.rendering.film import film_gif
from clew.rendering.output import Drawing
from clew.rendering.picture import Picture
from clew.runs.configuration import TrainingConfig
from clew.runs.run import train_run


@pytest.fixture
def run(tmp_path):
    """Train, keep the run, and give its folder."""

    def keep(**settings):
        folder = tmp_path / f"run{len(list(tmp_path.iterdir()))}"
        train_run(TrainingConfig(**{"maze": "3x4", "num_episodes": 300, **settings})).save(folder)
        return folder

    return keep


def frames_of(path):
    with Image.open(path) as film:
        frames = []
        for i in range(film.n_frames):
            film.seek(i)
            frames.append(np.array(film.convert("RGB")))
        return frames, film.info


def test_a_still_shows_the_greedy_path_against_the_optimum(run, tmp_path):
    folder = run()
    render_run(folder, tmp_path / "a.svg")
    drawn = (tmp_path / "a.svg").read_text()
    assert "3x4: q-learning, 300 episodes" in drawn
    assert "greedy path, 5 steps" in drawn
    assert "optimal path, 5 steps" in drawn
    assert 'class="arrows"' in drawn
    render_run(folder, tmp_path / "a.txt")
    assert (tmp_path / "a.txt").read_text().splitlines()[0] == "3x4: q-learning, 300 episodes"
    render_run(folder, tmp_path / "a.png")
    with Image.open(tmp_path / "a.png") as picture:
        assert picture.format == "PNG"


def test_visits_are_those_of_a_hundred_greedy_episodes(run, tmp_path):
    render_run(run(maze="1x4"), tmp_path / "a.svg", show="visits")
    drawn = (tmp_path / "a.svg").read_text()
    assert "visits in 100 greedy episodes" in drawn
    assert ">100<" in drawn
    assert 'class="arrows"' not in drawn


def test_a_film_of_learning_begins_with_nothing_and_ends_with_the_run(run, tmp_path):
    folder = run(num_simulations=1, num_episodes=300)
    seen = []
    render_run(folder, tmp_path / "a.gif", callback=seen.append)
    frames, info = frames_of(tmp_path / "a.gif")
    assert (len(frames), info["loop"]) == (60, 0)
    assert sum(row.num_episodes for row in seen) == 300
    assert {frame.shape for frame in frames} == {frames[0].shape}
    shades = {tuple(colour) for colour in ramp()[16:].tolist()}
    deep = [sum(tuple(pixel) in shades for pixel in frame[::9, ::9].reshape(-1, 3).tolist()) for frame in frames]
    assert deep[0] < deep[-1]  # the legend's bar is there from the beginning
    render_run(folder, tmp_path / "a.gif", episode=True)
    assert len(frames_of(tmp_path / "a.gif")[0]) == 6  # where it begins, and after each of 5 steps


def test_a_film_takes_an_even_choice_of_rounds_and_always_the_last():
    env = Environment(Maze.open(2, 2))
    for num_rounds in (1, 7, 59, 60, 100, 1000):
        film = Film(env, num_rounds * 10, solve(env))
        film.watch(np.zeros((4, 4), np.float32))
        for i in range(num_rounds):
            film.on_round(RoundMetrics(i, 10, 0, 0.0, 0.0, 0.0, 0.0, 10 * i + 10, 10 * num_rounds))
        titles = [int(frame.title.split()[1].replace(",", "")) for frame in film.frames]
        assert titles[-1] == num_rounds * 10
        assert len(titles) == min(59, num_rounds)
        gaps = np.diff([0, *titles]) // 10
        assert gaps.max() - gaps.min() <= 1
        assert film.frames[-1].title == f"episode {num_rounds * 10:,} of {num_rounds * 10:,}"


def test_frames_share_one_scale_and_one_size():
    maze = Maze.open(1, 3)
    first = Picture(maze, np.array([0.0, 1.0, np.nan]), title="first")
    second = Picture(maze, np.array([2.0, 4.0, np.nan]), title="the second one, with a title that is much too long")
    with Image.open(io.BytesIO(film_gif([first, second], 0.1))) as film:
        size = film.size
        colours = []
        for i in range(2):
            film.seek(i)
            pixels = np.array(film.convert("RGB"))
            colours.append(pixels[64 + 6, (pixels.shape[1] - 120) // 2 + 46])
    scale = ValueScale.of(np.array([0.0, 1.0, 2.0, 4.0]))
    for colour, value in zip(colours, (1.0, 4.0), strict=True):
        expected = ramp()[round(scale.normalise(np.array([value])).item() * 31)]
        assert np.abs(colour.astype(int) - expected).max() <= 3  # a GIF has 256 colours
    assert size[0] > Drawing(replace(second, title=None)).pixels().shape[1]
    with pytest.raises(SettingError, match="needs at least one picture"):
        film_gif([], 0.1)


def test_an_episode_in_film_follows_the_seeker(run, tmp_path):
    render_run(run(maze="1x3"), tmp_path / "a.gif", episode=True, show="visits")
    frames, _ = frames_of(tmp_path / "a.gif")
    red = [np.abs(frame[64 : 64 + 40].astype(int) - rgb(COLOURS["path"])).max(axis=2) < 12 for frame in frames]
    at = [np.flatnonzero(mask.any(axis=0)).max() for mask in red]
    assert np.diff(at).tolist() == [40, 40]


@pytest.mark.parametrize(
    ("settings", "out", "options", "error", "message"),
    [
        ({}, "a.jpg", {}, SettingError, r"drawn as \.svg, \.png, \.txt, \.gif, not as 'a\.jpg'"),
        ({}, "a.svg", {"show": "steps"}, SettingError, "show must be one of values, visits, not 'steps'"),
        ({}, "a.svg", {"episode": True}, SettingError, r"an episode is drawn as a \.gif"),
        ({}, "a.gif", {"show": "visits"}, SettingError, r"a \.gif of learning shows values"),
        ({}, "no/a.svg", {}, RunError, "can't be written: No such file"),
        ({"maze": "warehouse"}, "a.svg", {}, RunError, "only mazes are drawn"),
        ({"random_goal": True}, "a.svg", {}, RunError, "its goals are random"),
        ({"asynchronous": True, "num_simulations": 2}, "a.gif", {}, RunError, "asynchronous"),
    ],
)
def test_what_can_not_be_drawn_is_refused(run, tmp_path, settings, out, options, error, message):
    folder = run(num_episodes=40, **settings)
    with pytest.raises(error, match=message):
        render_run(folder, tmp_path / out, **options)


@pytest.mark.parametrize("moves", ["eight", "robot", "knight"])
@pytest.mark.parametrize("ending", ["svg", "png", "txt", "gif"])
def test_other_moves_are_drawn_with_arrows_or_without(run, tmp_path, moves, ending):
    folder = run(maze="4x4", moves=moves, num_episodes=400, random_start=True, goal=(2, 3))
    render_run(folder, tmp_path / f"a.{ending}")
    if ending == "svg":
        drawn = (tmp_path / "a.svg").read_text()
        assert ('class="arrows"' in drawn) == (moves == "eight")
        assert 'class="shade"' in drawn


def test_the_command_line_says_where_it_is_kept_or_why_not(run, tmp_path, clew):
    folder = run()
    code, out, _ = clew("render", folder, "-o", tmp_path / "a.png", "--show", "visits")
    assert (code, out) == (0, f"Saved to {tmp_path / 'a.png'}.\n")
    code, _, error = clew("render", folder, "--out", tmp_path / "a.bmp")
    assert code == 2
    assert error == "clew: a run is drawn as .svg, .png, .txt, .gif, not as 'a.bmp'\n"
    code, _, error = clew("render", tmp_path / "none", "-o", tmp_path / "a.png")
    assert code == 2
    assert "there is no such run folder" in error
