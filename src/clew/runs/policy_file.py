"""Saving a policy as CSV: a row for each state, with the action and the value."""

import csv
import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from clew.errors import RunError, SettingError
from clew.files import open_file, write_file
from clew.models.mdp import FiniteMDP

HEADER = ("state", "action", "value")


def policy_rows(
    mdp: FiniteMDP, actions: Sequence[str], policy: npt.NDArray[np.integer], v: npt.NDArray[np.float64]
) -> list[tuple[str, str, float]]:
    """Return (state, action, value) of each state, by labels or numbers; no action in a state without outcomes.

    Args:
        mdp: the model.
        actions: name of each action.
        policy: (num_states,) integers, the action in each state.
        v: (num_states,) float64, the value of each state.
    """
    states = mdp.state_labels or [str(s) for s in range(mdp.num_states)]
    names = [actions[a] for a in policy.tolist()]
    names = ["" if ends else name for name, ends in zip(names, mdp.is_terminal.tolist(), strict=True)]
    return list(zip(states, names, v.tolist(), strict=True))


def check_policy_file(path: Path) -> None:
    """Check that a policy can be saved to a file, before any work is done for it.

    Raises:
        SettingError: if its name doesn't end in .csv.
        RunError: if there is another kind of file of that name.
    """
    if path.suffix.lower() != ".csv":
        raise SettingError(f"must be a file that ends in .csv, not {str(path)!r}", setting="out")
    try:
        if not path.is_symlink() and path.is_file() and path.stat().st_size:
            with open_file(path) as file:
                if not file.readline(1024).startswith(",".join(HEADER).encode()):
                    raise RunError(f"{path}: there is a file of that name that isn't a policy; give another name")
    except (OSError, ValueError) as error:
        raise RunError(f"{path}: can't be written: {error}") from None


def save_policy(path: Path, rows: Sequence[tuple[str, str, float]]) -> None:
    """Write the rows of a policy to a CSV file in UTF-8, whole or not at all; it may replace another policy.

    Raises:
        SettingError: if its name doesn't end in .csv.
        RunError: if it can't be written, or there is another kind of file of that name.
    """
    check_policy_file(path)
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerows([HEADER, *rows])
    try:
        write_file(path, text.getvalue().encode())
    except OSError as error:
        raise RunError(f"{path}: can't be written: {error.strerror}") from None
    except ValueError as error:  # the path contains a zero byte
        raise RunError(f"{path}: can't be written: {error}") from None
