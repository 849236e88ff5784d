"""Policies as users give them: a `Policy`, a `Solution`, or an array that can be read in one way only.

as_policy       Policy, to draw actions from
weights_of      weights of the actions that it takes, for exact evaluation
choices_of      form from which kernels choose actions, to play episodes
choices_to_mark the same for an environment that is stepped, whose action masks are marked as they come
read_policy_of  Policy from a file
"""

from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from clew.errors import SettingError
from clew.kernels import read_only
from clew.kernels.choices import ActionTable, ProbabilityTable, as_choices
from clew.kernels.values import MaskedTable
from clew.kernels.wide import as_values
from clew.models.availability import mark_unavailable
from clew.models.labels import Labels
from clew.models.mdp import FiniteMDP
from clew.policies.files import ENDINGS
from clew.policies.policy import Policy, table_shape
from clew.policies.tables import as_actions, as_table, greedy_of, labels_of
from clew.settings import as_numbers, check_memory, shown

Weights = npt.NDArray[np.bool_] | npt.NDArray[np.float64]


class HasPolicy(Protocol):
    """An object that has a policy, such as a `Solution`."""

    @property
    def policy(self) -> Policy:
        """The policy."""


def check_policy(policy: Any, shape: tuple[int, int]) -> None:
    """Check that an object is a policy of (num_states, num_actions).

    Raises:
        SettingError: if it is something else, or of another shape.
    """
    if not isinstance(policy, Policy):
        kind = f"{type(policy).__module__}.{type(policy).__qualname__}".removeprefix("builtins.")
        raise SettingError(
            f"expected a clew.Policy, a Solution or an array, got a {kind}; clew.Policy(env, q=table) makes a policy "
            "of a table of action values, clew.Policy.from_actions(env, actions) of actions"
        )
    if policy.shape != shape:
        raise SettingError(
            f"a policy of {policy.shape} doesn't fit an environment of {shape}, (num_states, num_actions)"
        )


def check_acts_by_table(policy: Policy) -> None:
    """Check that a policy chooses actions by its table alone, before work that reads the table and calls no method.

    Raises:
        SettingError: if its class overrides `get_action` or `greedy_actions`.
    """
    for name in ("get_action", "greedy_actions"):
        if getattr(type(policy), name) is not getattr(Policy, name):
            raise SettingError(
                f"{type(policy).__name__} overrides {name}, which isn't called here: its table q would be graded; play "
                "it with clew.Simulation(env).rollout(policy), or give a clew.Policy with the values that it acts by"
            )


def policy_in(given: Any) -> Policy | None:
    """Return the policy that an object is or has, such as a `Solution`; None for anything else.

    Raises:
        SettingError: if its actions depend on the step.
    """
    if isinstance(given, Policy):
        return given
    if hasattr(given, "policy_at"):
        raise SettingError(
            f"the policy of a {type(given).__name__} depends on the step, so it can only be evaluated, by "
            "clew.policy_values; give solution.policy_at(0) for the policy of the first step, or that of another step"
        )
    policy = getattr(given, "policy", None)
    return policy if isinstance(policy, Policy) else None


def as_policy(given: Any, world: Any, name: str = "policy") -> Policy:
    """Return what was given as a policy of a world.

    Args:
        given: a policy, an object that has one as `policy`, or an array: (num_states, num_actions) action values, or
            (num_states,) integers, an action for each state.
        world: environment or model.
        name: of the setting.

    Raises:
        SettingError: if it is something else, doesn't fit the world, or can be read in two ways.
    """
    policy, shape = policy_in(given), table_shape(world)
    if policy is not None:
        check_policy(policy, shape)
        return policy
    table = _as_array(given, shape, name)
    return Policy.from_actions(world, table) if table.ndim == 1 else Policy(world, q=table)


def weights_of(given: Any, mdp: FiniteMDP, name: str = "policy") -> Weights:
    """Return with which weights a policy takes each action, without exploring.

    Args:
        given: see `as_policy`. Values of actions that aren't available are ignored.
        mdp: model of the world.
        name: of the setting.

    Returns:
        (num_states, num_actions): bool, the actions that are taken, all equally likely; or float64, probabilities.

    Raises:
        SettingError: see `as_policy`; if a class of policy has methods of its own, which aren't called; or if an action
            is taken that isn't available.
    """
    kind, table = _checked_table(given, (mdp.num_states, mdp.num_actions), name)
    if kind == "probabilities":
        return _among_available(table, mdp, name)
    if kind == "actions":
        return _among_available(greedy_of(table, mdp.num_actions), mdp, name)
    if not mdp.all_available:
        table = available_values(mdp, table.astype(np.result_type(table, np.float32)))
    return greedy_of(table, mdp.num_actions)


def _among_available(weights: Weights, mdp: FiniteMDP, name: str) -> Weights:
    """Return the weights of available actions; where all are equal, and so any action may be taken, any of these.

    Raises:
        SettingError: if another action has a weight.
    """
    if mdp.all_available:
        return weights
    is_any = (weights == weights[:, :1]).all(axis=1)
    taken: Weights = np.where(is_any[:, None], weights * mdp.available, weights)
    wrong = np.argwhere((taken > 0.0) & ~mdp.available)
    if wrong.size:
        pair = Labels(mdp.state_labels, mdp.action_labels).pair(*wrong[0].tolist())
        raise SettingError(f"takes an action that isn't available: {pair}", setting=name)
    return taken


def choices_of(given: Any, shape: tuple[int, int], mdp: FiniteMDP | None = None, name: str = "policy") -> Any:
    """Return a policy in the form from which kernels choose actions, see `clew.kernels.choices`.

    Args:
        given: see `as_policy`.
        shape: (num_states, num_actions) of the world.
        mdp: its model, if it has one: then actions that aren't available are left out, and action values have the form
            that is the fastest. Otherwise they are an array of float32, which is shared if it was one before.
        name: of the setting.

    Raises:
        SettingError: see `weights_of`.
    """
    kind, table = _checked_table(given, shape, name)
    if kind == "values":  # rounded so that greedy actions stay the same
        table = np.ascontiguousarray(table) if table.dtype == np.float32 else as_table(name, table, shape)
        if mdp is not None:
            return as_values(read_only(available_values(mdp, table)), masked=not mdp.all_available)
    elif mdp is not None and not mdp.all_available:
        weights = weights_of(given, mdp, name)
        return ProbabilityTable(read_only(weights / weights.sum(axis=1, keepdims=True)), read_only(mdp.available))
    return as_choices(kind, table, shape[1])


def available_values(mdp: FiniteMDP, q: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Return action values with -inf for actions that aren't available; a copy, unless all are available."""
    if mdp.all_available:
        return q
    values = q.copy()
    mark_unavailable(mdp, values)
    return values


def choices_to_mark(given: Any, shape: tuple[int, int], name: str = "policy") -> Any:
    """Return a copy of a policy in a form in which actions are marked that turn out not to be available.

    Args:
        given: see `as_policy`.
        shape: (num_states, num_actions) of the environment.
        name: of the setting.

    Returns:
        `MaskedTable` or `ProbabilityTable`; `clew.policies.stepwise.mark_masked` marks actions.

    Raises:
        SettingError: see `weights_of`.
    """
    choices = choices_of(given, shape, name=name)
    if isinstance(choices, np.ndarray):
        return MaskedTable(choices.copy())
    if isinstance(choices, ActionTable):
        check_memory(8 * shape[0] * shape[1], "the table of probabilities")
        taken = greedy_of(choices.actions, shape[1])
        return ProbabilityTable(taken / taken.sum(axis=1, keepdims=True), np.ones(shape, np.bool_))
    return ProbabilityTable(choices.probabilities.copy(), np.ones(shape, np.bool_))


def read_policy_of(world: Any, path: Path, name: str = "path") -> Policy:
    """Read the policy of a world from an .npz file or a CSV file.

    Args:
        world: environment or model.
        path: the file.
        name: of the setting that is the path.

    Raises:
        SettingError: if its name has another ending, or the policy doesn't fit the world.
        PolicyError: names the file, and says why it can't be read.
    """
    ending = path.suffix.lower()
    if ending not in ENDINGS:
        raise SettingError(f"must be a file that ends in {' or '.join(ENDINGS)}, not {shown(str(path))}", setting=name)
    if ending == ".csv":
        return Policy.read_csv(world, path)
    policy, shape = Policy.load(path), table_shape(world)
    check_policy(policy, shape)
    names = policy.state_labels, policy.action_labels
    for kind, here, there in zip(("states", "actions"), labels_of(world, shape), names, strict=True):
        if here is not None and there is not None and here != there:
            raise SettingError(f"must be a policy of this world; in {path} the {kind} have other names", setting=name)
    return policy


def _checked_table(given: Any, shape: tuple[int, int], name: str) -> tuple[str, npt.NDArray[Any]]:
    """Return the kind and the table of what was given, see `clew.Policy`; that of an array is "actions" or "values".

    Raises:
        SettingError: see `as_policy`; or if a class of policy has methods of its own, which aren't called.
    """
    policy = policy_in(given)
    if policy is None:
        table = _as_array(given, shape, name)
        return "actions" if table.ndim == 1 else "values", table
    check_policy(policy, shape)
    check_acts_by_table(policy)
    return policy.kind, policy.table


def _as_array(given: Any, shape: tuple[int, int], name: str) -> npt.NDArray[Any]:
    """Check an array, and return it as action values, (num_states, num_actions), or int32 actions, (num_states,).

    Raises:
        SettingError: if it is neither, or may be probabilities.
    """
    if not isinstance(given, list | tuple) and not hasattr(given, "__array__"):
        check_policy(given, shape)  # raises an error, since it isn't a policy
    table: npt.NDArray[Any] = as_numbers(name, given)
    if table.ndim == 1 and table.dtype.kind in "iu":
        return as_actions(name, table, shape)
    if table.shape != shape:
        raise SettingError(
            f"{name}: expected action values of shape {shape}, (num_states, num_actions), or an action for each state, "
            f"{shape[:1]} integers, got {table.dtype} of shape {table.shape}"
        )
    if np.isnan(table.min()):  # NaN if there is any, and without a mask of all values
        raise SettingError(f"{name}: expected action values that are numbers, got NaN")
    check_unambiguous(name, table)
    return table


def check_unambiguous(name: str, table: npt.NDArray[Any]) -> None:
    """Check that a table given as action values can't be one of probabilities of actions.

    It can if each row that isn't all 0 sums to 1, and a row has several positive entries. A table of zeros and ones is
    the same policy in both readings.

    Args:
        name: of the setting.
        table: (num_states, num_actions), real numbers.

    Raises:
        SettingError: if it can; says how to give either.
    """
    if table.shape[1] < 2 or not table.min() >= 0.0:
        return
    with np.errstate(over="ignore"):  # sums of very large values are infinite
        sums = table.sum(axis=1, dtype=np.float64)
    if ((sums == 0.0) | (np.abs(sums - 1.0) <= 1e-6)).all() and (np.count_nonzero(table, axis=1) > 1).any():
        raise SettingError(
            "can be read in two ways: its rows sum to 1, so they may be action values or probabilities of actions; "
            "give clew.Policy(world, q=table) or clew.Policy.from_probabilities(world, table)",
            setting=name,
        )
