import { describe, expect, it } from "vitest";
import { kept } from "../reference/compress.js";
import { type Adam, adamCorrections, adamStep, type Sgd, sgdStep } from "../reference/train.js";
import { type Build, builds, Guarded, normals, sizes } from "../support/kernels.js";

const bitsOf = (x: Float32Array) => new Uint32Array(x.buffer, x.byteOffset, x.length);
const f32 = (x: Float64Array) => bitsOf(Float32Array.from(x));

/** No mask, none, half, all. */
function masks(n: number): (Uint8Array | undefined)[] {
  const bytes = (n + 7) >> 3;
  const half = Uint8Array.from(normals(bytes, n), (value) => value * 90);
  return [undefined, new Uint8Array(bytes), half, new Uint8Array(bytes).fill(255)];
}

function runSgd(
  build: Build,
  w: Float32Array,
  dw: Float32Array,
  velocity: Float32Array,
  mask: Uint8Array | undefined,
  sgd: Sgd,
) {
  const guarded = new Guarded(build.kernels);
  const [pw, pv] = [guarded.place(w), guarded.place(velocity)];
  const pm = mask ? guarded.place(mask) : 0;
  build.kernels.sgd_step_f32(
    w.length,
    pw,
    guarded.placeFlush(dw),
    pv,
    pm,
    sgd.rate,
    sgd.momentum,
    sgd.nesterov ? 1 : 0,
    sgd.l2 ?? 0,
    sgd.decay ?? 0,
  );
  guarded.check();
  return { w: guarded.read(Float32Array, pw, w.length), velocity: guarded.read(Float32Array, pv, w.length) };
}

function runAdam(
  build: Build,
  w: Float32Array,
  dw: Float32Array,
  first: Float32Array,
  second: Float32Array,
  mask: Uint8Array | undefined,
  adam: Adam,
) {
  const guarded = new Guarded(build.kernels);
  const [pw, p1, p2] = [w, first, second].map((x) => guarded.place(x));
  const pm = mask ? guarded.place(mask) : 0;
  const pd = guarded.placeFlush(dw);
  const { rate, beta1, beta2, epsilon, l2 = 0, decay } = adam;
  const [c1, c2] = adamCorrections(adam);
  build.kernels.adam_step_f32(w.length, pw, pd, p1, p2, pm, rate, beta1, beta2, epsilon, l2, decay, c1, c2);
  guarded.check();
  const [out, m, v] = [pw, p1, p2].map((pointer) => guarded.read(Float32Array, pointer, w.length));
  return { w: out, first: m, second: v };
}

const sgd: Sgd = { rate: 0.05, momentum: 0.9, l2: 5e-4 };
const adam: Adam = { rate: 1e-3, beta1: 0.9, beta2: 0.999, epsilon: 1e-8, decay: 0.01, step: 3 };

for (const build of builds()) {
  describe(`optim, ${build.name}`, () => {
    it("steps by SGD with momentum and decay, the very bits of its twin", () => {
      for (const n of sizes) {
        for (const mask of masks(n)) {
          const [w, dw, velocity] = [normals(n, 1), normals(n, 2), normals(n, 3)];
          for (const options of [
            sgd,
            { rate: 1, momentum: 0 },
            { ...sgd, nesterov: true },
            { ...sgd, nesterov: true, l2: 0, decay: 0.1 },
          ]) {
            const got = runSgd(build, w, dw, velocity, mask, options);
            const want = sgdStep(w, dw, velocity, mask, options, Math.fround);
            expect(bitsOf(got.w), `n ${n}`).toEqual(f32(want.w));
            expect(bitsOf(got.velocity), `n ${n}`).toEqual(f32(want.velocity));
          }
        }
      }
    });

    it("steps by Adam with decoupled decay, the very bits of its twin, near the f64 one", () => {
      for (const n of sizes) {
        for (const mask of masks(n)) {
          const [w, dw, first] = [normals(n, 1), normals(n, 2), normals(n, 3)];
          const second = normals(n, 4).map((value) => value * value);
          const coupled = { ...adam, l2: 0.1, decay: 0 };
          expect(bitsOf(runAdam(build, w, dw, first, second, mask, coupled).w), `n ${n}`).toEqual(
            f32(adamStep(w, dw, first, second, mask, coupled, Math.fround).w),
          );
          const got = runAdam(build, w, dw, first, second, mask, adam);
          const want = adamStep(w, dw, first, second, mask, adam, Math.fround);
          expect(bitsOf(got.w), `n ${n}`).toEqual(f32(want.w));
          expect(bitsOf(got.first), `n ${n}`).toEqual(f32(want.first));
          expect(bitsOf(got.second), `n ${n}`).toEqual(f32(want.second));
          const exact = adamStep(w, dw, first, second, mask, adam);
          for (const [i, value] of got.w.entries()) {
            expect(Math.abs(value - exact.w[i])).toBeLessThanOrEqual(2 ** -23 * Math.abs(w[i]) + 1e-8);
            expect(Math.abs(got.second[i] - exact.second[i])).toBeLessThanOrEqual(3e-7 * exact.second[i]);
          }
        }
      }
    });

    it("the first step of Adam is the rate, whatever the size of the gradient", () => {
      const dw = Float32Array.of(1e-3, -1, 1e6, -1e-6);
      const zeros = () => new Float32Array(4);
      const { w } = runAdam(build, zeros(), dw, zeros(), zeros(), undefined, { ...adam, decay: 0, step: 1 });
      for (const [i, value] of w.entries()) expect(value * -Math.sign(dw[i])).toBeCloseTo(1e-3, 4);
    });

    it("leaves a masked weight alone and its moments at +0, NaN and infinity included", () => {
      for (const n of [3, 21]) {
        const bad = (seed: number) => normals(n, seed).map((v, i) => [v, Number.NaN, -Infinity, -0][i & 3]);
        const mask = new Uint8Array((n + 7) >> 3);
        for (let i = 0; i < n; i += 4) mask[i >> 3] |= 1 << (i & 7);
        const w = bad(1);
        const zero = (x: Float32Array) => Array.from(bitsOf(x)).filter((_, i) => !kept(mask, i));
        const masked = (x: Float32Array) => Array.from(bitsOf(x)).filter((_, i) => !kept(mask, i));
        const a = runSgd(build, w, bad(2), bad(3), mask, sgd);
        const b = runAdam(build, w, bad(2), bad(3), bad(4).map(Math.abs), mask, adam);
        for (const moments of [a.velocity, b.first, b.second]) expect(new Set(zero(moments))).toEqual(new Set([0]));
        expect(masked(a.w)).toEqual(masked(w));
        expect(masked(b.w)).toEqual(masked(w));
        for (let i = 0; i < n; i += 4) expect(a.w[i]).not.toBe(w[i]);
      }
    });

    it("sums the squares that a mask keeps, in f64, and scales in place", () => {
      for (const n of sizes) {
        const x = normals(n, 5).map((v) => v * 1e25);
        for (const mask of masks(n)) {
          const guarded = new Guarded(build.kernels);
          const pm = mask ? guarded.place(mask) : 0;
          const got = build.kernels.sum_squares_f32(n, guarded.placeFlush(x), pm);
          const want = x.reduce((sum, v, i) => sum + (mask && !kept(mask, i) ? 0 : v * v), 0);
          expect(Math.abs(got - want), `n ${n}`).toBeLessThanOrEqual(1e-14 * want);
          guarded.check();
        }
        const guarded = new Guarded(build.kernels);
        const px = guarded.place(x);
        build.kernels.scale_f32(n, px, 0.3);
        guarded.check();
        const third = Math.fround(0.3);
        expect(bitsOf(guarded.read(Float32Array, px, n))).toEqual(bitsOf(x.map((v) => v * third)));
      }
    });
  });
}
