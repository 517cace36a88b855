import { describe, expect, it } from "vitest";
import { crossEntropy, divergence, meanSquaredError } from "../reference/train.js";
import { type Build, builds, Guarded, normals, sizes, uniform } from "../support/kernels.js";

const bitsOf = (x: Float32Array) => new Uint32Array(x.buffer, x.byteOffset, x.length);

function entropy(build: Build, rows: number, cols: number, logits: Float32Array, labels: Uint32Array, smoothing = 0) {
  const guarded = new Guarded(build.kernels);
  const wanted = guarded.place(labels);
  const out = guarded.room(4 * rows * cols);
  const source = guarded.placeFlush(logits);
  const loss = build.kernels.cross_entropy_f32(rows, cols, source, wanted, smoothing, out);
  const gradient = guarded.read(Float32Array, out, rows * cols);
  expect(build.kernels.cross_entropy_f32(rows, cols, source, wanted, smoothing, source), "in place").toEqual(loss);
  expect(bitsOf(guarded.read(Float32Array, source, rows * cols)), "in place").toEqual(bitsOf(gradient));
  guarded.check();
  return { loss, gradient };
}

function squared(build: Build, y: Float32Array, target: Float32Array) {
  const guarded = new Guarded(build.kernels);
  const wanted = guarded.place(target);
  const out = guarded.room(y.byteLength);
  const source = guarded.placeFlush(y);
  const loss = build.kernels.mean_squared_error_f32(y.length, source, wanted, out);
  const gradient = guarded.read(Float32Array, out, y.length);
  build.kernels.mean_squared_error_f32(y.length, source, wanted, source);
  expect(bitsOf(guarded.read(Float32Array, source, y.length)), "in place").toEqual(bitsOf(gradient));
  guarded.check();
  return { loss, gradient };
}

function taught(
  build: Build,
  rows: number,
  cols: number,
  logits: Float32Array,
  wanted: Float32Array,
  temperature: number,
) {
  const guarded = new Guarded(build.kernels);
  const teacher = guarded.place(wanted);
  const out = guarded.room(4 * rows * cols);
  const source = guarded.placeFlush(logits);
  const loss = build.kernels.divergence_f32(rows, cols, source, teacher, temperature, out);
  const gradient = guarded.read(Float32Array, out, rows * cols);
  expect(build.kernels.divergence_f32(rows, cols, source, teacher, temperature, source), "in place").toEqual(loss);
  expect(bitsOf(guarded.read(Float32Array, source, rows * cols)), "in place").toEqual(bitsOf(gradient));
  guarded.check();
  return { loss, gradient };
}

function randomLabels(rows: number, cols: number, seed: number): Uint32Array {
  const next = uniform(seed);
  return Uint32Array.from({ length: rows }, () => Math.floor(next() * cols));
}

for (const build of builds()) {
  describe(`loss, ${build.name}`, () => {
    it("sums cross entropy and gives its gradient", () => {
      for (const rows of [0, 1, 2, 7]) {
        for (const cols of [1, 2, 3, 4, 5, 7, 8, 10, 17, 33, 100, 1000]) {
          const logits = normals(rows * cols, rows + cols).map((value) => value * 4);
          const labels = randomLabels(rows, cols, cols);
          for (const smoothing of [0, 0.1, 1]) {
            const want = crossEntropy(rows, cols, logits, labels, smoothing);
            const got = entropy(build, rows, cols, logits, labels, smoothing);
            // An f32 exponential of a difference of up to 40.
            expect(Math.abs(got.loss - want.loss), `${rows} x ${cols}`).toBeLessThanOrEqual(rows * 3e-6);
            for (const [i, value] of got.gradient.entries()) {
              expect(Math.abs(value - want.gradient[i]), `${rows} x ${cols}`).toBeLessThanOrEqual(2e-6 / rows);
            }
          }
        }
      }
    });

    it("is exact where the exponentials are: equal logits give ln(cols)", () => {
      for (const cols of [1, 2, 3, 10, 127, 1000, 4096]) {
        for (const value of [0, -5, 1e30]) {
          const { loss } = entropy(build, 1, cols, new Float32Array(cols).fill(value), Uint32Array.of(cols >> 1));
          expect(Math.abs(loss - Math.log(cols))).toBeLessThanOrEqual(Math.log(cols) * 4.5e-16);
        }
      }
    });

    it("does not overflow, underflow to zero is zero, and an impossible label costs infinity", () => {
      const sure = entropy(build, 1, 5, Float32Array.of(3e38, -3e38, 0, -Infinity, 1), Uint32Array.of(0));
      expect(sure.loss).toBe(0);
      expect(sure.gradient.map(Math.abs)).toEqual(new Float32Array(5));
      const impossible = entropy(build, 1, 3, Float32Array.of(1, -Infinity, 1), Uint32Array.of(1));
      expect(impossible.loss).toBe(Infinity);
      expect(impossible.gradient).toEqual(Float32Array.of(0.5, -1, 0.5));
    });

    it("is NaN for a row with NaN, with +infinity, or with nothing finite", () => {
      for (const cols of [3, 9]) {
        for (const value of [Number.NaN, Infinity]) {
          for (const at of [0, cols - 1]) {
            const logits = normals(cols, 1);
            logits[at] = value;
            expect(entropy(build, 1, cols, logits, Uint32Array.of(1)).loss).toBeNaN();
          }
        }
        expect(entropy(build, 1, cols, new Float32Array(cols).fill(-Infinity), Uint32Array.of(0)).loss).toBeNaN();
      }
    });

    it("sums the divergence from a teacher and gives its gradient", () => {
      for (const rows of [0, 1, 2, 7]) {
        for (const cols of [1, 2, 3, 4, 5, 7, 8, 10, 17, 33, 100, 1000]) {
          for (const temperature of [0.5, 1, 4]) {
            const logits = normals(rows * cols, rows + cols).map((value) => value * 4);
            const wanted = normals(rows * cols, rows + cols + 1).map((value) => value * 4);
            const want = divergence(rows, cols, logits, wanted, temperature);
            const got = taught(build, rows, cols, logits, wanted, temperature);
            const what = `${rows} x ${cols} at ${temperature}`;
            expect(Math.abs(got.loss - want.loss), what).toBeLessThanOrEqual(2e-6 * want.loss + rows * 4e-6);
            for (const [i, value] of got.gradient.entries()) {
              expect(Math.abs(value - want.gradient[i]), what).toBeLessThanOrEqual((8e-6 * temperature) / rows);
            }
          }
        }
      }
    });

    it("has learnt everything where the logits differ by a constant", () => {
      for (const cols of [1, 4, 10]) {
        const wanted = normals(cols, 3);
        const { loss, gradient } = taught(
          build,
          1,
          cols,
          wanted.map((value) => value + 8),
          wanted,
          2,
        );
        expect(loss).toBeLessThan(1e-5);
        expect(loss).toBeGreaterThanOrEqual(0);
        for (const value of gradient) expect(Math.abs(value)).toBeLessThan(1e-6);
      }
    });

    it("does not overflow far from the teacher, and is NaN where the teacher is no number", () => {
      for (const cols of [3, 4, 9]) {
        const far = new Float32Array(cols);
        [far[0], far[cols - 1]] = [1000, -1000];
        const { loss, gradient } = taught(build, 1, cols, far, far.toReversed(), 1);
        expect(loss).toBe(2000);
        expect([gradient[0], gradient[cols - 1]]).toEqual([1, -1]);
        for (const value of [Number.NaN, Infinity]) {
          for (const at of [0, cols - 1]) {
            const broken = new Float32Array(cols);
            broken[at] = value;
            expect(taught(build, 1, cols, far, broken, 1).loss).toBeNaN();
            expect(taught(build, 1, cols, broken, far, 1).loss).toBeNaN();
          }
        }
      }
    });

    it("means squared errors and gives their gradient", () => {
      for (const n of sizes) {
        const [y, target] = [normals(n, n), normals(n, n + 1)];
        const want = meanSquaredError(y, target);
        const got = squared(build, y, target);
        expect(Math.abs(got.loss - want.loss)).toBeLessThanOrEqual(2e-7 * want.loss);
        for (const [i, value] of got.gradient.entries()) {
          expect(Math.abs(value - want.gradient[i])).toBeLessThanOrEqual(3e-7 * Math.abs(want.gradient[i]));
        }
      }
    });

    it("squares in f64: errors near the largest f32 do not overflow", () => {
      const { loss } = squared(build, Float32Array.of(1e30, 0, 0, 0, 1e30), new Float32Array(5));
      const big = Math.fround(1e30);
      expect(loss).toBe((big * big + big * big) / 5);
      expect(squared(build, Float32Array.of(Number.NaN), Float32Array.of(1)).loss).toBeNaN();
    });
  });
}

describe("loss twins", () => {
  it("gradients agree with finite differences", () => {
    const [rows, cols, h] = [3, 5, 2 ** -8];
    const logits = normals(rows * cols, 1);
    const labels = randomLabels(rows, cols, 2);
    const { gradient } = crossEntropy(rows, cols, logits, labels);
    const target = normals(rows * cols, 3);
    const squaredGradient = meanSquaredError(logits, target).gradient;
    const taughtGradient = divergence(rows, cols, logits, target, 3).gradient;
    for (let i = 0; i < logits.length; i++) {
      const up = Float64Array.from(logits);
      const down = Float64Array.from(logits);
      up[i] += h;
      down[i] -= h;
      const entropySlope = crossEntropy(rows, cols, up, labels).loss - crossEntropy(rows, cols, down, labels).loss;
      expect(entropySlope / (2 * h) / rows).toBeCloseTo(gradient[i], 5);
      const taughtSlope = divergence(rows, cols, up, target, 3).loss - divergence(rows, cols, down, target, 3).loss;
      expect(taughtSlope / (2 * h) / rows).toBeCloseTo(taughtGradient[i], 5);
      const squaredSlope = meanSquaredError(up, target).loss - meanSquaredError(down, target).loss;
      expect(squaredSlope / (2 * h)).toBeCloseTo(squaredGradient[i], 8);
    }
  });
});
