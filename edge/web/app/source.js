/**
 * Pictures that a model is given, by the rules of `edge/drawing.py`: [-1, 1], rows of pixels, channels last.
 *
 * Two tasks of cards have a form of their own. "inpainting": what is transparent is the hole, and the last channel is
 * white there. "segmentation": the grey value of a pixel is the number of its class, counted from 1, 0 is nothing, and
 * there is a channel for each class. Every other picture is grey (one channel) or colour (three), and what is
 * transparent in it is white.
 */

export const HOLE_TASK = "inpainting";
export const MAP_TASK = "segmentation";

const LARGEST_UPLOAD = 30e6; // bytes

/**
 * Form of the picture behind an input.
 * @param {object} card
 * @param {number[]} shape [1, H, W, S]
 * @returns {{height: number, width: number, colours: number, channels: number, task: ?string}|null} null for channels
 *     that no picture has
 */
export function formOf(card, [, height, width, channels]) {
  const task = [HOLE_TASK, MAP_TASK].includes(card.task) ? card.task : null;
  const colours = { [HOLE_TASK]: channels - 1, [MAP_TASK]: 1 }[task] ?? channels;
  return colours === 1 || colours === 3 ? { height, width, colours, channels, task } : null;
}

/** What the model gets of a picture (bytes 0 to 255) and its marks (holes, or classes). */
export function toInput({ height, width, colours, channels, task }, values, marks) {
  const input = new Float32Array(height * width * channels);
  for (let pixel = 0; pixel < height * width; pixel += 1) {
    if (task === MAP_TASK) {
      input.fill(-1, pixel * channels, (pixel + 1) * channels);
      if (marks[pixel]) input[pixel * channels + marks[pixel] - 1] = 1;
      continue;
    }
    for (let colour = 0; colour < colours; colour += 1) {
      const byte = marks[pixel] ? 0 : values[pixel * colours + colour];
      input[pixel * channels + colour] = byte / 127.5 - 1;
    }
    if (task === HOLE_TASK) input[pixel * channels + colours] = marks[pixel] ? 1 : -1;
  }
  return input;
}

const luma = (red, green, blue) => (red * 19595 + green * 38470 + blue * 7471 + 0x8000) >> 16; // as Pillow rounds it

/**
 * Pixels of an image, scaled to a form.
 * @param {CanvasImageSource} image
 * @param {number[]} [area] left, top, width, height in it; all of it by default
 * @returns {{values: Uint8ClampedArray, marks: Uint8Array}}
 */
function fromImage(form, image, area = [0, 0, image.width, image.height]) {
  const { height, width, colours, channels, task } = form;
  const canvas = new OffscreenCanvas(width, height);
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.imageSmoothingEnabled = task !== MAP_TASK;
  context.imageSmoothingQuality = "high";
  if (task === null) {
    context.fillStyle = "white";
    context.fillRect(0, 0, width, height);
  }
  context.drawImage(image, ...area, 0, 0, width, height);
  const { data } = context.getImageData(0, 0, width, height);
  const values = new Uint8ClampedArray(height * width * colours);
  const marks = new Uint8Array(height * width);
  for (let pixel = 0; pixel < height * width; pixel += 1) {
    const [red, green, blue, alpha] = data.subarray(pixel * 4, pixel * 4 + 4);
    if (task === MAP_TASK) {
      marks[pixel] = luma(red, green, blue);
      if (marks[pixel] > channels)
        throw new Error(`The picture has the grey value ${marks[pixel]}, but there are ${channels} classes.`);
      continue;
    }
    if (task === HOLE_TASK && alpha < 128) marks[pixel] = 1;
    values.set(colours === 1 ? [luma(red, green, blue)] : [red, green, blue], pixel * colours);
  }
  return { values, marks };
}

/**
 * Pixels of one picture of a sheet of samples, where classes are greys from 0.3 to 1 of white.
 * @param {number[]} area of `samplesOf`
 */
export function fromSample(form, sheet, area) {
  if (form.task !== MAP_TASK) return fromImage(form, sheet, area);
  const { values, marks } = fromImage({ ...form, task: null }, sheet, area);
  values.forEach((grey, pixel) => {
    const place = ((grey / 255 - 0.3) / 0.7) * (form.channels - 1);
    marks[pixel] = grey < 38 ? 0 : Math.min(form.channels, Math.max(0, Math.round(place)) + 1);
  });
  return { values: values.fill(0), marks };
}

/** Pixels of a picture file that a user chose. */
export async function fromFile(form, file) {
  if (file.size > LARGEST_UPLOAD) throw new Error(`${file.name} is larger than ${LARGEST_UPLOAD / 1e6} MB.`);
  let image;
  try {
    image = await createImageBitmap(file, { colorSpaceConversion: "none" });
  } catch {
    throw new Error(`${file.name} is no picture that this browser can read.`);
  }
  const pixels = fromImage(form, image);
  image.close();
  return pixels;
}

/**
 * Places in `samples.png` of pictures that the model may be given. The sheet has ten pictures in a row, one pixel
 * apart, enlarged as a whole; where the card has a task, every third row holds sources (then results, then truths).
 * @returns {number[][]} left, top, width, height of each; empty when the sheet has another form
 */
export function samplesOf(card, { height, width }, sheet) {
  const scale = sheet.width / (10 * (width + 1) - 1);
  const rows = (sheet.height / scale + 1) / (height + 1);
  if (!Number.isInteger(scale) || !Number.isInteger(rows)) return [];
  const sources = Array.from({ length: rows }, (_, row) => row).filter((row) =>
    card.task ? row % 3 === 0 : row === 0,
  );
  const area = (row, column) => [column * (width + 1), row * (height + 1), width, height].map((each) => each * scale);
  return sources.flatMap((row) => Array.from({ length: 10 }, (_, column) => area(row, column)));
}

/** Whether there is something to see in a picture: its bytes are more than 20 from their mean, as a rule. */
export function isLively({ values }) {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  return Math.sqrt(values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / values.length) > 20;
}
