"""Named worlds that come with the package, each with a card: mazes with their rewards, and worlds that are no mazes.

`clew worlds` lists them, `clew worlds NAME` shows a card, and a name stands wherever a world is asked for.
"""

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

from clew.environments import Environment, ModelEnvironment
from clew.mazes import Maze
from clew.mazes.moves import FOUR
from clew.models.mdp import FiniteMDP
from clew.models.rows import Outcome
from clew.settings import check_choice

__all__ = ["GALLERY", "Card", "make_world"]


class Card(NamedTuple):
    """What there is to know of a world."""

    summary: str
    make: Callable[[], ModelEnvironment]
    states: str
    actions: str
    rewards: str
    end: str
    gamma: float  # that the optimum is said for
    optimum: float  # the value of the start, mean over the starts
    policy: str  # what the best policy does, in words
    source: str


def make_world(name: str) -> ModelEnvironment:
    """Make a world of the gallery.

    Raises:
        SettingError: if none is called so; lists those that are.
    """
    check_choice("world", name, GALLERY)
    return GALLERY[name].make()


# Grids whose moves aren't those of a maze -----------------------------------------------------------------------------


def cliff() -> ModelEnvironment:
    """A row of cells to walk along, with a cliff below; a fall leads back to the start."""
    rows, columns = 4, 12

    def step(s: int, a: int) -> list[Outcome]:
        move, (row, column) = FOUR.moves[0][a], divmod(s, columns)
        if row == 3 and column > 0:  # the goal; nobody stands in the cliff
            return []
        row, column = min(max(row + move.rows, 0), rows - 1), min(max(column + move.columns, 0), columns - 1)
        if row == 3 and 0 < column < columns - 1:
            return [(1.0, 36, -100.0, False)]
        return [(1.0, row * columns + column, -1.0, (row, column) == (3, columns - 1))]

    return ModelEnvironment(FiniteMDP.from_function(rows * columns, 4, step, starts=[36]), actions=FOUR.actions)


def windy() -> ModelEnvironment:
    """An open field with a wind that lifts whoever crosses it."""
    rows, columns, wind, goal = 7, 10, (0, 0, 0, 1, 1, 1, 2, 2, 1, 0), (3, 7)

    def step(s: int, a: int) -> list[Outcome]:
        move, (row, column) = FOUR.moves[0][a], divmod(s, columns)
        if (row, column) == goal:
            return []
        row = min(max(row + move.rows - wind[column], 0), rows - 1)
        column = min(max(column + move.columns, 0), columns - 1)
        return [(1.0, row * columns + column, -1.0, (row, column) == goal)]

    return ModelEnvironment(FiniteMDP.from_function(rows * columns, 4, step, starts=[30]), actions=FOUR.actions)


# Worlds that are no grids ---------------------------------------------------------------------------------------------

SHELF = 20  # items that the warehouse has room for
DEMAND = 4.0  # items a day, on the average
PRICE, COST, ORDER_COST, KEEPING, LOST = 8.0, 3.0, 12.0, 0.5, 2.0


def warehouse() -> ModelEnvironment:
    """A shelf to restock each evening, for customers who come by chance."""
    chances = poisson(DEMAND, SHELF)

    def day(stock: int, order: int) -> list[Outcome]:
        filled = min(stock + order, SHELF)
        paid = COST * (filled - stock) + ORDER_COST * (filled > stock)
        outcomes = []
        for wanted, chance in enumerate(chances):
            sold = min(wanted, filled)
            reward = PRICE * sold - LOST * (wanted - sold) - KEEPING * (filled - sold) - paid
            outcomes.append((chance, filled - sold, reward, False))
        return outcomes

    mdp = FiniteMDP.from_function(SHELF + 1, SHELF + 1, day)
    return ModelEnvironment(mdp, max_episode_steps=100, actions=tuple(f"order {n}" for n in range(SHELF + 1)))


def poisson(mean: float, most: int) -> Sequence[float]:
    """The chances of 0 to `most`, which takes all that is beyond it."""
    chances = [math.exp(-mean) * mean**k / math.factorial(k) for k in range(most)]
    return [*chances, 1.0 - math.fsum(chances)]


BUFFER, WORN = 6, 4  # finished parts that can wait; wear at which the machine stands still
WAIT, SLOW, FAST, REPAIR = range(4)
MADE, WEARS = {SLOW: 0.6, FAST: 0.9}, {SLOW: 0.05, FAST: 0.25}
WANTED, PART, IDLE_BUYER, STORING = 0.5, 10.0, 4.0, 0.5
MENDING, REPLACING = 6.0, 30.0


def assembly() -> ModelEnvironment:
    """A machine that makes parts, wears out and is mended, and buyers who come by chance."""

    def hour(s: int, a: int) -> list[Outcome]:
        wear, parts = divmod(s, BUFFER + 1)
        runs = a in MADE and wear < WORN and parts < BUFFER
        made = MADE[a] if runs else 0.0
        wears = WEARS[a] if runs else 0.0
        paid = (REPLACING if wear == WORN else MENDING) if a == REPAIR else 0.0
        outcomes = []
        for is_made, chance_made in ((1, made), (0, 1.0 - made)):
            for is_worn, chance_worn in ((1, wears), (0, 1.0 - wears)):
                for is_wanted, chance_wanted in ((1, WANTED), (0, 1.0 - WANTED)):
                    there = parts + is_made
                    sold = min(is_wanted, there)
                    reward = PART * sold - IDLE_BUYER * (is_wanted - sold) - STORING * (there - sold) - paid
                    wear_next = 0 if a == REPAIR else wear + is_worn
                    chance = chance_made * chance_worn * chance_wanted
                    if chance > 0.0:
                        outcomes.append((chance, wear_next * (BUFFER + 1) + there - sold, reward, False))
        return outcomes

    mdp = FiniteMDP.from_function((WORN + 1) * (BUFFER + 1), 4, hour)
    return ModelEnvironment(mdp, max_episode_steps=100, actions=("wait", "run slowly", "run fast", "mend"))


# Mazes ----------------------------------------------------------------------------------------------------------------

ROOMS = """\
.....#.....
.....#.....
...........
.....#.....
.....#.....
#.####.....
.....###.##
.....#.....
.....#.....
......G....
.....#.....
"""
TRAP = """\
S...G
.###.
.###.
.###.
.....
"""
FIELD = """\
S...........
.!!!.!!.!!!.
....!....!..
.!!...!!...!
...!.!...!..
!!...!.!...G
"""


def book_walls() -> Environment:
    """The chapter's second exercise."""
    return Environment(Maze.open(5, 5), outer_wall_reward=-100.0)


def book_goals() -> Environment:
    """The chapter's fourth exercise."""
    return Environment(Maze.open(5, 5), random_start=True, random_goal=True)


def four_rooms() -> Environment:
    """Four rooms, joined by four doors."""
    return Environment(Maze.from_text(ROOMS), random_start=True)


def trap() -> Environment:
    """Two ways, of which the longer begins with the first action."""
    return Environment(Maze.from_text(TRAP), step_reward=-1.0, goal_reward=0.0)


def hazards() -> Environment:
    """A field of hazards, on ice."""
    return Environment(Maze.from_text(FIELD), slip=0.2, step_reward=-1.0, goal_reward=0.0, hazard_reward=-10.0)


FOUR_WAYS = "0 down, 1 left, 2 up, 3 right"
MAZE_MOVES = f"{FOUR_WAYS}; a wall stops a move"
AT_GOAL = "at the goal; after 100 steps per free cell it is cut off"
ON_AND_ON = "never; it is cut off after 100 steps"
GALLERY: dict[str, Card] = {
    "book-walls": Card(
        summary="the chapter's 5x5, where touching the outer wall costs",
        make=book_walls,
        states="25 cells, row * 5 + column",
        actions=MAZE_MOVES,
        rewards="1 at the goal, -100 for touching the outer wall",
        end=AT_GOAL,
        gamma=0.9,
        optimum=0.478297,
        policy="go to the opposite corner in eight steps, and never into the wall",
        source="the chapter's second exercise",
    ),
    "book-goals": Card(
        summary="the chapter's 5x5 with another start and another goal each time",
        make=book_goals,
        states="625 pairs of a goal and a cell, goal * 25 + cell",
        actions=MAZE_MOVES,
        rewards="1 at the goal",
        end=AT_GOAL,
        gamma=0.9,
        optimum=0.792940,
        policy="walk straight to the goal that the state names",
        source="the chapter's fourth exercise",
    ),
    "cliff": Card(
        summary="a walk along a cliff: the shortest way is the one that Sarsa dares not take",
        make=cliff,
        states="48 cells, row * 12 + column; the bottom row is start, cliff and goal",
        actions=FOUR_WAYS,
        rewards="-1 a move, -100 for a fall, which leads back to the start",
        end="at the goal; after 4,800 steps it is cut off",
        gamma=1.0,
        optimum=-13.0,
        policy="go up, eleven to the right along the edge, and down",
        source="Sutton & Barto (2018), example 6.6",
    ),
    "windy": Card(
        summary="a field whose middle columns have a wind that lifts",
        make=windy,
        states="70 cells, row * 10 + column",
        actions=FOUR_WAYS,
        rewards="-1 a move",
        end="at the goal; after 7,000 steps it is cut off",
        gamma=1.0,
        optimum=-15.0,
        policy="cross the wind along the top, then come back down from the right",
        source="Sutton & Barto (2018), example 6.5",
    ),
    "four-rooms": Card(
        summary="four rooms with a door between each two neighbours; starts anywhere",
        make=four_rooms,
        states="121 cells of 11x11, row * 11 + column",
        actions=MAZE_MOVES,
        rewards="1 at the goal",
        end=AT_GOAL,
        gamma=0.9,
        optimum=0.514228,
        policy="leave the room by the door that is nearer to the goal",
        source="after Sutton, Precup & Singh (1999); with certain moves",
    ),
    "trap": Card(
        summary=(
            "two ways, of which the longer begins with action 0: it fools an agent that always takes the first of tied "
            "actions"
        ),
        make=trap,
        states="25 cells, row * 5 + column",
        actions=MAZE_MOVES,
        rewards="-1 a move",
        end=AT_GOAL,
        gamma=1.0,
        optimum=-4.0,
        policy="go right, four steps; down and round it is twelve",
        source="Clew",
    ),
    "hazards": Card(
        summary="a slippery field of hazards: the safe way is longer than the short one",
        make=hazards,
        states="72 cells of 6x12, row * 12 + column",
        actions=f"{MAZE_MOVES}; one in five goes astray to a side",
        rewards="-1 a move, -10 for entering a hazard",
        end=AT_GOAL,
        gamma=1.0,
        optimum=-36.606102,
        policy="keep away from hazards, also where that takes longer",
        source="Clew",
    ),
    "warehouse": Card(
        summary="restocking a shelf each evening, with demand by chance",
        make=warehouse,
        states=f"{SHELF + 1}: items on the shelf",
        actions=f"order 0 to {SHELF}; what the shelf has no room for isn't delivered, nor paid",
        rewards=(
            f"{PRICE:g} an item sold, less {COST:g} an item ordered, {ORDER_COST:g} an order, {KEEPING:g} for "
            f"each that stays overnight, {LOST:g} for each asked for in vain; demand is Poisson, {DEMAND:g} a day"
        ),
        end=ON_AND_ON,
        gamma=0.99,
        optimum=1269.977350,
        policy="when three items or fewer are left, fill up to sixteen; else order nothing",
        source="Puterman (1994), section 3.2; with figures of Clew",
    ),
    "assembly": Card(
        summary="a machine that makes parts, wears out and is mended, with buyers by chance",
        make=assembly,
        states=f"{(WORN + 1) * (BUFFER + 1)}: wear * {BUFFER + 1} + waiting parts; wear is 0 to {WORN}",
        actions="0 wait, 1 run slowly, 2 run fast, 3 mend",
        rewards=(
            f"{PART:g} a part sold, less {IDLE_BUYER:g} for a buyer who finds none, {STORING:g} for each part that "
            f"waits, {MENDING:g} to mend, {REPLACING:g} if it stands still; a buyer comes every other hour, by chance"
        ),
        end=ON_AND_ON,
        gamma=0.99,
        optimum=400.168241,
        policy=(
            "keep two parts in stock and no more: below that run fast if none is left, slowly if one is; "
            "a machine at wear 2 runs fast for both, and from wear 3 on it is mended before it makes another part"
        ),
        source="Clew",
    ),
}
