"""Pictures as arrays become grids and files."""

import math
import struct
import warnings
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

PICTURE_FORMATS = {".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG", ".gif": "GIF"}
MILLISECONDS_PER_FRAME = 80
MAX_PIXELS = 100_000_000  # of a grid
# What Pillow's decoders raise, besides OSError and ValueError, where a file is damaged.
DAMAGE = (SyntaxError, LookupError, TypeError, ArithmeticError, EOFError, struct.error)


def to_uint8(pictures):
    """Turns pictures in [-1, 1] into bytes 0 .. 255; values outside are clipped."""
    return np.clip(np.rint((np.asarray(pictures) + 1.0) * 127.5), 0, 255).astype(np.uint8)


def enlarge(picture, scale):
    """Repeats every pixel of a picture (H, W, ...) `scale` times along both axes."""
    if scale < 1:
        raise ValueError(f"scale must be at least 1, got {scale}")
    return picture.repeat(scale, axis=0).repeat(scale, axis=1)


def grid(pictures, columns=None, scale=1):
    """Lays pictures out row by row, one white pixel apart, and enlarges the whole.

    Args:
        pictures: float (N, H, W, C) in [-1, 1], C = 1 or 3.
        columns: Pictures in a row; None makes the grid about square.
        scale: Screen pixels along each side of a pixel.

    Returns:
        uint8 (height, width) for C = 1, (height, width, 3) for C = 3.

    Raises:
        ValueError: The pictures have another shape, `columns` or `scale` is below 1, or the grid would be huge.
    """
    pictures = to_uint8(pictures)
    if pictures.ndim != 4 or pictures.shape[-1] not in (1, 3) or len(pictures) == 0:
        raise ValueError(f"pictures must be (N, H, W, 1) or (N, H, W, 3), got {pictures.shape}")
    count, height, width, channels = pictures.shape
    columns = math.ceil(math.sqrt(count)) if columns is None else columns
    if columns < 1:
        raise ValueError(f"columns must be at least 1, got {columns}")
    rows = math.ceil(count / columns)
    size = (rows * (height + 1) - 1, columns * (width + 1) - 1, channels)
    pixels = size[0] * size[1] * scale**2
    if pixels > MAX_PIXELS:
        raise ValueError(f"a grid has at most {MAX_PIXELS:,} pixels, this one {pixels:,}: lower scale or count")
    canvas = np.full(size, 255, np.uint8)
    for index, picture in enumerate(pictures):
        top = index // columns * (height + 1)
        left = index % columns * (width + 1)
        canvas[top : top + height, left : left + width] = picture
    canvas = enlarge(canvas, scale)
    return canvas[:, :, 0] if channels == 1 else canvas


def check_picture_path(path):
    """Refuses a path that cannot become a picture file; call it before the work."""
    path = Path(path)
    if path.is_dir():
        raise ValueError(f"{path} is a folder: give the name of a picture file in it")
    if path.suffix.lower() not in PICTURE_FORMATS:
        raise ValueError(f"the name {path} must end in one of {', '.join(PICTURE_FORMATS)}")
    if not path.parent.is_dir():
        raise ValueError(f"the folder {path.parent} does not exist: make it or write elsewhere")


def save_picture(path, frames):
    """Writes uint8 frames (H, W) or (H, W, 3) to a file; several frames make an animated GIF.

    The bytes go to a temporary name in the same folder first: a failure leaves nothing half-done, and what a killed
    process leaves there is gone when the picture is written again.
    """
    check_picture_path(path)
    path = Path(path)
    images = [Image.fromarray(frame) for frame in frames]
    options = {}
    if len(images) > 1:
        timing = {"duration": MILLISECONDS_PER_FRAME, "loop": 0}
        options = {"save_all": True, "append_images": images[1:], **timing}
    temporary = path.with_name(f".{path.name}.unfinished")
    try:
        images[0].save(temporary, format=PICTURE_FORMATS[path.suffix.lower()], **options)
        temporary.replace(path)
    except OSError as error:
        raise OSError(f"cannot write {path}: {error.strerror or error}") from error
    finally:
        temporary.unlink(missing_ok=True)


def upright(image):
    """A picture from a file with 8 bits a channel, turned as its EXIF data say."""
    image = ImageOps.exif_transpose(image)
    if image.mode.startswith("I;16"):  # Pillow would clip 16 bits, not scale them
        image = Image.fromarray((np.asarray(image) // 257).astype(np.uint8))
    return image


def on_white(image):
    """A picture from a file as a page shows it: upright, and white shines through where it is transparent.

    Grey pictures stay grey; one with a palette becomes one of colours where some of it is transparent.
    """
    image = upright(image)
    if not image.has_transparency_data:
        return image
    grey = image.mode in ("1", "L", "LA", "La")
    image = image.convert("LA" if grey else "RGBA")
    canvas = Image.new("L" if grey else "RGB", image.size, "white")
    canvas.paste(image, mask=image.getchannel("A"))
    return canvas


def read_source(path, shape, task):
    """Reads a picture for a model that makes pictures of pictures, and scales it to what the model takes.

    Args:
        path: Of a picture file, which is put on white where it is transparent. But for the task "inpainting" what is
            transparent is the hole; for "segmentation" the grey value of a pixel is the number of its class, counted
            from 1, or 0 where there is nothing.
        shape: Height, width and channels S of the model's source.
        task: The card's.

    Returns:
        float32 (1, H, W, S) in [-1, 1].

    Raises:
        OSError: There is no such file, or it is no picture.
        ValueError: A picture is damaged or huge, one to inpaint has no hole, or a class is unknown.
    """
    height, width, channels = shape
    if task == "segmentation":
        numbers = _read_pixels(path, ImageOps.exif_transpose, "L", (width, height), Image.Resampling.NEAREST)
        if numbers.max() > channels:
            raise ValueError(f"{path} has the grey value {numbers.max()}, but there are {channels} classes")
        maps = numbers[..., None] == np.arange(1, channels + 1)  # (H, W, S)
        return (2.0 * maps - 1.0).astype(np.float32)[None]
    prepare = upright if task == "inpainting" else on_white
    colours = channels - (task == "inpainting")
    mode = "LA" if colours == 1 else "RGBA"
    values = _read_pixels(path, prepare, mode, (width, height), Image.Resampling.BICUBIC)
    picture, there = values[..., :-1], values[..., -1:] >= 128
    if task == "inpainting":
        if there.all():
            raise ValueError(f"{path} has no hole: make transparent what is to be painted")
        picture = np.concatenate([np.where(there, picture, 0), np.where(there, 0, 255)], axis=2)
    return (picture / np.float32(127.5) - np.float32(1.0)).astype(np.float32)[None]


def _read_pixels(path, prepare, mode, size, how):
    """The bytes of a picture file of whatever kind, prepared by a function, converted and scaled."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of what is odd in a file and does no harm
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(path) as image:
                return np.asarray(prepare(image).convert(mode).resize(size, how))
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise ValueError(f"{path} is too large: at most {Image.MAX_IMAGE_PIXELS:,} pixels are read") from None
    except DAMAGE as error:
        raise ValueError(f"{path} is damaged, or no picture: {error}") from error
