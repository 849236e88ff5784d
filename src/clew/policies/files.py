"""Files of policies: an .npz for programs and a CSV table for people; a file that is read is not trusted."""

import csv
import io
import re
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from clew.errors import ClewError, ModelError, PolicyError, SettingError
from clew.files import open_file, save_file
from clew.models.csv_files import parse_number, read_columns
from clew.models.files import LABEL_ARRAYS, ZIP_ERRORS, encode_npz, read_arrays
from clew.models.labels import check_labels, labels_as_bytes
from clew.policies.tables import ANY_ACTION, Names, PolicyTable, as_probabilities
from clew.settings import as_path, check_memory, choose_from, shown

# Name, dtype and number of dimensions of the arrays of each kind of policy; labels are optional.
KINDS = {"values": ("<f4", 2), "actions": ("<i4", 1), "probabilities": ("<f8", 2)}
AVAILABLE = {"available": ("|b1", 2)}  # which a policy of actions or probabilities has, where some aren't
FORMS = tuple(
    {name: kind, "num_actions": ("<i8", 0), **more}
    for name, kind in KINDS.items()
    for more in ({}, AVAILABLE)
    if name != "values" or not more
)
COLUMNS = ("state", "action", "probability", "value")  # of a CSV file; the last two may be missing
ENDINGS = (".csv", ".npz")
HEAD = 1024  # bytes within which the first line of a CSV file ends
MAX_LISTED = 20  # labels in a message
MAX_ACTIONS = 2**31 - 1  # as in models
NUMBER = re.compile(r"\d{1,18}")


class Rows(NamedTuple):
    """A policy as a table: the names of the columns, and rows of texts and numbers."""

    header: tuple[str, ...]
    rows: list[tuple[Any, ...]]


# Arrays ---------------------------------------------------------------------------------------------------------------


def write_policy(path: str | Path, content: PolicyTable) -> None:
    """Write a policy to an .npz file, whole or not at all.

    Raises:
        SettingError: if the name doesn't end in .npz.
        PolicyError: if it can't be written, or there is a file of that name that isn't a policy.
    """
    kind, table, (_, num_actions), state_labels, action_labels, available = content
    arrays = {kind: np.asarray(table, KINDS[kind][0]), "num_actions": np.asarray(num_actions, "<i8")}
    if available is not None:
        arrays["available"] = available
    labels = {"state_labels": state_labels, "action_labels": action_labels}
    arrays |= {name: labels_as_bytes(each) for name, each in labels.items() if each is not None}
    save_file(check_policy_file(path, (".npz",)), encode_npz(arrays), PolicyError)


def read_policy(path: str | Path) -> PolicyTable:
    """Read a policy from an .npz file; its table isn't checked yet.

    Raises:
        PolicyError: names the file, and says whether it can't be read, is damaged, or isn't a policy.
    """
    path = as_path("path", path)
    try:
        arrays = read_arrays(path, FORMS, "a policy")
    except ModelError as error:
        raise PolicyError(str(error)) from None
    (kind,) = KINDS.keys() & arrays.keys()
    table, num_actions = arrays[kind], arrays["num_actions"]
    shape = table.shape[0], num_actions
    if min(shape) < 1 or num_actions > MAX_ACTIONS or table.shape not in (shape, shape[:1]):
        raise PolicyError(f"{path}: damaged: {kind} of shape {table.shape} don't fit {num_actions} actions")
    available = arrays.get("available")
    if available is not None and (available.shape != shape or not available.any(axis=1).all()):
        raise PolicyError(f"{path}: damaged: available must have an action in each of {shape[0]} states")
    try:
        labels = [
            check_labels(name, arrays[name], count) if name in arrays else None
            for name, count in zip(LABEL_ARRAYS, shape, strict=True)
        ]
    except SettingError as error:
        raise PolicyError(f"{path}: damaged: {error}") from None
    state_labels, action_labels = labels
    return PolicyTable(kind, table, shape, state_labels, action_labels, available)


# CSV ------------------------------------------------------------------------------------------------------------------


def rows_of(content: PolicyTable, taken: npt.NDArray[np.bool_], values: npt.NDArray[Any] | None) -> Rows:
    """Return a policy as a table, with a row for each state and action taken there.

    A state in which all actions are the same to the policy has one row, without an action.

    Args:
        content: the policy.
        taken: (num_states, num_actions) bool, the actions that it takes.
        values: (num_states,) numbers for a column `value`; None for no such column.
    """
    kind, table, (_, num_actions), state_labels, action_labels, _ = content
    if kind == "actions":
        is_any = table == ANY_ACTION
    else:
        is_any = (table == table[:, :1]).all(axis=1) & (num_actions > 1)
    shown_actions = taken.copy()
    shown_actions[is_any] = False
    shown_actions[is_any, 0] = True
    s, a = np.nonzero(shown_actions)
    columns: dict[str, list[Any]] = {
        "state": _names(s, state_labels),
        "action": [
            "" if any_action else name
            for name, any_action in zip(_names(a, action_labels), is_any[s].tolist(), strict=True)
        ],
    }
    if s.size > is_any.size:
        shares = table[s, a] if kind == "probabilities" else 1.0 / shown_actions.sum(axis=1)[s]
        columns["probability"] = np.where(is_any[s], 1.0, shares).tolist()
    if values is not None:
        columns["value"] = values[s].tolist()
    return Rows(tuple(columns), list(zip(*columns.values(), strict=True)))


def _names(numbers: npt.NDArray[np.int64], labels: Names) -> list[str]:
    """Return states or actions as texts: their labels, or their numbers if they have none."""
    return [str(i) if labels is None else labels[i] for i in numbers.tolist()]


def write_csv(path: str | Path, table: Rows) -> None:
    """Write a policy to a CSV file in UTF-8, whole or not at all.

    Raises:
        SettingError: if its name doesn't end in .csv.
        PolicyError: if it can't be written, or there is a file of that name that isn't a policy.
    """
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator="\n").writerows([table.header, *table.rows])
    save_file(check_policy_file(path, (".csv",)), text.getvalue().encode(), PolicyError)


def read_csv(path: str | Path, shape: tuple[int, int], state_labels: Names, action_labels: Names) -> PolicyTable:
    """Read a policy from a CSV file.

    Args:
        path: the file.
        shape: (num_states, num_actions) of the world.
        state_labels: names of the states; None if they are known by their numbers.
        action_labels: names of the actions, or None.

    Raises:
        PolicyError: names the file and the line that is invalid, or says why it can't be read.
    """
    path = as_path("path", path)
    try:
        columns, lines = read_columns(path, "a policy", _check_header)
        if not lines:
            raise PolicyError("there are no rows; each state needs one")
        states = _as_indices("state", columns["state"], shape[0], state_labels, lines)
        actions = _as_indices("action", columns["action"], shape[1], action_labels, lines)
        counts = np.bincount(states, minlength=shape[0])
        if not counts.all():
            missing = _names(np.flatnonzero(counts == 0)[:1], state_labels)[0]
            raise PolicyError(f"there is no row for state {missing}; the world has {shape[0]:,} states")
        if "probability" in columns:
            shares = np.array(
                [_as_probability(cell, line) for cell, line in zip(columns["probability"], lines, strict=True)]
            )
            table: Any = _as_distributions(states, actions, shares, shape)
            return PolicyTable("probabilities", table, shape, state_labels, action_labels)
        if counts.max() > 1:
            line = lines[np.flatnonzero(states == counts.argmax())[1]]
            raise PolicyError(f"line {line}: the state has a row before; several actions need a column probability")
        table = np.empty(shape[0], np.int32)
        table[states] = actions
        return PolicyTable("actions", table, shape, state_labels, action_labels)
    except ClewError as error:
        raise PolicyError(f"{path}: {error}") from None


def _check_header(header: Sequence[str]) -> None:
    """Check the names of the columns; raise PolicyError if they aren't those of a policy."""
    if not {"state", "action"} <= set(header) <= set(COLUMNS) or len(set(header)) < len(header):
        raise PolicyError(
            "not a policy: its columns must be state and action, and perhaps probability and value, not "
            f"{shown(','.join(header))}"
        )


def _as_indices(name: str, cells: list[str], count: int, labels: Names, lines: list[int]) -> npt.NDArray[np.int64]:
    """Return a column of states or actions as their numbers; an empty action becomes `ANY_ACTION`.

    Where a label looks like a number, labels alone are read, so that "1" has one meaning.

    Raises:
        PolicyError: names the line of a cell that is neither a label nor a number of the world.
    """
    known = {} if labels is None else {label: i for i, label in enumerate(labels)}
    reads_numbers = not any(map(NUMBER.fullmatch, known))
    if name == "action":
        known[""] = ANY_ACTION
    numbers = np.empty(len(cells), np.int64)
    for i, cell in enumerate(cells):
        number = known.get(cell)
        if number is None and reads_numbers and NUMBER.fullmatch(cell):
            number = int(cell)
        if number is None or number >= count:
            advice = f"from 0 to {count - 1}" if labels is None else choose_from(cell, labels[:MAX_LISTED])
            article = "an" if name == "action" else "a"
            raise PolicyError(f"line {lines[i]}: {shown(cell)} is not {article} {name} of this world; {advice}")
        numbers[i] = number
    return numbers


def _as_probability(cell: str, line: int) -> float:
    """Return a cell as a float, also if it is a fraction; raise PolicyError if it is not a number."""
    try:
        return parse_number(cell)
    except (ValueError, ArithmeticError):
        raise PolicyError(
            f"line {line}: probability must be a number, such as 0.25 or 1/3, not {shown(cell)}"
        ) from None


def _as_distributions(
    states: npt.NDArray[np.int64],
    actions: npt.NDArray[np.int64],
    shares: npt.NDArray[np.float64],
    shape: tuple[int, int],
) -> npt.NDArray[np.float64]:
    """Return the probabilities of the rows of a table, (num_states, num_actions); those of the same pair are added up.

    Raises:
        SettingError: if they don't sum to 1 in a state, or one is negative.
    """
    check_memory(8 * shape[0] * shape[1], "the table of probabilities")
    if (shares < 0.0).any():
        raise SettingError("must not be negative", setting="probability")
    is_any = actions == ANY_ACTION
    table = np.zeros(shape)
    np.add.at(table, (states[~is_any], actions[~is_any]), shares[~is_any])
    np.add.at(table, states[is_any], shares[is_any, None] / shape[1])
    return as_probabilities("probability", table, shape)


# Both -----------------------------------------------------------------------------------------------------------------


def check_policy_file(path: str | Path, endings: Sequence[str], setting: str = "path") -> Path:
    """Check that a policy can be saved to a file: by its name, and that it would replace nothing but a policy.

    Args:
        path: the file.
        endings: possible endings of its name.
        setting: name of the setting, for the message.

    Raises:
        SettingError: if its name ends otherwise.
        PolicyError: if there is another kind of file of that name.
    """
    path = as_path(setting, path)
    if path.suffix.lower() not in endings:
        raise SettingError(
            f"must be a file that ends in {' or '.join(endings)}, not {shown(str(path))}", setting=setting
        )
    try:
        is_other = not path.is_symlink() and path.is_file() and path.stat().st_size > 0 and not _is_policy(path)
    except (OSError, ValueError) as error:
        raise PolicyError(f"{path}: can't be written: {error}") from None
    if is_other:
        raise PolicyError(f"{path}: there is a file of that name that isn't a policy; give another name")
    return path


def _is_policy(path: Path) -> bool:
    """Return whether a file looks like a policy: by the names of its columns or of its arrays."""
    with open_file(path) as file:
        try:
            if path.suffix.lower() == ".csv":
                _check_header([name.strip().lower() for name in file.readline(HEAD).decode("utf-8-sig").split(",")])
                return True
            names = {name.removesuffix(".npy") for name in zipfile.ZipFile(file).namelist()}
            return any(names - LABEL_ARRAYS.keys() == form.keys() for form in FORMS)
        except (PolicyError, *ZIP_ERRORS):
            return False
