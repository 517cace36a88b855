import { expected, ShapeError } from "../errors.js";
import { showShape, sizeOf } from "../tensor.js";
import { integer, number, only, word } from "./attributes.js";
import { elementsOf } from "./element.js";
import { checkFloats, checkIndexType, inputOf, sized } from "./known.js";
import type { Op } from "./op.js";

const modes = ["avg", "max"] as const;
const transforms = ["half_pixel", "output_half_pixel"] as const;
/** Points along a side of a bin at most, where their number is told. */
const mostPoints = 1024;

/**
 * Parts of images as grids of bins: x [n, c, h, w], regions [r, 4] of left, top, right, bottom, the image of each [r]; y [r, c, height,
 * width]. A bin is the mean of points read between pixels, or, for "max", the largest of a pixel times its share in a point. A point further
 * than a pixel outside the image is 0. K. He et al., "Mask R-CNN", 2017. In TypeScript, over views of each run.
 */
export const roiAlign: Op = {
  attrs(node) {
    const sizes = ["output_height", "output_width", "sampling_ratio"];
    only(node, ["coordinate_transformation_mode", "mode", "spatial_scale", ...sizes]);
    word(node, "mode", modes, "avg");
    word(node, "coordinate_transformation_mode", transforms, "half_pixel");
    number(node, "spatial_scale", 1);
    for (const [name, least] of [
      ["output_height", 1],
      ["output_width", 1],
      ["sampling_ratio", 0],
    ] as const) {
      const value = integer(node, name, least);
      const most = least === 0 ? mostPoints : 0x7fffffff;
      if (value < least || value > most) {
        throw new ShapeError(expected(`${node.name}.${name}`, `${least} to ${most}`, `${value}`));
      }
    }
  },
  infer(node, inputs) {
    for (const i of [0, 1]) checkFloats(node, inputs, i);
    checkIndexType(node, inputs, 2);
    const { dtype, shape } = inputOf(node, inputs, 0);
    const [regions, images] = [inputOf(node, inputs, 1).shape, inputOf(node, inputs, 2).shape];
    if (shape.length !== 4 || regions.length !== 2 || regions[1] !== 4 || `${images}` !== `${regions[0]}`) {
      const want = "[n, c, h, w], regions [r, 4] and images [r]";
      const got = [shape, regions, images].map(showShape).join(", ");
      throw new ShapeError(expected(`${node.name} (RoiAlign)`, want, got));
    }
    if (sizeOf(shape) === 0 && regions[0] > 0) {
      throw new ShapeError(expected(`${node.name} (RoiAlign) input 0`, "images with pixels", showShape(shape)));
    }
    const bins = [integer(node, "output_height", 1), integer(node, "output_width", 1)];
    return [sized(node, dtype, [regions[0], shape[1], ...bins])];
  },
  lower({ node, kernels }) {
    const half = word(node, "coordinate_transformation_mode", transforms, "half_pixel") === "half_pixel";
    const largest = word(node, "mode", modes, "avg") === "max";
    const [ratio, scale] = [integer(node, "sampling_ratio", 0), number(node, "spatial_scale", 1)];
    return ({ inputs, outputs }) => {
      const [x, regions, images] = inputs.map((slot) => slot!);
      const [n, c, h, w] = x.shape;
      const [count, , high, wide] = outputs[0].shape;
      // Points of a bin along both sides: where its two pixels stand, and the share of the second.
      const [rows, columns] = [new Points(h), new Points(w)];
      return {
        scratch: 0,
        run() {
          const [from, boxes, of, to] = [x, regions, images, outputs[0]].map((slot) => elementsOf(kernels, slot));
          const pixels = from as Float32Array;
          const side = (r: number, d: number, bins: number) => {
            const start = Number(boxes[4 * r + d]) * scale - (half ? 0.5 : 0);
            const length = Number(boxes[4 * r + d + 2]) * scale - (half ? 0.5 : 0) - start;
            return { start, bin: (half ? length : Math.max(length, 1)) / bins };
          };
          let at = 0;
          for (let r = 0; r < count; r++) {
            const image = Math.min(Math.max(Number(of[r]), 0), n - 1);
            const [down, across] = [side(r, 1, high), side(r, 0, wide)];
            for (let i = 0; i < c; i++) {
              const plane = (image * c + i) * h * w;
              for (let by = 0; by < high; by++) {
                rows.fill(down.start + by * down.bin, down.bin, ratio);
                for (let bx = 0; bx < wide; bx++) {
                  columns.fill(across.start + bx * across.bin, across.bin, ratio);
                  to[at++] = largest
                    ? largestOf(pixels, plane, w, rows, columns)
                    : meanOf(pixels, plane, w, rows, columns);
                }
              }
            }
          }
        },
      };
    };
  },
};

/** Points along one side of a bin. */
class Points {
  /** All of them, those that are 0 too. */
  all = 0;
  /** Those near the image: how many, and of each the pixel before it, the one after, and the share of that one. */
  count = 0;
  readonly before: number[] = [];
  readonly after: number[] = [];
  readonly share: number[] = [];
  readonly #size: number;

  constructor(size: number) {
    this.#size = size;
  }

  /** `ratio` points, or one for each pixel begun where that is 0; however long the bin, no more are looked at than lie near the image. */
  fill(start: number, bin: number, ratio: number): void {
    const finite = Number.isFinite(start) && Number.isFinite(bin);
    const all = finite ? ratio || Math.max(0, Math.ceil(bin)) : 0;
    const step = bin / all;
    this.all = all;
    this.count = 0;
    const reach = (to: number) => Math.min(Math.max(Math.floor((to - start) / step - 0.5), 0), all);
    const first = step > 0 ? reach(-1) : 0;
    const near = step > 0 ? reach(this.#size) + 2 - first : all;
    const looked = Math.min(near, all - first, Math.max(mostPoints, 4 * (this.#size + 2)));
    for (let k = 0; k < looked; k++) {
      const at = start + (first + k + 0.5) * step;
      if (!(at >= -1 && at <= this.#size)) continue;
      const place = Math.max(at, 0);
      const low = Math.min(Math.floor(place), this.#size - 1);
      this.before[this.count] = low;
      this.after[this.count] = Math.min(low + 1, this.#size - 1);
      this.share[this.count++] = low === this.#size - 1 ? 0 : place - low;
    }
  }
}

function meanOf(x: Float32Array, plane: number, width: number, rows: Points, columns: Points): number {
  let sum = 0;
  for (let i = 0; i < rows.count; i++) {
    const [top, bottom, down] = [plane + rows.before[i] * width, plane + rows.after[i] * width, rows.share[i]];
    for (let j = 0; j < columns.count; j++) {
      const [left, right, across] = [columns.before[j], columns.after[j], columns.share[j]];
      const above = (1 - across) * x[top + left] + across * x[top + right];
      const below = (1 - across) * x[bottom + left] + across * x[bottom + right];
      sum += (1 - down) * above + down * below;
    }
  }
  return sum / Math.max(1, rows.all * columns.all);
}

function largestOf(x: Float32Array, plane: number, width: number, rows: Points, columns: Points): number {
  // A point that is left out is a 0.
  const missing = rows.count < rows.all || columns.count < columns.all || rows.count * columns.count === 0;
  let most = missing ? 0 : Number.NEGATIVE_INFINITY;
  for (let i = 0; i < rows.count; i++) {
    const [top, bottom, down] = [plane + rows.before[i] * width, plane + rows.after[i] * width, rows.share[i]];
    for (let j = 0; j < columns.count; j++) {
      const [left, right, across] = [columns.before[j], columns.after[j], columns.share[j]];
      most = Math.max(
        most,
        (1 - down) * (1 - across) * x[top + left],
        (1 - down) * across * x[top + right],
        down * (1 - across) * x[bottom + left],
        down * across * x[bottom + right],
      );
    }
  }
  return most;
}
