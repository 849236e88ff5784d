"""Labels: the names of states and actions, for messages, tables and files."""

from collections import Counter
from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from clew.errors import SettingError
from clew.settings import as_list, shown

MAX_LABEL = 200  # characters


class Labels(NamedTuple):
    """Names of states and actions; None where they are known by their numbers."""

    states: tuple[str, ...] | None = None  # (num_states,)
    actions: tuple[str, ...] | None = None  # (num_actions,)

    def state(self, s: int) -> str:
        """Return a state as messages name it: its number, or its label in quotes."""
        return f"state {s if self.states is None else repr(self.states[s])}"

    def pair(self, s: int, a: int) -> str:
        """Return a state and an action as messages name them."""
        return f"{self.state(s)}, action {a if self.actions is None else repr(self.actions[a])}"


UNLABELLED = Labels()


def check_labels(name: str, labels: Any, count: int) -> tuple[str, ...]:
    """Check labels and return them as a tuple of str.

    Args:
        name: of the argument.
        labels: a list of texts that are all different, printable, of 1 to `MAX_LABEL` characters, and without blanks at
            their ends, which tables don't keep.
        count: number of labels that are needed.

    Raises:
        SettingError: if one of them is something else; says which.
    """
    texts = as_list(name, labels, "texts")
    if len(texts) != count:
        raise SettingError(f"must be {count:,} labels, not {len(texts):,}", setting=name)
    for text in texts:
        is_label = isinstance(text, str) and 0 < len(text) <= MAX_LABEL and text.isprintable()
        if not is_label or text != text.strip():
            blanks = ", without blanks at their ends" if is_label else ""
            raise SettingError(
                f"must be printable texts of 1 to {MAX_LABEL} characters{blanks}, not {shown(text)}", setting=name
            )
    if len(set(texts)) < count:
        double, _ = Counter(texts).most_common(1)[0]
        raise SettingError(f"must all be different; {double!r} stands there twice", setting=name)
    return tuple(map(str, texts))


def labels_as_bytes(labels: Iterable[str]) -> npt.NDArray[np.uint8]:
    """Return labels as an array for a file: UTF-8, with a line break between two labels, which no label contains."""
    return np.frombuffer("\n".join(labels).encode(), np.uint8)


def labels_of_bytes(data: npt.NDArray[np.uint8]) -> list[str]:
    """Return the labels that `labels_as_bytes` wrote.

    Raises:
        SettingError: if it is not UTF-8.
    """
    try:
        return data.tobytes().decode().split("\n")
    except UnicodeDecodeError:
        raise SettingError("labels must be UTF-8") from None
