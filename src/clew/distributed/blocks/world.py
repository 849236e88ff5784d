"""A world cut into blocks, planned, learned and graded block by block.

This is the part of the driver: it calls the blocks, passes border values to neighbours, and adds up figures. Rounds are
synchronous: in a round, every block whose halo has changed continues with the values that its neighbours had after the
round before. So the blocks decide the result, and actors decide only the speed.
"""

import time
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any, Unpack

import numpy as np
import numpy.typing as npt

from clew.distributed.blocks.block import Block, GradeCounts
from clew.distributed.blocks.exchange import Exchange
from clew.distributed.blocks.learning import BlockLearnerSpec, TrainingSlice, check_blockwise
from clew.distributed.blocks.partition import UNCHANGED, cut_grid, smallest_block, split_rows
from clew.distributed.blocks.planning import PlanningSpec, combine_errors
from clew.distributed.blocks.pools import BlockPool, open_pool
from clew.distributed.blocks.results import BlockGrade, BlockSolution, BlockTraining
from clew.environments import World, model_of
from clew.errors import SettingError, StopTraining
from clew.learning.algorithms import ALGORITHMS
from clew.learning.learner import uniform_initial_value
from clew.learning.metrics import Callback, RoundMetrics
from clew.learning.reporting import check_reporting
from clew.learning.settings import Learning, LearningSettings, as_learning, check_run
from clew.planning.certificate import check_finite, rounding_bound, warn_if_inexact
from clew.planning.search import shortest_path_is_optimal
from clew.settings import (
    MAX_EPISODES,
    POSITIVE,
    SHARE,
    as_states,
    check_count,
    check_memory,
    check_number,
    peak_memory,
    shown,
)

# Exchanges of border values after the last episode, at most: in stochastic worlds values may change in the last bit
# without end.
MAX_SETTLING = 10_000
MAX_FETCHED = 1 << 18  # values fetched from blocks at once: the start states may be all states


class BlockWorld:
    """A grid cut into blocks of rows, for tables that are larger than one process; use it in a `with` statement.

    Args:
        world: maze, environment with a model, or model in the grid form; its goals must be fixed.
        num_blocks: number of blocks; decides, with the seed, what is learned to the last bit.
        num_actors: number of Ray actors that hold the blocks; decides only the speed. 0 holds them in this process.

    Raises:
        SettingError: if the world can't be cut into this number of blocks.
        ModelError: if an environment has no model.
        ClusterError: if the cluster can't place the actors.

    >>> from clew import Environment, Maze
    >>> from clew.distributed.blocks import BlockWorld
    >>> with BlockWorld(Environment(Maze.open(6, 4), step_reward=-1.0, goal_reward=0.0), num_blocks=3) as world:
    ...     solution = world.solve(gamma=1.0)
    ...     world.values([0]).tolist(), solution.num_rounds, solution.num_bytes
    ([-8.0], 3, 64)
    """

    def __init__(self, world: World, num_blocks: int, *, num_actors: int = 0) -> None:
        check_count("num_blocks", num_blocks, 1)
        check_count("num_actors", num_actors, 0)
        self.mdp = model_of(world)
        self.num_actors = num_actors
        self._specs = cut_grid(self.mdp, num_blocks)
        columns = self._specs[0].cells.shape[1]
        self._firsts = split_rows(self.mdp.num_states // columns, num_blocks) * columns  # the first state of each block
        self._stack = ExitStack()
        self._pool: BlockPool | None = None
        self._solution: BlockSolution | None = None
        self._training: BlockTraining | None = None

    def __enter__(self) -> "BlockWorld":
        self._pool = self._stack.enter_context(open_pool(self._specs, self.num_actors))
        return self

    def __exit__(self, *error: Any) -> None:
        self._pool = self._solution = self._training = None
        self._stack.close()

    @property
    def num_blocks(self) -> int:
        """Number of blocks."""
        return len(self._specs)

    @property
    def max_share(self) -> float:
        """Largest share of the states that one block has, halo included."""
        return max(spec.cells.size for spec in self._specs) / self.mdp.num_states

    def solve(self, *, gamma: float = 0.9, tolerance: float = 1e-6) -> BlockSolution:
        """Compute optimal values of all states, with a proved bound on their error, as `clew.solve` does.

        Args:
            gamma: discount per step. 1 is possible if moves are deterministic and a shortest path is optimal.
            tolerance: largest error of a value.

        Returns:
            Bound and statistics; `values` fetches the values.

        Raises:
            SettingError: if gamma or the tolerance is out of range; with gamma 1 also if moves are stochastic, or a
                start can't end, so that there is no finite value.

        Warns:
            PrecisionWarning: if `bound` is larger than the tolerance.
        """
        check_number("gamma", gamma, SHARE)
        check_number("tolerance", tolerance, POSITIVE)
        by_distance = shortest_path_is_optimal(self.mdp, gamma)
        if gamma == 1.0 and not by_distance:
            raise SettingError("must be below 1 here: in blocks, stochastic moves need a discount", setting="gamma")
        begun = time.perf_counter()
        lowest, highest = self.mdp.reward_range
        spec = PlanningSpec(gamma, tolerance, by_distance, -1.0 if by_distance else lowest / (1.0 - gamma))
        self._compile(lambda block: _plan_alone(block, spec))
        work_before = sum(self._call_all("work_seconds").values())
        exchange, num_rounds = self._plan("plan_distances", spec, -1.0, 0.0)
        num_bytes = 0
        if not by_distance:
            # Smaller changes of a border are not sent: the residuals of the neighbours stay within the tolerance.
            min_change = max(
                0.4 * tolerance * (1.0 - gamma), rounding_bound(self.mdp, (highest - lowest) / (1.0 - gamma))
            )
            num_bytes = exchange.num_bytes
            exchange, more = self._plan("plan_values", spec, spec.initial_value, min_change)
            num_rounds += more
        last = exchange.updates()
        errors = self._call("certify", {i: (last.get(i, UNCHANGED),) for i in range(self.num_blocks)})
        self._solution = BlockSolution(
            gamma=gamma,
            value=self._start_value(),
            method="breadth-first" if by_distance else "modified-policy-iteration",
            bound=combine_errors(spec, list(errors.values())),
            num_rounds=num_rounds + bool(last),
            num_bytes=num_bytes + exchange.num_bytes,
            seconds=time.perf_counter() - begun,
            work_seconds=sum(self._call_all("work_seconds").values()) - work_before,
        )
        warn_if_inexact(self._solution.bound, tolerance)
        return self._solution

    def train(
        self,
        num_episodes: int,
        *,
        num_rounds: int = 10,
        max_episode_steps: int = 100,
        seed: int = 0,
        callback: Callback | None = None,
        **settings: Unpack[LearningSettings],
    ) -> BlockTraining:
        """Learn action values of all states; each block learns from episodes of its own.

        Episodes begin in any free cell of the block. A step over the border truncates the episode; its update
        bootstraps from the value that the neighbour sent for that state at the last exchange.

        Args:
            num_episodes: number of episodes of all blocks together.
            num_rounds: number of rounds; border values are exchanged before each. Decides the result.
            max_episode_steps: step limit of an episode.
            seed: seed of all random draws; those of a block in a round are keyed by (seed, round, block).
            callback: is called after each round with its `RoundMetrics`; training ends if it raises `StopTraining`.
            settings: fields of `clew.Learning`. The algorithm must be q-learning, dyna-q, prioritized-sweeping,
                propagation or r-max. Schedules of step size and exploration change from round to round.

        Returns:
            Statistics; `action_values` fetches what was learned, and `grade` compares it with the plan.

        Raises:
            SettingError: if a setting is out of range, or the algorithm can't learn in blocks.
        """
        check_run(num_episodes, seed)
        check_count("num_rounds", num_rounds, 1, MAX_EPISODES)
        check_count("max_episode_steps", max_episode_steps, 1, 2**63 - 1)
        check_reporting(callback, None, None, None)
        num_rounds = int(num_rounds)
        check_memory(24 * num_rounds * self.num_blocks, f"the list of num_rounds={num_rounds:,} rounds")
        learning = as_learning(settings)
        check_blockwise(learning)
        begun = time.perf_counter()
        spec = BlockLearnerSpec(learning, float(uniform_initial_value(learning, self.mdp)), max_episode_steps)
        first = TrainingSlice(1, 0, 1, (0, 0, 0))
        self._compile(lambda block: (block.begin_learning(spec), block.learn(UNCHANGED, first)))
        exchange = Exchange(self._call_all("begin_learning", spec), spec.initial_value)
        num_steps = 0
        ends = np.linspace(0, num_episodes, num_rounds * self.num_blocks + 1).astype(np.int64)
        shares = np.diff(ends).reshape(num_rounds, self.num_blocks)
        for number, share in enumerate(shares):
            started_at, halos, num_before = time.perf_counter(), exchange.updates(), int(shares[:number].sum())
            slices = [TrainingSlice(int(n), num_before, num_episodes, (seed, number, i)) for i, n in enumerate(share)]
            results = self._call("learn", {i: (halos.get(i, UNCHANGED), each) for i, each in enumerate(slices)})
            exchange.borders |= {i: borders for i, (borders, _) in results.items()}
            totals = np.sum([totals for _, totals in results.values()], axis=0)
            num_steps += int(totals[0])
            if callback is not None:
                n = int(share.sum())
                ended = {"num_ended": num_before + n, "total_episodes": num_episodes}
                try:
                    callback(RoundMetrics.from_totals(number, n, totals, started_at, **ended))
                except StopTraining:
                    break
        num_settling = self._settle(exchange, learning)
        self._training = BlockTraining(
            num_steps, number + 1, num_settling, exchange.num_bytes, seconds=time.perf_counter() - begun
        )
        return self._training

    def grade(self) -> BlockGrade:
        """Compare the learned action values with the plan, block by block.

        Raises:
            SettingError: if `solve` or `train` hasn't been called.
        """
        self._require_training()
        counts: list[GradeCounts] = list(self._call_all("grade", self._require_solution().bound).values())
        n = sum(each.num_states for each in counts)
        return BlockGrade(
            sum(each.num_optimal for each in counts) / n if n else None,
            n,
            sum(each.error for each in counts) / n if n else 0.0,
            max(each.max_error for each in counts),
        )

    def values(self, states: npt.ArrayLike) -> npt.NDArray[np.float64]:
        """Fetch the planned values of some states from their blocks.

        Args:
            states: (n,) integers, states of the whole world.

        Returns:
            (n,) float64.

        Raises:
            SettingError: if a state is out of range, or `solve` hasn't been called.
        """
        self._require_solution()
        return self._fetch("values", states, (), np.float64)

    def action_values(self, states: npt.ArrayLike) -> npt.NDArray[np.float32]:
        """Fetch the learned action values of some states from their blocks.

        Args:
            states: (n,) integers, states of the whole world.

        Returns:
            (n, 4) float32.

        Raises:
            SettingError: if a state is out of range, or `train` hasn't been called.
        """
        self._require_training()
        return self._fetch("action_values", states, (4,), np.float32)

    def memory(self) -> dict[str, int]:
        """Return the peak memory, in bytes, of the driver and of each actor, by name ("driver", "actor 0", ...)."""
        peaks = dict(self._call_all("memory").values())  # by process, which may hold several blocks
        actors = {f"actor {k}": peak for k, peak in enumerate(peaks.values())} if self.num_actors else {}
        return {"driver": peak_memory(), **actors}

    def _plan(self, name: str, spec: PlanningSpec, initial: float, min_change: float) -> tuple[Exchange, int]:
        """Plan all blocks, and exchange border values until no border changes and every block is done.

        Args:
            name: method of `Block` that begins to plan.
            spec: planning problem.
            initial: value that blocks assume for the halo at first.
            min_change: smaller changes of a border are not sent.

        Returns:
            (exchange with the last border values, number of rounds).
        """
        results, num_rounds = self._call_all(name, spec), 0
        exchange = Exchange({i: borders for i, (borders, _) in results.items()}, initial)
        unfinished = [i for i, (_, is_done) in results.items() if not is_done]
        while (halos := exchange.updates(min_change)) or unfinished:
            results = self._call("update_plan", {i: (halos.get(i, UNCHANGED),) for i in {*halos, *unfinished}})
            exchange.borders |= {i: borders for i, (borders, _) in results.items()}
            unfinished = [i for i, (_, is_done) in results.items() if not is_done]
            num_rounds += 1
        return exchange, num_rounds

    def _start_value(self) -> float:
        """Return the mean planned value of the start states.

        Raises:
            SettingError: if one has no finite value.
        """
        starts, total = self.mdp.starts, 0.0
        for piece in np.array_split(starts, -(-starts.size // MAX_FETCHED)):
            v = self._fetch("values", piece, (), np.float64)
            check_finite(piece, v)
            total += float(v.sum())
        return total / starts.size

    def _require_solution(self) -> BlockSolution:
        if self._solution is None:
            raise SettingError("planned values are needed, and there are none yet: call solve() first")
        return self._solution

    def _require_training(self) -> None:
        if self._training is None:
            raise SettingError("learned values are needed, and there are none yet: call train() first")

    def _settle(self, exchange: Exchange, learning: Learning) -> int:
        """Exchange border values until none changes, if the algorithm backs up new values by a learned model.

        Returns:
            Number of exchanges; 0 for algorithms without a model, and for dyna-q, which doesn't propagate values.
        """
        if not ALGORITHMS[learning.algorithm].learns_model or learning.algorithm == "dyna-q":
            return 0
        halos = exchange.updates()
        exchange.borders |= self._call("apply_halo", {i: (halos.get(i, UNCHANGED),) for i in range(self.num_blocks)})
        for number in range(1, MAX_SETTLING):
            halos = exchange.updates()
            if not halos:
                return number
            exchange.borders |= self._call("apply_halo", {i: (halo,) for i, halo in halos.items()})
        return MAX_SETTLING

    def _fetch(self, name: str, states: npt.ArrayLike, row: tuple[int, ...], dtype: Any) -> npt.NDArray[Any]:
        """Return what a method of `Block` gives for some states, an array of the shape (n, *row), in their order."""
        wanted = as_states("states", states, self.mdp.num_states)
        if wanted.ndim != 1:
            raise SettingError(f"must be a list of states, not {shown(states)}", setting="states")
        owners = np.searchsorted(self._firsts, wanted, side="right") - 1
        found = np.empty((wanted.size, *row), dtype)
        arguments = {int(i): (wanted[owners == i] - self._firsts[i],) for i in np.unique(owners)}
        for i, rows in self._call(name, arguments).items():
            found[owners == i] = rows
        return found

    def _compile(self, work: Callable[[Block], Any]) -> None:
        """Do some work on a small block in this process, if there are actors, so that they find compiled kernels.

        Two processes that compile the same kernel at a time may damage its file.
        """
        if self.num_actors:
            work(Block(smallest_block(self._specs[0])))

    def _call_all(self, name: str, *arguments: Any) -> dict[int, Any]:
        """Call a method of all blocks with the same arguments; return the results by the number of the block."""
        return self._call(name, dict.fromkeys(range(self.num_blocks), arguments))

    def _call(self, name: str, arguments: dict[int, tuple[Any, ...]]) -> dict[int, Any]:
        """Call a method of some blocks, with arguments for each; return the results by the number of the block."""
        if self._pool is None:
            raise SettingError("blocks exist only within a with statement: `with BlockWorld(...) as world:`")
        return self._pool.call(name, arguments)


def _plan_alone(block: Block, spec: PlanningSpec) -> None:
    """Plan a block without neighbours, to compile the kernels."""
    block.plan_distances(spec)
    if not spec.by_distance:
        block.plan_values(spec)
    block.certify(UNCHANGED)
