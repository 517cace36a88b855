import { describe, expect, test } from "vitest";
import { ShapeError } from "../../src/errors.js";
import { batches } from "../../src/train/data.js";

const [channels, height, width] = [2, 5, 4];
const each = channels * height * width;
const count = 6;
const inputs = Float32Array.from({ length: count * each }, (_, i) => i + 1);
const examples = {
  input: "x",
  inputs,
  shape: [channels, height, width],
  labels: Array.from({ length: count }, (_, i) => i),
};

const drawn = (augment: object | undefined, seed = 1, epochs = 20) =>
  [...batches(examples, { size: 3, epochs, seed, augment })].length &&
  Array.from(batches(examples, { size: 3, epochs, seed, augment }), ({ inputs, target }) => ({
    labels: [...target!],
    data: Float32Array.from(inputs.x.data as Float32Array),
  }));

/** The example moved and mirrored, value by value. */
function moved(label: number, down: number, right: number, flip: boolean): number[] {
  return Array.from({ length: each }, (_, i) => {
    const [c, y, x] = [Math.floor(i / (height * width)), Math.floor(i / width) % height, i % width];
    const [fromY, fromX] = [y - down, (flip ? width - 1 - x : x) - right];
    if (fromY < 0 || fromY >= height || fromX < 0 || fromX >= width) return 0;
    return inputs[label * each + (c * height + fromY) * width + fromX];
  });
}

/** Which ways images went: each must be one that is allowed. */
function ways(augment: { crop?: number; flip?: boolean }): Set<string> {
  const { crop = 0, flip = false } = augment;
  const seen = new Set<string>();
  for (const { labels, data } of drawn(augment, 1, 60) as { labels: number[]; data: Float32Array }[]) {
    for (const [i, label] of labels.entries()) {
      const got = [...data.subarray(i * each, (i + 1) * each)].join();
      let found = "";
      for (let down = -crop; down <= crop; down++)
        for (let right = -crop; right <= crop; right++)
          for (const mirrored of flip ? [false, true] : [false])
            if (moved(label, down, right, mirrored).join() === got) found = `${down} ${right} ${mirrored}`;
      expect(found, "one of the ways that are allowed").not.toBe("");
      seen.add(found);
    }
  }
  return seen;
}

describe("augmentation", () => {
  test.each([
    [{ crop: 1 }, 9],
    [{ flip: true }, 2],
    [{ crop: 2, flip: true }, 50],
    [{ crop: 0 }, 1],
    [{}, 1],
  ])("%j: %d ways, all of which happen, all channels alike", (augment, number) => {
    expect(ways(augment).size).toBe(number);
  });

  test("is the same for the same seed, and leaves the order of examples", () => {
    const augment = { crop: 1, flip: true };
    expect(drawn(augment, 3)).toEqual(drawn(augment, 3));
    expect(drawn(augment, 3)).not.toEqual(drawn(augment, 4));
    const labels = (list: unknown) => (list as { labels: number[] }[]).map(({ labels }) => labels);
    expect(labels(drawn(augment, 3))).toEqual(labels(drawn(undefined, 3)));
  });

  test("a crop larger than the image leaves zeros, and the examples stay as they are", () => {
    const before = inputs.slice();
    const lists = drawn({ crop: 40 }) as { data: Float32Array }[];
    expect(lists.some(({ data }) => data.subarray(0, each).every((v) => v === 0))).toBe(true);
    expect(inputs).toEqual(before);
  });

  test("what does not fit", () => {
    const draw = (shape: number[], crop: number) => [
      ...batches({ ...examples, shape }, { size: 1, epochs: 1, seed: 1, augment: { crop } }),
    ];
    expect(() => draw([each], 1)).toThrow(
      new ShapeError("batches: augment: expected images [.., height, width], got [40]"),
    );
    for (const crop of [-1, 0.5, Number.NaN]) {
      expect(() => draw([channels, height, width], crop)).toThrow(
        new RangeError(`batches: augment.crop: expected a number of pixels, got ${crop}`),
      );
    }
  });
});
