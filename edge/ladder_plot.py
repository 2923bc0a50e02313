"""The ladder of one model as a picture: quality against size, and latency as the area of a circle.

    python -m edge.benchmark vae_mnist --ladder --plot     # writes ladder.svg beside the card

Up is better, right is larger, on a logarithmic scale. The dashed line is the least quality that is shipped. The picture
follows the colours of a dark page.
"""

import math
from xml.sax.saxutils import escape

from edge import ladder

FILE = "ladder.svg"  # in the folder of a model
WIDTH, HEIGHT = 360, 212
LEFT, RIGHT, TOP, BOTTOM = 50, 352, 22, 168  # of the field
MARGIN, SPACE = 46, 36  # beside the circles, above and below them, for their labels
RADIUS = 8.0  # of the slowest file's circle
NAMES = {"fid": "FID", "psnr": "PSNR in dB", "nll": "NLL in nats", "auroc": "AUROC", "accuracy": "accuracy"}
STYLE = """
  text { font: 10px system-ui, sans-serif; fill: #333; stroke: #fffefb; stroke-width: 3px; paint-order: stroke; }
  .frame { stroke: #767676; fill: none; }
  .limit { stroke: #b3450a; stroke-dasharray: 4 3; }
  .rung { fill: #0072b2; fill-opacity: 0.75; }
  @media (prefers-color-scheme: dark) {
    text { fill: #ddd; stroke: #1c1e21; }
    .limit { stroke: #f0883e; }
    .rung { fill: #56b4e9; }
  }
"""


def plot(card):
    """Draws the ladder of a model.

    Args:
        card: With `files`, whose entries have `bytes`, `latency_ms` and `quality`, or `not_shipped`.

    Returns:
        Text of an SVG file, or None where no file has both a size and a quality.
    """
    rungs = ladder.rungs(card)
    shipped = [rung for rung in rungs if rung.quality is not None and rung.megabytes]
    if not shipped:
        return None
    shipped.sort(key=lambda rung: rung.megabytes)
    across = scale(math.log(shipped[0].megabytes), math.log(shipped[-1].megabytes), LEFT + MARGIN, RIGHT - MARGIN)
    down = scale(min(0.0, *(rung.loss for rung in shipped)), 1.0, TOP + SPACE, BOTTOM - SPACE)
    slowest = max(rung.milliseconds or 0.0 for rung in shipped)

    pairs = [shipped[start : start + 2] for start in range(0, len(shipped), 2)]
    above = [min(pair, key=lambda rung: rung.loss) for pair in pairs]  # the labels of neighbours do not meet

    figure, best = rungs[0].figure, rungs[0].quality
    better = "more" if ladder.FIGURES[figure][0] else "less"
    parts = [text(4, 13, f"{NAMES[figure]} ({better} is better) against size; area of a circle: latency")]
    parts.append(f'<path class="frame" d="M{LEFT} {TOP}V{BOTTOM}H{RIGHT}"/>')
    parts.append(f'<path class="limit" d="M{LEFT} {down(1.0):.1f}H{RIGHT}"/>')
    for loss, value in ((0.0, best), (1.0, ladder.least(figure, best))):
        parts.append(text(LEFT - 4, down(loss) + 3, f"{value:.3g}", "end"))
    for rung in shipped:
        x, y = across(math.log(rung.megabytes)), down(rung.loss)
        radius = RADIUS * math.sqrt((rung.milliseconds or 0.0) / slowest) if slowest else RADIUS
        label = f"{rung.megabytes:.2f} MB" + ("" if rung.milliseconds is None else f", {rung.milliseconds:.2f} ms")
        first_line = y - 24 if rung in above else y + 20
        parts.append(f'<circle class="rung" cx="{x:.1f}" cy="{y:.1f}" r="{radius:.1f}"/>')
        parts.append(text(x, first_line, rung.precision, "middle"))
        parts.append(text(x, first_line + 12, label, "middle"))
    missing = [
        f"{rung.precision} ({rung.quality:.3g})" if rung.quality else rung.precision for rung in rungs if rung.reason
    ]
    parts.append(text(RIGHT, BOTTOM + 16, "larger file →", "end"))
    if missing:
        parts.append(text(4, HEIGHT - 8, f"not shipped: {', '.join(missing)}"))
    title = f"Ladder of precisions of {card['name']}"
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img">'
    return "\n".join([head, f"<title>{escape(title)}</title>", f"<style>{STYLE}</style>", *parts, "</svg>", ""])


def scale(first, last, start, end):
    """A function from the numbers first ... last to the places start ... end."""
    span = (last - first) or 1.0
    return lambda value: start + (value - first) / span * (end - start)


def text(x, y, words, anchor="start"):
    """An element with words."""
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(words)}</text>'
