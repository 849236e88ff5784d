"""Other libraries, each measured by one function; a script by itself, that knows nothing of Clew.

    PYTHON benchmarks/peers.py solve PROBLEM.npz PEER SETTING VALUES.npy
    PYTHON benchmarks/peers.py learn PEER

PYTHON may be another interpreter than ours: these libraries pin other versions of what we need. Prints JSON: seconds or
steps/s, or `{"missing": "..."}` if the library is not installed; `solve` also writes the values. Settings are the best
that were found; each solve of mdpsolver begins with a new model, since it goes on from the values of the last one.
"""

import json
import sys
import time
from collections.abc import Callable
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

TOLERANCE = 1e-6
STEPS = 20_000
Solved = tuple[list[float], npt.NDArray[np.float64]]  # seconds, values


class Problem:
    """A finite world as rows of outcomes; where episodes end, they end in one state more."""

    def __init__(self, path: str) -> None:
        with np.load(path) as arrays:
            offsets, terminated = arrays["offsets"], arrays["terminated"]
            self.gamma, self.repetitions = float(arrays["gamma"]), int(arrays["repetitions"])
            self.num_actions = int(arrays["num_actions"])
            probabilities, rewards, next_states = arrays["probabilities"], arrays["rewards"], arrays["next_states"]
        lengths = np.diff(offsets)
        self.num_states = lengths.size // self.num_actions
        end = self.num_states
        if terminated.any() or not lengths.all():
            self.num_states += 1
            lengths = np.append(lengths, np.zeros(self.num_actions, offsets.dtype))
        # What has no outcomes leads to the end, for nothing.
        pairs = np.arange(lengths.size)
        stuck = pairs[lengths == 0]
        self.pairs = np.concatenate([np.repeat(pairs, lengths), stuck])
        self.next_states = np.append(np.where(terminated, end, next_states), np.full(stuck.size, end))
        self.probabilities = np.append(probabilities, np.ones(stuck.size))
        self.rewards = np.zeros(lengths.size)
        np.add.at(self.rewards, np.repeat(pairs, lengths), probabilities * rewards)

    def moves(self) -> Any:
        """Probabilities as a sparse matrix, (num_states * num_actions, num_states)."""
        import scipy.sparse

        shape = self.num_states * self.num_actions, self.num_states
        return scipy.sparse.csr_matrix((self.probabilities, (self.pairs, self.next_states)), shape=shape)

    def lists(self) -> tuple[list[Any], list[Any]]:
        """Probabilities and next states as lists of lists of lists, which mdpsolver takes."""
        order = np.argsort(self.pairs, kind="stable")
        splits = np.cumsum(np.bincount(self.pairs))[:-1]
        columns = []
        for array in (self.probabilities, self.next_states):
            rows = [row.tolist() for row in np.split(array[order], splits)]
            columns.append([rows[i : i + self.num_actions] for i in range(0, len(rows), self.num_actions)])
        return columns[0], columns[1]


def timed(solve: Callable[[], Any], repetitions: int) -> tuple[list[float], Any]:
    """Seconds of each call, on the clock, and the last result."""
    seconds = []
    for _ in range(repetitions):
        begun = time.perf_counter()
        result = solve()
        seconds.append(time.perf_counter() - begun)
    return seconds, result


def solve_mdpsolver(problem: Problem, algorithm: str, update: str) -> Solved:
    """Value iteration or modified policy iteration; not in parallel, which took ten times as long on two processors."""
    import mdpsolver

    probabilities, next_states = problem.lists()
    rewards = problem.rewards.reshape(-1, problem.num_actions).tolist()
    seconds = []
    for _ in range(problem.repetitions):
        model = mdpsolver.model()
        model.mdp(discount=problem.gamma, rewards=rewards, tranMatProbs=probabilities, tranMatColumns=next_states)
        begun = time.perf_counter()
        model.solve(algorithm=algorithm, update=update, tolerance=TOLERANCE, parIterLim=10, parallel=False)
        seconds.append(time.perf_counter() - begun)
    return seconds, np.array(model.getValueVector())


def solve_quantecon(problem: Problem, method: str) -> Solved:
    """A method of QuantEcon, with sparse state-action pairs."""
    from quantecon.markov import DiscreteDP

    states = np.repeat(np.arange(problem.num_states), problem.num_actions)
    actions = np.tile(np.arange(problem.num_actions), problem.num_states)
    model = DiscreteDP(problem.rewards, problem.moves(), problem.gamma, states, actions)
    model.solve(method="value_iteration", max_iter=1)  # compiles
    seconds, result = timed(
        lambda: model.solve(method=method, epsilon=TOLERANCE, max_iter=10**6, k=10), problem.repetitions
    )
    return seconds, result.v


def solve_scipy(problem: Problem) -> Solved:
    """Policy iteration with SciPy's sparse solver, as one would write it by hand."""
    from scipy.sparse import identity
    from scipy.sparse.linalg import spsolve

    moves, n, num_actions = problem.moves(), problem.num_states, problem.num_actions
    states = np.arange(n)

    def iterate() -> npt.NDArray[np.float64]:
        policy = np.zeros(n, np.int64)
        while True:
            pairs = states * num_actions + policy
            v = spsolve((identity(n) - problem.gamma * moves[pairs]).tocsc(), problem.rewards[pairs])
            q = (problem.rewards + problem.gamma * (moves @ v)).reshape(n, num_actions)
            better = q.max(axis=1) > q[states, policy] + 1e-9 * np.abs(v).max()
            if not better.any():
                return np.asarray(v)
            policy = np.where(better, q.argmax(axis=1), policy)

    return timed(iterate, problem.repetitions)


def learn_mushroom_rl() -> float:
    """Tabular Q-learning on its own open grid of 5x5; returns steps a second of processor time."""
    from mushroom_rl.algorithms.value import QLearning
    from mushroom_rl.core import Core
    from mushroom_rl.environments import GridWorld
    from mushroom_rl.policy import EpsGreedy
    from mushroom_rl.utils.parameters import Parameter

    np.random.seed(0)  # noqa: NPY002 - the library draws from NumPy's global stream
    world = GridWorld(5, 5, (4, 4))
    agent = QLearning(world.info, EpsGreedy(epsilon=Parameter(0.1)), learning_rate=Parameter(0.1))
    core = Core(agent, world)
    begun = time.process_time()
    core.learn(n_steps=STEPS, n_steps_per_fit=1, quiet=True)
    return STEPS / (time.process_time() - begun)


SOLVERS: dict[tuple[str, str], Callable[[Problem], Solved]] = {  # by peer and setting
    ("mdpsolver", "vi, gs"): partial(solve_mdpsolver, algorithm="vi", update="gs"),
    ("mdpsolver", "vi, standard"): partial(solve_mdpsolver, algorithm="vi", update="standard"),
    ("mdpsolver", "mpi, standard"): partial(solve_mdpsolver, algorithm="mpi", update="standard"),
    ("quantecon", "value iteration"): partial(solve_quantecon, method="value_iteration"),
    ("quantecon", "modified policy iteration"): partial(solve_quantecon, method="modified_policy_iteration"),
    ("quantecon", "policy iteration"): partial(solve_quantecon, method="policy_iteration"),
    ("scipy", "policy iteration"): solve_scipy,
}
LEARNERS = {"mushroom-rl": learn_mushroom_rl}


def peak_memory() -> float:
    """The most memory that this process took so far, in MB; NaN where the system doesn't say."""
    status = Path("/proc/self/status")
    lines = status.read_text().splitlines() if status.exists() else []
    # Not getrusage: a new process begins with the peak of the one that started it.
    return next((int(line.split()[1]) * 1024 / 1e6 for line in lines if line.startswith("VmHWM:")), float("nan"))


def main(arguments: list[str]) -> dict[str, Any]:
    """Measure one peer; returns what is printed."""
    try:
        if arguments[0] == "learn":
            figures = [LEARNERS[arguments[1]]() for _ in range(3)]
            return {"version": version(arguments[1]), "figures": figures}
        path, peer, setting, values = arguments[1:]
        seconds, v = SOLVERS[peer, setting](Problem(path))
    except ImportError as error:
        return {"missing": f"not installed ({error})"}
    np.save(Path(values), v)
    return {"version": version(peer), "seconds": seconds, "peak_memory": peak_memory()}


if __name__ == "__main__":
    print(json.dumps(main(sys.argv[1:])))
