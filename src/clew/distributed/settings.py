"""Settings of parallel training: number of simulations, synchronisation, staleness, central or local learning."""

from dataclasses import dataclass

from clew.errors import SettingError
from clew.learning.algorithms import ALGORITHMS
from clew.learning.declarations import RUN, Algorithm
from clew.learning.settings import Learning
from clew.settings import check_choice, check_count, make_plain

NEVER = "never"  # of `sync_every`: one round
MAX_ROUNDS_AHEAD = 1000  # every round in flight keeps a snapshot of the values
MAX_SIMULATIONS = 100_000  # each is a task of every round
SHARING = ("central", "local")


@dataclass(frozen=True, kw_only=True)
class Sharing:
    """Settings of parallel training; all but `num_actors` are part of what decides the result.

    Attributes:
        num_simulations: number of simulations, each a stream of episodes with random draws of its own; from 1 to
            100,000.
        num_actors: number of Ray actors that run the simulations, at least 0; decides only the speed. 0 runs them in
            this process. None starts one actor for each simulation, if the cluster has the processors and the work
            takes long enough.
        sharing: "central" (simulations play, one learner learns from all their transitions) or "local" (each
            simulation learns on its own copy of the table, and the copies are merged after each round).
        sync_every: episodes of each simulation in a round, at least 1. None ends rounds by steps, few at first and more
            later, see `clew.distributed.rounds`; "never" makes it one round.
        rounds_ahead: number of rounds, from 0 to 1,000, that simulations may run ahead of the merged values.
        partition_starts: whether each simulation has its own part of the start states.
        asynchronous: whether results are merged in the order of their arrival, which is not reproducible.

    Raises:
        SettingError: if a setting is out of range.
    """

    num_simulations: int = 4
    num_actors: int | None = None
    sharing: str = "central"
    sync_every: int | str | None = None
    rounds_ahead: int = 0
    partition_starts: bool = False
    asynchronous: bool = False

    def __post_init__(self) -> None:
        make_plain(self)
        check_count("num_simulations", self.num_simulations, 1, MAX_SIMULATIONS)
        if self.num_actors is not None:
            check_count("num_actors", self.num_actors, 0)
        check_choice("sharing", self.sharing, SHARING)
        if isinstance(self.sync_every, str):
            if self.sync_every != NEVER:
                raise SettingError(
                    f"must be a number of episodes, or {NEVER!r}, not {self.sync_every!r}", setting="sync_every"
                )
        elif self.sync_every is not None:
            check_count("sync_every", self.sync_every, 1)
        check_count("rounds_ahead", self.rounds_ahead, 0, MAX_ROUNDS_AHEAD)

    def check(self, learning: Learning) -> None:
        """Check that several simulations can share the work of an algorithm; a single simulation always can.

        Args:
            learning: settings of the learner.

        Raises:
            SettingError: if `sharing` is "local" and what simulations learn can't be merged, because the algorithm
                remembers something for the whole run, such as a model, and has no function that merges it, or doesn't
                use `alpha`; or if it is "central" and episodes are to be interleaved.
        """
        if self.num_simulations == 1:
            return
        row = ALGORITHMS[learning.algorithm]
        if self.sharing == "local" and not row.is_mergeable:
            raise SettingError(
                f"must be 'central' with {learning.algorithm}, {_reason_against(row)}", setting="sharing"
            )
        if self.sharing == "central" and learning.num_interleaved > 1:
            raise SettingError(
                "must be 1 where simulations send their episodes to one learner",
                setting="num_interleaved",
                take={"sharing": "local", "num_simulations": 1},
            )


def _reason_against(row: Algorithm) -> str:
    """Return in words why copies of the tables of an algorithm can't be merged."""
    if row.memory != RUN or ("alpha" not in row.settings and not row.learns_model):
        return "which doesn't use alpha: tables are merged by their step size"
    what = "learns a model of the world: models" if row.learns_model else "remembers for a whole run: memories"
    can_merge = ":" in row.name and "alpha" in row.settings
    advice = "; merge= of its Algorithm gives the function that does it" if can_merge else ""
    return f"which {what} can't be merged{advice}"
