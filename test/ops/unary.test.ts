import { describe, expect, test } from "vitest";
import { unaryCodes } from "../../src/ops/codes.js";
import { salted } from "../support/compare.js";
import { builds, Guarded, normals, sizes } from "../support/kernels.js";

type Name = keyof typeof unaryCodes;

const f = Math.fround;
const even = (x: number) => {
  const floor = Math.floor(x);
  const up = x - floor > 0.5 || (x - floor === 0.5 && floor % 2 !== 0);
  return up ? floor + 1 : floor;
};
const line = (x: number, p: number, q: number) => Math.min(Math.max(f(f(x * p) + q), 0), 1);

/** The function, p, q, r, and within how many units in the last place. */
const cases: [Name, (x: number) => number, [number, number, number], number][] = [
  ["abs", Math.abs, [0, 0, 0], 0],
  ["neg", (x) => -x, [0, 0, 0], 0],
  ["floor", Math.floor, [0, 0, 0], 0],
  ["ceil", Math.ceil, [0, 0, 0], 0],
  ["round", even, [0, 0, 0], 0],
  ["sqrt", (x) => f(Math.sqrt(x)), [0, 0, 0], 0],
  ["exp", Math.exp, [0, 0, 0], 1],
  ["log", Math.log, [0, 0, 0], 1],
  ["reciprocal", (x) => f(-1 / x), [-1, 0, 0], 0],
  ["quotient", (x) => f(f(x / 3) + 0.25), [3, 0.25, 0], 0],
  ["clip", (x) => Math.min(Math.max(x, -0.5), 0.75), [-0.5, 0.75, 0], 0],
  ["hardSigmoid", (x) => line(x, f(0.2), 0.5), [f(0.2), 0.5, 0], 0],
  ["hardSwish", (x) => f(line(x, f(1 / 6), 0.5) * x), [f(1 / 6), 0.5, 0], 0],
  ["elu", (x) => (x > 0 ? 1.5 * x : 0.5 * Math.expm1(2 * x)), [1.5, 0.5, 2], 2],
];

/** One unit in the last place of a float of this size. */
function unit(x: number): number {
  return 2 ** (Math.max(-126, Math.floor(Math.log2(Math.abs(x)))) - 23);
}

function expectNear(actual: Float32Array, x: Float32Array, twin: (x: number) => number, ulps: number, what: string) {
  for (const [i, v] of x.entries()) {
    const want = twin(v);
    const [got, near] = [actual[i], f(want)];
    if (got === near || (Number.isNaN(got) && Number.isNaN(near))) continue;
    const fits = ulps > 0 && Number.isFinite(got) && Math.abs(got - want) <= ulps * unit(want);
    if (!fits) throw new Error(`${what} of ${v}: expected ${want} within ${ulps} ulp, got ${got}`);
  }
}

/** Every so many floats, all signs and sizes. */
const spread = new Float32Array(Uint32Array.from({ length: 60000 }, (_, i) => i * 71567).buffer);

describe.each(builds())("$name", ({ kernels }) => {
  test.each(cases)("unary_f32 %s, in place too", (op, twin, pqr, ulps) => {
    const [p, q, r] = pqr;
    for (const n of sizes) {
      const x = salted(normals(n, 1));
      const memory = new Guarded(kernels);
      const scratch = Math.ceil(memory.room(28) / 16) * 16;
      const [y, into] = [memory.room(4 * n), memory.place(x)];
      const px = memory.placeFlush(x);
      kernels.unary_f32(unaryCodes[op], n, px, y, scratch, p, q, r);
      kernels.unary_f32(unaryCodes[op], n, into, into, scratch, p, q, r);
      memory.check();
      for (const at of [y, into]) expectNear(memory.read(Float32Array, at, n), x, twin, ulps, op);
    }
    const memory = new Guarded(kernels);
    const [scratch, y, px] = [memory.room(28), memory.room(4 * spread.length), memory.place(spread)];
    kernels.unary_f32(unaryCodes[op], spread.length, px, y, Math.ceil(scratch / 16) * 16, p, q, r);
    expectNear(memory.read(Float32Array, y, spread.length), spread, twin, ulps, op);
  });
});

test("every code is tried, and they are the numbers from 0 on", () => {
  expect(cases.map(([name]) => unaryCodes[name])).toEqual([...Object.values(unaryCodes).keys()]);
});
