"""Conversion of a table of transitions, in columns or as a CSV file, to rows of a sparse model."""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from clew.errors import ModelError
from clew.kernels.dynamics import Sparse
from clew.models.checks import MAX_STATES, Starts, read_only_copy, without_rounding
from clew.models.csv_files import parse_number, read_columns
from clew.models.labels import Labels, check_labels
from clew.settings import check_memory, choose_from, shown

COLUMNS = ("state", "action", "next_state", "probability", "reward")
TERMINATED = "terminated"  # a column that may be missing
FLAGS = {"true": True, "false": False, "1": True, "0": False}  # in a CSV file
Ints = npt.NDArray[np.int64]


def rows_of_table(
    table: Any, starts: Any, where: Callable[[int], str] = "row {} of the table".format
) -> tuple[Sparse, Starts | None, Labels]:
    """Convert a table of transitions to rows of a sparse model.

    Args:
        table: columns by name, see `FiniteMDP.from_table`.
        starts: start states, by number or label; None for all states that aren't terminal.
        where: returns how errors name a row, by its number from 0.

    Returns:
        (rows, start states by number or None, labels).

    Raises:
        ModelError: names the column, the row, or the state and action, that is invalid.
        SettingError: if a label is not printable.
    """
    given = {name: read_column(table, name) for name in COLUMNS}
    if _has_column(table, TERMINATED):
        given[TERMINATED] = read_column(table, TERMINATED)
    check_lengths(given)
    (states, next_states), state_labels = numbered(given, ("state", "next_state"), where)
    (actions,), action_labels = numbered(given, ("action",), where)
    labels = Labels(state_labels, action_labels)
    num_states, num_actions = count_numbers("state", states, next_states), count_numbers("action", actions)
    check_memory(8 * num_states * num_actions, "the model of this table")
    pairs = states * num_actions + actions
    probabilities = without_rounding(read_numbers(given, "probability", where))
    rewards = read_numbers(given, "reward", where)
    if (probabilities < 0.0).any():
        row = int(np.flatnonzero(probabilities < 0.0)[0])
        raise ModelError(f"{where(row)}: probability must not be negative, not {probabilities[row]:g}")
    if TERMINATED in given:
        terminated = read_flags(given[TERMINATED], where)
    else:  # a state without rows is terminal
        terminated = (np.bincount(states, minlength=num_states) == 0)[next_states]
    kept = (probabilities > 0.0) | (np.bincount(pairs, probabilities)[pairs] == 0.0)  # the sum 0 is refused later
    columns = (pairs[kept], next_states[kept], rewards[kept], terminated[kept])
    order, first = sorted_groups(columns)
    pairs, next_states, rewards, terminated = (column[order][first] for column in columns)
    rows = Sparse(
        offsets_of(pairs, num_states * num_actions),
        np.add.reduceat(probabilities[kept][order], first),
        next_states.astype(np.int32),
        rewards,
        terminated,
        num_actions,
    )
    return rows, find_starts(starts, labels), labels


# Columns --------------------------------------------------------------------------------------------------------------


def read_column(table: Any, name: str) -> npt.NDArray[Any]:
    """Return a column of a table as an array of one dimension.

    Raises:
        ModelError: if there is no such column, or it isn't a list.
    """
    try:
        given = None if isinstance(table, type) else table[name]  # `dict["state"]` is a type too
        if given is None:
            raise KeyError(name)
    except Exception as error:  # each library of data frames has an exception of its own
        raise ModelError(
            f"the table has no column {name!r}; it needs {', '.join(COLUMNS)}, and may have {TERMINATED}: a mapping of "
            f"columns, such as a dict of lists or a data frame, not {shown(table)}"
        ) from error
    return as_column(name, given)


def as_column(name: str, given: Any) -> npt.NDArray[Any]:
    """Return a list as an array of one dimension; raise ModelError if it isn't a list."""
    try:
        column = np.asarray(given)
    except (TypeError, ValueError) as error:
        raise ModelError(f"column {name} must be a list: {error}") from None
    if column.ndim != 1:
        raise ModelError(f"column {name} must be a list, not an array of shape {column.shape}")
    return column


def _has_column(table: Any, name: str) -> bool:
    """Return whether a table, which has all columns that it needs, has another one."""
    names = getattr(getattr(table, "dtype", None), "names", None)  # of a structured array
    return name in (table if names is None else names)


def check_lengths(columns: dict[str, npt.NDArray[Any]], rows: str = "rows") -> None:
    """Check that columns have the same length, and at least one row; raise ModelError if they don't."""
    lengths = {name: column.size for name, column in columns.items()}
    if len(set(lengths.values())) > 1:
        raise ModelError(
            f"all columns must have the same length, not {', '.join(f'{n} {c}' for n, c in lengths.items())}"
        )
    if 0 in lengths.values():
        raise ModelError(f"there are no {rows}: each column, such as state, needs at least one entry")


def read_numbers(
    columns: dict[str, npt.NDArray[Any]], name: str, where: Callable[[int], str]
) -> npt.NDArray[np.float64]:
    """Return a column of finite numbers; raise ModelError if it is none."""
    numbers = read_only_copy(columns[name], np.float64, f"column {name}")
    if not np.isfinite(numbers).all():
        row = int(np.flatnonzero(~np.isfinite(numbers))[0])
        raise ModelError(f"{where(row)}: {name} must be finite, not {numbers[row]}")
    return numbers


def read_flags(column: npt.NDArray[Any], where: Callable[[int], str]) -> npt.NDArray[np.bool_]:
    """Return a column of True and False, or of 1 and 0; raise ModelError if it is none."""
    if column.dtype.kind == "b":
        return column
    if column.dtype.kind == "O":
        wrong = [i for i, flag in enumerate(column.tolist()) if not isinstance(flag, bool | np.bool_)]
    else:
        wrong = [] if column.dtype.kind in "iu" else [0]
        wrong = wrong or np.flatnonzero((column != 0) & (column != 1)).tolist()
    if wrong:
        raise ModelError(
            f"{where(wrong[0])}: {TERMINATED} must be True or False, not {shown(column.tolist()[wrong[0]])}"
        )
    return column.astype(np.bool_)


# States and actions ---------------------------------------------------------------------------------------------------


def numbered(
    columns: dict[str, npt.NDArray[Any]], names: Sequence[str], where: Callable[[int], str]
) -> tuple[list[Ints], tuple[str, ...] | None]:
    """Return columns of states or of actions as numbers, and their labels if they are texts.

    Labels are numbered in the order in which the first column, then the second, has them first.

    Raises:
        ModelError: if one is neither a whole number nor a text, or there are both.
        SettingError: if a label is not printable.
    """
    given = [columns[name] for name in names]
    with_texts = [name for name, column in zip(names, given, strict=True) if _is_text(column)]
    if not with_texts:
        return [_whole_numbers(column, name, where) for column, name in zip(given, names, strict=True)], None
    texts = [column.tolist() for column in given]
    for name, column in zip(names, texts, strict=True):
        for row, text in enumerate(column):
            if not isinstance(text, str):
                raise ModelError(
                    f"{where(row)}: {name} must be a text, since {with_texts[0]} has texts, not {shown(text)}"
                )
    known = dict.fromkeys(label for column in texts for label in column)
    labels = check_labels(names[0], list(known), len(known))
    index = {label: i for i, label in enumerate(labels)}
    return [np.fromiter(map(index.__getitem__, column), np.int64, len(column)) for column in texts], labels


def _is_text(column: npt.NDArray[Any]) -> bool:
    """Return whether a column holds texts."""
    return column.dtype.kind in "UT" or (column.dtype.kind == "O" and any(isinstance(each, str) for each in column))


def _whole_numbers(column: npt.NDArray[Any], name: str, where: Callable[[int], str]) -> Ints:
    """Return a column of numbers from 0; raise ModelError if one isn't."""
    if column.dtype.kind == "b":
        raise ModelError(f"column {name} must be whole numbers or texts, not True and False")
    numbers: Ints = read_only_copy(column, np.int64, f"column {name}")
    outside = np.flatnonzero((numbers < 0) | (numbers >= MAX_STATES))
    if outside.size:
        raise ModelError(
            f"{where(int(outside[0]))}: {name} must be from 0 to {MAX_STATES - 1:,}, not {numbers[outside[0]]}"
        )
    return numbers


def count_numbers(kind: str, *columns: Ints) -> int:
    """Return the number of states or actions that columns name, which must be 0 to n - 1 without a gap.

    Raises:
        ModelError: names the first number that is missing.
    """
    known = np.unique(np.concatenate([np.unique(column) for column in columns]))
    missing = np.flatnonzero(known != np.arange(known.size))
    if missing.size:
        raise ModelError(
            f"no row of the table names {kind} {missing[0]}, though there is {kind} {known[-1]}: numbers must be those "
            f"from 0 to n - 1; for any others, give texts"
        )
    return int(known.size)


def find_starts(starts: Any, labels: Labels) -> Starts | None:
    """Return start states as numbers: labels are looked up, and anything else is returned as it is.

    The keys of a mapping from start states to their probabilities are looked up too.

    Raises:
        ModelError: if there is no state of that label.
    """
    names = [starts] if isinstance(starts, str) else starts
    if labels.states is None or not isinstance(names, Iterable):
        return starts  # type: ignore[no-any-return]
    names = list(names)
    if not all(isinstance(name, str) for name in names):
        return starts  # type: ignore[no-any-return]
    index = {label: i for i, label in enumerate(labels.states)}
    for name in names:
        if name not in index:
            raise ModelError(
                f"start state {shown(name)} is not a state of the table; {choose_from(name, labels.states[:20])}"
            )
    found = [index[name] for name in names]
    return dict(zip(found, starts.values(), strict=True)) if isinstance(starts, Mapping) else found


# Rows -----------------------------------------------------------------------------------------------------------------


def sorted_groups(columns: Sequence[npt.NDArray[Any]]) -> tuple[Ints, Ints]:
    """Return the order that sorts rows by their columns, the first before the others, and where new rows begin in it.

    Args:
        columns: (num_rows,) each, at least one row.

    Returns:
        (order, first): `column[order][first]` has each different row once; equal rows stay in their order.
    """
    order = np.lexsort(columns[::-1])
    is_new = np.ones(order.size, np.bool_)
    is_new[1:] = False
    for column in columns:
        ordered = column[order]
        is_new[1:] |= ordered[1:] != ordered[:-1]
    return order, np.flatnonzero(is_new)


def offsets_of(pairs: Ints, num_pairs: int) -> Ints:
    """Return the offsets of a sparse model, (num_pairs + 1,), from the sorted pair of each row."""
    offsets = np.zeros(num_pairs + 1, np.int64)
    np.cumsum(np.bincount(pairs, minlength=num_pairs), out=offsets[1:])
    return offsets


# CSV ------------------------------------------------------------------------------------------------------------------


def rows_of_csv(path: Path, starts: Any) -> tuple[Sparse, Starts | None, Labels]:
    """Read a table of transitions from a CSV file, and convert it to rows of a sparse model.

    Raises:
        ModelError: names the line that is invalid, or says why the file can't be read.
        SettingError: if a label is not printable, or the file is too large for the memory of this machine.
    """
    texts, lines = read_columns(path, "a table", _check_header)
    return rows_of_table(_parse_columns(texts, lines), starts, lambda row: f"line {lines[row]}")


def _check_header(header: list[str]) -> None:
    """Check the names of the columns; raise ModelError if one is unknown, or there are two of a name."""
    known = (*COLUMNS, TERMINATED)
    for name in header:
        if name not in known:
            raise ModelError(f"line 1: {shown(name)} is not a column of a table; {choose_from(name, known)}")
    if len(set(header)) < len(header):
        raise ModelError("line 1: a column stands there twice")


def _parse_columns(texts: dict[str, list[str]], lines: list[int]) -> dict[str, list[Any]]:
    """Return the columns of a CSV file with numbers and flags read from their texts; labels stay texts.

    Args:
        texts: columns by name.
        lines: the line of each row.

    Raises:
        ModelError: names the line and the column that is invalid.
    """
    columns: dict[str, list[Any]] = dict(texts)
    for names in (("state", "next_state"), ("action",)):
        if all(re.fullmatch(r"\d{1,18}", cell) for name in names for cell in texts.get(name, [])):
            columns |= {name: list(map(int, texts[name])) for name in names if name in texts}
    for name, read in {"probability": parse_number, "reward": parse_number, TERMINATED: _flag}.items():
        for i, cell in enumerate(texts.get(name, [])):
            try:
                columns[name][i] = read(cell)
            except (ValueError, ArithmeticError, LookupError):
                expected = "true or false" if name == TERMINATED else "a number, such as 0.25 or 1/3"
                raise ModelError(f"line {lines[i]}: {name} must be {expected}, not {shown(cell)}") from None
    return columns


def _flag(text: str) -> bool:
    """Return a text as bool; raise LookupError if it is neither true nor false."""
    return FLAGS[text.lower()]
