/**
 * Samples as a histogram: counts and moments, and the drawing of both beside the theory.
 */

const BINS = 48; // of a continuous distribution

/** Counts of samples in bins over a range, and their moments; what lies beyond the range is counted, not shown. */
export class Histogram {
  constructor(discrete, [low, high]) {
    this.discrete = discrete;
    this.low = discrete ? low - 0.5 : low;
    this.width = discrete ? 1 : (high - low) / BINS;
    this.counts = new Array(discrete ? high - low + 1 : BINS).fill(0);
    this.size = 0;
    this.sum = 0;
    this.squares = 0;
  }

  /** Number of the bin that a value falls into; none may have it. */
  binOf(value) {
    return Math.floor((value - this.low) / this.width);
  }

  /** Middle of a bin. */
  middle(bin) {
    return this.low + (bin + 0.5) * this.width;
  }

  add(value) {
    const bin = this.binOf(value);
    if (bin >= 0 && bin < this.counts.length) this.counts[bin] += 1;
    this.size += 1;
    this.sum += value;
    this.squares += value * value;
  }

  /** Height of a bin: the share of a value, or the density. */
  height(bin) {
    return this.size ? this.counts[bin] / (this.size * this.width) : 0;
  }

  get mean() {
    return this.sum / this.size;
  }

  get deviation() {
    return Math.sqrt(Math.max(0, this.squares / this.size - this.mean ** 2));
  }
}

/** About five round numbers from low to high. */
function ticks(low, high) {
  const rough = (high - low) / 5;
  const magnitude = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((each) => each * magnitude).find((each) => each >= rough);
  const found = [];
  for (let tick = Math.ceil(low / step); tick * step <= high + step * 1e-9; tick += 1)
    found.push(Number((tick * step).toPrecision(10)));
  return found;
}

/**
 * Draws histogram, theory and the samples that are still in the air.
 * @param {HTMLCanvasElement} canvas
 * @param {Histogram} histogram
 * @param {function(number): number} density
 * @param {{bin: number, height: number}[]} falling height 1 at the top, 0 at the axis
 */
export function drawHistogram(canvas, histogram, density, falling) {
  const style = getComputedStyle(canvas);
  const colour = (name) => style.getPropertyValue(`--${name}`).trim();
  const ratio = devicePixelRatio || 1;
  const [width, height] = [canvas.clientWidth, Math.max(220, canvas.clientWidth * 0.58)];
  canvas.style.height = `${height}px`;
  canvas.width = Math.round(width * ratio);
  canvas.height = Math.round(height * ratio);
  const context = canvas.getContext("2d");
  context.scale(ratio, ratio);
  context.font = `12px ${style.fontFamily}`;

  const { counts, low } = histogram;
  const high = low + counts.length * histogram.width;
  const box = { left: 44, top: 16, right: width - 14, bottom: height - 30 };
  const theory = counts.map((_, bin) => density(histogram.middle(bin)));
  const top =
    1.18 * Math.max(...theory, ...counts.map((_, bin) => Math.min(histogram.height(bin), 2 * Math.max(...theory))));
  const toX = (x) => box.left + ((x - low) / (high - low)) * (box.right - box.left);
  const toY = (y) => box.bottom - (Math.min(y, top) / top) * (box.bottom - box.top);

  context.fillStyle = colour("quiet");
  context.strokeStyle = colour("line");
  context.lineWidth = 1;
  context.textAlign = "right";
  context.textBaseline = "middle";
  for (const tick of ticks(0, top)) {
    context.beginPath();
    context.moveTo(box.left, toY(tick));
    context.lineTo(box.right, toY(tick));
    context.stroke();
    context.fillText(String(tick), box.left - 6, toY(tick));
  }
  context.textAlign = "center";
  context.textBaseline = "top";
  const labels = ticks(low, high).filter((tick) => !histogram.discrete || Number.isInteger(tick));
  for (const tick of labels) context.fillText(String(tick), toX(tick), box.bottom + 8);

  const gap = histogram.discrete ? 0.14 : 0.04;
  context.fillStyle = colour("soft");
  context.strokeStyle = colour("accent");
  counts.forEach((count, bin) => {
    if (count === 0) return;
    const left = toX(low + (bin + gap) * histogram.width);
    const right = toX(low + (bin + 1 - gap) * histogram.width);
    const y = toY(histogram.height(bin));
    context.fillRect(left, y, right - left, box.bottom - y);
    context.strokeRect(left, y, right - left, box.bottom - y);
  });

  context.strokeStyle = colour("second");
  context.fillStyle = colour("second");
  context.lineWidth = 2.25;
  if (histogram.discrete) drawStems(context, theory, histogram, toX, toY);
  else drawCurve(context, density, [low, high], toX, toY);

  context.fillStyle = colour("accent");
  for (const { bin, height: level } of falling) {
    const floor = toY(histogram.height(bin));
    context.beginPath();
    context.arc(toX(histogram.middle(bin)), floor - level * (floor - box.top), 3, 0, 2 * Math.PI);
    context.fill();
  }
}

function drawStems(context, theory, histogram, toX, toY) {
  theory.forEach((value, bin) => {
    const x = toX(histogram.middle(bin));
    context.beginPath();
    context.moveTo(x, toY(0));
    context.lineTo(x, toY(value));
    context.stroke();
    context.beginPath();
    context.arc(x, toY(value), 4, 0, 2 * Math.PI);
    context.fill();
  });
}

function drawCurve(context, density, [low, high], toX, toY) {
  context.beginPath();
  for (let point = 0; point <= 240; point += 1) {
    const x = low + (high - low) * Math.min(Math.max(point / 240, 1e-4), 1 - 1e-4);
    context.lineTo(toX(x), toY(density(x)));
  }
  context.stroke();
}
