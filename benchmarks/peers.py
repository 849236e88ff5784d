"""Other libraries, each measured by one function; a script by itself, that knows nothing of Clew.

    PYTHON benchmarks/peers.py solve PROBLEM.npz PEER VALUES.npy
    PYTHON benchmarks/peers.py learn PEER

PYTHON may be another interpreter than ours: these libraries pin other versions of what we need. Prints JSON: the
settings that were tried, with seconds or steps/s, or `{"missing": "..."}` if the library is not installed; `solve` also
writes the values that each setting came to. Settings are the best that were found for these mazes; each solve begins
with a new model, since mdpsolver goes on from the values of the last one.
"""

import json
import sys
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

TOLERANCE = 1e-6
STEPS = 20_000
Solved = dict[str, tuple[list[float], npt.NDArray[np.float64]]]  # by setting: seconds, values


class Problem:
    """A finite world as rows of outcomes, with one state more, in which every episode ends."""

    def __init__(self, path: str) -> None:
        with np.load(path) as arrays:
            offsets, terminated = arrays["offsets"], arrays["terminated"]
            self.gamma, self.repetitions = float(arrays["gamma"]), int(arrays["repetitions"])
            probabilities, rewards, next_states = arrays["probabilities"], arrays["rewards"], arrays["next_states"]
        self.num_actions = 4
        self.end = (offsets.size - 1) // self.num_actions
        lengths = np.append(np.diff(offsets), np.zeros(self.num_actions, offsets.dtype))
        # What has no outcomes leads to the end, for nothing.
        pairs = np.arange(lengths.size)
        stuck = pairs[lengths == 0]
        self.pairs = np.concatenate([np.repeat(pairs, lengths), stuck])
        self.next_states = np.append(np.where(terminated, self.end, next_states), np.full(stuck.size, self.end))
        self.probabilities = np.append(probabilities, np.ones(stuck.size))
        self.rewards = np.zeros(lengths.size)
        np.add.at(self.rewards, np.repeat(pairs, lengths), probabilities * rewards)

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


def solve_mdpsolver(problem: Problem) -> Solved:
    """Value iteration, plain and in place; not in parallel, which took ten times as long on two processors."""
    import mdpsolver

    probabilities, next_states = problem.lists()
    rewards = problem.rewards.reshape(-1, problem.num_actions).tolist()
    solved: Solved = {}
    for algorithm, update in (("vi", "gs"), ("vi", "standard"), ("mpi", "standard")):
        seconds = []
        for _ in range(problem.repetitions):
            model = mdpsolver.model()
            model.mdp(
                discount=problem.gamma,
                rewards=rewards,
                tranMatProbs=probabilities,
                tranMatColumns=next_states,
            )
            begun = time.perf_counter()
            model.solve(algorithm=algorithm, update=update, tolerance=TOLERANCE, parIterLim=10, parallel=False)
            seconds.append(time.perf_counter() - begun)
        solved[f"{algorithm}, {update}"] = seconds, np.array(model.getValueVector())
    return solved


def solve_quantecon(problem: Problem) -> Solved:
    """Value iteration and modified policy iteration, with sparse state-action pairs."""
    import scipy.sparse
    from quantecon.markov import DiscreteDP

    num_states = problem.end + 1
    shape = num_states * problem.num_actions, num_states
    moves = scipy.sparse.csr_matrix((problem.probabilities, (problem.pairs, problem.next_states)), shape=shape)
    states = np.repeat(np.arange(num_states), problem.num_actions)
    actions = np.tile(np.arange(problem.num_actions), num_states)
    model = DiscreteDP(problem.rewards, moves, problem.gamma, states, actions)
    model.solve(method="vi", max_iter=1)  # compiles
    solved: Solved = {}
    for method, partial in (("value_iteration", 0), ("modified_policy_iteration", 10)):

        def solve(method: str = method, partial: int = partial) -> Any:
            return model.solve(method=method, epsilon=TOLERANCE, max_iter=10**6, k=partial)

        seconds, result = timed(solve, problem.repetitions)
        solved[method.replace("_", " ")] = seconds, result.v
    return solved


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


SOLVERS = {"mdpsolver": solve_mdpsolver, "quantecon": solve_quantecon}
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
        path, peer, values = arguments[1:]
        solved = SOLVERS[peer](Problem(path))
    except ImportError as error:
        return {"missing": f"not installed ({error})"}
    np.save(Path(values), np.array([v for _, v in solved.values()]))
    settings = {setting: seconds for setting, (seconds, _) in solved.items()}
    return {"version": version(peer), "settings": settings, "peak_memory": peak_memory()}


if __name__ == "__main__":
    print(json.dumps(main(sys.argv[1:])))
