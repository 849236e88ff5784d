"""Mazes that are made: what they are by their kind, the same by their seed, and how recipes are read."""

import itertools
import tracemalloc
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

import clew
from clew.errors import MazeError
from clew.kernels.dynamics import ALL_WALLS, BLOCKED, WALL_DOWN, WALL_LEFT, WALL_RIGHT, WALL_UP
from clew.kernels.mazes import joining, scattering
from clew.kernels.mazes.carving import carve_backtracker, carve_wilson, draw_below
from clew.kernels.sampling import new_stream
from clew.mazes import Maze, eller_rows, find_maze, generate_maze
from clew.mazes.generators import GENERATORS, KEYS, is_recipe, parse_recipe

PERFECT = ("backtracker", "wilson", "prim", "kruskal", "eller", "division")
BRAIDED = (*PERFECT, "rooms")
SHAPES = ((1, 9), (9, 1), (2, 2), (2, 7), (5, 2), (7, 11), (6, 6), (1, 2))


def shape_of(seed: int) -> tuple[int, int]:
    return SHAPES[seed % len(SHAPES)]


def open_edges(cells: np.ndarray) -> list[tuple[int, int]]:
    """Pairs of cells, by number, with no wall between them; each wall is asked for on both of its sides."""
    rows, columns = cells.shape
    edges = []
    for row, column in itertools.product(range(rows), range(columns)):
        cell = row * columns + column
        for here, there, down, right in ((WALL_DOWN, WALL_UP, 1, 0), (WALL_RIGHT, WALL_LEFT, 0, 1)):
            if row + down < rows and column + right < columns:
                is_open = not cells[row, column] & here
                assert is_open == (not cells[row + down, column + right] & there)
                if is_open:
                    edges.append((cell, cell + down * columns + right))
            else:
                assert cells[row, column] & here  # the edge
    return edges


def num_parts(cells: np.ndarray) -> int:
    """How many parts the cells fall into, by SciPy."""
    here, there = np.array(open_edges(cells)).reshape(-1, 2).T
    graph = coo_array((np.ones(here.size), (here, there)), (cells.size, cells.size))
    return connected_components(graph, directed=False)[0]


def num_dead_ends(cells: np.ndarray) -> int:
    return int((np.bitwise_count(cells & np.uint8(15)) == 3).sum())


# What they are ------------------------------------------------------------------------------------------------------


@pytest.mark.kernels
@pytest.mark.parametrize("kind", PERFECT)
def test_a_perfect_maze_is_a_tree_of_all_cells(kind: str) -> None:
    for seed in range(200):
        maze = generate_maze(kind, *shape_of(seed), seed=seed)
        assert maze.cells.shape == shape_of(seed)
        assert len(open_edges(maze.cells)) == maze.cells.size - 1, seed
        assert num_parts(maze.cells) == 1, seed
        assert not maze.blocked.any()
        assert (maze.start, maze.goals) == ((0, 0), ((maze.rows - 1, maze.columns - 1),))


@pytest.mark.kernels
@pytest.mark.parametrize("kind", GENERATORS)
def test_the_seed_decides_the_maze(kind: str) -> None:
    made = [generate_maze(kind, 9, 8, seed=seed) for seed in (0, 1, 2, 3)]
    assert made == [generate_maze(kind, 9, 8, seed=seed) for seed in (0, 1, 2, 3)]
    assert len(set(made)) == 4


# Walls of the first cells, row by row: the same on every machine, and in every version that doesn't say otherwise.
KEPT = {
    "backtracker": "655cb6587979",
    "wilson": "745c60cbbb3d",
    "prim": "e74ca68b393d",
    "kruskal": "6d6dae2c319b",
    "eller": "ee7ca2ca3939",
    "division": "64cebb28759b",
    "rooms": "e64ca2083119",
    "random": "654caf283519",
}


@pytest.mark.kernels
@pytest.mark.parametrize("kind", GENERATORS)
def test_a_recipe_makes_the_same_maze_as_ever(kind: str) -> None:
    cells = generate_maze(kind, 3, 4, seed=5).cells
    assert "".join(f"{each & 15:x}" for each in cells.ravel()) == KEPT[kind]


def trees_of_nine_cells(carve: Callable[[np.ndarray, np.ndarray], None]) -> Counter[bytes]:
    """How often each was carved, by the seeds from 0 to 19,999."""
    counts = Counter()
    for seed in range(20_000):
        cells = np.full(9, ALL_WALLS, np.uint8)
        carve(cells, new_stream(seed))
        counts[cells.tobytes()] += 1
    return counts


def chi_square(counts: Counter[bytes], num_kinds: int) -> float:
    """The statistic of Pearson's test that all kinds are equally likely."""
    expected = counts.total() / num_kinds
    seen = sum((count - expected) ** 2 / expected for count in counts.values())
    return seen + (num_kinds - len(counts)) * expected


MOST = 253.0  # the statistic of 192 equally likely kinds is greater than this once in 560 times


def test_wilsons_makes_all_trees_of_nine_cells_equally_often() -> None:
    counts = trees_of_nine_cells(lambda cells, stream: carve_wilson(cells, 3, stream))
    assert len(counts) == 192  # Kirchhoff's number for 3x3
    assert chi_square(counts, 192) < MOST


def test_that_test_finds_the_backtracker_biased() -> None:
    counts = trees_of_nine_cells(lambda cells, stream: carve_backtracker(cells, 3, draw_below(9, stream), stream))
    assert len(counts) < 192
    assert chi_square(counts, 192) > 10 * MOST


@pytest.mark.parametrize(("rows", "columns", "num_trees"), [(2, 3, 15), (2, 2, 4)])
def test_wilsons_is_fair_where_rows_and_columns_differ(rows: int, columns: int, num_trees: int) -> None:
    counts = Counter((generate_maze("wilson", rows, columns, seed=seed).cells & 15).tobytes() for seed in range(3000))
    assert len(counts) == num_trees
    assert max(abs(count * num_trees / 3000 - 1) for count in counts.values()) < 0.25


@pytest.mark.kernels
@pytest.mark.parametrize("kind", BRAIDED)
def test_braiding_leaves_as_many_dead_ends_as_it_was_asked_to(kind: str) -> None:
    for seed, share in itertools.product(range(20), (0.0, 0.25, 0.5, 1.0)):
        before = generate_maze(kind, 7, 11, seed=seed).cells
        after = generate_maze(kind, 7, 11, seed=seed, braid=share).cells
        wanted = num_dead_ends(before) - int(share * num_dead_ends(before) + 0.5)
        assert wanted - 1 <= num_dead_ends(after) <= wanted
        assert share < 1.0 or num_dead_ends(after) == 0
        assert not (after & ~before & 15).any()  # walls only go
        open_edges(after)


@pytest.mark.parametrize("kind", BRAIDED)
@pytest.mark.parametrize("shape", [(1, 5), (5, 1), (1, 2)])
def test_a_corridor_keeps_its_ends(kind: str, shape: tuple[int, int]) -> None:
    cells = generate_maze(kind, *shape, braid=1.0).cells
    assert num_dead_ends(cells) == 2
    assert len(open_edges(cells)) == cells.size - 1


def test_braiding_draws_from_all_dead_ends_alike() -> None:
    """Of a comb's six teeth one is drawn, and opened into one beside it."""
    comb = np.array([[WALL_UP | WALL_LEFT | WALL_RIGHT] * 6, [WALL_DOWN] * 6], np.uint8)
    comb[1, 0] |= WALL_LEFT
    comb[1, -1] |= WALL_RIGHT
    opened = np.zeros(6)
    for seed in range(2000):
        cells = comb.ravel().copy()
        scattering.braid(cells, 6, 1 / 6, new_stream(seed))
        opened += np.bitwise_count(cells[:6] & np.uint8(15)) == 2
    assert opened.sum() == 4000  # one wall ends two of them
    # A tooth in the middle is opened with its own draw or by either neighbour's, one at the side by one neighbour's.
    share = np.array([1 + 1 / 2, 1 + 1 + 1 / 2, 2, 2, 1 + 1 + 1 / 2, 1 + 1 / 2]) / 12
    np.testing.assert_allclose(opened / 4000, share, atol=0.03)


@pytest.mark.kernels
def test_rooms_are_joined_and_rectangular() -> None:
    for seed in range(60):
        rows, columns = shape_of(seed)
        assert num_parts(generate_maze("rooms", rows, columns, seed=seed, room=1 + seed % 9).cells) == 1
    cells = np.full(30 * 40, ALL_WALLS, np.uint8)
    num_rooms = joining.place_rooms(cells, 40, 6, 100, new_stream(1))
    is_room = (cells & joining.ROOM).reshape(30, 40) > 0
    corners = Counter()
    for row, column in itertools.product(range(31), range(41)):
        corners[np.pad(is_room, 1)[row : row + 2, column : column + 2].tobytes()] += 1
    for corner in itertools.permutations((True, False, False, False)):
        assert corners[np.array(corner).tobytes()] == num_rooms  # each room has one of each, and no other bend
    assert all(sum(pattern) in (0, 1, 2, 4) for pattern in corners)
    assert num_rooms > 10
    assert {2, 3, 4, 5, 6} >= set(np.diff(np.flatnonzero(np.diff(np.pad(is_room[15], 1).astype(int))))[::2].tolist())


def test_rooms_are_open_inside() -> None:
    cells = generate_maze("rooms", 40, 40, seed=2, room=6).cells
    walls = np.bitwise_count(cells & np.uint8(15))
    assert (walls == 0).sum() > 100
    assert len(open_edges(cells)) > cells.size + 100  # far from a tree


@pytest.mark.kernels
@pytest.mark.parametrize("density", [0.0, 0.3, 0.5, 0.9, 1.0])
def test_a_random_maze_has_a_way_at_every_density(density: float) -> None:
    for seed in range(40):
        rows, columns = shape_of(seed)
        maze = generate_maze("random", rows, columns, seed=seed, density=density)
        assert maze.distances()[0, 0] > 0
        if density == 1.0:  # the fewest cells that make a way
            assert (~maze.blocked).sum() == rows + columns - 1
        if density == 0.0:
            assert maze == Maze.open(rows, columns)


def test_a_random_maze_is_as_dense_as_it_was_asked_to_be() -> None:
    for density in (0.1, 0.3, 0.6):
        assert generate_maze("random", 200, 200, density=density).blocked.mean() == pytest.approx(density, abs=0.015)


def test_start_and_goal_of_a_random_maze_are_free_wherever_they_are() -> None:
    here = generate_maze("random", 20, 20, start=(3, 4), goal=(17, 2), density=0.35)
    assert (here.start, here.goals) == ((3, 4), ((17, 2),))
    there = generate_maze("random", 20, 20, density=0.35)
    assert (here.blocked != there.blocked).sum() < 12  # the rest is the same


@pytest.mark.kernels
def test_a_way_is_cleared_through_as_few_blocked_cells_as_possible() -> None:
    """Against the cost of the cheapest way, by relaxation until nothing changes."""
    for seed in range(60):
        cells = np.zeros(8 * 9, np.uint8)
        scattering.scatter(cells, 0.55, 0, 71, new_stream(seed))
        blocked = cells.reshape(8, 9) > 0
        costs = np.full((10, 11), 999)
        costs[1, 1] = 0
        for _ in range(72):
            near = np.minimum.reduce([costs[:-2, 1:-1], costs[2:, 1:-1], costs[1:-1, :-2], costs[1:-1, 2:]])
            costs[1:-1, 1:-1] = np.minimum(costs[1:-1, 1:-1], near + blocked)
        num_freed = scattering.clear_path(cells, 9, 0, 71, np.empty(72, np.int32))
        assert num_freed == costs[8, 9] == blocked.sum() - (cells > 0).sum()
        assert set(cells.tolist()) <= {0, BLOCKED}


# Eller's, row by row ------------------------------------------------------------------------------------------------


@pytest.mark.kernels
@pytest.mark.parametrize("shape", [(6, 9), (1, 5), (5, 1), (2, 3)])
def test_rows_are_those_of_the_maze(shape: tuple[int, int]) -> None:
    rows, columns = shape
    for seed in range(20):
        maze = generate_maze("eller", rows, columns, seed=seed).cells & 15
        assert (np.array(list(eller_rows(columns, seed=seed, rows=rows))) == maze).all()
        endless = np.array(list(itertools.islice(eller_rows(columns, seed=seed), rows)))
        assert (endless[:-1] == maze[:-1]).all()
        assert (maze[-1] & WALL_DOWN).all()
        more_walls = maze[-1] & ~endless[-1]
        assert not (more_walls & ~np.uint8(WALL_DOWN)).any()  # but for the floor, the last row only loses walls


def test_rows_go_on_for_ever_in_little_memory() -> None:
    next(eller_rows(200))
    tracemalloc.start()
    try:
        for count, row in enumerate(eller_rows(200, seed=1)):
            assert row.shape == (200,)
            assert not (row & WALL_DOWN).all()
            if count == 3000:
                break
        assert tracemalloc.get_traced_memory()[1] < 200_000
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"columns": 0}, "columns must be a whole number of at least 1, not 0"),
        ({"columns": 3, "rows": 0}, "rows must be a whole number of at least 1, not 0"),
        ({"columns": 3, "rows": 2.5}, "rows must be a whole number of at least 1, not 2.5"),  # which no count comes to
        ({"columns": 2**26 + 1}, "a maze of 1 x 67108865 cells is too large: the limit is 67,108,864 cells"),
        ({"columns": 3, "seed": -1}, "seed must be a whole number of at least 0, not -1"),
    ],
)
def test_rows_that_cannot_be_are_refused_at_once(settings: dict, said: str) -> None:
    with pytest.raises(MazeError) as caught:
        eller_rows(**settings)
    assert str(caught.value) == said


# Recipes ------------------------------------------------------------------------------------------------------------


def test_a_recipe_says_what_is_made() -> None:
    assert find_maze("wilson:8x8:seed=3") == generate_maze("wilson", 8, 8, seed=3)
    assert find_maze("prim:4x9") == generate_maze("prim", 4, 9)
    recipe = "rooms:12x9:room=4:seed=7:braid=0.5"
    assert find_maze(recipe) == generate_maze("rooms", 12, 9, seed=7, room=4, braid=0.5)
    assert parse_recipe(recipe) == ("rooms", 12, 9, {"room": 4, "seed": 7, "braid": 0.5})
    assert clew.generate_maze is generate_maze


def test_start_and_goal_take_the_place_of_the_corners() -> None:
    maze = find_maze("random:8x9:density=0.5:seed=1", start=(2, 3), goal=(0, 8))
    assert (maze.start, maze.goals) == ((2, 3), ((0, 8),))
    assert maze == generate_maze("random", 8, 9, seed=1, density=0.5, start=(2, 3), goal=(0, 8))


KINDS = ", ".join(GENERATORS)


@pytest.mark.parametrize(
    ("recipe", "said"),
    [
        ("wilsen:8x8", f"unknown kind of maze 'wilsen'; did you mean 'wilson'? Choose from {KINDS}"),
        ("wilson", "wilson must be followed by a size, as in wilson:20x30, not ''"),
        ("wilson:8", "wilson must be followed by a size, as in wilson:20x30, not '8'"),
        ("wilson:-8x8", "wilson must be followed by a size, as in wilson:20x30, not '-8x8'"),
        ("wilson:seed=3:8x8", "wilson must be followed by a size, as in wilson:20x30, not 'seed=3'"),
        ("wilson:8x8:3", "expected key=value after the size, as in wilson:20x30:seed=3, got '3'"),
        ("wilson:8x8:", "expected key=value after the size, as in wilson:20x30:seed=3, got ''"),
        ("wilson:8x8:seed=", "seed must be a number, not ''"),
        ("wilson:8x8:seed=3:seed=3", "seed is given twice"),
        ("wilson:8x8:sead=3", "mazes of kind 'wilson' have no key 'sead'; their keys are seed, braid"),
        ("random:8x8:braid=1", "mazes of kind 'random' have no key 'braid'; their keys are seed, density"),
        ("wilson:8x8:start=1", "mazes of kind 'wilson' have no key 'start'; their keys are seed, braid"),
        ("wilson:8x8:seed=-1", "seed must be a whole number of at least 0, not -1"),
        ("wilson:8x8:seed=1.5", "seed must be a whole number of at least 0, not 1.5"),
        ("wilson:8x8:braid=1.5", "braid must be a finite number in [0, 1], not 1.5"),
        ("wilson:8x8:braid=nan", "braid must be a finite number in [0, 1], not nan"),
        ("rooms:8x8:room=0", "room must be a whole number from 1 to 1,000, not 0"),
        ("random:8x8:density=-0.1", "density must be a finite number in [0, 1], not -0.1"),
        ("wilson:0x8", "rows must be a whole number of at least 1, not 0"),
        ("wilson:8x0", "columns must be a whole number of at least 1, not 0"),
        (
            "wilson:2x33554432",
            "a wilson maze of 2 x 33554432 cells would take too long, since its random walks must meet "
            "along the longer side; choose another kind",
        ),
    ],
)
def test_a_recipe_that_is_wrong_is_refused(recipe: str, said: str) -> None:
    with pytest.raises(MazeError) as caught:
        find_maze(recipe)
    assert str(caught.value) == said


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"start": (8, 0)}, "the start (8, 0) is outside the maze, whose rows are 0..7 and columns 0..7"),
        ({"goal": (0, -1)}, "the goal (0, -1) is outside the maze, whose rows are 0..7 and columns 0..7"),
        ({"goal": (0, 0)}, "the start (0, 0) is on a goal"),
        ({"scenario": "a.scen:0"}, "a scenario must be given with the map file that it is for, not with 'random:8x8'"),
    ],
)
def test_places_that_cannot_be_are_refused(settings: dict, said: str) -> None:
    with pytest.raises(MazeError) as caught:
        find_maze("random:8x8", **settings)
    assert str(caught.value).splitlines()[0] == said


@pytest.mark.parametrize(
    ("kind", "rows", "columns", "said"),
    [
        ("wilson", 2.5, 3, "rows must be a whole number of at least 1, not 2.5"),
        ("wilson", 3, "3", "columns must be a whole number of at least 1, not '3'"),
        ("wilson", 3, True, "columns must be a whole number of at least 1, not True"),
        (["wilson"], 3, 3, "unknown kind of maze ['wilson']; choose from " + ", ".join(GENERATORS)),
    ],
)
def test_what_is_no_size_or_kind_is_refused(kind: str, rows: int, columns: int, said: str) -> None:
    with pytest.raises(MazeError) as caught:
        generate_maze(kind, rows, columns)
    assert str(caught.value) == said


def test_sizes_may_be_numbers_of_numpy() -> None:
    side = np.int8(100)  # whose square eight bits don't hold
    assert generate_maze("eller", side, side) == generate_maze("eller", 100, 100)
    assert len(list(eller_rows(side, rows=side))) == 100


@pytest.mark.parametrize("kind", GENERATORS)
def test_a_size_too_large_is_refused_before_memory_is_taken(kind: str) -> None:
    tracemalloc.start()
    try:
        with pytest.raises(MazeError, match="is too large: the limit is 67,108,864 cells"):
            find_maze(f"{kind}:8193x8192")
        assert tracemalloc.get_traced_memory()[1] < 1_000_000
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("kind", GENERATORS)
def test_a_maze_of_one_cell_has_no_place_for_a_goal(kind: str) -> None:
    with pytest.raises(MazeError, match="a maze of one cell has no room for a start and a goal"):
        generate_maze(kind, 1, 1)


def test_a_size_is_written_in_ascii() -> None:
    for name in ("\u0663x\u0663", "wilson:\u0663x\u0663"):  # the digit three, as Arabic has it
        with pytest.raises(MazeError, match=r"no maze is called|must be followed by a size"):
            find_maze(name)


def test_names_of_files_are_no_recipes() -> None:
    for name in ("maze.txt", "folder:one/maze.map", r"C:\mazes\maze.txt", "10x12", "book", "wilson.txt"):
        assert not is_recipe(name)


def test_every_key_is_some_generators() -> None:
    assert {"seed"} | {key for row in GENERATORS.values() for key in row.keys} == set(KEYS)


def test_the_page_names_every_kind_and_key() -> None:
    page = (Path(__file__).parents[2] / "docs" / "worlds.md").read_text()
    for kind, row in GENERATORS.items():
        assert f"| `{kind}` | {row.help} | {', '.join(f'`{key}`' for key in row.keys)} |" in page
    for name, key in KEYS.items():
        assert f"| `{name}` | {key.help} | {key.default:g} |" in page
