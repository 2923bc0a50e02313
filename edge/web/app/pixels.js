/**
 * Pictures as numbers in [-1, 1] become pixels: grids, difference pictures, files.
 */

/** Writes a picture [H, W, 1 or 3] into RGBA bytes; the array rounds to the nearest byte and clips by itself. */
function paint(target, picture, [height, width, channels], left, top, rowLength, toByte) {
  for (let y = 0; y < height; y += 1) {
    for (let x = 0; x < width; x += 1) {
      const from = (y * width + x) * channels;
      const to = ((top + y) * rowLength + left + x) * 4;
      for (let colour = 0; colour < 3; colour += 1) {
        target[to + colour] = toByte(picture[from + (channels === 3 ? colour : 0)]);
      }
      target[to + 3] = 255;
    }
  }
}

const fromUnit = (value) => (value + 1) * 127.5;

/**
 * Draws pictures row by row, one transparent pixel apart, about square; the canvas gets one pixel for each of theirs.
 * @param {HTMLCanvasElement} canvas
 * @param {Float32Array[]} pictures
 * @param {number[]} shape [H, W, C] of one
 * @param {function(number): number} [toByte] colour of a value
 */
export function drawGrid(canvas, pictures, shape, toByte = fromUnit) {
  const [height, width] = shape;
  const columns = Math.ceil(Math.sqrt(pictures.length));
  const rows = Math.ceil(pictures.length / columns);
  const image = new ImageData(columns * (width + 1) - 1, rows * (height + 1) - 1);
  pictures.forEach((picture, index) => {
    const left = (index % columns) * (width + 1);
    const top = Math.floor(index / columns) * (height + 1);
    paint(image.data, picture, shape, left, top, image.width, toByte);
  });
  canvas.width = image.width;
  canvas.height = image.height;
  canvas.getContext("2d").putImageData(image, 0, 0);
}

/**
 * Draws how far pictures are from others: black where they agree, white at the largest difference.
 * @returns {{largest: number, mean: number}} of the absolute differences; the pictures' own range is 2
 */
export function drawDifference(canvas, pictures, others, shape) {
  const gaps = pictures.map((picture, index) => picture.map((value, place) => Math.abs(value - others[index][place])));
  let largest = 0;
  let sum = 0;
  for (const gap of gaps) {
    for (const value of gap) {
      largest = Math.max(largest, value);
      sum += value;
    }
  }
  drawGrid(canvas, gaps, shape, (value) => (largest > 0 ? (255 * value) / largest : 0));
  return { largest, mean: sum / (gaps.length * gaps[0].length) };
}

/**
 * Index of the picture of a grid that a click on its canvas hits, or null.
 * @param {MouseEvent} event on a canvas that shows its pixels as large as they fit, in the middle
 * @param {number} count of pictures
 * @param {number[]} shape [H, W, C] of one
 */
export function pictureAt(event, count, [height, width]) {
  const canvas = event.target;
  const box = canvas.getBoundingClientRect();
  const scale = Math.min(box.width / canvas.width, box.height / canvas.height);
  const x = (event.clientX - box.left - (box.width - canvas.width * scale) / 2) / scale;
  const y = (event.clientY - box.top - (box.height - canvas.height * scale) / 2) / scale;
  if (x < 0 || y < 0 || x >= canvas.width || y >= canvas.height) return null;
  const columns = Math.ceil(Math.sqrt(count));
  const index = Math.floor(y / (height + 1)) * columns + Math.floor(x / (width + 1));
  return index < count ? index : null;
}

/** A canvas as a PNG, its pixels enlarged by a whole number so that the longer side has about `side` pixels. */
export function toPng(canvas, side = 896) {
  const scale = Math.max(1, Math.round(side / Math.max(canvas.width, canvas.height)));
  const large = document.createElement("canvas");
  large.width = canvas.width * scale;
  large.height = canvas.height * scale;
  const context = large.getContext("2d");
  context.imageSmoothingEnabled = false;
  context.fillStyle = "white";
  context.fillRect(0, 0, large.width, large.height);
  context.drawImage(canvas, 0, 0, large.width, large.height);
  return new Promise((resolve) => large.toBlob(resolve, "image/png"));
}
