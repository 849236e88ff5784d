"""Worlds as users write them by mistake, the finding of `clew.examine` that names each mistake, and sound ones."""

import itertools

import gymnasium
import numpy as np
import pytest
from gymnasium.spaces import Discrete, MultiDiscrete
from gymnasium.wrappers import TimeLimit, TransformObservation

import clew

STEPS = ((1, 0), (0, -1), (-1, 0), (0, 1))


class Played(gymnasium.Env):
    """An environment of functions: begin(rng), play(state, action, rng) and what is observed of the state."""

    def __init__(self, num_states, num_actions, begin, play, observe=lambda state: state):
        self.observation_space = Discrete(num_states) if isinstance(num_states, int) else num_states
        self.action_space = Discrete(num_actions)
        self.begin, self.play, self.observe = begin, play, observe

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.state = self.begin(self.np_random)
        return self.observe(self.state), {}

    def step(self, action):
        self.state, reward, terminated = self.play(self.state, int(action), self.np_random)
        return self.observe(self.state), reward, terminated, False, {}


def moved(cell, action, n):
    """Return the cell beside a cell of an n x n grid, or the cell itself at the edge."""
    row, column = (place + step for place, step in zip(divmod(cell, n), STEPS[action], strict=True))
    return row * n + column if 0 <= row < n and 0 <= column < n else cell


def room(n, goal_reward=1.0, step_reward=0.0, begin=lambda rng: 0):
    """Return an n x n grid whose goal is the last cell, without a step limit."""

    def play(cell, action, rng):
        cell = moved(cell, action, n)
        return cell, goal_reward if cell == n * n - 1 else step_reward, cell == n * n - 1

    return Played(n * n, 4, begin, play)


def table(text, **options):
    """Return the model of lines "state action next_state probability reward", as in a CSV file."""
    rows = [line.split() for line in text.strip().splitlines()]
    names = ("state", "action", "next_state", "probability", "reward")
    columns = dict(zip(names, map(list, zip(*rows, strict=True)), strict=True))
    columns |= {name: [float(x) for x in columns[name]] for name in names[3:]}
    return clew.FiniteMDP.from_table(columns, **options)


def chain_arrays(n, right=1.0):
    """Return P and R of n places in a row; action 1 goes right with a probability, else left; the last place pays 1."""
    P, R = np.zeros((n, 2, n)), np.zeros((n, 2, n))
    for s in range(n - 1):
        P[s, 0, max(s - 1, 0)] += 1
        P[s, 1, s + 1] += right
        P[s, 1, max(s - 1, 0)] += 1 - right
    R[n - 2, 1, n - 1] = 1
    P[n - 1, :, n - 1] = 1
    return P, R


def chain(n, right=1.0):
    """Return a model of these arrays whose last place is terminal."""
    P, R = chain_arrays(n, right)
    return clew.FiniteMDP.from_arrays(P, R, terminal=np.arange(n) == n - 1, starts=[0])


def sliding_puzzle(start):
    """Return the sliding puzzle of 2 x 3 places; half of the starts cannot be solved."""
    orders = list(itertools.permutations(range(6)))
    numbers = {order: s for s, order in enumerate(orders)}

    def play(s, action, rng):
        tiles = list(orders[s])
        blank = tiles.index(0)
        row, column = blank // 3 + STEPS[action][0], blank % 3 + STEPS[action][1]
        if 0 <= row < 2 and 0 <= column < 3:
            other = row * 3 + column
            tiles[blank], tiles[other] = tiles[other], tiles[blank]
        s = numbers[tuple(tiles)]
        return s, float(s == 0), s == 0

    return TimeLimit(Played(720, 4, lambda rng: numbers[start], play), 500)


def locked_room(key_stays):
    """Return a 4 x 4 room as a model, whose goal opens with the key of cell 3; state = 16 * has_key + cell."""

    def f(s, action):
        has_key, cell = divmod(s, 16)
        after = moved(cell, action, 4)
        has_key = int(has_key or (after == 3 and key_stays))
        ends = after == 15 and has_key == 1
        return [(1.0, 16 * has_key + after, float(ends), ends)]

    return clew.FiniteMDP.from_function(32, 4, lambda s, a: [] if s == 31 else f(s, a), starts=[0])


def lock(digits, limit):
    """Return a lock of ten keys as an environment; a wrong key begins again."""

    def play(s, action, rng):
        s = s + 1 if action == 7 * s % 10 else 0
        return s, float(s == digits), s == digits

    return TimeLimit(Played(digits + 1, 10, lambda rng: 0, play), limit)


def hanoi(discs, limit):
    """Return the towers of Hanoi; action = 3 * from + to, and the reward comes when all discs are on the last peg."""

    def play(s, action, rng):
        pegs = [s // 3**disc % 3 for disc in range(discs)]
        source, target = divmod(action, 3)
        top = [min((d for d in range(discs) if pegs[d] == peg), default=discs) for peg in (source, target)]
        if top[0] < top[1]:
            s += (target - source) * 3 ** top[0]
        return s, float(s == 3**discs - 1), s == 3**discs - 1

    return TimeLimit(Played(3**discs, 9, lambda rng: 0, play), limit)


def shaped_room():
    """Return a 6 x 6 room that pays 1 for a step towards the goal, and -1 for one away from it."""

    def play(cell, action, rng):
        after = moved(cell, action, 6)
        return after, float(after // 6 + after % 6 - cell // 6 - cell % 6), after == 35

    return TimeLimit(Played(36, 4, lambda rng: 0, play), 200)


def keyed_room(observed):
    """Return a 5 x 5 room whose last cell pays and ends the episode only after cell 4, which has the key."""

    def play(state, action, rng):
        cell, has_key = moved(state[0], action, 5), state[1]
        has_key = has_key or cell == 4
        ends = cell == 24 and has_key
        return (cell, has_key), 1.0 if ends else -0.01, ends

    see = (lambda s: s[0] + 25 * s[1]) if observed else (lambda s: s[0])
    return TimeLimit(Played(50 if observed else 25, 4, lambda rng: (0, False), play, see), 300)


def timed_bridge(observed):
    """Return a road of 9 places whose bridge, from 4 to 5, is down for two of every six steps."""

    def play(state, action, rng):
        place, time = state
        after = min(max(place + (1 if action else -1), 0), 8)
        if (place, after) == (4, 5) and time % 6 > 1:
            after = place
        return (after, (time + 1) % 6), 0.0 if after == 8 else -1.0, after == 8

    see = (lambda s: s[0] * 6 + s[1]) if observed else (lambda s: s[0])
    return TimeLimit(Played(54 if observed else 9, 2, lambda rng: (0, 0), play, see), 200)


def sledge(observed):
    """Return a sledge of velocity -3..3 on 20 places; pushing changes the velocity, and the last place is the goal."""

    def play(state, action, rng):
        place, velocity = state
        velocity = min(max(velocity + action - 1, -3), 3)
        after = min(max(place + velocity, 0), 19)
        velocity = 0 if after == 0 else velocity
        return (after, velocity), 0.0 if after == 19 else -1.0, after == 19

    see = (lambda s: s[0] * 7 + s[1] + 3) if observed else (lambda s: s[0])
    return TimeLimit(Played(140 if observed else 20, 3, lambda rng: (5, 0), play, see), 200)


def two_cards():
    """Return a game of high or low with a deck of 8 that is not shuffled; only the last card is observed."""

    def play(deck, action, rng):
        right = (deck[1] > deck[0]) == bool(action)
        return deck[1:], float(right), len(deck) == 2

    return Played(8, 2, lambda rng: [int(card) for card in rng.permutation(8)], play, lambda deck: deck[0])


def treasure(n, step_reward=0.0, observed=False, stay=False):
    """Return an n x n grid whose goal is drawn at reset."""

    def play(state, action, rng):
        cell = moved(state[0], action, n) if action < 4 else state[0]
        return (cell, state[1]), 1.0 if cell == state[1] else step_reward, cell == state[1]

    def begin(rng):
        return 0, int(rng.integers(1, n * n))

    see = (lambda s: s[0] * n * n + s[1]) if observed else (lambda s: s[0])
    return TimeLimit(Played(n**4 if observed else n * n, 5 if stay else 4, begin, play, see), 50 * n)


def taxi_to_unknown_stop():
    """Return a 5 x 5 taxi that has its passenger; where he wants to go isn't observed; action 4 drops him."""

    def play(state, action, rng):
        cell, goal = state
        if action < 4:
            return (moved(cell, action, 5), goal), -1.0, False
        return state, 20.0 if cell == goal else -10.0, cell == goal

    return TimeLimit(Played(25, 5, lambda rng: (12, int(rng.choice([0, 4, 20, 23]))), play, lambda s: s[0]), 200)


def queue():
    """Return a queue of up to 10 with a fast and a slow server, which never ends."""

    def play(waiting, action, rng):
        served = rng.random() < (0.7 if action else 0.4)
        waiting = min(max(waiting + int(rng.random() < 0.5) - served, 0), 10)
        return waiting, -float(waiting) - 2.0 * action, False

    return Played(11, 2, lambda rng: 0, play)


def slippery_ledge():
    """Return a ledge of 6 places as a model; a step slips off with probability 0.1, and below nothing ends."""

    def f(s, action):
        if s == 6:
            return [(1.0, 6, -1.0, False)]
        return [(0.9, s + 1 if action else max(s - 1, 0), -1.0, s + 1 == 5 and action == 1), (0.1, 6, -1.0, False)]

    return clew.FiniteMDP.from_function(7, 2, lambda s, a: [] if s == 5 else f(s, a), starts=[0])


def survival():
    """Return a 5 x 5 room that pays 1 for every step, as CartPole does, and 10 at the goal."""
    return TimeLimit(room(5, goal_reward=10.0, step_reward=1.0), 500)


def long_maze():
    return clew.Environment(clew.generate_maze("backtracker", 40, 40, seed=1), max_episode_steps=2000)


def shop(states, num_actions):
    """Return a shop whose stock changes at random."""
    space = Discrete(states) if isinstance(states, int) else MultiDiscrete(states)
    draw = (lambda rng: int(rng.integers(states))) if isinstance(states, int) else (lambda rng: rng.integers(states))
    return TimeLimit(Played(space, num_actions, draw, lambda s, a, rng: (draw(rng), rng.random(), False)), 100)


def coin():
    """Return a maze with a coin that pays 0.5 whenever it is entered."""
    text = "S....\n.###.\n..c..\n.###.\n....G\n\nc reward 0.5\n"
    return clew.Environment(clew.Maze.from_text(text))


def forgotten_goal():
    """Return a maze with a random goal, of which a wrapper shows the cell alone."""
    env = clew.Environment(clew.Maze.open(8, 8), random_goal=True, random_start=True)
    return TransformObservation(env, lambda s: s % 64, Discrete(64))


def maze(text, **options):
    return clew.Environment(clew.Maze.from_text(text), **options)


def gym(name, **options):
    return clew.make_gymnasium(name) if not options else gymnasium.make(name, **options)


MACHINE = """
new run new 0.9 10
new run worn 0.1 10
new replace new 1 -5
worn run worn 0.5 4
worn run broken 0.5 4
worn replace new 1 -5
broken run broken 1 0
broken replace new 1 -20
"""
GAME = """
play bet play 0.6 2
play bet lost 0.4 -10
play pass play 1 0
play quit left 1 -1
"""
WORK = """
young work old 1 1
young retire home 1 10
old work old 1 1
old retire home 1 10
"""
TOUR = """
kitchen north hall 1 0
hall south kitchen 1 0
hall north library 1 0
library south hall 1 0
library east garden 1 0
garden west library 1 0
gardn east exit 1 10
"""
RINGED = ["SFFFF", "FHFHF", "FFFFF", "FFFHH", "FHFHG"]
LOOPS = "S..#....\n.#...##.\n.##.#...\n....#..G\n"

FAULTS = [
    ("unreachable-goal", "misspelt room", lambda: table(TOUR, starts="kitchen"), {}),
    ("unreachable-goal", "odd puzzle", lambda: sliding_puzzle((0, 2, 1, 3, 4, 5)), {}),
    ("unreachable-goal", "lost key", lambda: locked_room(False), {}),
    ("first-reward", "ringed lake", lambda: gym("FrozenLake-v1", desc=RINGED), {}),
    ("no-step-limit", "CliffWalking", lambda: gym("CliffWalking-v1"), {"gamma": 1.0, "alpha": 0.5}),
    ("no-step-limit", "room", lambda: room(8, step_reward=-1.0), {}),
    ("no-step-limit", "maze", lambda: clew.Environment(clew.Maze.open(8, 8), max_episode_steps=10**12), {}),
    ("no-step-limit", "queue", queue, {}),
    ("first-reward", "long maze", long_maze, {"num_episodes": 20, "gamma": 0.999}),
    ("first-reward", "lock", lambda: lock(8, 100), {"num_episodes": 10_000}),
    ("first-reward", "river", lambda: chain(30, 0.6), {"num_episodes": 20, "gamma": 0.99}),
    ("first-reward", "towers", lambda: hanoi(7, 300), {"num_episodes": 100, "gamma": 0.99}),
    ("looping-ties", "maze", lambda: maze(LOOPS), {"gamma": 1.0}),
    ("looping-ties", "work", lambda: table(WORK, starts="young"), {"gamma": 0.9}),
    ("looping-ties", "lake", lambda: gym("FrozenLake-v1", is_slippery=False), {"gamma": 1.0}),
    ("looping-ties", "shaped room", shaped_room, {"gamma": 1.0}),
    ("hidden-goal", "key", lambda: keyed_room(False), {}),
    ("hidden-state", "bridge", lambda: timed_bridge(False), {}),
    ("hidden-state", "sledge", lambda: sledge(False), {}),
    ("hidden-state", "cards", two_cards, {}),
    ("hidden-state", "fickle taxi", lambda: gym("Taxi-v4", fickle_passenger=True), {}),
    (
        "memory",
        "any goal",
        lambda: clew.Environment(clew.Maze.open(215, 215), random_goal=True),
        {"algorithm": "dyna-q"},
    ),
    ("memory", "five stocks", lambda: clew.as_discrete(shop([50] * 5, 100)), {}),
    ("memory", "slates", lambda: shop(1_000_000, 50_000), {}),
    ("staying-optimal", "paid steps", lambda: maze(LOOPS, step_reward=0.2), {}),
    ("staying-optimal", "coin", coin, {}),
    ("staying-optimal", "game", lambda: table(GAME, starts="play"), {"gamma": 0.9}),
    ("staying-optimal", "survival", survival, {"gamma": 0.99}),
    ("undiscounted-without-end", "machine", lambda: table(MACHINE, starts="new"), {"gamma": 1.0}),
    ("undiscounted-without-end", "ledge", slippery_ledge, {"gamma": 1.0}),
    ("undiscounted-without-end", "queue", lambda: TimeLimit(queue(), 200), {"gamma": 1.0}),
    ("hidden-goal", "6x6", lambda: treasure(6), {}),
    ("hidden-goal", "8x8", lambda: treasure(8, -1.0), {"gamma": 0.99}),
    ("hidden-goal", "8x8 with a fifth action", lambda: treasure(8, stay=True), {}),
    ("hidden-goal", "maze", forgotten_goal, {}),
    ("hidden-goal", "taxi", taxi_to_unknown_stop, {}),
    ("small-gamma", "maze", lambda: clew.Environment(clew.generate_maze("backtracker", 99, 99, seed=3)), {}),
    ("small-gamma", "chain", lambda: chain(200), {"gamma": 0.5}),
    ("small-gamma", "cliff", lambda: TimeLimit(gym("CliffWalking-v1"), 500), {"gamma": 0.1}),
    ("small-gamma", "room", lambda: TimeLimit(room(8), 2000), {"gamma": 0.001}),
]
SOUND = [
    ("maze", lambda: maze(LOOPS), {}),
    ("slippery maze", lambda: maze(LOOPS, slip=0.2, step_reward=-0.1, random_start=True), {"gamma": 0.99}),
    ("key in the model", lambda: locked_room(True), {}),
    ("solvable puzzle", lambda: sliding_puzzle((1, 2, 0, 3, 4, 5)), {}),
    ("machine", lambda: clew.ModelEnvironment(table(MACHINE, starts="new"), max_episode_steps=500), {}),
    ("chain", lambda: TimeLimit(clew.ModelEnvironment(chain(10, 0.8)), 200), {}),
    ("towers", lambda: hanoi(3, 300), {"gamma": 0.99}),
    ("lock", lambda: lock(3, 100), {}),
    ("Taxi", lambda: gym("Taxi-v4"), {"gamma": 0.99}),
    ("Blackjack", lambda: clew.make_gymnasium("Blackjack-v1"), {"gamma": 1.0, "alpha": 0.02}),
    ("key observed", lambda: keyed_room(True), {"gamma": 0.99}),
    ("bridge observed", lambda: timed_bridge(True), {"gamma": 1.0}),
    ("sledge observed", lambda: sledge(True), {"gamma": 1.0}),
    ("goal observed", lambda: treasure(5, observed=True), {}),
    ("queue", lambda: TimeLimit(queue(), 200), {"gamma": 0.9, "alpha": 0.002}),
    ("room", lambda: TimeLimit(room(6, begin=lambda rng: int(rng.integers(35))), 500), {}),
]


@pytest.mark.parametrize(("name", "make", "settings"), [pytest.param(f, m, s, id=f"{f}-{w}") for f, w, m, s in FAULTS])
def test_the_fault_is_named(name, make, settings):
    findings = clew.examine(make(), **settings)
    assert name in [finding.name for finding in findings], findings


def test_a_maze_file_without_a_path_is_named(clew, tmp_path):
    (tmp_path / "walled.txt").write_text("S....\n.....\n...##\n...#G\n")
    assert "error, unreachable-goal" in clew("doctor", tmp_path / "walled.txt")[1]


@pytest.mark.parametrize(("make", "settings"), [pytest.param(m, s, id=w) for w, m, s in SOUND])
def test_nothing_is_found_in_a_sound_world(make, settings):
    assert [finding for finding in clew.examine(make(), **settings) if finding.severity != "note"] == []
