"""Reading of CSV files, of models and of policies, as columns of texts."""

import csv
import io
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

from clew.errors import ModelError, SettingError
from clew.files import open_file
from clew.settings import check_memory

BYTES_PER_BYTE = 40  # of memory, for a byte of a file: each cell is a Python object while it is read


def read_columns(
    path: Path, what: str, check_header: Callable[[list[str]], None]
) -> tuple[dict[str, list[str]], list[int]]:
    """Return the columns of a CSV file by name, and the line of each row.

    Args:
        path: the file, in UTF-8.
        what: what it should be, for messages.
        check_header: function that raises an error if these can't be the names of the columns.

    Raises:
        ModelError: if it can't be read, or names the line of a row that has more or fewer columns than the first.
        SettingError: if it is too large for the memory of this machine.
    """
    try:
        with open_file(path) as file:
            check_memory(BYTES_PER_BYTE * file.seek(0, io.SEEK_END), "its table")
            file.seek(0)
            text = file.read().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ModelError(f"can't be read: byte {error.start} is not UTF-8") from None
    except OSError as error:
        raise ModelError(f"can't be read: {error.strerror or error}") from None
    except SettingError:
        raise
    except ValueError as error:  # the path contains a zero byte
        raise ModelError(f"can't be read: {error}") from None
    reader = csv.reader(io.StringIO(text, newline=""), skipinitialspace=True)
    rows, lines = [], []
    try:
        header = [name.strip().lower() for name in next(reader, [])]
        check_header(header)
        for row in filter(None, reader):
            if len(row) != len(header):
                raise ModelError(f"line {reader.line_num}: {len(header)} columns are expected, not {len(row)}")
            rows.append([cell.strip() for cell in row])
            lines.append(reader.line_num)
    except csv.Error as error:
        raise ModelError(f"not {what}: {error}") from None
    columns = map(list, zip(*rows, strict=True)) if rows else ([] for _ in header)
    return dict(zip(header, columns, strict=True)), lines


def parse_number(text: str) -> float:
    """Return a text as float, also if it is a fraction such as 1/3; raise ValueError or ArithmeticError if it isn't."""
    return float(Fraction(text)) if "/" in text else float(text)
