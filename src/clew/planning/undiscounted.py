"""Planning without a discount: the greatest expected sum of all rewards, with a proof.

The value of a state is the most that a policy can expect in all. For that to mean something, going on for ever must
cost: here every way to go on for ever, but for the groups in which one moves for free (see `groups`), has to lose on
average. That is not assumed but proved, state by state, with a number m > 0, the *margin*, and values u that are
*strictly superharmonic*:

    u(s) >= m + backup of (s, a) with u, for every pair that isn't barred, and u(s) >= 0 where one may rest     (1)

Let any policy play from an ending state, by pairs that aren't barred, for N steps or until it ends or rests. Add (1)
up along the way: its expected reward is at most u(s) - m E[steps] - E[u where it stands, if it goes on]. If it ends
surely, the last term goes to 0 as N grows, for u is bounded, and its value is at most u(s). If it may not, E[steps]
grows without limit, and its value is minus infinity. So v* <= u, and whatever pays for going on would have to break
(1). From a state that isn't ending, every policy may go on for ever; (1) is proved there with a made-up rest, so that
each set of states it can stay in for ever loses at least m a step: v* is minus infinity there, and no ending state
may risk to come to one.

From below, a policy that surely ends or rests (found by a search backwards, not by its values), and l <= backup of
what it chooses, with l: added up as above, l <= the value of that policy. So l <= v* <= u, and the bound is the
greatest u - l. All of this is checked in a pass of its own, with room for what rounding may add.

To find them: the values u are those of a world that pays m more for every step, up to a small residual, and l those
of one that pays m less; each is m E[steps] off, so a bound that is too wide gets a smaller m. Modified policy
iteration starts from a policy that surely ends, and values l' <= T l'. From there on values only rise, so if the
policy chosen would go on for ever in some set of states, it gains there, or loses nothing: if that happens however
small m is, the world is refused. The policy in the end is the one of the world that pays less: where
several are as good it tends to the shorter ones, and it does surely end or rest. To be greedy with respect to v*
wouldn't do: to walk on the spot may look as good as to arrive.

Source:
    Bertsekas & Tsitsiklis (1991), An analysis of stochastic shortest path problems; Haddad & Monmege (2018), Interval
    iteration algorithm for MDPs and IMDPs; Puterman (1994), sections 7.2 and 7.3.
"""

from itertools import count

import numpy as np
import numpy.typing as npt

from clew.errors import SettingError
from clew.kernels.planning.undiscounted import REST, follow_choice, improve_groups, margins
from clew.models.mdp import FiniteMDP
from clew.planning.groups import Grouping, Pairs, group_states
from clew.planning.rounding import Rounding
from clew.planning.solution import Solution

__all__ = ["total_reward"]

Values = npt.NDArray[np.float64]
NUM_SMALL = 1000  # worlds of so many groups have their linear equations solved, where sweeps take long


def total_reward(mdp: FiniteMDP, tolerance: float) -> Solution:
    """Solve a world with gamma 1; see the module for what is proved.

    Raises:
        SettingError: if one can go on for ever and gain, or lose too little to be told from nothing; names a state.
    """
    grouping, rounding = group_states(mdp), Rounding(mdp)
    smallest = 8.0 * rounding.of_backup(0.0)
    margin = max(1e-4 * tolerance, smallest)
    v, choice = _first_values(grouping, rounding, margin)
    while True:
        above = v.copy()
        wanted = margin
        margin, endless = _improve(grouping, rounding, above, choice, wanted, 1.0)
        if endless.size:
            if wanted <= smallest:
                raise SettingError(
                    f"must be below 1 here: from state {grouping.states[endless[0]]} one can go on for ever and gain "
                    "by it, or lose nothing that can be told from rounding, so it has no finite value",
                    setting="gamma",
                )
            margin = max(1e-4 * wanted, smallest)
            v, choice = _first_values(grouping, rounding, margin)
            continue
        below = _lower_values(grouping, rounding, above, choice, margin)
        width = float(np.nextafter((above - below)[grouping.ending].max(initial=0.0), np.inf))
        if width <= tolerance or margin > wanted or wanted == smallest:
            break  # or rounding allows no smaller margin
        margin = max(margin * 0.4 * tolerance / width, smallest)
        v = below
    v = np.clip((above + below) / 2.0, below, above)
    _follow(grouping, rounding, v, choice, 0.0, margin / 4.0)
    v = np.clip(v, below, above)
    v[~grouping.ending] = -np.inf
    place = np.argsort(grouping.states)
    return Solution(mdp, 1.0, "total-reward", width, values=v[place], actions=grouping.policy_of(choice)[place])


def _greatest(v: Values) -> float:
    return float(np.abs(v).max())


def _first_values(grouping: Grouping, rounding: Rounding, margin: float) -> tuple[Values, Pairs]:
    """Values that no backup lowers, of a policy that surely ends or rests."""
    v, choice = np.zeros(grouping.ending.size), grouping.choice.copy()
    coarse = max(margin, 1e-3 * rounding.max_reward)
    _follow(grouping, rounding, v, choice, -coarse, coarse / 2.0)
    return v, choice


def _improve(
    grouping: Grouping, rounding: Rounding, v: Values, choice: Pairs, margin: float, sign: float
) -> tuple[float, npt.NDArray[np.int64]]:
    """Modified policy iteration, in place, in the world that pays a margin more a step, or less, by the sign.

    It stops when a sweep changes little against the margin; with the sign 1, (1) is then proved.

    Returns:
        The margin, raised to what rounding asks for; and states from which the choice goes on for ever, if it came to
        that.
    """
    rows, groups = grouping.rows, grouping.groups
    for i in count(1):
        slack = rounding.of_backup(_greatest(v))
        margin = max(margin, 8.0 * slack)
        change = improve_groups(rows, groups, v, choice, sign * margin, slack)
        if change <= margin / 4.0 or i % 8 == 0:
            endless = grouping.endless(choice)
            if endless.size:
                return margin, endless
        if change <= margin / 4.0 and (sign < 0.0 or margins(rows, groups, v, choice)[0] > slack):
            break
        if i % 8 == 0 and choice.size <= NUM_SMALL:
            v[:] = _value_of_choice(grouping, choice, sign * margin)
        else:
            for j in range(10):
                if follow_choice(rows, groups, v, choice, sign * margin, j % 2 == 0) <= change / 10.0:
                    break
    return margin, np.empty(0, np.int64)


def _lower_values(grouping: Grouping, rounding: Rounding, above: Values, choice: Pairs, margin: float) -> Values:
    """Values proved to be no more than those of the choice, which is improved in place; -inf if rounding forbids."""
    below = above.copy()
    _follow(grouping, rounding, below, choice, -margin, margin / 4.0)
    _improve(grouping, rounding, below, choice, margin, -1.0)
    _follow(grouping, rounding, below, choice, -margin, margin / 4.0)
    slack = rounding.of_backup(_greatest(below))
    proved = margins(grouping.rows, grouping.groups, below, choice)[1] > slack and not grouping.endless(choice).size
    return below if proved else np.full_like(below, -np.inf)


def _follow(grouping: Grouping, rounding: Rounding, v: Values, choice: Pairs, extra: float, target: float) -> None:
    """Evaluate the choice, in place, in a world that pays something extra a step, until a sweep changes little."""
    for i in count():
        if i % 20 == 0:
            target = max(target, 2.0 * rounding.of_backup(_greatest(v)))
        if follow_choice(grouping.rows, grouping.groups, v, choice, extra, i % 2 == 1) <= target:
            break
        if i % 200 == 199 and choice.size <= NUM_SMALL:
            v[:] = _value_of_choice(grouping, choice, extra)


def _value_of_choice(grouping: Grouping, choice: Pairs, extra: float) -> Values:
    """The same, by linear equations: one for each group."""
    rows, num_groups = grouping.rows, choice.size
    equations, pay = np.eye(num_groups), np.where(choice == REST, 0.0, extra)
    for g in np.flatnonzero(choice != REST):
        outcomes = slice(rows.offsets[choice[g]], rows.offsets[choice[g] + 1])
        probabilities, goes_on = rows.probabilities[outcomes], ~rows.terminated[outcomes]
        pay[g] += probabilities @ rows.rewards[outcomes]
        np.subtract.at(equations[g], grouping.group_of[rows.next_states[outcomes][goes_on]], probabilities[goes_on])
    values: Values = np.linalg.solve(equations, pay).astype(np.float64)[grouping.group_of]
    return values
