import { expect, test } from "vitest";
import { shifted } from "../../src/cli/shift.js";
import { Random } from "../../src/random.js";

test("every image is moved by a pixel at most, all ways happen, and nothing comes from another", () => {
  const seen = new Set<string>();
  const data = new Float32Array(40 * 784);
  const batch = { inputs: { image: { dtype: "float32" as const, shape: [40, 1, 28, 28], data } } };
  for (const { inputs } of shifted([batch], "image", new Random(1))) expect(inputs.image.data).toBe(data);
  expect(data.every((value) => value === 0)).toBe(true);
  // A point in the middle, one at the edge.
  const points = [14 * 28 + 14, 27 * 28 + 5];
  const given = (function* () {
    for (let i = 0; i < 40; i++) for (const [j, at] of points.entries()) data[i * 784 + at] = j + 1;
    yield batch;
  })();
  for (const _ of shifted(given, "image", new Random(1))) {
    for (let i = 0; i < 40; i++) {
      const image = data.subarray(i * 784, (i + 1) * 784);
      const at = image.indexOf(1);
      const [down, right] = [Math.floor(at / 28) - 14, (at % 28) - 14];
      expect(Math.max(Math.abs(down), Math.abs(right))).toBeLessThanOrEqual(1);
      seen.add(`${down} ${right}`);
      expect(image.indexOf(2)).toBe(down === 1 ? -1 : points[1] + 28 * down + right);
      expect(image.filter((value) => value !== 0)).toHaveLength(down === 1 ? 1 : 2);
    }
  }
  expect(seen.size).toBe(9);
});
