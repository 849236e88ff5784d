"""A world cut into blocks: planned, learned and graded by whoever holds them.

The driver sees borders and figures. Rounds are synchronous: in each, all blocks that have news of their neighbours work
with what these were worth after the round before. So the blocks decide the result, and actors only the speed.
"""

import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any, Unpack

import numpy as np
import numpy.typing as npt

from clew.distributed.blocks.block import Block, Marks, peak_memory
from clew.distributed.blocks.cuts import NOTHING, cut, own_rows, tiny
from clew.distributed.blocks.exchange import Exchange
from clew.distributed.blocks.learning import BlockLearnerSpec, Stint, check_blockwise
from clew.distributed.blocks.planning import Problem, bound_of
from clew.distributed.blocks.pools import BlockPool, open_pool
from clew.environments import World, model_of
from clew.errors import SettingError
from clew.learning.algorithms import ALGORITHMS
from clew.learning.checks import check_run
from clew.learning.learner import initial_value
from clew.learning.settings import Learning, LearningSettings, as_learning
from clew.learning.training import Callback, RoundMetrics
from clew.planning.certificate import rounding
from clew.planning.search import shortest_is_best
from clew.settings import POSITIVE, SHARE, check_count, check_number

__all__ = ["BlockGrade", "BlockSolution", "BlockTraining", "BlockWorld"]

MAX_SETTLING = 10_000  # rounds after the last episode; noisy worlds may go on changing in the last bit


@dataclass(frozen=True)
class BlockSolution:
    """What planning in blocks came to.

    Attributes:
        gamma: discount that it is for.
        method: the planner of a block.
        bound: every value is within this of the optimum; proved.
        num_rounds: how often borders were exchanged.
        num_bytes: of all borders that were passed on.
        seconds: it took.
    """

    gamma: float
    method: str
    bound: float
    num_rounds: int
    num_bytes: int
    seconds: float


@dataclass(frozen=True)
class BlockTraining:
    """What learning in blocks came to.

    Attributes:
        num_steps: that were learned from, in all blocks.
        num_rounds: of episodes; before each, borders were exchanged.
        num_settling: rounds after them, in which what was known was passed on without another step.
        num_bytes: of all borders that were passed on.
        seconds: it took.
    """

    num_steps: int
    num_rounds: int
    num_settling: int
    num_bytes: int
    seconds: float


@dataclass(frozen=True)
class BlockGrade:
    """How what was learned compares with what was planned.

    Attributes:
        optimal_states: share of the states in which the choice matters, and every action that the greedy policy may take
            is optimal; None if it matters nowhere. See `clew.Grade`.
        num_states: in how many the choice matters.
        mean_error: of the learned values of these, |max_a q - v*|.
        max_error: the greatest.
    """

    optimal_states: float | None
    num_states: int
    mean_error: float
    max_error: float


class BlockWorld:
    """A grid cut into blocks of rows; use it in a `with` statement.

        with BlockWorld(maze, num_blocks=4, num_actors=4) as world:
            print(world.solve(gamma=0.99), world.values([0]))

    Args:
        world: maze, environment, or model in the grid form, with goals that stay.
        num_blocks: how many; part of what decides what is learned, to the last bit.
        num_actors: Ray actors that hold them; decides only the speed. 0 holds all in this process.

    Raises:
        SettingError: if the world can't be cut into so many blocks.
        ClusterError: if the cluster can't place the actors.
    """

    def __init__(self, world: World, num_blocks: int, *, num_actors: int = 0) -> None:
        check_count("num_blocks", num_blocks, 1)
        check_count("num_actors", num_actors, 0)
        self.mdp = model_of(world)
        self.num_actors = num_actors
        self._parts = cut(self.mdp, num_blocks)
        columns = self._parts[0].cells.shape[1]
        self._firsts = own_rows(self.mdp.num_states // columns, num_blocks) * columns  # the first state of each block
        self._stack = ExitStack()
        self._pool: BlockPool | None = None
        self._solution: BlockSolution | None = None
        self._training: BlockTraining | None = None

    def __enter__(self) -> "BlockWorld":
        self._pool = self._stack.enter_context(open_pool(self._parts, self.num_actors))
        return self

    def __exit__(self, *error: Any) -> None:
        self._pool = self._solution = self._training = None
        self._stack.close()

    @property
    def num_blocks(self) -> int:
        """How many blocks there are."""
        return len(self._parts)

    @property
    def max_share(self) -> float:
        """Rows of the table that a block holds, halo included, of all; the greatest."""
        return max(part.cells.size for part in self._parts) / self.mdp.num_states

    def solve(self, *, gamma: float = 0.9, tolerance: float = 1e-6) -> BlockSolution:
        """Compute optimal values, as `clew.solve` does, with the same certificate.

        Args:
            gamma: discount per step; 1 where moves are certain and a shortest way is a best one.
            tolerance: greatest error of a value.

        Raises:
            SettingError: if gamma or the tolerance is out of range.
        """
        check_number("gamma", gamma, SHARE)
        check_number("tolerance", tolerance, POSITIVE)
        by_distance = shortest_is_best(self.mdp, gamma)
        if gamma == 1.0 and not by_distance:
            raise SettingError("must be below 1 here: in blocks, stochastic moves need a discount", setting="gamma")
        begun = time.perf_counter()
        lowest, highest = self.mdp.reward_range
        problem = Problem(gamma, tolerance, by_distance, -1.0 if by_distance else lowest / (1.0 - gamma))
        self._compile(lambda block: _plan_alone(block, problem))
        exchange, num_rounds = self._plan("begin_plan", problem, -1.0, 0.0)
        num_bytes = 0
        if not by_distance:
            # A border that changed by less is not worth a message: the neighbours' residuals stay small enough.
            least = max(0.4 * tolerance * (1.0 - gamma), rounding(self.mdp, (highest - lowest) / (1.0 - gamma)))
            num_bytes = exchange.num_bytes
            exchange, more = self._plan("plan_values", problem, problem.assumed, least)
            num_rounds += more
        last = exchange.news()
        errors = self._each("certify", {i: (last.get(i, NOTHING),) for i in range(self.num_blocks)})
        method = "breadth-first" if by_distance else "modified-policy-iteration"
        bound = bound_of(problem, list(errors.values()))
        seconds = time.perf_counter() - begun
        num_bytes += exchange.num_bytes
        self._solution = BlockSolution(gamma, method, bound, num_rounds + bool(last), num_bytes, seconds)
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
        """Learn a table of all states; each block from episodes of its own, which begin in any of its free cells.

        An episode that steps over a border is cut off there, and goes on, for the value of its last step, with what the
        neighbour said of that state.

        Args:
            num_episodes: in all blocks together.
            num_rounds: borders are exchanged before each; part of what decides the result.
            max_episode_steps: step limit of an episode.
            seed: decides every draw; those of a block in a round are keyed by (seed, round, block).
            callback: is called after each round, with what its episodes came to.
            settings: those of `Learning`, for an algorithm that looks one step ahead. What a schedule says is fixed for
                a round.

        Raises:
            SettingError: if a setting is out of range, or the algorithm can't be cut into blocks.
        """
        check_run(num_episodes, seed)
        check_count("num_rounds", num_rounds, 1)
        check_count("max_episode_steps", max_episode_steps, 1)
        learning = as_learning(settings)
        check_blockwise(learning)
        begun = time.perf_counter()
        pupil = BlockLearnerSpec(learning, float(initial_value(learning, self.mdp)), max_episode_steps)
        self._compile(lambda block: (block.begin_learning(pupil), block.learn(NOTHING, Stint(1, 0, 1, (0, 0, 0)))))
        exchange = Exchange(self._call("begin_learning", pupil), pupil.assumed)
        num_steps = 0
        ends = np.linspace(0, num_episodes, num_rounds * self.num_blocks + 1).astype(np.int64)
        shares = np.diff(ends).reshape(num_rounds, self.num_blocks)
        for number, share in enumerate(shares):
            at, halos, done = time.perf_counter(), exchange.news(), int(shares[:number].sum())
            stints = [Stint(int(n), done, num_episodes, (seed, number, i)) for i, n in enumerate(share)]
            arguments = {i: (halos.get(i, NOTHING), stint) for i, stint in enumerate(stints)}
            results = self._each("learn", arguments)
            exchange.borders |= {i: borders for i, (borders, _) in results.items()}
            sums = np.sum([sums for _, sums in results.values()], axis=0)
            num_steps += int(sums[0])
            if callback is not None:
                callback(RoundMetrics.from_totals(number, num_rounds, int(share.sum()), sums, at))
        num_settling = self._settle(exchange, learning)
        seconds = time.perf_counter() - begun
        self._training = BlockTraining(num_steps, num_rounds, num_settling, exchange.num_bytes, seconds)
        return self._training

    def grade(self) -> BlockGrade:
        """Compare what was learned with what was planned; each block its own states.

        Raises:
            SettingError: if it hasn't been solved, or hasn't been learned.
        """
        self._trained()
        marks: list[Marks] = list(self._call("grade", self._solved().bound).values())
        n = sum(each.num_states for each in marks)
        return BlockGrade(
            sum(each.num_optimal for each in marks) / n if n else None,
            n,
            sum(each.error for each in marks) / n if n else 0.0,
            max(each.max_error for each in marks),
        )

    def values(self, states: npt.ArrayLike) -> npt.NDArray[np.float64]:
        """Planned values of some states, fetched from the blocks; (num_states,) float64."""
        self._solved()
        return np.asarray(self._fetch("values", states, (), np.float64))

    def action_values(self, states: npt.ArrayLike) -> npt.NDArray[np.float32]:
        """Learned action values of some states, fetched from the blocks; (num_states, 4) float32."""
        self._trained()
        return np.asarray(self._fetch("action_values", states, (4,), np.float32))

    def memory(self) -> dict[str, int]:
        """Bytes that each process took at the most: the driver, and those that hold blocks."""
        peaks = dict(self._call("memory").values())  # by process: several blocks may be in one
        holders = {f"actor {k}": peak for k, peak in enumerate(peaks.values())} if self.num_actors else {}
        return {"driver": peak_memory(), **holders}

    def _plan(self, name: str, problem: Problem, assumed: float, least: float) -> tuple[Exchange, int]:
        """Plan, and exchange borders until no block is left that has news or isn't done; says how often."""
        results, num_rounds = self._call(name, problem), 0
        exchange = Exchange({i: borders for i, (borders, _) in results.items()}, assumed)
        unfinished = [i for i, (_, is_done) in results.items() if not is_done]
        while (halos := exchange.news(least)) or unfinished:
            results = self._each("go_on", {i: (halos.get(i, NOTHING),) for i in {*halos, *unfinished}})
            exchange.borders |= {i: borders for i, (borders, _) in results.items()}
            unfinished = [i for i, (_, is_done) in results.items() if not is_done]
            num_rounds += 1
        return exchange, num_rounds

    def _solved(self) -> BlockSolution:
        if self._solution is None:
            raise SettingError("there are no planned values yet, to look at or to grade by: call solve() first")
        return self._solution

    def _trained(self) -> None:
        if self._training is None:
            raise SettingError("nothing has been learned yet: call train() first")

    def _settle(self, exchange: Exchange, learning: Learning) -> int:
        """Exchange borders until none changes any more, where a model of the world is learned; says how often."""
        if not ALGORITHMS[learning.algorithm].learns_model or learning.algorithm == "dyna-q":
            return 0
        halos = exchange.news()
        exchange.borders |= self._each("settle", {i: (halos.get(i, NOTHING),) for i in range(self.num_blocks)})
        for number in range(1, MAX_SETTLING):
            halos = exchange.news()
            if not halos:
                return number
            exchange.borders |= self._each("settle", {i: (halo,) for i, halo in halos.items()})
        return MAX_SETTLING

    def _fetch(self, name: str, states: npt.ArrayLike, row: tuple[int, ...], dtype: Any) -> npt.NDArray[Any]:
        wanted = np.asarray(states, np.int64)
        if wanted.ndim != 1 or (wanted.size and not (wanted.min() >= 0 and wanted.max() < self.mdp.num_states)):
            raise SettingError(f"states must be a list of states in 0..{self.mdp.num_states - 1}")
        owners = np.searchsorted(self._firsts, wanted, side="right") - 1
        found = np.empty((wanted.size, *row), dtype)
        asked = {int(i): (wanted[owners == i] - self._firsts[i],) for i in np.unique(owners)}
        for i, rows in self._each(name, asked).items():
            found[owners == i] = rows
        return found

    def _compile(self, work: Callable[[Block], Any]) -> None:
        """Do a little of it here before actors begin: two processes that compile at once may spoil what is kept."""
        if self.num_actors:
            work(Block(tiny(self._parts[0])))

    def _call(self, name: str, *arguments: Any) -> dict[int, Any]:
        return self._each(name, dict.fromkeys(range(self.num_blocks), arguments))

    def _each(self, name: str, arguments: dict[int, tuple[Any, ...]]) -> dict[int, Any]:
        if self._pool is None:
            raise SettingError("the blocks aren't held by anyone: use BlockWorld in a with statement")
        return self._pool.call(name, arguments)


def _plan_alone(block: Block, problem: Problem) -> None:
    """A plan without neighbours."""
    block.begin_plan(problem)
    if not problem.by_distance:
        block.plan_values(problem)
    block.certify(NOTHING)
