"""An inventory with a lead time as a model, three times: from outcomes, from arrays and from a CSV file.

    python examples/inventory.py [FOLDER]

A state is two numbers: pieces on hand, and pieces on order, which arrive after the next demand. An order isn't
available if the store has no room for it. The table and the policy, with labels, are saved to FOLDER, by default the
current one.
"""

import csv
import sys
from pathlib import Path
from typing import Any

import numpy as np

import clew

ROOM, ORDERS = 8, 5  # 0 to 7 pieces on hand and on order; 0 to 4 in an order
STATES = [(hand, order) for hand in range(ROOM) for order in range(min(ORDERS, ROOM - hand))]
NUMBER = {state: number for number, state in enumerate(STATES)}
DEMAND = [0.15, 0.3, 0.3, 0.15, 0.1]  # probability of each number of pieces


def outcomes(s: int, a: int) -> list[tuple[float, int, float, bool]]:
    """Return the outcomes of ordering a pieces: (probability, next state, reward, terminated)."""
    hand, order = STATES[s]
    if hand + order + a >= ROOM:
        return []  # not available
    left = [max(hand - demand, 0) for demand in range(5)]
    return [
        (p, NUMBER[rest + order, a], 5.0 * (hand - rest) - 2.0 * a - 0.1 * rest, False)
        for p, rest in zip(DEMAND, left, strict=True)
    ]


def arrays(states: Any, actions: Any) -> tuple[Any, Any, Any]:
    """Return the same for many states and actions at once: next states, probabilities and rewards, (n, 5) each."""
    numbers = np.zeros((ROOM, ORDERS), int)
    numbers[tuple(np.transpose(STATES))] = np.arange(len(STATES))
    hand, order, a = (column[:, None] for column in (*np.array(STATES)[states].T, actions))
    rest = np.maximum(hand - np.arange(5), 0)
    has_room = hand + order + a < ROOM
    next_states = numbers[np.where(has_room, rest + order, 0), a]
    return next_states, has_room * np.array(DEMAND), 5.0 * (hand - rest) - 2.0 * a - 0.1 * rest


def write_table(path: Path) -> None:
    """Write the same as a table, with a label for each state, such as 3+1, and for each action."""
    with path.open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["state", "action", "next_state", "probability", "reward"])
        for s, (hand, order) in enumerate(STATES):
            for a in range(ORDERS):
                for p, s_next, reward, _ in outcomes(s, a):
                    table.writerow([f"{hand}+{order}", f"order {a}", "{}+{}".format(*STATES[s_next]), p, reward])


def main(folder: Path) -> list[float]:
    """Solve all three, save the policy, and return the value of an empty store in each."""
    write_table(folder / "inventory.csv")
    models = [
        clew.FiniteMDP.from_function(len(STATES), ORDERS, outcomes, starts=0),
        clew.FiniteMDP.from_vectorized(len(STATES), ORDERS, arrays, starts=0),
        clew.FiniteMDP.read_csv(folder / "inventory.csv", starts="0+0"),
    ]
    solutions = [clew.solve(mdp, gamma=0.95) for mdp in models]
    solutions[-1].policy.to_csv(folder / "inventory-policy.csv", values=solutions[-1].v.round(3))
    return [solution.value for solution in solutions]


if __name__ == "__main__":
    print(main(Path(sys.argv[1] if len(sys.argv) > 1 else ".")))
