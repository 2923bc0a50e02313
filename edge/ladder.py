"""The ladder of precisions: what each model loses and gains on the way from fp32 to int8.

    python -m edge.benchmark --ladder              # every model in exported/
    python -m edge.benchmark vae_mnist --ladder

All numbers are the cards': each file was scored and timed as it was exported, on one thread. A rung that is not shipped
has its quality where it was measured, and the card's reason.
"""

from typing import NamedTuple

PRECISIONS = ("fp32", "fp16", "dynamic", "int8")
# The figure that files of a model are compared by is the first of these that they have: whether more is better, and how
# much of it a file may lose and still be shipped: a share of fp32's, and an amount. As in zoo/export.py.
FIGURES = {
    "nll": (False, 0.0, 1.0),
    "fid": (False, 0.10, 0.0),
    "psnr": (True, 0.0, 0.3),
    "auroc": (True, 0.0, 0.01),
    "accuracy": (True, 0.0, 0.01),
}


class Rung(NamedTuple):
    """One precision of one model; None is what the card does not have."""

    name: str
    precision: str
    figure: str | None
    quality: float | None
    loss: float | None  # of quality, as a share of what may be lost: 0 is fp32, above 1 is not shipped
    megabytes: float | None
    milliseconds: float | None
    reason: str | None  # why it is not shipped


def rungs(card):
    """Reads the ladder of a model from its card: a list of `Rung`, in the order of `PRECISIONS`."""
    best = card["files"].get("fp32", {}).get("quality") or {}
    figure = next((name for name in FIGURES if best.get(name) is not None), None)
    found = []
    for precision in PRECISIONS:
        entry = card["files"].get(precision)
        if entry is None:
            continue
        quality = (entry.get("quality") or {}).get(figure)
        size = entry.get("bytes")
        found.append(
            Rung(
                name=card["name"],
                precision=precision,
                figure=figure,
                quality=quality,
                loss=None if quality is None else loss(figure, quality, best[figure]),
                megabytes=None if size is None else size / 1e6,
                milliseconds=entry.get("latency_ms"),
                reason=entry.get("not_shipped"),
            )
        )
    return found


def loss(figure, quality, best):
    """How much worse a figure is than fp32's, as a share of what may be lost."""
    more_is_better, share, amount = FIGURES[figure]
    worse = best - quality if more_is_better else quality - best
    allowed = share * abs(best) + amount
    return worse / allowed if allowed > 0 else 0.0


def least(figure, best):
    """The least quality that a file is shipped with, of a model whose fp32 file has the figure `best`."""
    more_is_better, share, amount = FIGURES[figure]
    allowed = share * abs(best) + amount
    return best - allowed if more_is_better else best + allowed


def cell(rung):
    """A rung in a few words."""
    quality = "" if rung.quality is None else f"{rung.quality:.{3 if abs(rung.quality) < 10 else 2}f}"
    if rung.reason is not None:
        return f"not shipped ({quality})" if quality else "not shipped"
    size = "" if rung.megabytes is None else f"{rung.megabytes:.2f} MB"
    latency = "" if rung.milliseconds is None else f"{rung.milliseconds:.2f} ms"
    return ", ".join(part for part in (quality, size, latency) if part)


def table(models):
    """Describes ladders in lines of text, a Markdown table with a row a model, and the reasons below it.

    Args:
        models: Cards.
    """
    lines = [f"| model | figure | {' | '.join(PRECISIONS)} |", f"| --- | --- |{' --- |' * len(PRECISIONS)}"]
    reasons = {}
    for card in models:
        ladder = {rung.precision: rung for rung in rungs(card)}
        cells = [cell(ladder[precision]) if precision in ladder else "" for precision in PRECISIONS]
        figure = next((rung.figure for rung in ladder.values() if rung.figure), "-")
        lines.append(f"| {card['name']} | {figure.upper()} | {' | '.join(cells)} |")
        for rung in ladder.values():
            if rung.reason is not None:
                reasons.setdefault(rung.reason, []).append(f"{rung.name} {rung.precision}")
    lines.append("")
    for reason, names in reasons.items():
        lines.append(f"- {', '.join(names)}: {reason}")
    return "\n".join(lines)
