import { describe, expect, test } from "vitest";
import { ShapeError, UnsupportedError } from "../../src/errors.js";
import { indicesOf } from "../reference/movement.js";
import { normals } from "../support/kernels.js";
import { counted, ints, runNode, tensor } from "../support/one-node.js";

const floats = (shape: readonly number[], seed = 1) =>
  tensor("float32", shape, [
    ...normals(
      shape.reduce((a, b) => a * b, 1),
      seed,
    ),
  ]);

describe("Col2Im", () => {
  test.each([
    [[5, 5], [2, 3], {}],
    [[5, 6], [1, 5], { dilations: [1, 1] }],
    [[6, 6], [2, 2], { dilations: [1, 5], strides: [2, 1] }],
    [[5, 5], [3, 2], { pads: [1, 2, 0, 3], strides: [2, 3] }],
    [[7], [3], { pads: [4, 4], strides: [2] }],
    [[3, 4, 5], [1, 2, 3], { strides: [1, 2, 1], pads: [0, 1, 0, 0, 1, 2] }],
  ] as const)("image %j, block %j, %o", (image, block, attributes) => {
    const rank = image.length;
    const { strides, dilations, pads } = { strides: undefined, dilations: undefined, pads: undefined, ...attributes };
    const [stride, dilation] = [strides ?? image.map(() => 1), dilations ?? image.map(() => 1)];
    const pad = pads ?? image.flatMap(() => [0, 0]);
    const count = image.map((size, d) => {
      const room = size + pad[d] + pad[d + rank] - dilation[d] * (block[d] - 1) - 1;
      return Math.floor(room / stride[d]) + 1;
    });
    const size = (shape: readonly number[]) => shape.reduce((a, b) => a * b, 1);
    const x = floats([2, 3 * size(block), size(count)]);
    const want = new Float64Array(6 * size(image));
    let from = 0;
    for (let plane = 0; plane < 6; plane++) {
      for (const inside of indicesOf(block)) {
        for (const at of indicesOf(count)) {
          const places = at.map((i, d) => i * stride[d] + inside[d] * dilation[d] - pad[d]);
          const value = Number(x.data[from++]);
          if (places.some((place, d) => place < 0 || place >= image[d])) continue;
          want[plane * size(image) + places.reduce((sum, place, d) => sum * image[d] + place, 0)] += value;
        }
      }
    }
    const [y] = runNode("Col2Im", [x, ints(image), ints(block)], attributes);
    expect(y.shape).toEqual([2, 3, ...image]);
    for (const [i, value] of want.entries()) expect(Math.abs(Number(y.data[i]) - value)).toBeLessThan(1e-5);
  });

  test("refusals", () => {
    const refused = (shape: number[], image: number[], block: number[], message: string) =>
      expect(() => runNode("Col2Im", [floats(shape), ints(image), ints(block)])).toThrow(new ShapeError(message));
    refused([1, 5, 4], [3, 3], [2, 2], "n (Col2Im) input 0: expected [n, c * 4, 4], got [1, 5, 4]");
    refused([1, 4, 4], [1, 3], [2, 2], "n (Col2Im): expected an image that holds its blocks, got [1, 3], [2, 2]");
    refused([1, 4, 4], [3, 3], [2], "n (Col2Im): expected an image that holds its blocks, got [3, 3], [2]");
    refused([1, 4, 4], [3, 3], [-2, 2], "n (Col2Im): expected an image that holds its blocks, got [3, 3], [-2, 2]");
  });
});

describe("AffineGrid and GridSample", () => {
  test.each([
    [4, 5],
    [1, 3],
    [2, 3, 4],
  ])("the grid of points over %j", (...sides) => {
    const dims = sides.length;
    const theta = floats([2, dims, dims + 1]);
    for (const align_corners of [0, 1]) {
      const [y] = runNode("AffineGrid", [theta, ints([2, 1, ...sides])], { align_corners });
      expect(y.shape).toEqual([2, ...sides, dims]);
      let at = 0;
      for (let n = 0; n < 2; n++) {
        for (const index of indicesOf(sides)) {
          const point = index.map((i, d) => {
            if (!align_corners) return (2 * i + 1) / sides[d] - 1;
            return sides[d] === 1 ? 0 : (2 * i) / (sides[d] - 1) - 1;
          });
          const row = [...point.reverse(), 1];
          for (let r = 0; r < dims; r++) {
            const sum = row.reduce((s, v, k) => s + v * Number(theta.data[(n * dims + r) * (dims + 1) + k]), 0);
            expect(Math.abs(Number(y.data[at++]) - sum)).toBeLessThan(1e-5);
          }
        }
      }
    }
  });

  test("the grid that changes nothing gives the image back", () => {
    for (const sides of [
      [4, 5],
      [3, 2, 4],
    ]) {
      const dims = sides.length;
      const theta = tensor(
        "float32",
        [2, dims, dims + 1],
        Array.from({ length: 2 * dims * (dims + 1) }, (_, i) => {
          const [r, c] = [Math.floor(i / (dims + 1)) % dims, i % (dims + 1)];
          return r === c ? 1 : 0;
        }),
      );
      const x = floats([2, 3, ...sides]);
      for (const align_corners of [0, 1]) {
        const [grid] = runNode("AffineGrid", [theta, ints(x.shape)], { align_corners });
        for (const mode of ["linear", "nearest", "cubic"]) {
          const [y] = runNode("GridSample", [x, grid], { align_corners, mode, padding_mode: "border" });
          expect(y.shape).toEqual(x.shape);
          for (const [i, v] of y.data.entries()) expect(Math.abs(Number(v) - Number(x.data[i]))).toBeLessThan(1e-4);
        }
      }
    }
  });

  test("refusals", () => {
    const x = floats([1, 1, 2, 2]);
    const message = "n (GridSample): expected images or volumes and a grid of as many coordinates, got";
    for (const grid of [
      [1, 2, 2, 3],
      [2, 2, 2, 2],
      [1, 2, 2],
    ]) {
      const got = `${message} [1, 1, 2, 2], [${grid.join(", ")}]`;
      expect(() => runNode("GridSample", [x, floats(grid)])).toThrow(new ShapeError(got));
    }
    expect(() => runNode("GridSample", [x, floats([1, 2, 2, 2])], { mode: "area" })).toThrow(UnsupportedError);
    expect(() => runNode("GridSample", [counted("int32", [1, 1, 2, 2]), floats([1, 2, 2, 2])])).toThrow(
      UnsupportedError,
    );
    const theta = floats([2, 2, 3]);
    expect(() => runNode("AffineGrid", [theta, ints([1, 1, 2, 2])])).toThrow(ShapeError);
    expect(() => runNode("AffineGrid", [theta, ints([2, 1, 1e6, 1e6])])).toThrow("at most 2^31 bytes");
  });
});
