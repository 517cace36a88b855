// assembly/math.ts has no export of its own: a module of one line is compiled here around each function.
import asc from "assemblyscript/asc";
import { beforeAll, expect, test } from "vitest";
import { uniform } from "../support/kernels.js";

interface Functions {
  readonly memory: WebAssembly.Memory;
  exp(n: number, x: number): void;
}

let functions: Functions;

beforeAll(async () => {
  const source = `import { exp_f32x4 } from "./assembly/math";
    export function exp(n: i32, x: usize): void {
      for (; n > 0; n -= 4, x += 16) v128.store(x, exp_f32x4(v128.load(x)));
    }`;
  let binary: Uint8Array<ArrayBuffer> | undefined;
  const { readFile } = await import("node:fs/promises");
  const { error, stderr } = await asc.main(
    [
      "math-entry.ts",
      "--runtime",
      "stub",
      "--enable",
      "simd",
      "-O3",
      "--initialMemory",
      "17",
      "--outFile",
      "math.wasm",
    ],
    {
      readFile: (name) => (name === "math-entry.ts" ? source : readFile(name, "utf8").catch(() => null)),
      writeFile: (name, contents) => {
        if (name === "math.wasm") binary = Uint8Array.from(contents as Uint8Array);
      },
      listFiles: () => null,
    },
  );
  if (error) throw new Error(stderr.toString());
  functions = new WebAssembly.Instance(new WebAssembly.Module(binary!)).exports as unknown as Functions;
}, 60_000);

/** f applied to the values, four at a time. */
function apply(values: Float32Array): Float32Array {
  const view = new Float32Array(functions.memory.buffer, 65536, values.length);
  view.set(values);
  functions.exp(values.length, 65536);
  return view.slice();
}

/** The distance of neighbouring floats at x. */
function ulp(x: number): number {
  const bits = new Uint32Array(new Float32Array([x]).buffer)[0] >>> 23;
  return 2 ** (Math.max(bits, 1) - 150);
}

test("exp is within 1 ulp of e^x", () => {
  const next = uniform(7);
  let worst = 0;
  for (let round = 0; round < 4; round++) {
    const x = Float32Array.from({ length: 1 << 16 }, (_, i) => {
      if (round === 0) return next() * 0.7 - 0.35;
      if (round === 1) return next() * 192 - 104;
      if (round === 2) return (next() * 192 - 104) * 2 ** (-30 * next());
      // Both sides of each n + 1/2, where the reduction changes over.
      return ((i % 280) - 150 + 0.5) * Math.LN2 + (next() - 0.5) * 1e-4;
    });
    const y = apply(x);
    for (let i = 0; i < x.length; i++) {
      const truth = Math.exp(x[i]);
      if (truth > 3.4028234e38) continue;
      worst = Math.max(worst, Math.abs(y[i] - truth) / ulp(truth));
    }
  }
  expect(worst).toBeLessThan(1);
  expect(worst).toBeGreaterThan(0.5);
});

test("exp at the ends", () => {
  const x = [
    0,
    -0,
    1e-45,
    -1e-40,
    NaN,
    Infinity,
    -Infinity,
    88.72283,
    88.72284,
    89.5,
    3e38,
    -3e38,
    -103.97,
    -103.98,
    -200,
    1,
  ];
  const y = apply(Float32Array.from(x));
  expect([...y.subarray(0, 7)]).toEqual([1, 1, 1, 1, NaN, Infinity, 0]);
  expect(Number.isFinite(y[7])).toBe(true);
  expect([...y.subarray(8, 15)]).toEqual([Infinity, Infinity, Infinity, 0, 2 ** -149, 0, 0]);
  expect(y[15]).toBe(Math.fround(Math.E));
});
