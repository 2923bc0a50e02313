"""Numbers from CSV files: one column, or all.

The delimiter is the one of comma, semicolon and tab that the first line has most of. A first line without any number is
a header; without a header the columns are called 1, 2, 3 ... Empty lines are skipped.
"""

import csv
import pathlib

import numpy as np

DELIMITERS = ",;\t"


def read_column(path, column=None):
    """Read one column of a CSV file, all of whose cells must be finite numbers.

    Args:
        path: of the file, UTF-8.
        column: name of the column; None takes the only one there is.

    Returns:
        Name of the column, and its numbers, float64 (N,).

    Raises:
        ValueError: one sentence, when the file cannot be read, is empty, has several columns and none is chosen, lacks
            the column, or has a cell in it that is no finite number.
    """
    names, rows = _read(path)
    index = _index(path, names, column)
    values = [_finite(path, number, names[index], row[index] if index < len(row) else "") for number, row in rows]
    return names[index], np.array(values, np.float64)


def read_table(path):
    """Read all columns of a CSV file, all of whose cells must be finite numbers.

    Args:
        path: of the file, UTF-8.

    Returns:
        Names of the columns, and their numbers, float64 (N, D).

    Raises:
        ValueError: one sentence, when the file cannot be read, is empty, has a row of another length than the first,
            or a cell that is no finite number.
    """
    names, rows = _read(path)
    for number, row in rows:
        if len(row) != len(names):
            raise ValueError(f"{path}, line {number}: {len(names)} numbers are needed, got {len(row)} cells")
    table = [[_finite(path, number, name, cell) for name, cell in zip(names, row, strict=True)] for number, row in rows]
    return names, np.array(table, np.float64)


def _read(path):
    """Names of the columns, and (number of the line, cells) of all rows below the header, one at least."""
    path = pathlib.Path(path)
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise ValueError(f"{path} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ValueError(f"{path} cannot be read: it is no UTF-8 text") from error
    lines = text.splitlines()
    first = next((line for line in lines if line.strip()), "")
    delimiter = max(DELIMITERS, key=first.count)
    try:
        rows = list(csv.reader(lines, delimiter=delimiter, skipinitialspace=True, strict=True))
    except csv.Error as error:
        raise ValueError(f"{path} cannot be read as CSV: {error}") from error
    numbered = [(number, row) for number, row in enumerate(rows, 1) if any(cell.strip() for cell in row)]
    if not numbered:
        raise ValueError(f"{path} is empty: a column of numbers is needed")
    names = [cell.strip() for cell in numbered[0][1]]
    if any(_number(cell) is not None for cell in names):
        names = [str(index) for index in range(1, len(names) + 1)]
    else:
        numbered = numbered[1:]
    if not numbered:
        raise ValueError(f"{path} has a header and no numbers: a column of numbers is needed")
    return names, numbered


def _finite(path, line, name, cell):
    value = _number(cell)
    if value is None or not np.isfinite(value):
        raise ValueError(f"{path}, line {line}, column {name}: a finite number is needed, got {cell.strip()!r}")
    return value


def _number(cell):
    try:
        return float(cell)
    except ValueError:
        return None


def _index(path, names, column):
    if column is None:
        if len(names) > 1:
            raise ValueError(f"{path} has {len(names)} columns: choose one by --column: {', '.join(names)}")
        return 0
    if column not in names:
        raise ValueError(f"{path} has no column {column!r}: there are {', '.join(names)}")
    return names.index(column)
