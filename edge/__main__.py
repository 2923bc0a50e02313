"""Makes pictures with exported models, or has them judge, from the command line.

Run it from the folder that holds `edge/`:

    python -m edge                                                       # lists the models
    python -m edge dcgan_fashion_mnist --seed 3 --count 16               # seeds 3 .. 18 in a grid
    python -m edge dcgan_fashion_mnist --precision dynamic --out grid.png
    python -m edge dcgan_fashion_mnist --interpolate 3 7 --count 32 --out walk.gif
    python -m edge runs/dcgan-1/export                                   # a model anywhere on disk
    python -m edge cgan_fashion_mnist --label sneaker                    # what to draw: also
                                       # --attributes brightness=0.9 coverage=0.2, --text "a dark boot"
    python -m edge pix2pix_edges_fashion_mnist --image outline.png       # a picture of a picture
    python -m edge dcgan_fashion_mnist --card                            # the card; also of a lone .tflite file
    python -m edge naive_bayes_mnist --image digit.png                   # what a picture shows, and how likely it is;
                                       # of a table, by --rows FILE.csv, how strange each row is
    python -m edge vae_fashion_mnist --image shirt.png --vary 0.5 --count 8   # variations of a picture
"""

import sys
import time

from edge import cards, command, conditions, drawing, judging, runtime

# Figure of quality in a card -> how it is shown.
FIGURES = {"nll": "NLL", "fid": "FID", "psnr": "PSNR", "auroc": "AUROC", "accuracy": "accuracy"}
READABLE_PIXELS = 112  # on the screen, for the side of one picture


def make_parser():
    """Describes the command line."""
    parser = command.Parser(
        prog="python -m edge",
        description="Make pictures with an exported model, or let it judge; without a model, list the models.",
    )
    parser.add_argument("model", nargs="?", help="a name, a folder with card.json, a .tflite file")
    start = parser.add_mutually_exclusive_group()
    start.add_argument("--seed", type=int, default=0, help="seed of the first picture (default 0)")
    start.add_argument(
        "--interpolate",
        type=int,
        nargs=2,
        metavar=("A", "B"),
        help="walk from the picture of seed A to that of seed B; --out NAME.gif makes it move",
    )
    asked = parser.add_mutually_exclusive_group()
    asked.add_argument("--label", help="for a conditional model: the class, by name or number (default: all in turn)")
    asked.add_argument("--attributes", nargs="+", metavar="NAME=VALUE", help="likewise: attributes of the pictures")
    asked.add_argument("--text", help="likewise: what the pictures shall show, in words that the model knows")
    asked.add_argument("--image", help="for a model that makes pictures of pictures, or judges them: the picture file")
    asked.add_argument(
        "--rows", metavar="FILE", help="for a model that judges rows of a table: a CSV file with a header"
    )
    parser.add_argument("--vary", type=float, metavar="STRENGTH", help="with --image: variations of it, 0 to 1")
    parser.add_argument("--count", type=int, help="number of pictures (default 16, or 1 with --image)")
    parser.add_argument("--precision", help="fp32 (default), fp16, dynamic or int8")
    parser.add_argument("--card", action="store_true", help="print the model's card as JSON: what an app must know")
    parser.add_argument("--out", help="picture file (default: a PNG in this folder)")
    parser.add_argument("--threads", type=int, default=1, help="CPU threads (default 1)")
    parser.add_argument("--scale", type=int, help="screen pixels for a pixel (default: readable)")
    return parser


def number(value, digits):
    """Formats a number of a card, or a dash where the card has none."""
    return "-" if value is None else f"{value:,.{digits}f}"


def quality(scores):
    """Formats the figure that a file is judged by, the first of `FIGURES` that it has, or a dash."""
    name = next((name for name in FIGURES if name in scores), None)
    return "-" if name is None else f"{FIGURES[name]} {number(scores[name], 2)}"


def model_table(models):
    """Describes models in lines of text, one line for each file on disk."""
    width = max(len(card["name"]) for _, card in models)
    row = "{:<" + str(width) + "}  {:<9} {:>8} {:>8} {:>14}  {}"
    lines = [row.format("name", "precision", "KB", "ms", "quality", "title")]
    for folder, card in models:
        precisions = cards.precisions_on_disk(folder, card)
        for precision in precisions:
            entry = card["files"][precision]
            kilobytes = number((folder / entry["file"]).stat().st_size / 1000, 0)
            latency = number(entry.get("latency_ms"), 2)
            figure = quality(entry.get("quality") or {})
            lines.append(row.format(card["name"], precision, kilobytes, latency, figure, card["title"]))
        if not precisions:
            lines.append(row.format(card["name"], "none", "-", "-", "-", card["title"]))
    return "\n".join(lines)


def print_models():
    """Lists the models of `exported/`."""
    models = runtime.list_models()
    if not models:
        print(f"There is no model in {cards.EXPORTED} yet.")
        print("`python -m recipes dcgan --preset fashion_mnist --publish` trains one.")
        return
    print(model_table(models))
    print("\n`python -m edge NAME --seed 0 --count 16` writes pictures; models of pictures take --image FILE, those of")
    print("rows --rows FILE. ms and quality are the card's.")


def condition_of(options, card):
    """What the options ask a conditional model for: one row as `Model.pictures` takes it, or None."""
    if options.label is not None:
        return conditions.labels(card, [options.label])
    if options.text is not None:
        return conditions.tokens(card, [options.text])
    if options.attributes is None:
        return None
    settings = {}
    for word in options.attributes:
        name, _, value = word.partition("=")
        try:
            settings[name] = float(value)
        except ValueError:
            raise ValueError(f"an attribute is set by NAME=VALUE with a number, got {word!r}") from None
    return conditions.attributes(card, settings)


def use(options):
    """Loads the model and does what it is for."""
    if options.out:
        drawing.check_picture_path(options.out)
    model = runtime.load(options.model, options.precision, options.threads)
    signature = judging.signature_of(model, options.image, options.rows)
    if signature is None:
        make_pictures(model, options)
        return
    for flag in ("interpolate", "label", "attributes", "text", "vary", "count", "out", "scale"):
        if getattr(options, flag) is not None:
            raise ValueError(f"{model.name} judges here, it makes no pictures: leave --{flag} out")
    print("\n".join(judging.verdicts(model, signature, options.image, options.rows)))


def make_pictures(model, options):
    """Makes the pictures, writes the file and says so."""
    count = options.count if options.count is not None else 1 if options.image else 16
    runtime.check_seeds(options.seed, count)
    if options.scale is not None and options.scale < 1:
        raise ValueError(f"scale must be at least 1, got {options.scale}")
    if options.interpolate and options.image is not None:
        raise ValueError("--interpolate walks from seed to seed: leave --image out")
    condition = condition_of(options, model.card)
    if options.image is None and (model.main in ("translate", "reconstruct") or options.vary is not None):
        raise ValueError(f"{model.name} makes pictures of pictures: give it one by --image")

    start = time.perf_counter()
    if options.vary is not None:
        source = drawing.read_source(options.image, model.tensor("vary", "inputs", "image").shape[1:], None)
        pictures = model.vary(source, options.vary, options.seed, count)
        seeds = options.seed
    elif options.image is not None:
        shape = model.tensor(model.of_pictures, "inputs", "image").shape[1:]
        source = drawing.read_source(options.image, shape, model.card.get("task"))
        pictures = model.translate(source.repeat(count, axis=0), options.seed)
        seeds = options.seed
    elif options.interpolate:
        pictures = model.interpolate(*options.interpolate, count, condition)
        seeds = "{}_to_{}".format(*options.interpolate)
    else:
        pictures = model.pictures(options.seed, count, condition)
        seeds = options.seed
    milliseconds = 1000 * (time.perf_counter() - start)

    out = options.out or f"{model.name}_seed{seeds}.png"
    scale = options.scale or max(1, round(READABLE_PIXELS / pictures.shape[1]))
    if options.interpolate and out.lower().endswith(".gif"):
        frames = [drawing.grid(picture[None], scale=scale) for picture in pictures]
    else:
        columns = count if options.interpolate else None
        frames = [drawing.grid(pictures, columns, scale)]
    drawing.save_picture(out, frames)
    noun = "picture" if count == 1 else "pictures"
    print(f"{out}: {count} {noun} of {model.name}, {model.precision}")
    print(f"{milliseconds / count:.2f} ms a picture, preparing the network included")


def work(argv):
    """Does what the command line asks for."""
    options = make_parser().parse_args(argv)
    if options.model is None:
        print_models()
    elif options.card:
        print(cards.as_text(cards.card_of(options.model)))
    else:
        use(options)


def main(argv=None):
    """Runs the command line and returns the exit code: 0, or 2 after a mistake of the user."""
    return command.run(work, argv)


if __name__ == "__main__":
    sys.exit(main())
