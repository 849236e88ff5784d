"""Constructors of a `FiniteMDP` from what users have: functions, arrays, tables, environments.

They are a Protocol, from which `FiniteMDP` inherits, only to keep modules short.
"""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Protocol, Self

import numpy.typing as npt

from clew.errors import ClewError, ModelError
from clew.kernels.dynamics import Sparse
from clew.models.arrays import SparseRows, rows_of_arrays
from clew.models.checks import Starts
from clew.models.estimates import Estimate, rows_of_transitions
from clew.models.labels import UNLABELLED, Labels
from clew.models.rows import Outcome, rows_of_environment, rows_of_function
from clew.models.tables import rows_of_csv, rows_of_table
from clew.models.vectorized import rows_of_vectorized
from clew.settings import as_path, check_flag


class Constructors(Protocol):
    """Class methods that make a model."""

    @classmethod
    def _from_rows(
        cls,
        rows: Sparse | SparseRows,
        starts: Starts | None,
        labels: Labels = UNLABELLED,
        estimate: Estimate | None = None,
    ) -> Self:
        """Make a model from rows, which belong to it; if `starts` is None, from all states that aren't terminal."""

    @classmethod
    def from_arrays(
        cls,
        P: Any,  # noqa: N803  # as every textbook writes it
        R: Any,  # noqa: N803
        *,
        terminal: npt.ArrayLike | None = None,
        starts: Starts | None = None,
    ) -> Self:
        """Make a model from arrays of transition probabilities and rewards.

        pymdptoolbox's arrays have the action first, (num_actions, num_states, num_states): use
        `P.transpose(1, 0, 2)`, and the same for rewards of that shape. Its arrays of objects, and `Q` and `R` of
        quantecon's DiscreteDP, can be used as they are.

        Args:
            P: (num_states, num_actions, num_states) float64; `P[s, a, s_next]` is the probability of s_next. Or a
                matrix, (num_states, num_states), for each action: a list of sparse matrices (SciPy's, or any objects
                with `indptr`, `indices` and `data` in compressed sparse row format), or a dict or a 1-D array of
                objects with matrices that are all sparse or all dense. Keys of a dict are numbers from 0, or texts,
                which become the labels of the actions.
                An action isn't available in a state if all of its probabilities there are 0.
            R: rewards: (num_states,) for all actions in s, (num_states, num_actions), which may be a sparse matrix, or
                (num_states, num_actions, num_states) for the transition from s to s_next. Or, for each action, a
                sparse matrix in a list, or a matrix or a vector in a dict or a 1-D array of objects; keys are those of
                P. What a sparse matrix doesn't store is 0. Rewards are finite, but in the second form -inf says that
                an action isn't available, and its probabilities are ignored.
            terminal: (num_states,) bool; entering such a state ends the episode, and its own rows of P and R are
                ignored. By default there is none, and episodes don't end.
            starts: start states, or a dict of their probabilities; by default all states that aren't terminal.

        Raises:
            ModelError: names the argument, or the state and action, that is invalid.
        """
        rows, labels = rows_of_arrays(P, R, terminal)
        return cls._from_rows(rows, starts, labels)

    @classmethod
    def from_function(
        cls,
        num_states: int,
        num_actions: int,
        f: Callable[[int, int], Iterable[Outcome]],
        *,
        starts: Starts | None = None,
    ) -> Self:
        """Make a model from a function that lists the outcomes of a state and action.

        Args:
            num_states: number of states.
            num_actions: number of actions.
            f: `f(s, a)` returns a list of (probability, next state, reward, terminated). It is called once for each
                state and action. A state with empty lists for all actions is terminal; an empty list for some of them
                says that these actions aren't available.
            starts: start states, or a dict of their probabilities; by default all states that aren't terminal.

        Raises:
            ModelError: names the state and action for which f returned something invalid.
            SettingError: if the number of states or actions is out of range.
        """
        return cls._from_rows(rows_of_function(num_states, num_actions, f), starts)

    @classmethod
    def from_gymnasium(cls, env: Any, *, action_mask: bool = True) -> Self:
        """Make a model from a Gymnasium environment with a transition table `P`, such as FrozenLake or Taxi.

        States, actions and outcomes keep their numbers and order. States that can't be reached from the start states
        keep their numbers and have no outcomes. A step limit is not part of a model; it is
        `env.spec.max_episode_steps`.

        Args:
            env: environment with `P[s][a]`, a list of (probability, next state, reward, terminated), and
                `initial_state_distrib[s]`, the probability that an episode begins in s. Start states of unequal
                probability are repeated in `starts`; the probabilities must be in the ratio of integers up to 100.
            action_mask: use its method `action_mask`, if it has one, as Taxi does: actions that it masks in a state
                aren't available. False makes all actions of the table available.

        Raises:
            ModelError: if it has no such table, its steps depend on more than the state, a wrapper may change a step,
                or the outcomes of a state and action are invalid; says which.
            SettingError: if a mask is not one.
        """
        check_flag("action_mask", action_mask)
        return cls._from_rows(*rows_of_environment(env, action_mask))

    @classmethod
    def from_table(cls, table: Any, *, starts: Any = None) -> Self:
        """Make a model from a table with one row per state, action and next state.

        Args:
            table: a mapping of columns of equal length, such as a dict of lists or a data frame: `state`, `action`,
                `next_state`, `probability`, `reward`, and perhaps `terminated` (bool). States and actions are whole
                numbers from 0 to n - 1, or texts, which become labels in the order in which they first appear. Rows
                that differ in their probability only are added up. A state without rows is terminal; without the
                column `terminated`, entering such a state ends the episode. An action without rows isn't available in
                a state that has some.
            starts: start states, numbers or labels, or a dict of their probabilities; by default all states that
                aren't terminal.

        Raises:
            ModelError: names the column, the row, or the state and action, that is invalid.
            SettingError: if a label is not printable.

        >>> import clew
        >>> table = {"state": ["on", "on"], "action": ["run", "run"], "next_state": ["on", "off"]}
        >>> mdp = clew.FiniteMDP.from_table(table | {"probability": [0.75, 0.25], "reward": [1.0, 0.0]})
        >>> mdp.state_labels, clew.solve(mdp, gamma=0.8).v.round(6).tolist()
        (('on', 'off'), [1.875, 0.0])
        """
        return cls._from_rows(*rows_of_table(table, starts))

    @classmethod
    def read_csv(cls, path: str | Path, *, starts: Any = None) -> Self:
        """Make a model from a CSV file in UTF-8, with the columns of `from_table` named in its first line.

        Args:
            path: the file. Probabilities and rewards may be fractions, such as 1/3; `terminated` is true or false.
                States that are all whole numbers are taken as numbers, else as labels; so are actions.
            starts: start states, numbers or labels, or a dict of their probabilities; by default all states that
                aren't terminal.

        Raises:
            ModelError: names the file and the line that is invalid, or that it can't be read.
        """
        path = as_path("path", path)
        try:
            return cls._from_rows(*rows_of_csv(path, starts))
        except ClewError as error:
            raise ModelError(f"{path!s}: {error}") from None

    @classmethod
    def from_vectorized(
        cls, num_states: int, num_actions: int, function: Callable[..., Any], *, starts: Starts | None = None
    ) -> Self:
        """Make a model from a function of arrays, which is much faster than `from_function`.

        Args:
            num_states: number of states.
            num_actions: number of actions.
            function: `function(states, actions)` is called with two (n,) int64 arrays, pairs of a state and an action,
                a part of all pairs at a time. It returns next_states (n, k) int, probabilities (n, k), rewards (n, k)
                or (n,), and perhaps terminated (n, k) bool. Outcomes of probability 0 are left out. A state in which
                all probabilities are 0 is terminal; without `terminated`, entering one ends the episode. An action
                with probabilities of 0 isn't available in a state where another has some.
            starts: start states, or a dict of their probabilities; by default all states that aren't terminal.

        Raises:
            ModelError: if the function returned other arrays, or names the state and action with an invalid outcome.
            SettingError: if the number of states or actions is out of range.

        >>> import clew
        >>> def walk(states, actions):  # one step right, or to the end, state 3, with a reward of 1
        ...     return states + 1, 1.0 * (states < 3), 1.0 * (states == 2)
        >>> clew.solve(clew.FiniteMDP.from_vectorized(4, 1, walk), gamma=0.5).v.tolist()
        [0.25, 0.5, 1.0, 0.0]
        """
        return cls._from_rows(rows_of_vectorized(num_states, num_actions, function), starts)

    @classmethod
    def from_transitions(
        cls,
        state: Any,
        action: Any,
        reward: npt.ArrayLike,
        next_state: Any,
        terminated: npt.ArrayLike,
        *,
        num_states: int | None = None,
        num_actions: int | None = None,
        starts: Any = None,
        reward_range: tuple[float, float] | None = None,
        confidence: float = 0.95,
    ) -> Self:
        """Estimate a model from logged steps by maximum likelihood: the share of steps that had each outcome.

        The `estimate` of the model has the counts, an interval for each probability, and what was never tried, which
        here stays where it is and pays the lowest reward, or 0 if that is lower: so it looks as poor as it can be.
        `clew.solve(mdp).v_interval` tells how far the optimum of the real world may be from that of this model. A state
        in which episodes ended, and nothing was done, is terminal.

        Args:
            state: (num_steps,) numbers from 0 or texts, as in `from_table`; states in which the actions were taken.
            action: (num_steps,) numbers from 0 or texts.
            reward: (num_steps,) rewards; the mean over the steps with an outcome becomes its reward.
            next_state: (num_steps,) numbers or texts.
            terminated: (num_steps,) bool, True where the step ended the episode; a time limit doesn't count.
            num_states: number of states; by default those that the log names.
            num_actions: number of actions; by default those that the log names.
            starts: start states, numbers or labels, or a dict of their probabilities; by default all in which
                something was done.
            reward_range: (lowest, highest) reward that a step may have in the real world; by default those of the log.
                Intervals of values hold only if it is right.
            confidence: probability with which all intervals of probabilities hold together; those of values, too.

        Raises:
            ModelError: names the column, and the step, that is invalid.
            SettingError: if another argument is out of range.

        Warns:
            PrecisionWarning: if all rewards of the log are 0, and no range is given.

        >>> import clew
        >>> log = {"state": [0, 0, 0, 0] * 999, "action": [0, 0, 0, 1] * 999, "reward": [1.0, 1.0, 0.0, 0.5] * 999}
        >>> log |= {"next_state": [0, 0, 1, 1] * 999, "terminated": [False, False, True, True] * 999}
        >>> mdp = clew.FiniteMDP.from_transitions(**log)
        >>> mdp.model.probabilities.round(3).tolist(), mdp.estimate.counts.tolist()
        ([0.667, 0.333, 1.0], [1998, 999, 999])
        >>> mdp.estimate.intervals[:2].round(3).tolist()
        [[0.619, 0.712], [0.288, 0.381]]
        >>> solution = clew.solve(mdp, gamma=0.5)
        >>> round(solution.value, 3), [round(bound, 3) for bound in solution.value_interval]
        (1.0, [0.891, 1.117])
        """
        columns = {"state": state, "action": action, "reward": reward, "next_state": next_state}
        columns["terminated"] = terminated
        return cls._from_rows(*rows_of_transitions(columns, num_states, num_actions, starts, reward_range, confidence))
