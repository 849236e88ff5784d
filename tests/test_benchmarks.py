"""The benchmarks compare like with like: C's loop against a slow twin and ours, the page against its JSON."""

import platform
import zlib

import numpy as np
import pytest
from benchmarks import beside_peers, c, continuing, peers, report
from benchmarks.rows import OURS, Row, Target, find, judge, ratio
from benchmarks.scenarios import COSTS, map_of, misses, split, ways

import clew
import oracles
from clew.mazes import Maze

ALPHA, GAMMA, EPSILON = np.float32(0.1), np.float32(0.9), 0.1
needs_gcc = pytest.mark.skipif(c.gcc_version() is None, reason="there is no gcc")


@pytest.fixture(scope="module")
def programs(tmp_path_factory):
    return c.compile_loops(tmp_path_factory.mktemp("c"))


def learn_in_lanes(rows, q, start, num_episodes, max_steps, streams):
    """Slow twin of loop.c: lanes take turns, a step each; returns the number of steps."""
    lanes, begun, num_steps = [], 0, 0

    def begin(lane):
        nonlocal begun
        lane |= {"s": start, "steps": 0, "a": None}
        if begun < num_episodes:
            begun += 1
            lane["a"] = oracles.epsilon_greedy(q, start, EPSILON, lane["stream"])

    for stream in streams:
        lanes.append({"stream": [int(word) for word in stream]})
        begin(lanes[-1])
    while any(lane["a"] is not None for lane in lanes):
        for lane in lanes:
            s, a = lane["s"], lane["a"]
            if a is None:
                continue
            s_next, reward, terminated = oracles.sample(rows, s, a, lane["stream"])
            lane["steps"] += 1
            num_steps += 1
            ended = terminated or lane["steps"] == max_steps
            # The choice comes before the update, unless the update changes the row that it reads.
            if not ended and s_next != s:
                lane["a"] = oracles.epsilon_greedy(q, s_next, EPSILON, lane["stream"])
            oracles.q_learning_update(q, s, a, reward, s_next, terminated, ALPHA, GAMMA)
            if not ended and s_next == s:
                lane["a"] = oracles.epsilon_greedy(q, s_next, EPSILON, lane["stream"])
            lane["s"] = s_next
            if ended:
                begin(lane)
    return num_steps


@needs_gcc
@pytest.mark.parametrize("lanes", [1, 3, 8])
@pytest.mark.parametrize(
    ("rows", "columns", "num_episodes", "max_steps"), [(3, 4, 60, 1200), (4, 3, 40, 9), (2, 2, 5, 7)]
)
def test_c_learns_the_bits_of_its_slow_twin(programs, lanes, rows, columns, num_episodes, max_steps):
    world = oracles.grid_world(oracles.Layout(rows, columns, goals=frozenset({(rows - 1, columns - 1)})))
    q = [[np.float32(0)] * 4 for _ in range(rows * columns)]
    streams = c.lane_streams(0, lanes)
    num_steps = learn_in_lanes(world.rows, q, 0, num_episodes, max_steps, streams)
    assert np.max(q) > 0
    for program in programs.values():
        run = c.run_c(program, rows, columns, num_episodes, lanes, 0, max_steps)
        assert (run.steps, run.checksum) == (num_steps, zlib.crc32(np.array(q, np.float32).tobytes()))


@needs_gcc
def test_c_learns_the_bits_of_ours(programs):
    policy = clew.train_policy(clew.Environment(), 50, seed=3)
    checksums = {c.run_c(program, 5, 5, 50, 1, 3).checksum for program in programs.values()}
    assert checksums == {zlib.crc32(policy.q.tobytes())}


@needs_gcc
def test_x86_gets_its_vector_instructions(programs):
    assert (c.VECTORS in programs) == (platform.machine() in ("x86_64", "AMD64"))


ROWS = [
    Row("a", OURS, "steps/s", [1e6, 9e6, 3e6]),
    Row("a", "slow", "steps/s", [2e4]),
    Row("b", OURS, "s", [0.002]),
    Row("b", "slow", "s", [0.5], "a note"),
    Row("b", "absent", "s", note="not installed"),
]


def test_ratios_say_how_many_times_as_good_ours_is():
    assert ratio(ROWS, "a", "slow") == 150
    assert ratio(ROWS, "b", "slow") == 250
    assert ratio(ROWS, "b", "absent") is None
    assert find(ROWS, "b", "absent") is None
    judged = judge((Target("a", "slow", 451), Target("b", "slow", 250), Target("b", "absent", 1)), ROWS)
    assert [(target["ratio"], target["met"]) for target in judged] == [(450, False), (250, True)]


def test_what_took_turns_is_compared_turn_by_turn():
    """A machine that gets slower and slower slows both; the medians alone would say 2, or 1/2."""
    ours, other = Row("a", OURS, "steps/s", [80.0, 40.0, 20.0]), Row("a", "C", "steps/s", [80.0, 20.0, 20.0])
    assert ratio([ours, other], "a", "C") == 1.0
    seconds = [Row("b", OURS, "s", [1.0, 8.0, 4.0]), Row("b", "C", "s", [3.0, 16.0, 2.0])]
    assert ratio(seconds, "b", "C") == 2.0


def test_targets_compare_the_best_repetitions():
    """While something else ran, ours took more harm than the other: that says nothing about the programs."""
    speeds = [Row("a", OURS, "steps/s", [70.0, 128.0, 75.0]), Row("a", "C", "steps/s", [95.0, 110.0, 100.0])]
    seconds = [Row("b", OURS, "s", [3.0, 1.0, 4.0]), Row("b", "C", "s", [2.0, 2.5, 2.0])]
    assert ratio(speeds, "a", "C") < 1.0
    assert ratio(seconds, "b", "C") < 1.0
    judged = judge((Target("a", "C", 1.0), Target("b", "C", 1.0)), speeds + seconds)
    assert [(target["ratio"], target["met"]) for target in judged] == [(128 / 110, True), (2.0, True)]


def results(rows):
    return {
        "time": "2026-01-02",
        "machine": {"processor": "P", "processors": "2", "system": "S", "python": "3", "load": "0.1"},
        "flags": c.FLAGS,
        "targets": judge((Target("a", "slow", 451),), rows),
        "sections": [{"title": "T", "text": "Text.", "rows": [vars(row) for row in rows]}],
    }


def test_the_page_holds_the_ratios_the_figures_and_the_notes():
    page = report.write_page(results(ROWS), "p.svg").splitlines()
    for line in (
        "| a, times slow | 451 | 450 | missed |",
        "| slow | 150 | 250 |",
        "| Clew | 3.00 M/s | 2.00 ms |",
        "| slow | 20.0 k/s | 500 ms |",
        "- b: slow: a note.",
        "- b: absent: not installed.",
    ):
        assert page.count(line) == 1, line


def test_the_same_figures_make_the_same_picture(tmp_path):
    pictures = []
    for name in ("first.svg", "second.svg"):
        report.draw(results(ROWS), tmp_path / name)
        pictures.append((tmp_path / name).read_text())
    assert pictures[0] == pictures[1]
    assert ">250 x<" in pictures[0]


@pytest.mark.parametrize("slip", [0.0, 0.2])
def test_peers_are_given_the_world_that_ours_solves(tmp_path, slip):
    env = clew.Environment(clew.Maze.from_text("S.#\n..G\n"), slip=slip)
    beside_peers.write_problem(tmp_path / "problem.npz", env.mdp, beside_peers.GAMMA, 1)
    problem = peers.Problem(str(tmp_path / "problem.npz"))
    moves = np.zeros((problem.rewards.size, problem.num_states))
    np.add.at(moves, (problem.pairs, problem.next_states), problem.probabilities)
    np.testing.assert_allclose(moves.sum(axis=1), 1)
    v = np.zeros(problem.num_states)
    for _ in range(60_000 // 20):
        v = (problem.rewards + problem.gamma * moves @ v).reshape(-1, 4).max(axis=1)
    np.testing.assert_allclose(v[:-1], clew.solve(env, gamma=beside_peers.GAMMA, tolerance=1e-9).v, atol=1e-6)
    listed = np.zeros_like(moves)
    for pair, (p, s) in enumerate(
        (p, s) for rows in zip(*problem.lists(), strict=True) for p, s in zip(*rows, strict=True)
    ):
        np.add.at(listed[pair], s, p)
    np.testing.assert_array_equal(listed, moves)


def test_lengths_of_scenarios_are_compared_to_the_digits_printed(tmp_path):
    """A cell in the corner has no way to it: 0, as files say it."""
    (tmp_path / "small.map").write_text("type octile\nheight 3\nwidth 5\nmap\n...@.\n...@@\n.....\n")
    rows = ["0 0 2 1 2.41421356", "0 2 0 0 2", "0 0 0 4 0", "0 0 2 1 2.4143"]
    wanted = [("2.41421356", 1, 1), ("2", 2, 0), ("0", 0, 0), ("2.4143", 1, 1)]
    path = tmp_path / "small.map.scen"
    path.write_text("version 1\n" + "\n".join(_scenario(*row.split()) for row in rows) + "\n")
    assert map_of(path) == tmp_path / "small.map"
    found = list(ways(Maze.load(map_of(path)), path))
    assert found == wanted
    assert misses(found, COSTS["movingai"]) == [3]


def _scenario(row, column, goal_row, goal_column, length):
    return "\t".join(("0", "small.map", "5", "3", column, row, goal_column, goal_row, length))


def test_older_lengths_need_the_root_of_two_in_single_precision():
    """The hardest to meet of 32room_000, 288 diagonal moves, and of the newer files, to 8 decimals."""
    found = [("691.293", 284, 288), ("262.764", 127, 96)]
    assert (misses(found, COSTS["movingai"]), misses(found, COSTS["movingai-float32"])) == ([0, 1], [])
    newer = [("344.29646454", 275, 49)]
    assert split(275 + 49 * COSTS["movingai"]) == (275, 49)
    assert [split(k * COSTS["movingai"]) for k in range(1, 999)] == [(0, k) for k in range(1, 999)]
    assert (misses(newer, COSTS["movingai"]), misses(newer, COSTS["movingai-float32"])) == ([], [0])


def test_policy_iteration_of_the_peers_solves_a_world_that_never_ends(tmp_path):
    mdp = continuing.queues(6)
    beside_peers.write_problem(tmp_path / "problem.npz", mdp, 0.9, 1)
    problem = peers.Problem(str(tmp_path / "problem.npz"))
    assert problem.num_states == mdp.num_states  # without one more
    np.testing.assert_allclose(peers.solve_scipy(problem)[1], clew.solve(mdp, gamma=0.9).v, atol=1e-6)


@pytest.mark.parametrize("dual", [False, True])
def test_the_linear_program_of_average_reward_has_our_gain(dual):
    mdp = continuing.queues(6)
    _, gain, _ = continuing.gain_by_highs(mdp, dual)
    assert gain == pytest.approx(clew.solve_average(mdp).gain, abs=1e-6)
