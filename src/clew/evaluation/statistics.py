"""Statistics of the states that a policy visits: occupancy, hitting times and hitting probabilities.

Expected visits solve linear equations of the policy's chain, see `clew.planning.absorbing`. Long-run fractions of
time are those of the chain's recurrent classes: visits between two returns to one state, divided by their sum.

Source:
    Kemeny & Snell (1960), chapters 3 and 4; Puterman (1994), section 6.9, for discounted occupancy; Norris (1997),
    Markov chains, sections 1.3 and 1.7.
"""

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from clew.environments import World, model_of
from clew.errors import PrecisionError, SettingError
from clew.evaluation.exact import STEPS_PRECISION, Walk, check_steps, walk_through
from clew.evaluation.gain import recurrent_classes, rows_of_class
from clew.evaluation.relative import chain_rows, extend, policy_chain, policy_shares
from clew.kernels.dynamics import Sparse
from clew.kernels.planning.relative_values import UNIT, Rows
from clew.kernels.planning.undiscounted import STAY, UNKNOWN
from clew.models.mdp import FiniteMDP
from clew.planning.absorbing import AbsorbingChain
from clew.planning.end_components import Predecessors
from clew.policies.given import HasPolicy, weights_of
from clew.policies.policy import Policy
from clew.settings import SHARE, as_states, check_number

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
PRECISION = 1e-6  # largest error of all visits together, relative to their sum
POWER_STEPS = 64  # steps of a chain, after which its likeliest state is that to return to


@dataclass(frozen=True, eq=False)
class PolicyStatistics:
    """Occupancy of states and actions by a policy, from `policy_statistics`.

    The meaning of occupancy depends on gamma. Episodes begin in the start states of the world.

    - None: fraction of time in the long run; the sum is the probability that an episode never ends.
    - below 1: discounted number of visits, the sum over t of gamma**t times the probability to be there at step t.
    - 1: expected number of visits before the end, the first state included; infinite where a policy stays forever.

    A visit is a step that begins in the state, so terminal states have none.

    Attributes:
        mdp: the world's model.
        gamma: discount of visits, or None.
        occupancy: (num_states,) float64, occupancy of each state.
        action_occupancy: (num_states, num_actions) float64, occupancy of each state with each action.
        bound: proved bound on the sum of the errors of all finite entries of `occupancy`.
        chain: the policy's Markov chain, as a model with a single action.
        rounding: relative rounding error of its probabilities.

    >>> import clew
    >>> env = clew.Environment(clew.Maze.open(1, 3), slip=0.5)
    >>> statistics = clew.policy_statistics(env, clew.solve(env), gamma=1)
    >>> statistics.occupancy.round(6).tolist()  # steps in each cell, before the goal is reached
    [2.0, 2.0, 0.0]
    """

    mdp: FiniteMDP = field(repr=False)
    gamma: float | None
    occupancy: Floats = field(repr=False)
    action_occupancy: Floats = field(repr=False)
    bound: float
    chain: Sparse = field(repr=False)
    rounding: float = field(repr=False)

    def hitting_probabilities(self, states: npt.ArrayLike) -> Floats:
        """Return the probability that a set of states is ever entered, from each state, (num_states,) float64.

        It is 1 in states of the set. A state in which an episode ends counts as entered. Probabilities are proved to
        within 1e-9.

            >>> import clew
            >>> def bet(state, action):  # a fair bet of 1, until 0 or 4 are reached
            ...     return [(0.5, s, 0.0, s in (0, 4)) for s in (state - 1, state + 1)] if 0 < state < 4 else []
            >>> mdp = clew.FiniteMDP.from_function(5, 1, bet)
            >>> statistics = clew.policy_statistics(mdp, [0] * 5, gamma=1)
            >>> statistics.hitting_probabilities([4]).round(6).tolist()
            [0.0, 0.25, 0.5, 0.75, 1.0]

        Args:
            states: numbers of the states in the set.

        Raises:
            SettingError: if it is empty, or has other numbers.
            PrecisionError: if the probabilities aren't proved.
        """
        hitting = _Hitting(self.chain, _as_set(states, self.mdp.num_states))
        zeros, enters = np.zeros((2, hitting.possible.size))
        enters[hitting.targets | hitting.sure] = enters[-1] = 1.0
        absorbing = AbsorbingChain(hitting.rows, hitting.possible & ~hitting.sure, rounding=self.rounding)
        p, bound = absorbing.values(zeros, zeros, enters)
        if not bound <= STEPS_PRECISION:
            raise PrecisionError(
                f"hitting probabilities are not proved to within {STEPS_PRECISION:g}: it takes too many steps for "
                "double precision to enter these states or to miss them forever, or the equations are too large"
            )
        return np.clip(p[: self.mdp.num_states], 0.0, 1.0)

    def hitting_times(self, states: npt.ArrayLike) -> Floats:
        """Return the expected number of steps until a set of states is entered, from each state, (num_states,) float64.

        It is 0 in states of the set, and infinite where the set may never be entered. A state in which an episode ends
        counts as entered. Times are proved to within a relative error of 1e-9.

            >>> import clew
            >>> toss = lambda s, a: [(0.5, 0, 0.0, False), (0.5, min(s + 1, 2), 0.0, False)]  # to see heads twice
            >>> mdp = clew.FiniteMDP.from_function(3, 1, toss)
            >>> clew.policy_statistics(mdp, [0, 0, 0]).hitting_times([2]).round(6).tolist()
            [6.0, 4.0, 0.0]

        Args:
            states: numbers of the states in the set.

        Raises:
            SettingError: if it is empty, or has other numbers.
            PrecisionError: if the times aren't proved.
        """
        hitting = _Hitting(self.chain, _as_set(states, self.mdp.num_states))
        absorbing = AbsorbingChain(hitting.rows, hitting.sure, rounding=self.rounding)
        check_steps(absorbing.steps_error, "; hitting_probabilities may still be found")
        times = np.where(hitting.sure | hitting.targets, absorbing.steps, np.inf)
        return times[: self.mdp.num_states]


def policy_statistics(
    world: World,
    policy: Policy | HasPolicy | npt.ArrayLike,
    *,
    gamma: float | None = None,
    epsilon: float = 0.0,
) -> PolicyStatistics:
    """Compute how often a policy visits each state and takes each action, with a proved error bound.

    Args:
        world: environment, model or maze. The step limit of an environment is not part of its model.
        policy: a policy or a solution; action values, (num_states, num_actions), of which ties are broken uniformly at
            random; or an action for each state, (num_states,) integers.
        gamma: None for fractions of time in the long run; below 1 for discounted visits; 1 for visits before the end.
        epsilon: probability of a random action instead of one of the policy.

    Returns:
        Occupancy of states and actions, and methods for the time and the probability of entering a set of states.

    Raises:
        SettingError: if a setting is out of range, the policy doesn't fit the world, or an array can be read in two
            ways.
        PrecisionError: if the sum of all errors isn't proved to be below a millionth of the sum of all visits.

    Source:
        Kemeny & Snell (1960), chapters 3 and 4; Puterman (1994), section 6.9.

    >>> import clew
    >>> def shop(stock, order):  # up to 2 units; one is ordered if order is 1; a customer comes with probability 0.5
    ...     stock = min(stock + order, 2)
    ...     return [(0.5, stock, 0.0, False), (0.5, max(stock - 1, 0), 0.0, False)]
    >>> mdp = clew.FiniteMDP.from_function(3, 2, shop)
    >>> statistics = clew.policy_statistics(mdp, [1, 0, 0])  # order if the stock is empty
    >>> statistics.occupancy.round(6).tolist(), statistics.action_occupancy[0].round(6).tolist()
    ([0.5, 0.5, 0.0], [0.0, 0.5])
    """
    if gamma is not None:
        check_number("gamma", gamma, SHARE)
    mdp = model_of(world)
    weights = weights_of(policy, mdp)
    walk = walk_through(mdp, weights, epsilon)
    shares = policy_shares(mdp, weights, epsilon)
    chain, rounding = policy_chain(mdp, shares)
    rows = chain_rows(chain._replace(rewards=np.zeros_like(chain.rewards)), rounding)
    start: Floats = np.bincount(mdp.starts, minlength=rows.offsets.size - 1) / mdp.starts.size
    if gamma is None:
        occupancy, bound = _long_run(walk, rows, rounding, start)
    else:
        inside = extend(walk.goes_on > 0.0 if gamma < 1.0 else ~walk.components.recurrent & (walk.goes_on > 0.0), rows)
        occupancy, bound = AbsorbingChain(rows, inside, rounding=rounding, gamma=float(gamma)).visits(start)
    occupancy = occupancy[: mdp.num_states]
    if not bound <= PRECISION * max(1.0, occupancy.sum()):
        raise PrecisionError(
            f"occupancy is not proved to within {PRECISION:g} of its sum: it takes too many steps for double precision "
            "until states are visited again or the episode ends, or the equations are too large; a gamma below 1 takes "
            "fewer steps"
        )
    if gamma == 1.0:
        occupancy[_reachable(chain, mdp.starts) & walk.components.recurrent] = np.inf
    with np.errstate(invalid="ignore"):
        actions = np.where(shares > 0.0, shares * occupancy[:, None], 0.0)
    return PolicyStatistics(mdp, gamma, occupancy, actions, float(bound), chain, rounding)


def _long_run(walk: Walk, rows: Rows, rounding: float, start: Floats) -> tuple[Floats, float]:
    """Return the fractions of time in the long run, and a bound of the sum of their errors."""
    transient = extend(~walk.components.recurrent & (walk.goes_on > 0.0), rows)
    arrivals, bound = AbsorbingChain(rows, transient, rounding=rounding).arrivals(start)
    occupancy = np.zeros(arrivals.size)
    for states in recurrent_classes(walk):
        share = float(arrivals[states].sum())
        if share > 0.0:
            fractions, error = _stationary(rows_of_class(rows, states), rounding)
            occupancy[states] = share * fractions
            bound += share * (error + 8.0 * UNIT)
    return occupancy, bound


def _stationary(rows: Rows, rounding: float) -> tuple[Floats, float]:
    """Return the stationary distribution of an irreducible chain, and a bound of the sum of its errors.

    Visits between two returns to a state are in proportion to it. The state is the likeliest one, approximately, so
    that returns don't take long.
    """
    n = rows.offsets.size - 1
    state = int(_after_steps(rows, POWER_STEPS).argmax())
    for _ in range(2):
        inside = np.arange(n) != state
        first, last = rows.offsets[state], rows.offsets[state + 1]
        start = np.zeros(n)
        np.add.at(start, rows.next_states[first:last], rows.probabilities[first:last])
        start[state] = 0.0
        absorbing = AbsorbingChain(rows, inside, rounding=rounding)
        visits, bound = absorbing.visits(start)
        visits[state] = 1.0
        bound += (rounding + (last - first) * UNIT) * float(start @ absorbing.steps) * (1.0 + absorbing.steps_error)
        total = float(visits.sum())
        bound = 2.0 * bound / total + 2.0 * n * UNIT
        if bound <= 0.01 * PRECISION:
            break
        state = int(visits.argmax())
    return visits / total, bound


def _after_steps(rows: Rows, num_steps: int) -> Floats:
    """Return the distribution of a chain after some steps from anywhere; half of the time it stays where it is."""
    n = rows.offsets.size - 1
    states = np.repeat(np.arange(n), np.diff(rows.offsets))
    distribution: Floats = np.full(n, 1.0 / n)
    for _ in range(num_steps):
        flows = distribution[states] * rows.probabilities
        distribution = 0.5 * (distribution + np.bincount(rows.next_states, flows, n))
    return distribution


class _Hitting:
    """Chain of a policy until it enters a set of states, which are merged into its last state.

    Attributes:
        rows: the chain; its last state but one is the end of an episode.
        targets: (num_states + 2,) bool, states of the set.
        possible: (num_states + 2,) bool, other states, from which it may be entered.
        sure: (num_states + 2,) bool, those from which it is entered with probability 1.
    """

    def __init__(self, chain: Sparse, targets: Bools) -> None:
        n = targets.size
        states = np.repeat(np.arange(n), np.diff(chain.offsets))
        enters = targets[chain.next_states]
        next_states = np.where(enters, n + 1, np.where(chain.terminated, n, chain.next_states)).astype(np.int32)
        zeros = np.zeros(n + 2)
        offsets = np.append(chain.offsets, [chain.offsets[-1]] * 2)
        self.rows = Rows(offsets, chain.probabilities, next_states, zeros, zeros, 1)
        happens = chain.probabilities > 0.0
        before = Predecessors.from_rows(chain, np.flatnonzero(happens & (next_states < n)), n)
        possible = _search(before, _any(states, happens & enters, n)) & ~targets
        lost = ~possible & ~targets
        sure = possible & ~_search(before, lost | _any(states, happens & (next_states == n), n))
        self.targets, self.possible, self.sure = (np.append(each, [False] * 2) for each in (targets, possible, sure))


def _any(states: npt.NDArray[np.int64], flags: Bools, num_states: int) -> Bools:
    """Return the states of which a row is flagged."""
    found = np.zeros(num_states, np.bool_)
    found[states[flags]] = True
    return found


def _search(predecessors: Predecessors, states: Bools) -> Bools:
    """Return the states from which given ones can be reached, these included."""
    chosen = np.where(states, STAY, UNKNOWN)
    predecessors.backward_search(np.ones(states.size, np.bool_), chosen, 1)
    found: Bools = chosen != UNKNOWN
    return found


def _reachable(chain: Sparse, starts: npt.NDArray[np.int32]) -> Bools:
    """Return the states that can be reached from the starts: a search backwards in the reversed chain."""
    n = chain.offsets.size - 1
    goes_on = (chain.probabilities > 0.0) & ~chain.terminated
    offsets = np.concatenate([[0], np.cumsum(goes_on)])[chain.offsets]
    return _search(Predecessors(offsets, chain.next_states[goes_on].astype(np.int64)), np.isin(np.arange(n), starts))


def _as_set(states: npt.ArrayLike, num_states: int) -> Bools:
    """Return a set of states as a mask, (num_states,) bool.

    Raises:
        SettingError: if it is empty, or has other numbers.
    """
    numbers = as_states("states", states, num_states).reshape(-1)
    if numbers.size == 0:
        raise SettingError("must be a non-empty list of states", setting="states")
    mask = np.zeros(num_states, np.bool_)
    mask[numbers] = True
    return mask
