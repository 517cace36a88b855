import { describe, expect, test } from "vitest";
import { ShapeError, UnsupportedError } from "../../src/errors.js";
import type { Attribute } from "../../src/graph/graph.js";
import { resized } from "../reference/resize.js";
import { normals } from "../support/kernels.js";
import { counted, ints, runNode, tensor } from "../support/one-node.js";

const modes = ["nearest", "linear", "cubic"] as const;
const coordinates = [
  "half_pixel",
  "half_pixel_symmetric",
  "pytorch_half_pixel",
  "align_corners",
  "asymmetric",
  "tf_half_pixel_for_nn",
] as const;

const floats = (values: readonly number[]) => tensor("float32", [values.length], values);
const image = (shape: readonly number[]) =>
  tensor("float32", shape, [
    ...normals(
      shape.reduce((a, b) => a * b, 1),
      4,
    ),
  ]);

function expectClose(
  got: { shape: readonly number[]; data: ArrayLike<number | bigint> },
  want: ReturnType<typeof resized>,
) {
  expect(got.shape).toEqual(want.shape);
  for (const [i, value] of want.data.entries())
    expect(Math.abs(Number(got.data[i]) - value), `${i}`).toBeLessThan(2e-5);
}

describe.each(modes)("Resize, %s", (mode) => {
  test.each(coordinates)("%s, by scales and by sizes, every attribute", (coordinate_transformation_mode) => {
    for (const [shape, scales] of [
      [
        [2, 3, 4, 5],
        [1, 1, 2, 2],
      ],
      [
        [1, 2, 4, 5],
        [1, 1, 0.6, 0.5],
      ],
      [
        [1, 1, 3, 4],
        [1, 1, 2.3, 0.7],
      ],
      [
        [2, 5, 3],
        [1, 0.4, 3],
      ],
      [[7], [0.3]],
      [
        [1, 4, 4, 3],
        [1, 2, 1.5, 1],
      ],
    ]) {
      const x = image(shape);
      const rounded = scales.map(Math.fround);
      const sizes = shape.map((size, i) => Math.floor(Math.fround(size * rounded[i])));
      const more: Record<string, Attribute>[] =
        mode === "nearest"
          ? ["round_prefer_floor", "round_prefer_ceil", "floor", "ceil"].map((nearest_mode) => ({ nearest_mode }))
          : [{}, { exclude_outside: 1 }, { antialias: 1 }, { cubic_coeff_a: -0.5 }];
      for (const extra of more) {
        const attributes = { mode, coordinate_transformation_mode, ...extra };
        const [byScales] = runNode("Resize", [x, undefined, floats(scales)], attributes);
        expectClose(byScales, resized(x, sizes, rounded, attributes));
        const [bySizes] = runNode("Resize", [x, undefined, undefined, ints(sizes)], attributes);
        expectClose(
          bySizes,
          resized(
            x,
            sizes,
            sizes.map((size, i) => size / shape[i]),
            attributes,
          ),
        );
      }
    }
  });

  test("tf_crop_and_resize, inside and outside", () => {
    const x = image([1, 2, 4, 5]);
    const roi = [0, 0, 0.3, -0.5, 1, 1, 1.4, 0.8];
    const attributes = { mode, coordinate_transformation_mode: "tf_crop_and_resize", extrapolation_value: 7.5 };
    const [y] = runNode("Resize", [x, floats(roi), undefined, ints([1, 2, 6, 7])], attributes);
    expectClose(y, resized(x, [1, 2, 6, 7], [1, 1, 6 / 4, 7 / 5], attributes, roi.map(Math.fround)));
  });

  test("along axes, with and without their proportions", () => {
    const x = image([2, 4, 6]);
    const [y] = runNode("Resize", [x, undefined, undefined, ints([9, 8])], { mode, axes: [-1, 1] });
    expectClose(y, resized(x, [2, 8, 9], [1, 2, 1.5], { mode }));
    for (const [keep_aspect_ratio_policy, scale] of [
      ["not_larger", 1.25],
      ["not_smaller", 1.5],
    ] as const) {
      const attributes = { mode, axes: [1, 2], keep_aspect_ratio_policy };
      const [kept] = runNode("Resize", [x, undefined, undefined, ints([5, 9])], attributes);
      expectClose(kept, resized(x, [2, 4 * scale, Math.floor(6 * scale + 0.5)], [1, scale, scale], { mode }));
    }
  });
});

test("nearest moves elements of any type; others want floats", () => {
  for (const dtype of ["int8", "uint16", "int64", "float16", "bool"] as const) {
    const x = counted(dtype, [2, 3]);
    const [y] = runNode("Resize", [x, undefined, floats([2, 2])], {
      coordinate_transformation_mode: "asymmetric",
      nearest_mode: "floor",
    });
    expect(y.shape).toEqual([4, 6]);
    expect([...y.data]).toEqual(
      Array.from({ length: 24 }, (_, i) => x.data[3 * Math.floor(i / 12) + Math.floor((i % 6) / 2)]),
    );
  }
  expect(() => runNode("Resize", [counted("uint8", [4]), undefined, floats([2])], { mode: "linear" })).toThrow(
    new UnsupportedError("n (Resize) input 0: expected floats for linear, got uint8"),
  );
});

test("refusals", () => {
  const x = image([2, 3]);
  const refused = (inputs: Parameters<typeof runNode>[1], attributes: Record<string, Attribute>, message: string) =>
    expect(() => runNode("Resize", inputs, attributes)).toThrow(new ShapeError(message));
  refused([x], {}, "n (Resize): expected scales or sizes, got neither");
  refused([x, undefined, floats([])], {}, "n (Resize): expected scales or sizes, got neither");
  refused([x, undefined, floats([1])], {}, "n (Resize) input 2: expected 2 values, got 1");
  refused([x, undefined, floats([1, 0])], {}, "n (Resize) input 2: expected scales above 0, got 1, 0");
  refused([x, undefined, floats([1])], { axes: [2] }, "n (Resize): expected an axis of 2 dimensions, got 2");
  const most = "n (Resize): expected an output of at most 2^31 bytes, got shape [2000000, 3000000]";
  refused([x, undefined, floats([1e6, 1e6])], {}, most);
  refused(
    [x, undefined, undefined, ints([-1, 1])],
    {},
    "n (Resize): expected an output of at most 2^31 bytes, got shape [-1, 1]",
  );
  refused(
    [image([0, 1]), undefined, undefined, ints([1, 1])],
    {},
    "n (Resize): expected elements to resize, got [0, 1]",
  );
  expect(() => runNode("Resize", [x, undefined, floats([1, 1])], { mode: "area" })).toThrow(UnsupportedError);
  expect(runNode("Resize", [image([0, 3]), undefined, floats([2, 2])])[0].shape).toEqual([0, 6]);
});
