/**
 * A pad to draw on, in the pixels of the model, with pointer or keyboard.
 */

import { make } from "./dom.js";
import { HOLE_TASK, MAP_TASK } from "./source.js";

const HUES = 137.5; // degrees between neighbouring classes: the golden angle keeps any number of them apart

/**
 * The pad.
 * @param {{height: number, width: number, colours: number, task: ?string}} form of the picture
 * @param {function(): void} changed called after each stroke
 */
export class Pad {
  constructor(form, changed) {
    const { height, width, colours } = form;
    this.form = form;
    this.changed = changed;
    this.values = new Uint8ClampedArray(height * width * colours); // grey or colour
    this.marks = new Uint8Array(height * width); // 1 where there is a hole, or the number of the class
    this.brush = { size: 2, colour: [255, 255, 255], mark: form.task === MAP_TASK ? 1 : 0 };
    this.cursor = null;
    this.canvas = make("canvas", { className: "pad", width, height, tabIndex: 0, role: "application" });
    this.canvas.setAttribute(
      "aria-label",
      `Drawing pad of ${width} by ${height} pixels: arrow keys move, space paints`,
    );
    this.canvas.style.aspectRatio = `${width} / ${height}`;
    this.listen();
    this.draw();
  }

  listen() {
    const { canvas } = this;
    const paintAt = (event) => {
      const { left, top, width, height } = canvas.getBoundingClientRect();
      this.dab(
        Math.floor(((event.clientX - left) / width) * this.form.width),
        Math.floor(((event.clientY - top) / height) * this.form.height),
      );
    };
    canvas.addEventListener("pointerdown", (event) => {
      event.preventDefault();
      canvas.focus({ preventScroll: true });
      canvas.setPointerCapture(event.pointerId);
      this.cursor = null;
      paintAt(event);
    });
    canvas.addEventListener("pointermove", (event) => {
      if (!canvas.hasPointerCapture(event.pointerId)) return;
      const between = event.getCoalescedEvents?.() ?? []; // Safari has them since 18.2
      between.concat(event).forEach(paintAt);
    });
    canvas.addEventListener("keydown", (event) => this.press(event));
    canvas.addEventListener("blur", () => {
      this.cursor = null;
      this.draw();
    });
  }

  press(event) {
    const steps = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
    const { width, height } = this.form;
    const [x, y] = this.cursor ?? [width >> 1, height >> 1];
    if (event.key === " ") this.dab(x, y);
    else if (!(event.key in steps)) return;
    event.preventDefault();
    const [right, down] = steps[event.key] ?? [0, 0];
    this.cursor = [(x + right + width) % width, (y + down + height) % height];
    this.draw();
  }

  /** Paints a round dab of the brush. */
  dab(x, y) {
    const { width, height } = this.form;
    const radius = this.brush.size / 2;
    const centre = this.brush.size % 2 ? 0 : 0.5;
    for (let row = Math.max(0, y - 4); row <= Math.min(height - 1, y + 4); row += 1) {
      for (let column = Math.max(0, x - 4); column <= Math.min(width - 1, x + 4); column += 1) {
        if (Math.hypot(column - x + centre, row - y + centre) <= radius) this.set(row * width + column);
      }
    }
    this.draw();
    this.changed();
  }

  set(pixel) {
    const { colours, task } = this.form;
    if (task === MAP_TASK || task === HOLE_TASK) this.marks[pixel] = this.brush.mark;
    if (task === MAP_TASK || (task === HOLE_TASK && this.brush.mark)) return;
    if (this.brush.colour) this.values.set(this.brush.colour.slice(0, colours), pixel * colours);
  }

  /** Replaces the whole picture. */
  fill(values, marks) {
    this.values.set(values);
    this.marks.set(marks);
    this.draw();
    this.changed();
  }

  draw() {
    const { width, height, colours, task } = this.form;
    const image = new ImageData(width, height);
    for (let pixel = 0; pixel < width * height; pixel += 1) {
      const mark = this.marks[pixel];
      const colour = [0, 1, 2].map((each) => this.values[pixel * colours + (colours === 3 ? each : 0)]);
      image.data.set([...(mark && task === HOLE_TASK ? [190, 60, 140] : colour), 255], pixel * 4);
    }
    const context = this.canvas.getContext("2d");
    context.putImageData(image, 0, 0);
    if (task === MAP_TASK) this.drawClasses(context);
    if (!this.cursor) return;
    context.fillStyle = "rgb(255 170 0)";
    context.fillRect(...this.cursor, 1, 1);
  }

  drawClasses(context) {
    const { width } = this.form;
    this.marks.forEach((mark, pixel) => {
      if (mark === 0) return;
      context.fillStyle = `hsl(${mark * HUES} 65% 60%)`;
      context.fillRect(pixel % width, Math.floor(pixel / width), 1, 1);
    });
  }
}
