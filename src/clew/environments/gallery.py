"""The gallery: named worlds that come with the package, each with a card that describes it.

`clew worlds` lists them and `clew worlds NAME` prints a card. A name can be used wherever a world is expected.
"""

import math
from collections.abc import Callable
from itertools import product
from typing import NamedTuple

from clew.environments import Environment, ModelEnvironment
from clew.environments.gallery_mazes import BRIDGE, CLIFF, DISCOUNT, FIELD, ROOMS, RUSSELL, TRAP
from clew.mazes import Maze
from clew.mazes.moves import FOUR
from clew.models.mdp import FiniteMDP
from clew.models.rows import Outcome
from clew.settings import check_choice


class Card(NamedTuple):
    """Description of a world of the gallery."""

    summary: str
    make: Callable[[], ModelEnvironment]
    states: str  # begins with their number
    actions: str
    rewards: str
    end: str
    gamma: float  # discount of the optimum
    optimum: float  # optimal value, mean over the start states
    policy: str  # the optimal policy in words
    source: str


def make_world(name: str) -> ModelEnvironment:
    """Make a world of the gallery by its name.

    Raises:
        SettingError: if there is no world of that name; lists all names.

    >>> import clew
    >>> clew.gallery.make_world("cliff").mdp.num_states
    48
    """
    check_choice("world", name, GALLERY)
    return GALLERY[name].make()


# Grid worlds with rules of their own ----------------------------------------------------------------------------------


def cliff() -> ModelEnvironment:
    """Make the cliff walk: a 4x12 grid whose bottom row is start, cliff and goal; a fall leads back to the start."""
    rows, columns = 4, 12

    def step(s: int, a: int) -> list[Outcome]:
        move, (row, column) = FOUR.moves[0][a], divmod(s, columns)
        if row == 3 and column > 0:  # the cliff, which is never entered, and the goal
            return []
        row, column = min(max(row + move.rows, 0), rows - 1), min(max(column + move.columns, 0), columns - 1)
        if row == 3 and 0 < column < columns - 1:
            return [(1.0, 36, -100.0, False)]
        return [(1.0, row * columns + column, -1.0, (row, column) == (3, columns - 1))]

    mdp = FiniteMDP.from_function(rows * columns, 4, step, starts=[36])
    return ModelEnvironment(mdp, actions=FOUR.actions, has_goal=True)


def windy() -> ModelEnvironment:
    """Make the windy gridworld: a 7x10 grid in whose middle columns moves are shifted up by one or two cells."""
    rows, columns, wind, goal = 7, 10, (0, 0, 0, 1, 1, 1, 2, 2, 1, 0), (3, 7)

    def step(s: int, a: int) -> list[Outcome]:
        move, (row, column) = FOUR.moves[0][a], divmod(s, columns)
        if (row, column) == goal:
            return []
        row = min(max(row + move.rows - wind[column], 0), rows - 1)
        column = min(max(column + move.columns, 0), columns - 1)
        return [(1.0, row * columns + column, -1.0, (row, column) == goal)]

    mdp = FiniteMDP.from_function(rows * columns, 4, step, starts=[30])
    return ModelEnvironment(mdp, actions=FOUR.actions, has_goal=True)


# Worlds that aren't grids ---------------------------------------------------------------------------------------------

SHELF = 20  # capacity in items
MEAN_DEMAND = 4.0  # items per day
PRICE, ITEM_COST, ORDER_COST, HOLDING_COST, SHORTAGE_COST = 8.0, 3.0, 12.0, 0.5, 2.0


def warehouse() -> ModelEnvironment:
    """Make the warehouse: a shelf that is restocked each evening, with random demand during the day."""
    # Poisson probabilities of 0 to SHELF; the last includes those of all larger numbers.
    demand = [math.exp(-MEAN_DEMAND) * MEAN_DEMAND**k / math.factorial(k) for k in range(SHELF)]
    demand.append(1.0 - math.fsum(demand))

    def day(stock: int, order: int) -> list[Outcome]:
        filled = min(stock + order, SHELF)
        cost = ITEM_COST * (filled - stock) + ORDER_COST * (filled > stock)
        outcomes = []
        for wanted, probability in enumerate(demand):
            sold = min(wanted, filled)
            reward = PRICE * sold - SHORTAGE_COST * (wanted - sold) - HOLDING_COST * (filled - sold) - cost
            outcomes.append((probability, filled - sold, reward, False))
        return outcomes

    mdp = FiniteMDP.from_function(SHELF + 1, SHELF + 1, day)
    return ModelEnvironment(mdp, max_episode_steps=100, actions=tuple(f"order {n}" for n in range(SHELF + 1)))


STORE, MAX_WEAR = 6, 4  # capacity in finished parts; wear at which the machine stops
WAIT, SLOW, FAST, REPAIR = range(4)
PART_PROBABILITY, WEAR_PROBABILITY = {SLOW: 0.6, FAST: 0.9}, {SLOW: 0.05, FAST: 0.25}  # per hour
BUYER_PROBABILITY, PART_PRICE, LOST_BUYER_COST, STORE_COST = 0.5, 10.0, 4.0, 0.5
REPAIR_COST, REPLACE_COST = 6.0, 30.0


def assembly() -> ModelEnvironment:
    """Make the assembly line: a machine that makes parts, wears out and is repaired, with random buyers."""

    def hour(s: int, a: int) -> list[Outcome]:
        wear, parts = divmod(s, STORE + 1)
        runs = a in PART_PROBABILITY and wear < MAX_WEAR and parts < STORE
        p_made = PART_PROBABILITY[a] if runs else 0.0
        p_worn = WEAR_PROBABILITY[a] if runs else 0.0
        cost = (REPLACE_COST if wear == MAX_WEAR else REPAIR_COST) if a == REPAIR else 0.0
        chances = [((1, p), (0, 1.0 - p)) for p in (p_made, p_worn, BUYER_PROBABILITY)]
        outcomes = []
        for (made, probability_made), (worn, probability_worn), (wanted, probability_wanted) in product(*chances):
            sold = min(wanted, parts + made)
            left = parts + made - sold
            reward = PART_PRICE * sold - LOST_BUYER_COST * (wanted - sold) - STORE_COST * left - cost
            next_wear = 0 if a == REPAIR else wear + worn
            probability = probability_made * probability_worn * probability_wanted
            if probability > 0.0:
                outcomes.append((probability, next_wear * (STORE + 1) + left, reward, False))
        return outcomes

    mdp = FiniteMDP.from_function((MAX_WEAR + 1) * (STORE + 1), 4, hour)
    return ModelEnvironment(mdp, max_episode_steps=100, actions=("wait", "run slowly", "run fast", "repair"))


# Mazes ----------------------------------------------------------------------------------------------------------------


def berkeley(text: str) -> ModelEnvironment:
    """Make a grid of Berkeley's course with its usual settings: noise 0.2, no living reward, an action to exit."""
    return Environment(Maze.from_text(text), slip=0.2, exit_action=True)


ACTIONS = "0 down, 1 left, 2 up, 3 right"
MAZE_ACTIONS = f"{ACTIONS}; a move into a wall stays"
SLIPPERY = f"{MAZE_ACTIONS}; one move in five slips to the left or right of its direction"
AT_EXIT = "terminated at an exit; truncated after 100 steps per free cell"
AFTER_EXIT = "terminated by the action that follows the entry of an exit; truncated after 100 steps per free cell"
COURSE = "UC Berkeley's course CS 188, project Reinforcement Learning"
AT_GOAL = "terminated at the goal; truncated after 100 steps per free cell"
TRUNCATED = "never terminated; truncated after 100 steps"
GALLERY: dict[str, Card] = {
    "book-walls": Card(
        summary="the 5x5 maze of the book, with a penalty for running into the outer wall",
        make=lambda: Environment(Maze.open(5, 5), outer_wall_reward=-100.0),
        states="25 cells, row * 5 + column; the start is (0, 0), the goal (4, 4)",
        actions=MAZE_ACTIONS,
        rewards="1 at the goal, -100 for a move into the outer wall, otherwise 0",
        end=AT_GOAL,
        gamma=0.9,
        optimum=0.478297,
        policy="go to the goal in eight steps without running into the outer wall",
        source="the chapter's second exercise",
    ),
    "book-goals": Card(
        summary="the 5x5 maze of the book, with random start and random goal in each episode",
        make=lambda: Environment(Maze.open(5, 5), random_start=True, random_goal=True),
        states="625 pairs of a goal and a cell, goal * 25 + cell, where a cell is row * 5 + column",
        actions=MAZE_ACTIONS,
        rewards="1 at the goal, otherwise 0",
        end=AT_GOAL,
        gamma=0.9,
        optimum=0.792940,
        policy="take a shortest path to the goal, which is part of the state",
        source="the chapter's fourth exercise",
    ),
    "cliff": Card(
        summary="a walk along a cliff: the optimal path is along the edge, where exploration makes Sarsa keep away",
        make=cliff,
        states="48 cells of 4x12, row * 12 + column; the bottom row is start, cliff and goal, from left to right",
        actions=f"{ACTIONS}; a move into the edge of the grid stays",
        rewards="-1 per move, -100 for a fall from the cliff, which leads back to the start",
        end="terminated at the goal; truncated after 4,800 steps",
        gamma=1.0,
        optimum=-13.0,
        policy="go up, eleven to the right along the edge of the cliff, and down",
        source="Sutton & Barto (2018), example 6.6",
    ),
    "windy": Card(
        summary="a grid in whose middle columns a wind shifts each move up",
        make=windy,
        states="70 cells of 7x10, row * 10 + column; the start is (3, 0), the goal (3, 7)",
        actions=f"{ACTIONS}; columns 3 to 8 shift a move up by 1, 1, 1, 2, 2 and 1 cells, up to the edge of the grid",
        rewards="-1 per move",
        end="terminated at the goal; truncated after 7,000 steps",
        gamma=1.0,
        optimum=-15.0,
        policy="cross the wind along the top row, then come back down from the right",
        source="Sutton & Barto (2018), example 6.5",
    ),
    "four-rooms": Card(
        summary="four rooms with a door between each two neighbours, and a random start",
        make=lambda: Environment(Maze.from_text(ROOMS), random_start=True),
        states="121 cells of 11x11, row * 11 + column; the goal is (9, 6)",
        actions=MAZE_ACTIONS,
        rewards="1 at the goal, otherwise 0",
        end=AT_GOAL,
        gamma=0.9,
        optimum=0.514228,
        policy="leave each room by the door with the shorter path to the goal",
        source="after Sutton, Precup & Singh (1999); with deterministic moves",
    ),
    "trap": Card(
        summary=(
            "a short and a long path, of which the long one begins with action 0: a trap for agents that break ties "
            "by taking the first action"
        ),
        make=lambda: Environment(Maze.from_text(TRAP), step_reward=-1.0, goal_reward=0.0),
        states="25 cells, row * 5 + column; the start is (0, 0), the goal (0, 4), and nine cells are blocked",
        actions=MAZE_ACTIONS,
        rewards="-1 per move",
        end=AT_GOAL,
        gamma=1.0,
        optimum=-4.0,
        policy="go right, four steps; the other path, which begins with down, takes twelve",
        source="Clew",
    ),
    "hazards": Card(
        summary="a slippery field of hazards, in which a safe path is longer than the shortest one",
        make=lambda: Environment(
            Maze.from_text(FIELD), slip=0.2, step_reward=-1.0, goal_reward=0.0, hazard_reward=-10.0
        ),
        states="72 cells of 6x12, row * 12 + column; the start is (0, 0), the goal (5, 11)",
        actions=SLIPPERY,
        rewards="-1 per move, and -10 for entering a hazard",
        end=AT_GOAL,
        gamma=1.0,
        optimum=-36.606102,
        policy="keep away from hazards, even where that takes longer",
        source="Clew",
    ),
    "russell": Card(
        summary="the 4x3 world of Russell & Norvig: two exits, which pay +1 and -1",
        make=lambda: Environment(Maze.from_text(RUSSELL), slip=0.2, step_reward=-0.04),
        states="12 cells of 3x4, row * 4 + column; the start is (2, 0), exits are (0, 3) and (1, 3), (1, 1) is blocked",
        actions=SLIPPERY,
        rewards="-0.04 per move, and the reward of the exit that it enters",
        end=AT_EXIT,
        gamma=1.0,
        optimum=0.705308,
        policy="go up and around, and keep away from the exit that pays -1",
        source="Russell & Norvig (2020), figures 17.1 to 17.3",
    ),
    "berkeley-book": Card(
        summary="the same grid without a step reward, with an action to exit and a discount",
        make=lambda: berkeley(RUSSELL),
        states="12 cells of 3x4, row * 4 + column; the start is (2, 0), exits are (0, 3) and (1, 3), (1, 1) is blocked",
        actions=SLIPPERY,
        rewards="1 or -1 for leaving an exit",
        end=AFTER_EXIT,
        gamma=0.9,
        optimum=0.490684,
        policy="go up and around, and keep away from the exit that pays -1",
        source=f"{COURSE}, BookGrid",
    ),
    "berkeley-bridge": Card(
        summary="a bridge between two exits, losing exits at its sides: crossing is optimal only if slips are rare",
        make=lambda: berkeley(BRIDGE),
        states="21 cells of 3x7, row * 7 + column; the start is (1, 1)",
        actions=SLIPPERY,
        rewards="for leaving an exit: 1 at the near end, 10 at the far end, -100 at the sides",
        end=AFTER_EXIT,
        gamma=0.9,
        optimum=-17.28,
        policy="turn back to the near exit",
        source=f"{COURSE}, BridgeGrid",
    ),
    "berkeley-cliff": Card(
        summary="a grid along a cliff, where slips are costly",
        make=lambda: berkeley(CLIFF),
        states="15 cells of 3x5, row * 5 + column; the start is (1, 0)",
        actions=SLIPPERY,
        rewards="for leaving an exit: 10 on the right, -100 in the bottom row",
        end=AFTER_EXIT,
        gamma=0.9,
        optimum=4.374974,
        policy="go up, and along the top row",
        source=f"{COURSE}, CliffGrid",
    ),
    "berkeley-discount": Card(
        summary="a near and a far exit, a short path along a cliff and a long one; discount and slip decide",
        make=lambda: berkeley(DISCOUNT),
        states="25 cells of 5x5, row * 5 + column; the start is (3, 0)",
        actions=SLIPPERY,
        rewards="for leaving an exit: 1 near, 10 far, -10 in the bottom row",
        end=AFTER_EXIT,
        gamma=0.9,
        optimum=2.928910,
        policy="go up and around to the far exit",
        source=f"{COURSE}, DiscountGrid",
    ),
    "warehouse": Card(
        summary="inventory control: a shelf is restocked each evening, and demand is random",
        make=warehouse,
        states=f"{SHELF + 1}: items on the shelf, 0 to {SHELF}; all are start states",
        actions=f"order 0 to {SHELF} items; items that don't fit on the shelf are neither delivered nor paid",
        rewards=(
            f"{PRICE:g} per item sold, minus {ITEM_COST:g} per item ordered, {ORDER_COST:g} per order, "
            f"{HOLDING_COST:g} per item left overnight and {SHORTAGE_COST:g} per item out of stock when asked for; "
            f"demand has a Poisson distribution with mean {MEAN_DEMAND:g} per day, cut off at {SHELF}"
        ),
        end=TRUNCATED,
        gamma=0.99,
        optimum=1269.977350,
        policy="when three items or fewer are left, fill up to sixteen; otherwise order nothing",
        source="Puterman (1994), section 3.2; with figures of Clew",
    ),
    "assembly": Card(
        summary="machine maintenance: a machine makes parts, wears out and is repaired, and buyers come at random",
        make=assembly,
        states=(
            f"{(MAX_WEAR + 1) * (STORE + 1)}: wear * {STORE + 1} + parts in store; wear is 0 to {MAX_WEAR}, "
            f"parts are 0 to {STORE}; all are start states"
        ),
        actions=(
            "0 wait, 1 run slowly, 2 run fast, 3 repair; in an hour a slow run makes a part with probability "
            f"{PART_PROBABILITY[SLOW]:g} and wears the machine with {WEAR_PROBABILITY[SLOW]:g}, a fast one with "
            f"{PART_PROBABILITY[FAST]:g} and {WEAR_PROBABILITY[FAST]:g}; at wear {MAX_WEAR} or with a full store the "
            "machine can't run, and a repair sets the wear to 0"
        ),
        rewards=(
            f"{PART_PRICE:g} per part sold, minus {LOST_BUYER_COST:g} per buyer who finds none, {STORE_COST:g} per "
            f"part left, {REPAIR_COST:g} per repair ({REPLACE_COST:g} at wear {MAX_WEAR}); a buyer comes in an hour "
            f"with probability {BUYER_PROBABILITY:g}"
        ),
        end=TRUNCATED,
        gamma=0.99,
        optimum=400.168241,
        policy=(
            "keep two parts in store and no more: below that run fast if none is left, slowly if one is; "
            "at wear 2 run fast for both, and from wear 3 on repair before making another part"
        ),
        source="Clew",
    ),
}
