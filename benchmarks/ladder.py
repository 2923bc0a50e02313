"""The ladder of precisions as a picture: quality, size and latency of every exported file, by the cards.

python -m benchmarks.ladder

Measures nothing: each file was scored and timed when it was exported, on one thread. The same numbers as a table:
`python -m edge.benchmark --ladder`.
"""

from benchmarks import report

COLOURS = {"fp32": "#000000", "fp16": "#0072b2", "dynamic": "#e69f00", "int8": "#009e73"}
MARKERS = {"fp32": "|", "fp16": "o", "dynamic": "s", "int8": "D"}
PANELS = {
    "loss": "loss of quality\n(1: all that a shipped file may lose)",
    "megabytes": "file size in MB",
    "milliseconds": "one picture in ms, one thread",
}


def draw(figure, ladders):
    """Draws a row a model and a panel a quantity.

    Args:
        figure: `matplotlib.figure.Figure`.
        ladders: Lists of `edge.ladder.Rung`, one a model.
    """
    from matplotlib import ticker

    figure.set_size_inches(11, 0.27 * len(ladders) + 2.2)
    panels = figure.subplots(1, len(PANELS), sharey=True)
    for panel, (quantity, label) in zip(panels, PANELS.items(), strict=True):
        for row, ladder in enumerate(ladders):
            panel.axhline(row, color="#dddddd", linewidth=0.7, zorder=0)
            for rung in ladder:
                value = getattr(rung, quantity)
                if value is None:
                    continue
                colour = COLOURS[rung.precision]
                if rung.precision == "fp32":  # a line, which the others may cover
                    panel.scatter(value, row, marker="|", color=colour, s=90, linewidth=1.6)
                else:
                    filled = colour if rung.reason is None else "none"
                    panel.scatter(value, row, marker=MARKERS[rung.precision], color=filled, edgecolors=colour, s=34)
        panel.set_xlabel(label)
        panel.spines[["top", "right", "left"]].set_visible(False)
        panel.tick_params(axis="y", length=0)
    panels[0].set_xscale("symlog", linthresh=1, linscale=1.5)
    panels[0].set_xticks([-4, -1, 0, 1, 4, 10, 50], labels=["-4", "-1", "0", "1", "4", "10", "50"])
    panels[0].set_xlim(left=min(-1.0, panels[0].get_xlim()[0]), right=max(150.0, panels[0].get_xlim()[1]))
    panels[0].axvline(1, color="#d55e00", linewidth=1)
    for panel in panels[1:]:
        panel.set_xscale("log")
        panel.xaxis.set_major_locator(ticker.LogLocator(subs=(1, 3)))
        panel.xaxis.set_major_formatter(ticker.FormatStrFormatter("%g"))
        panel.minorticks_off()
    panels[0].set_yticks(range(len(ladders)), labels=[ladder[0].name for ladder in ladders], fontsize=8)
    panels[0].set_ylim(len(ladders) - 0.4, -0.6)
    for precision, colour in COLOURS.items():
        panels[2].scatter([], [], marker=MARKERS[precision], color=colour, s=40, label=precision)
    panels[2].scatter([], [], marker="D", color="none", edgecolors=COLOURS["int8"], s=34, label="int8, not shipped")
    figure.suptitle("What each precision of an exported model costs and saves")
    figure.legend(loc="outside lower center", ncols=5, frameon=False)


def main():
    """Print where the picture is."""
    import matplotlib.figure

    from edge import ladder, runtime

    ladders = [ladder.rungs(card) for _, card in runtime.list_models()]
    figure = matplotlib.figure.Figure(layout="constrained")
    draw(figure, ladders)
    figure.savefig(report.RESULTS / "ladder.png", dpi=110)
    print(f"written: {report.RESULTS / 'ladder.png'}")


if __name__ == "__main__":
    main()
