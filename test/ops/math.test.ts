// assembly/math.ts has no export of its own: a module of one line is compiled here around each function.
import asc from "assemblyscript/asc";
import { beforeAll, expect, test } from "vitest";
import { erf, gelu, geluTanh, sigmoid } from "../reference/special.js";
import { uniform } from "../support/kernels.js";

const names = ["exp", "scaled_exp", "sigmoid", "tanh", "erf", "gelu", "gelu_tanh"] as const;
type Name = (typeof names)[number];
type Functions = { readonly memory: WebAssembly.Memory } & Record<Name, (n: number, x: number) => void>;

let functions: Functions;

beforeAll(async () => {
  const source = `import { ${names.map((name) => `${name}_f32x4`).join(", ")} } from "./assembly/math";
    ${names
      .map(
        (name) => `export function ${name}(n: i32, x: usize): void {
          for (; n > 0; n -= 4, x += 16) v128.store(x, ${name}_f32x4(v128.load(x)));
        }`,
      )
      .join("\n")}`;
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
function apply(values: Float32Array, name: Name = "exp"): Float32Array {
  const padded = Math.ceil(values.length / 4) * 4;
  const view = new Float32Array(functions.memory.buffer, 65536, padded).fill(0);
  view.set(values);
  functions[name](padded, 65536);
  return view.slice(0, values.length);
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

test("scaled_exp is 2^48 e^x within 1.1 ulp for x <= 0, a normal number below -104 too, NaN for NaN", () => {
  const next = uniform(8);
  const x = Float32Array.from({ length: 1 << 17 }, (_, i) => -104 * next() * 2 ** (i % 2 ? 0 : -30 * next()));
  x.set([0, -0, -1e-45, -104, -105, -3e38, -Infinity, NaN]);
  const y = apply(x, "scaled_exp");
  const least = y[3];
  expect(least).toBeGreaterThan(2 ** -127);
  expect([...y.subarray(0, 8)]).toEqual([2 ** 48, 2 ** 48, 2 ** 48, least, least, least, least, NaN]);
  let worst = 0;
  for (let i = 8; i < x.length; i++) {
    const truth = 2 ** 48 * Math.exp(x[i]);
    worst = Math.max(worst, Math.abs(y[i] - truth) / ulp(truth));
  }
  expect(worst).toBeLessThan(1.1);
  expect(worst).toBeGreaterThan(0.5);
});

/** A float of every exponent up to 2^8 and both signs, the same number of each; the tails and edges of the formulas more densely. */
function samples(seed: number): Float32Array {
  const next = uniform(seed);
  const bits = new Uint32Array(1 << 17);
  const floats = new Float32Array(bits.buffer);
  for (let i = 0; i < bits.length; i++) {
    const sign = i & 1 ? 0x80000000 : 0;
    bits[i] = (sign | ((i % 136) << 23) | Math.floor(next() * 2 ** 23)) >>> 0;
    if (i % 3 === 0) floats[i] = (next() - 0.5) * 32;
    if (i % 3 === 1 && i % 2 === 0) floats[i] = [0.1733, 4, 9.1, 11, 14.5][i % 5] * (1 + (next() - 0.5) / 1e3);
  }
  return floats;
}

const twins: Record<Exclude<Name, "exp" | "scaled_exp">, [bound: number, twin: (x: number) => number]> = {
  sigmoid: [2, sigmoid],
  tanh: [2, Math.tanh],
  erf: [2, erf],
  gelu: [4, gelu],
  gelu_tanh: [4, geluTanh],
};

test.each(Object.entries(twins))(
  "%s is within its bound of the true value, over all exponents",
  (name, [bound, twin]) => {
    for (const seed of [1, 2, 3]) {
      const x = samples(seed);
      const y = apply(x, name as Name);
      for (let i = 0; i < x.length; i++) {
        const truth = twin(x[i]);
        const error = Math.abs(y[i] - truth) / ulp(truth);
        if (!(error <= bound)) throw new Error(`${name}(${x[i]}): expected ${truth}, got ${y[i]}: ${error} ulp`);
      }
    }
  },
);

test("the ends of each", () => {
  const x = Float32Array.of(0, -0, 1e-45, -1e-45, Infinity, -Infinity, NaN, 3e38, -3e38);
  const least = 2 ** -149;
  const big = x[7];
  const ends: Record<string, number[]> = {
    sigmoid: [0.5, 0.5, 0.5, 0.5, 1, 0, NaN, 1, 0],
    tanh: [0, -0, least, -least, 1, -1, NaN, 1, -1],
    erf: [0, -0, least, -least, 1, -1, NaN, 1, -1],
    // Phi is just above 1/2 at the least denormal, and just below on the other side.
    gelu: [0, -0, least, -0, Infinity, NaN, NaN, big, -0],
    gelu_tanh: [0, -0, least, -0, Infinity, NaN, NaN, big, -0],
  };
  for (const [name, want] of Object.entries(ends)) expect([...apply(x, name as Name)], name).toEqual(want);
});
