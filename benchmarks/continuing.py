"""Continuing tasks, which never end: inventories, queues, replacement, and random models.

    python -m benchmarks.continuing [MODEL...]                from the root of the repository
    OPENBLAS_NUM_THREADS=1 python -m benchmarks.continuing --average [MODEL...]

For each model and discount: seconds of processor time of `solve` (the median of five calls, kernels compiled), its
bound and its method. `make bench-peers` has them beside other libraries. With --average: the same of `solve_average`,
beside the linear program of the average reward by HiGHS, in its primal and its dual form (Puterman, section 8.8), one
call each.
"""

import argparse
import statistics
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from scipy.stats import poisson

import clew
from clew.kernels.dynamics import Sparse

GAMMAS = (0.99, 0.9999, 0.999999)
REPETITIONS = 5
LONGEST = 60.0  # seconds that a linear program may take
Columns = list[tuple[Any, Any, Any, Any]]  # pair, probability, next state, reward; each broadcast


def model(num_states: int, num_actions: int, columns: Columns) -> clew.FiniteMDP:
    """Return a model from columns of outcomes, in any order."""
    parts = [np.broadcast_arrays(*each) for each in columns]
    pairs, probabilities, next_states, rewards = (np.concatenate([each[i].ravel() for each in parts]) for i in range(4))
    order = np.argsort(pairs, kind="stable")
    offsets = np.concatenate([[0], np.cumsum(np.bincount(pairs, minlength=num_states * num_actions))])
    return clew.FiniteMDP.sparse(
        offsets,
        probabilities[order],
        next_states[order],
        rewards[order],
        np.zeros(order.size, bool),
        num_actions=num_actions,
        starts=[0],
    )


def inventory(capacity: int, num_actions: int, demand: float) -> clew.FiniteMDP:
    """Orders of up to num_actions - 1 units for a store, with a Poisson demand; what is missing is lost."""
    d = np.arange(int(poisson.ppf(1.0 - 1e-13, demand)) + 2)
    p = poisson.pmf(d, demand)
    p /= p.sum()
    stock, ordered = np.meshgrid(np.arange(capacity + 1), np.arange(num_actions), indexing="ij")
    after = np.minimum(stock + ordered, capacity)[..., None]
    left = np.maximum(after - d, 0)
    reward = 10.0 * (after - left) - 0.1 * left - (5.0 + 4.0 * ordered[..., None]) * (ordered[..., None] > 0)
    pairs = (stock * num_actions + ordered)[..., None]
    return model(capacity + 1, num_actions, [(pairs, p, left, reward)])


def replacement(num_states: int) -> clew.FiniteMDP:
    """A machine that wears: keep it, at a cost that grows with its age, or replace it."""
    s = np.arange(num_states)
    last = num_states - 1
    steps = [(k, p) for k, p in ((0, 0.3), (1, 0.5), (2, 0.2))]
    keep: Columns = [(2 * s, p, np.minimum(s + k, last), -0.02 * s) for k, p in steps]
    return model(num_states, 2, [*keep, (2 * s + 1, 1.0, 0 * s, -200.0)])


def queues(size: int) -> clew.FiniteMDP:
    """Two queues with one server, which serves one of them; waiting costs, and arrivals at a full queue are lost."""
    x, y = (each.ravel() for each in np.meshgrid(np.arange(size), np.arange(size), indexing="ij"))
    s, last = x * size + y, size - 1
    cost = -(x + 2.0 * y)
    columns: Columns = []
    for a, (served_x, served_y) in enumerate(((1, 0), (0, 1))):
        for p, dx, dy in ((0.25, 1, 0), (0.2, 0, 1), (0.55, -served_x, -served_y)):
            after = np.clip(x + dx, 0, last) * size + np.clip(y + dy, 0, last)
            columns.append((2 * s + a, p, after, cost))
    return model(size * size, 2, columns)


def river_swim(length: int) -> clew.FiniteMDP:
    """Swim against the stream for a large reward, or drift for a small one."""
    s, last = np.arange(length), length - 1
    left: Columns = [(2 * s, 1.0, np.maximum(s - 1, 0), np.where(s == 0, 0.005, 0.0))]
    reward = np.where(s == last, 1.0, 0.0)
    right: Columns = [
        (2 * s + 1, 0.35, np.minimum(s + 1, last), reward),
        (2 * s + 1, 0.6, s, reward),
        (2 * s + 1, 0.05, np.maximum(s - 1, 0), reward),
    ]
    return model(length, 2, [*left, *right])


def random_model(num_states: int, num_actions: int, num_outcomes: int, seed: int = 0) -> clew.FiniteMDP:
    """Random next states, probabilities and rewards."""
    rng = np.random.default_rng(seed)
    shape = num_states * num_actions, num_outcomes
    p = rng.dirichlet(np.ones(num_outcomes), shape[0])
    pairs = np.arange(shape[0])[:, None]
    return model(
        num_states, num_actions, [(pairs, p, rng.integers(num_states, size=shape), rng.standard_normal((shape[0], 1)))]
    )


def clusters(size: int) -> clew.FiniteMDP:
    """Two random models that are joined by a probability of 1e-6."""
    rng = np.random.default_rng(1)
    columns: Columns = []
    for first in (0, size):
        pairs = (4 * first + np.arange(4 * size))[:, None]
        p = rng.dirichlet(np.ones(5), 4 * size)
        reward = rng.standard_normal((4 * size, 1))
        columns.append((pairs, p * (1.0 - 1e-6), first + rng.integers(size, size=(4 * size, 5)), reward))
        columns.append((pairs, 1e-6, size - first, reward))
    return model(2 * size, 4, columns)


def periodic(num_classes: int, size: int) -> clew.FiniteMDP:
    """Classes of states that are visited in turn."""
    rng = np.random.default_rng(2)
    num_states = num_classes * size
    pairs = np.arange(4 * num_states)[:, None]
    first = (pairs // 4 // size + 1) % num_classes * size
    p = rng.dirichlet(np.ones(5), 4 * num_states)
    reward = rng.standard_normal(pairs.shape)
    return model(num_states, 4, [(pairs, p, first + rng.integers(size, size=p.shape), reward)])


MODELS: dict[str, Callable[[], clew.FiniteMDP]] = {
    "inventory 1,001 x 21": lambda: inventory(1_000, 21, 8.0),
    "inventory 14,196 x 14": lambda: inventory(14_195, 14, 5.0),
    "replacement 1,000": lambda: replacement(1_000),
    "queues 50x50": lambda: queues(50),
    "queues 150x150": lambda: queues(150),
    "river swim 1,000": lambda: river_swim(1_000),
    "clusters": lambda: clusters(500),
    "periodic, 50 classes": lambda: periodic(50, 40),
    "random 2,000 x 4 x 5": lambda: random_model(2_000, 4, 5),
    "random 50,000 x 4 x 5": lambda: random_model(50_000, 4, 5),
}


def gain_by_highs(mdp: clew.FiniteMDP, dual: bool) -> tuple[float, float | None, str]:
    """Return the seconds of the linear program of the gain, the gain, which is None if it isn't found, and a message.

    The least g with g + h(s) >= r(s, a) + sum of p * h(s_next) for all s and a. Its dual has the greatest reward of all
    fractions of time in each pair of a state and an action.
    """
    from scipy.optimize import linprog
    from scipy.sparse import coo_array, csr_array, hstack

    rows = mdp.sparse_rows
    assert isinstance(rows, Sparse)
    num_pairs = mdp.num_states * mdp.num_actions
    pairs = np.repeat(np.arange(num_pairs), np.diff(rows.offsets))
    moves = coo_array((rows.probabilities, (pairs, rows.next_states)), (num_pairs, mdp.num_states)).tocsr()
    states = np.repeat(np.arange(mdp.num_states), mdp.num_actions)
    here = csr_array((np.ones(num_pairs), states, np.arange(num_pairs + 1)), moves.shape)
    matrix = hstack([np.ones((num_pairs, 1)), here - moves]).tocsc()
    rewards = np.bincount(pairs, rows.probabilities * rows.rewards, num_pairs)
    first = np.eye(1, mdp.num_states + 1)[0]
    begun, options = time.process_time(), {"time_limit": LONGEST}
    if dual:
        found = linprog(-rewards, A_eq=matrix.T, b_eq=first, method="highs", options=options)
    else:
        found = linprog(first, A_ub=-matrix, b_ub=-rewards, bounds=(None, None), method="highs", options=options)
    seconds = time.process_time() - begun
    gain = (-found.fun if dual else found.fun) if found.status == 0 else None
    return seconds, gain, found.message.partition(" (")[0]


def print_discounted(name: str, mdp: clew.FiniteMDP, method: str | None) -> None:
    """Print a line for each discount."""
    clew.solve(mdp, gamma=0.5, method=method)  # compiles
    for gamma in GAMMAS:
        seconds, found = median_seconds(lambda gamma=gamma: clew.solve(mdp, gamma=gamma, method=method))
        print(f"{name:24} {gamma:<9} {seconds:8.4f} s  bound {found.bound:7.1e}  {found.method}", flush=True)


def print_average(name: str, mdp: clew.FiniteMDP) -> None:
    """Print a line of ours, and of both linear programs: seconds, how often ours, and the difference of the gain."""
    clew.solve_average(mdp)  # compiles
    ours, found = median_seconds(lambda: clew.solve_average(mdp))
    line = f"{name:24} {ours:8.4f} s  bound {found.bound:7.1e}"
    for form in ("primal", "dual"):
        seconds, gain, note = gain_by_highs(mdp, form == "dual")
        if gain is not None:
            note = f"off by {abs(gain - found.gain):.0e}"
        line += f"   {form} {seconds:8.3f} s, {seconds / ours:6.1f} times, {note}"
    print(line, flush=True)


def median_seconds(call: Callable[[], Any]) -> tuple[float, Any]:
    """Return the median of the seconds of some calls, and what the last one returned."""
    seconds = []
    for _ in range(REPETITIONS):
        begun = time.process_time()
        found = call()
        seconds.append(time.process_time() - begun)
    return statistics.median(seconds), found


def main() -> None:
    """Solve the models that the command line names."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="*", metavar="MODEL")
    parser.add_argument("--method", help="of clew.solve")
    parser.add_argument("--average", action="store_true", help="average reward, beside HiGHS")
    arguments = parser.parse_args()
    for name in arguments.models or MODELS:
        mdp = MODELS[name]()
        if arguments.average:
            print_average(name, mdp)
        else:
            print_discounted(name, mdp, arguments.method)


if __name__ == "__main__":
    main()
