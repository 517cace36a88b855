// What detectors end with: boxes that suppress others, parts of images as grids of bins, and pooling undone.
import { describe, expect, test } from "vitest";
import { ShapeError, UnsupportedError } from "../../src/errors.js";
import type { Attribute } from "../../src/graph/graph.js";
import { sizeOf } from "../reference/movement.js";
import { normals, uniform } from "../support/kernels.js";
import { counted, ints, numbers, runNode, tensor } from "../support/one-node.js";

const floats = (shape: readonly number[], seed: number) => tensor("float32", shape, [...normals(sizeOf(shape), seed)]);
const scalar = (value: number) => tensor("float32", [], [value]);

describe("NonMaxSuppression", () => {
  /** Boxes as ends, the best of those left taken again and again. */
  function twin(boxes: number[], scores: number[], n: number, most: number, overlap: number, least: number): number[] {
    const sides = (i: number) => boxes.slice(4 * i, 4 * i + 4);
    const area = ([a, b, c, d]: number[]) => Math.abs(c - a) * Math.abs(d - b);
    const along = (a: number[], b: number[], d: number) =>
      Math.min(Math.max(a[d], a[d + 2]), Math.max(b[d], b[d + 2])) -
      Math.max(Math.min(a[d], a[d + 2]), Math.min(b[d], b[d + 2]));
    const shared = (a: number[], b: number[]) => {
      const both = Math.max(0, along(a, b, 0)) * Math.max(0, along(a, b, 1));
      return both / (area(a) + area(b) - both);
    };
    let left = Array.from({ length: n }, (_, i) => i).filter((i) => scores[i] > least);
    const kept: number[] = [];
    while (left.length > 0 && kept.length < most) {
      const best = left.reduce((a, b) => (scores[b] > scores[a] ? b : a));
      kept.push(best);
      left = left.filter((i) => i !== best && !(shared(sides(best), sides(i)) > overlap));
    }
    return kept;
  }

  test("equals taking the best box of those left", () => {
    const next = uniform(3);
    for (const [n, most, overlap, least] of [
      [30, 100, 0.3, 0.1],
      [30, 4, 0.5, 0.2],
      [1, 1, 0, 0],
      [50, 50, 0, 0.5],
      [0, 5, 0.5, 0],
      [20, 0, 0.5, 0],
    ]) {
      const [batch, classes] = [2, 3];
      const centred = Array.from({ length: batch * n }, () => [next(), next(), 0.1 + next() / 3, 0.1 + next() / 3]);
      const ends = centred.map(([y, x, h, w], i) => {
        const box = [y - h / 2, x - w / 2, y + h / 2, x + w / 2];
        return i % 3 ? box : [...box.slice(2), ...box.slice(0, 2)];
      });
      const scores = Float32Array.from({ length: batch * classes * n }, next);
      const want: number[] = [];
      for (let b = 0; b < batch; b++) {
        for (let c = 0; c < classes; c++) {
          const own = [...scores.slice((b * classes + c) * n, (b * classes + c + 1) * n)];
          const boxes = ends.slice(b * n, (b + 1) * n).flat();
          for (const i of twin(boxes, own, n, most, overlap, least)) want.push(b, c, i);
        }
      }
      for (const form of [0, 1]) {
        const boxes = tensor("float32", [batch, n, 4], (form ? centred : ends).flat());
        const inputs = [boxes, tensor("float32", [batch, classes, n], [...scores]), ints([most], [])];
        const thresholds = [scalar(overlap), scalar(least)];
        const [y] = runNode(
          "NonMaxSuppression",
          [...inputs, ...thresholds],
          { center_point_box: form },
          { outputs: ["int64"] },
        );
        expect(y.shape).toEqual([want.length / 3, 3]);
        expect(numbers(y).data).toEqual(want);
      }
    }
  });

  test("takes no box where no number of them is given; of equal scores the first; boxes without an area overlap nothing", () => {
    const boxes = tensor("float32", [1, 3, 4], [0, 0, 1, 1, 0, 0, 1, 1, 0.5, 0.5, 0.5, 0.5]);
    const scores = tensor("float32", [1, 1, 3], [1, 1, 1]);
    const run = (...rest: ReturnType<typeof tensor>[]) =>
      numbers(runNode("NonMaxSuppression", [boxes, scores, ...rest], {}, { outputs: ["int64"] })[0]);
    expect(run()).toEqual({ shape: [0, 3], data: [] });
    expect(run(ints([9]))).toEqual({ shape: [2, 3], data: [0, 0, 0, 0, 0, 2] });
  });

  const [boxes, scores] = [floats([1, 5, 4], 1), floats([1, 2, 5], 2)];
  test.each([
    [
      [boxes, floats([1, 2, 4], 1)],
      {},
      "n (NonMaxSuppression): expected boxes [b, n, 4] and scores [b, c, n], got [1, 5, 4] and [1, 2, 4]",
    ],
    [
      [floats([1, 5, 3], 1), scores],
      {},
      "n (NonMaxSuppression): expected boxes [b, n, 4] and scores [b, c, n], got [1, 5, 3] and [1, 2, 5]",
    ],
    [[boxes, scores, ints([1, 2])], {}, "n (NonMaxSuppression) input 2: expected one value, got 2"],
    [[boxes, scores], { center_point_box: 2 }, "n.center_point_box: expected 0 or 1, got 2"],
  ] as const)("%# is refused", (inputs, attributes, message) => {
    expect(() => runNode("NonMaxSuppression", inputs, attributes, { outputs: ["int64"] })).toThrow(
      new ShapeError(message),
    );
  });
});

describe("RoiAlign", () => {
  /** Every point of every bin; a pixel outside the image is the nearest, a point further away is 0. */
  function twin(
    x: number[],
    shape: readonly number[],
    box: number[],
    image: number,
    bins: number[],
    given: Record<string, number>,
  ) {
    const [, c, h, w] = shape;
    const { half, scale, ratio, largest } = given;
    const [x0, y0, x1, y1] = box.map((side) => side * scale - (half ? 0.5 : 0));
    const sides = [y1 - y0, x1 - x0].map((side) => (half ? side : Math.max(1, side)));
    const grid = sides.map((side, d) => ratio || Math.max(0, Math.ceil(side / bins[d])));
    const out: number[] = [];
    for (let i = 0; i < c; i++) {
      const pixel = (y: number, at: number) => x[((image * c + i) * h + Math.min(y, h - 1)) * w + Math.min(at, w - 1)];
      for (let by = 0; by < bins[0]; by++) {
        for (let bx = 0; bx < bins[1]; bx++) {
          let [sum, most] = [0, grid[0] * grid[1] === 0 ? 0 : Number.NEGATIVE_INFINITY];
          for (let gy = 0; gy < grid[0]; gy++) {
            for (let gx = 0; gx < grid[1]; gx++) {
              let y = y0 + (sides[0] / bins[0]) * (by + (gy + 0.5) / grid[0]);
              let at = x0 + (sides[1] / bins[1]) * (bx + (gx + 0.5) / grid[1]);
              if (y < -1 || y > h || at < -1 || at > w) {
                most = Math.max(most, 0);
                continue;
              }
              [y, at] = [Math.min(Math.max(y, 0), h - 1), Math.min(Math.max(at, 0), w - 1)];
              const [low, left] = [Math.floor(y), Math.floor(at)];
              const [down, across] = [y - low, at - left];
              const parts = [
                (1 - down) * (1 - across) * pixel(low, left),
                (1 - down) * across * pixel(low, left + 1),
                down * (1 - across) * pixel(low + 1, left),
                down * across * pixel(low + 1, left + 1),
              ];
              sum += parts.reduce((a, b) => a + b, 0);
              most = Math.max(most, ...parts);
            }
          }
          out.push(largest ? most : sum / Math.max(1, grid[0] * grid[1]));
        }
      }
    }
    return out;
  }

  test.each([
    [{}, [1, 1]],
    [{ sampling_ratio: 2 }, [3, 2]],
    [{ coordinate_transformation_mode: "output_half_pixel", spatial_scale: 0.5 }, [2, 5]],
    [{ mode: "max", sampling_ratio: 3 }, [2, 2]],
    [{ mode: "max", coordinate_transformation_mode: "output_half_pixel" }, [4, 1]],
  ] as [Record<string, Attribute>, number[]][])("%o, bins %j", (attributes, bins) => {
    const x = floats([2, 3, 7, 9], 1);
    const boxes = [
      [0, 0, 9, 7],
      [1.3, 2.6, 4.1, 5.2],
      [-4, -3, 2, 1],
      [5, 5, 30, 40],
      [6, 6, 6, 6],
      [20, 20, 25, 25],
      [8, 6, 3, 2],
    ];
    const images = [0, 1, 0, 1, 1, 0, 1];
    const all = { ...attributes, output_height: bins[0], output_width: bins[1] };
    const [y] = runNode("RoiAlign", [x, tensor("float32", [7, 4], boxes.flat()), ints(images)], all);
    const given = {
      half: attributes.coordinate_transformation_mode ? 0 : 1,
      scale: Number(attributes.spatial_scale ?? 1),
      ratio: Number(attributes.sampling_ratio ?? 0),
      largest: attributes.mode === "max" ? 1 : 0,
    };
    const want = boxes.flatMap((box, i) => twin([...x.data].map(Number), x.shape, box, images[i], bins, given));
    expect(y.shape).toEqual([7, 3, ...bins]);
    for (const [i, value] of want.entries()) expect(Math.abs(Number(y.data[i]) - value), `${i}`).toBeLessThan(1e-5);
  });

  test("endless and absurd boxes come to an end", () => {
    const wild = [0, 1, -1, 1e30, -1e30, 3e38, -3e38, Infinity, -Infinity, NaN];
    const boxes = wild.flatMap((a) => wild.map((b) => [a, -1e30, b, 1e38]));
    const regions = tensor("float32", [boxes.length, 4], boxes.flat());
    for (const mode of ["avg", "max"]) {
      for (const sampling_ratio of [0, 1024]) {
        const x = floats([1, 1, 3, 3], 1);
        const [y] = runNode("RoiAlign", [x, regions, ints(boxes.map(() => 0))], { mode, sampling_ratio });
        expect(y.shape).toEqual([boxes.length, 1, 1, 1]);
      }
    }
  });

  test("refusals", () => {
    const [x, boxes] = [floats([1, 1, 4, 4], 1), floats([2, 4], 1)];
    const shapes = "n (RoiAlign): expected [n, c, h, w], regions [r, 4] and images [r], got";
    expect(() => runNode("RoiAlign", [x, boxes, ints([0])])).toThrow(
      new ShapeError(`${shapes} [1, 1, 4, 4], [2, 4], [1]`),
    );
    expect(() => runNode("RoiAlign", [x, floats([2, 3], 1), ints([0, 0])])).toThrow(
      new ShapeError(`${shapes} [1, 1, 4, 4], [2, 3], [2]`),
    );
    expect(() => runNode("RoiAlign", [floats([1, 1, 0, 4], 1), boxes, ints([0, 0])])).toThrow(
      new ShapeError("n (RoiAlign) input 0: expected images with pixels, got [1, 1, 0, 4]"),
    );
    for (const [name, value, range] of [
      ["output_height", 0, "1 to 2147483647"],
      ["sampling_ratio", 1025, "0 to 1024"],
    ] as const) {
      expect(() => runNode("RoiAlign", [x, boxes, ints([0, 0])], { [name]: value })).toThrow(
        new ShapeError(`n.${name}: expected ${range}, got ${value}`),
      );
    }
    expect(() => runNode("RoiAlign", [x, boxes, ints([0, 0])], { mode: "sum" })).toThrow(UnsupportedError);
  });
});

describe("MaxUnpool", () => {
  test.each([
    [[2, 3, 6, 8], { kernel_shape: [2, 2], strides: [2, 2] }],
    [[1, 2, 7, 9], { kernel_shape: [3, 3], strides: [2, 3] }],
    [[2, 2, 9], { kernel_shape: [3], strides: [3] }],
    [[1, 1, 4, 4, 4], { kernel_shape: [2, 2, 2], strides: [2, 2, 2] }],
  ] as [number[], Record<string, Attribute>][])("puts back what MaxPool takes of %j, %o", (shape, attributes) => {
    const x = floats(shape, 1);
    const pooled = runNode("MaxPool", [x], attributes, { outputs: ["float32", "int64"] });
    const [y] = runNode("MaxUnpool", pooled, attributes);
    expect(y.shape).toEqual(shape);
    const places = new Set(numbers(pooled[1]).data);
    for (const [i, value] of y.data.entries()) expect(value).toBe(places.has(i) ? x.data[i] : 0);
    // A larger output has zeros at its ends.
    const more = shape.map((size, d) => (d < 2 ? size : size + d));
    const [wide] = runNode("MaxUnpool", [...pooled, ints(more)], attributes);
    expect(wide.shape).toEqual(more);
    const slice = runNode("Slice", [wide, ints(shape.map(() => 0)), ints(shape)])[0];
    expect(slice.data).toEqual(y.data);
    expect([...wide.data].filter((v) => v !== 0)).toHaveLength([...y.data].filter((v) => v !== 0).length);
  });

  test("places outside are nowhere", () => {
    const x = tensor("float32", [1, 1, 1, 4], [1, 2, 3, 4]);
    const at = ints([-1, 1, 8, 2 ** 52], [1, 1, 1, 4]);
    const [y] = runNode("MaxUnpool", [x, at], { kernel_shape: [1, 2], strides: [1, 2] });
    expect(numbers(y)).toEqual({ shape: [1, 1, 1, 8], data: [0, 2, 0, 0, 0, 0, 0, 0] });
    const [cut] = runNode("MaxUnpool", [x, ints([0, 3, 5, 7], x.shape), ints([1, 1, 1, 5])], {
      ...{ kernel_shape: [1, 2], strides: [1, 2] },
    });
    expect(numbers(cut)).toEqual({ shape: [1, 1, 1, 5], data: [1, 0, 0, 2, 0] });
  });

  test("refusals", () => {
    const x = floats([1, 1, 2], 1);
    const refused = (inputs: ReturnType<typeof tensor>[], attributes: Record<string, Attribute>, message: string) =>
      expect(() => runNode("MaxUnpool", inputs, attributes)).toThrow(new ShapeError(message));
    const window = { kernel_shape: [2], strides: [2] };
    refused([x, ints([0], [1, 1, 1])], window, "n (MaxUnpool) input 1: expected int64 [1, 1, 2], got int64 [1, 1, 1]");
    refused(
      [x, counted("int32", [1, 1, 2])],
      window,
      "n (MaxUnpool) input 1: expected int64 [1, 1, 2], got int32 [1, 1, 2]",
    );
    refused([x, ints([0, 1], [1, 1, 2]), ints([4])], window, "n (MaxUnpool) input 2: expected 3 sizes, got [4]");
    refused(
      [x, ints([0, 1], [1, 1, 2])],
      { kernel_shape: [2], pads: [5, 5] },
      "n (MaxUnpool): expected an output of at most 2^31 bytes, got shape [1, 1, -7]",
    );
    refused(
      [x, ints([0, 1], [1, 1, 2])],
      {},
      "n.kernel_shape: expected 1 integers from 1 to 2147483647, got undefined",
    );
  });
});
