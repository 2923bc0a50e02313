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


def print_card(card):
    """Print a row for each file of a card: size, latency and quality, below the floor of real against real pictures."""
    columns = [
        name
        for name, value in (card["files"]["fp32"]["quality"] or {}).items()
        if name not in ("kid_std", "n_real", "class_shares") and not isinstance(value, list)
    ]
    rows = {}
    if card["evaluator"]:
        floor = card["evaluator"]["floor"]
        rows["real"] = {"KB": None, "ms": None, **{column: floor.get(column) for column in columns}}
    for precision, facts in card["files"].items():
        quality = facts.get("quality") or {}
        size = facts["bytes"] // 1000 if "file" in facts else None
        rows[precision] = {
            "KB": size,
            "ms": facts.get("latency_ms"),
            **{column: quality.get(column) for column in columns},
        }
    print_scores(f"{card['title']}: each file as it ships, against {card['dataset']['title']}'s test split", rows)
    for precision, facts in card["files"].items():
        if "not_shipped" in facts:
            print(f"{precision} is not shipped: {facts['not_shipped']}")


def _text(value):
    if value is None:
        return "-"
    return f"{value:.4g}" if isinstance(value, float) else str(value)
