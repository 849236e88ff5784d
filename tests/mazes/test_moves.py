"""Sets of moves: the four as a table, eight with MovingAI's lengths, knights and robots against slow oracles."""

import heapq
import json
import math

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from tests.random_mazes import random_mazes

import clew
from clew.errors import PrecisionWarning, SettingError
from clew.kernels.dynamics import BLOCKED, GOAL
from clew.mazes import MOVES, Maze, Move, Moves
from clew.mazes.moves import FOUR, Rewards, model_of_moves
from clew.planning.best_first import best_first

EIGHT = MOVES["eight"]
LENGTHS = {"step_reward": -1.0, "goal_reward": 0.0, "moves": "eight"}


def lengths_to_goal(maze, moves):
    """Compute distances by the textbook, one cell at a time, backwards; keys are (cell, heading)."""

    def lands(row, column, heading, move):
        there = row + move.rows, column + move.columns
        if not (0 <= there[0] < maze.rows and 0 <= there[1] < maze.columns) or maze.cells[there] & BLOCKED:
            return None
        if abs(move.rows) + abs(move.columns) > 2 or not (move.rows or move.columns):
            return *there, (heading + move.turn) % len(moves.moves)
        for first, second in (((move.rows, 0), (0, move.columns)), ((0, move.columns), (move.rows, 0))):
            here = row, column
            for step in (first, second):
                if step != (0, 0):
                    if maze.cells[here] & {(1, 0): 1, (0, -1): 2, (-1, 0): 4, (0, 1): 8}[step]:
                        return None
                    here = here[0] + step[0], here[1] + step[1]
        return *there, (heading + move.turn) % len(moves.moves)

    back = {}
    for row, column in np.ndindex(maze.cells.shape):
        if maze.cells[row, column] & (BLOCKED | GOAL):
            continue
        for heading, actions in enumerate(moves.moves):
            for move in actions:
                there = lands(row, column, heading, move)
                if there is not None:
                    back.setdefault(there, []).append(((row, column, heading), move.cost))
    lengths, queue = {}, [(0.0, (*goal, h)) for goal in maze.goals for h in range(len(moves.moves))]
    heapq.heapify(queue)
    while queue:
        length, here = heapq.heappop(queue)
        if here not in lengths:
            lengths[here] = length
            for before, cost in back.get(here, ()):
                heapq.heappush(queue, (length + cost, before))
    return lengths


@given(random_mazes(), st.sampled_from([0.0, 0.3]))
def test_four_moves_as_a_table_are_the_grid_to_the_last_bit(maze, slip):
    pays = Rewards(5.0, -1.0, -3.0, -7.0)
    free = np.flatnonzero((maze.cells.reshape(-1) & (BLOCKED | GOAL)) == 0)[:1].astype(np.int32)
    assume(free.size > 0)
    grid = clew.FiniteMDP.grid(maze.cells, free, slip=slip, **pays._asdict()).to_sparse()
    table = model_of_moves(maze.cells, FOUR, free, slip=slip, rewards=pays)
    for ours, theirs in zip(table.model, grid.model, strict=True):
        np.testing.assert_array_equal(ours, theirs)


@given(random_mazes(), st.sampled_from(["eight", "knight", "robot"]))
def test_lengths_are_those_of_a_slow_search(maze, name):
    assume(maze.goals)
    wanted = lengths_to_goal(maze, MOVES[name])
    starts = [place for place in np.ndindex(maze.cells.shape) if not maze.cells[place] & (BLOCKED | GOAL)]
    cells = np.array([row * maze.columns + column for row, column in starts], np.int32)
    assume(cells.size > 0)
    try:
        mdp = model_of_moves(maze.cells, MOVES[name], cells, rewards=Rewards(0.0, -1.0))
    except SettingError:
        assert name == "knight"
        assert not any((*place, 0) in wanted for place in starts)
        return
    solution = best_first(mdp)
    assert solution.method == "best-first"
    if all((*place, 0) in wanted for place in starts) or name == "knight":  # its starts have a path
        assert clew.solve(mdp, gamma=1.0).v.tobytes() == solution.v.tobytes()
    else:
        lost = next(cell for place, cell in zip(starts, cells, strict=True) if (*place, 0) not in wanted)
        with pytest.raises(
            SettingError, match=f"gamma must be below 1 here: from start state {lost} every policy may go on"
        ):
            clew.solve(mdp, gamma=1.0)
    for heading in range(MOVES[name].num_headings):
        for (row, column), cell in zip(starts, cells, strict=True):
            length = -solution.v[heading * maze.cells.size + cell]
            assert length == pytest.approx(wanted.get((row, column, heading), math.inf), abs=solution.bound + 1e-12)


@pytest.mark.kernels
def test_best_first_agrees_with_sweeps_and_says_where_no_way_is():
    maze = Maze.from_text("S...#.\n.#..#.\n..!G##\n")
    env = clew.Environment(maze, moves="eight", step_reward=-1.0, goal_reward=3.0, hazard_reward=-5.0)
    exact = clew.solve(env, gamma=1.0)
    assert exact.method == "best-first"
    assert exact.value == pytest.approx(3.0 - 3.0 - math.sqrt(2.0), abs=exact.bound)
    assert exact.v[5] == -math.inf
    assert exact.v[15] == 0.0
    with pytest.warns(PrecisionWarning, match="to within the tolerance of 1e-08"):  # where no way is, values are 1e9
        near = clew.solve(env, gamma=1.0 - 1e-9, tolerance=1e-8)
    assert near.v[5] < -1e8
    here = np.isfinite(exact.v)
    np.testing.assert_allclose(near.v[here], exact.v[here], atol=1e-6)


@pytest.mark.kernels
def test_where_nothing_ends_all_is_lost_and_small_costs_are_told_apart():
    for_ever = clew.FiniteMDP.from_function(2, 1, lambda s, a: [(1.0, 1 - s, -1.0, False)])
    assert best_first(for_ever).v.tolist() == [-math.inf, -math.inf]
    with pytest.raises(SettingError, match="from start state 0 every policy may go on forever and lose without bound"):
        clew.solve(for_ever, gamma=1.0)
    costs = [1e-9, 1e3, 1e-9]
    line = clew.FiniteMDP.from_function(4, 1, lambda s, a: [(1.0, s + 1, -costs[s], s == 2)] if s < 3 else [])
    solution = clew.solve(line, gamma=1.0)
    assert solution.v[0] == pytest.approx(-1000.000000002, abs=solution.bound)
    assert solution.bound < 1e-11


def test_a_wall_stops_a_diagonal_on_either_way_round_the_corner():
    walled = "+---+---+\n| S     |\n+---+   +\n|     G |\n+---+---+\n"
    for text, length in (("S.\n.G\n", math.sqrt(2.0)), ("S.\n#G\n", 2.0), (walled, 2.0)):
        solution = clew.solve(clew.Environment(Maze.from_text(text), **LENGTHS), gamma=1.0)
        assert -solution.value == pytest.approx(length, abs=1e-12)


def test_a_robot_turns_and_a_knight_jumps():
    robot = clew.Environment(Maze.open(1, 3), moves="robot", step_reward=-1.0, goal_reward=0.0)
    assert robot.observation_space.n == 4 * 3
    assert -clew.solve(robot, gamma=1.0).value == 3.0  # its heading is down: a turn to the left, and two steps
    state, *_ = robot.reset(seed=0)
    assert [robot.step(a)[0] for a in (0, 1, 0)] == [0, 3 * 3 + 0, 3 * 3 + 1]
    assert state == 0
    knight = clew.Environment(Maze.open(3, 3, goal=(2, 1)), moves="knight", step_reward=-1.0, goal_reward=0.0)
    assert -clew.solve(knight, gamma=1.0).value == 1.0
    with pytest.raises(SettingError, match="the moves 'knight' have no path"):
        clew.Environment(Maze.open(3, 3, goal=(1, 1)), moves="knight")
    anywhere = clew.Environment(Maze.open(3, 3), moves="knight", random_start=True)
    assert sorted(anywhere.mdp.starts) == [0, 1, 2, 3, 5, 6, 7]  # there is no move from the middle


def test_slip_leads_to_the_next_moves_in_the_circle():
    env = clew.Environment(Maze.open(3, 3, start=(1, 1)), moves="eight", slip=0.5)
    rows, names = env.mdp.model, EIGHT.actions
    k = rows.offsets[4 * 8 + names.index("up")]
    assert list(rows.next_states[k : k + 3]) == [1, 2, 0]
    np.testing.assert_allclose(rows.probabilities[k : k + 3], [0.5, 0.25, 0.25])
    with pytest.raises(SettingError, match="slip needs a move to the left and the right"):
        clew.Environment(moves="robot", slip=0.1)


def test_a_table_of_ones_own():
    king_of_the_road = Moves.of("two", {"right": (0, 1), "down and pay": (1, 0, 2.5)})
    env = clew.Environment(Maze.open(2, 2), moves=king_of_the_road, step_reward=-1.0, goal_reward=0.0)
    assert env.action_space.n == 2
    assert -clew.solve(env, gamma=1.0).value == 3.5
    middle = Maze.open(3, 3, goal=(1, 1))
    assert clew.Environment(middle, moves=king_of_the_road, random_start=True).mdp.starts.tolist() == [0, 1, 3]
    with pytest.raises(SettingError, match="the moves 'two' have no path from the start to a goal"):
        clew.Environment(Maze.open(3, 3, start=(2, 2), goal=(1, 1)), moves=king_of_the_road)
    for number in (0.5, True, "1", None):
        with pytest.raises(SettingError, match="rows, columns and turns must be whole numbers"):
            Moves.of("bad", {"go": (number, 1)})
    env.reset()
    with pytest.raises(SettingError, match=r"action must be 0 \(right\) or 1 \(down and pay\), not 2"):
        env.step(2)
    with pytest.raises(SettingError, match="each heading needs a move for each of 1 actions"):
        Moves("bad", ("go",), ((Move(1, 0), Move(0, 1)),))
    with pytest.raises(SettingError, match="a cost must be a number not below 0, not nan"):
        Moves.of("bad", {"go": (1, 0, math.nan)})
    names = "four, eight, movingai, movingai-float32, knight, robot"
    for wrong, said in (
        ("six", ", not 'six'"),
        (["four"], r", or a table, not \['four'\]"),
        (None, ", or a table, not None"),
    ):
        with pytest.raises(SettingError, match=f"moves must be one of {names}{said}"):
            clew.Environment(moves=wrong)
    with pytest.raises(SettingError, match="random_goal must be False with the moves 'eight'"):
        clew.Environment(moves="eight", random_goal=True)


def test_a_table_may_have_numbers_of_numpy():
    plain = Moves.of("two", {"right": (0, 1), "down": (1, 0, 0.1)})
    theirs = Moves.of("two", {"right": (np.int8(0), np.uint8(1)), "down": (np.int64(1), np.int16(0), np.float64(0.1))})
    assert theirs == plain
    assert {type(number) for move in theirs.moves[0] for number in move} == {int, float}
    maze = Maze.open(2, 200)  # more columns than an 8-bit number holds
    ours, others = (clew.Environment(maze, moves=moves, step_reward=-1.0) for moves in (plain, theirs))
    for column, other in zip(ours.mdp.model, others.mdp.model, strict=True):
        np.testing.assert_array_equal(column, other)


def test_a_knight_begins_wherever_its_jumps_find_a_way_and_not_where_walks_do():
    """Walls around the upper left corner stop single steps, but not a knight."""
    maze = clew.Maze.from_text("..#.\n..#.\n###.\nG...\n")
    env = clew.Environment(maze, moves="knight", random_start=True)
    assert env.mdp.starts.tolist() == [1, 3, 4, 5, 7, 11, 13, 14]
    values = clew.solve(env, gamma=0.9).v
    assert (values[env.mdp.starts] > 0).all()
    assert values[[0, 15]].tolist() == [0.0, 0.0]


def test_headings_that_no_turn_leads_to_are_searched():
    """Two headings turn to each other, and the other two to them: headings up and right are never reached."""
    odd = Moves(
        "odd",
        ("forward", "turn"),
        (
            (Move(1, 0), Move(0, 0, turn=1)),
            (Move(0, -1), Move(0, 0, turn=-1)),
            (Move(-1, 0), Move(0, 0, turn=1)),
            (Move(0, 1), Move(0, 0, turn=1)),
        ),
    )
    assert (odd.includes_single_steps, MOVES["robot"].includes_single_steps) == (False, True)
    with pytest.raises(SettingError, match="the moves 'odd' have no path from the start to a goal"):
        clew.Environment(clew.Maze.open(3, 3), moves=odd)


def test_eight_directions_are_learned(clew):
    code, out, _ = clew("train", "10x12", "--moves", "eight", "--step-reward", "-1", "--episodes", "20000", "--json")
    assert code == 0
    grade = json.loads(out)
    assert (grade["mean_steps"], grade["optimal_starts"]) == (grade["optimal_steps"], 1.0)
    assert grade["excess_steps"] is None  # steps cost 1 or the root of 2, so fewer need not be better
    code, out, _ = clew("solve", "3x3", "--moves", "eight")
    assert out.splitlines()[-3:] == ["↘ ↓ ↓", "→ ↘ ↓", "→ → G"]
