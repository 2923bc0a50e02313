"""Tables of scores, as text."""


def print_scores(title, rows):
    """Print a table: one row a file, one column a score.

    Args:
        title: printed above it.
        rows: name -> dict of score -> number or text; the first row names the columns.
    """
    columns = list(next(iter(rows.values())))
    widths = {column: max([len(column), *(len(_text(row.get(column))) for row in rows.values())]) for column in columns}
    first = max(len(name) for name in rows)
    print(f"\n{title}")
    print(" ".join([" " * first, *(column.rjust(widths[column]) for column in columns)]))
    for name, row in rows.items():
        print(" ".join([name.ljust(first), *(_text(row.get(column)).rjust(widths[column]) for column in columns)]))


def _text(value):
    if value is None:
        return "-"
    return f"{value:.4g}" if isinstance(value, float) else str(value)
