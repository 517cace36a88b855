import { describe, expect, it } from "vitest";
import { kept, kthMagnitude, magnitudes, maskApply, topkMask } from "../reference/compress.js";
import { type Build, builds, Guarded, normals, sizes, uniform } from "../support/kernels.js";

const bitsOf = (x: Float32Array) => new Uint32Array(x.buffer, x.byteOffset, x.length);

function threshold(build: Build, x: Float32Array, ks: Iterable<number>): number[] {
  const guarded = new Guarded(build.kernels);
  const scratch = guarded.room(build.kernels.topk_scratch_bytes(x.length));
  const pointer = guarded.placeFlush(x);
  const found: number[] = [];
  for (const k of ks) found.push(build.kernels.topk_threshold_f32(x.length, pointer, k, scratch));
  guarded.check();
  expect(Buffer.from(guarded.read(Uint8Array, pointer, x.byteLength)).equals(Buffer.from(x.buffer))).toBe(true);
  return found;
}

function mask(build: Build, x: Float32Array, limit: number, ties: number): { mask: Uint8Array; used: number } {
  const guarded = new Guarded(build.kernels);
  const bytes = (x.length + 7) >> 3;
  const out = guarded.room(bytes);
  const used = build.kernels.topk_mask_f32(x.length, guarded.placeFlush(x), out, limit, ties);
  guarded.check();
  return { mask: guarded.read(Uint8Array, out, bytes), used };
}

/** Data that mislead a sample, or a quickselect. */
const shapes: Record<string, (n: number) => Float32Array> = {
  normal: (n) => normals(n, 1),
  sorted: (n) => normals(n, 2).sort(),
  reversed: (n) => normals(n, 2).sort().reverse(),
  constant: (n) => new Float32Array(n).fill(-0.5),
  zero: (n) => new Float32Array(n),
  "two values": (n) => normals(n, 3).map((value) => (value > 0 ? 1 : -2)),
  "two values, one rare": (n) => new Float32Array(n).map((_, i) => (i === n >> 1 ? 1 : -2)),
  pruned: (n) => normals(n, 4, 0.9),
  "few values": (n) => normals(n, 5).map((value) => Math.round(value * 20)),
  denormals: (n) => new Float32Array(Uint32Array.from(normals(n, 6), (value) => Math.abs(value) * 1e6).buffer),
  "all bit patterns": (n) => {
    const next = uniform(7);
    const bits = new Uint32Array(n);
    for (let i = 0; i < n; i++) bits[i] = next() * 4294967296;
    return new Float32Array(bits.buffer);
  },
  "rows of one scale": (n) => {
    const scales = normals(n, 8);
    return normals(n, 9).map((value, i) => value * scales[Math.floor(i / 1000)]);
  },
  "runs of sixteen": (n) => {
    const values = normals(n, 10);
    return values.map((_, i) => values[i & ~15]);
  },
  "one huge block": (n) => new Float32Array(n).map((_, i) => (i < n / 3 ? 1e30 + i * 1e24 : i * 1e-30)),
  "periodic in the sample's stride": (n) => new Float32Array(n).map((_, i) => ((i >> 2) % 61) + (i & 3) / 8),
};

/** Where the kernel's first sample for n and k stands, in groups of four elements. */
function* firstSample(n: number, k: number): Generator<number> {
  const stretches = (2 << Math.floor((2 * (32 - Math.clz32(n)) + 1) / 3)) >> 2;
  let random = Math.imul(n ^ Math.imul(k, 0xcc9e2d51), 0x85ebca6b);
  random = Math.imul(random ^ (random >>> 13), 0xc2b2ae35);
  random = (random ^ (random >>> 16)) >>> 0;
  for (let stretch = 0; stretch < stretches; stretch++) {
    random = (Math.imul(random, 1664525) + 1013904223) >>> 0;
    const place = ((BigInt(stretch) << 16n) | BigInt(random >>> 16)) * BigInt(n >> 2);
    yield Number(place / BigInt(stretches) / 65536n);
  }
}

/** What is put wherever the kernel first samples its input, so that every bracket from that sample is wrong. */
const lies: Record<string, (i: number) => number> = {
  zeros: () => 0,
  "values far above": (i) => 1e30 + i * 1e24,
  "values far below": (i) => 1e-30 * (i + 1),
  "one value": () => 0.25,
};

function againstTheSample(n: number, k: number, lie: (i: number) => number): Float32Array {
  const x = normals(n, 11);
  let i = 0;
  for (const quad of firstSample(n, k)) {
    for (let j = 4 * quad; j < 4 * quad + 4; j++) x[j] = lie(i++);
  }
  return x;
}

for (const build of builds()) {
  const { kernels } = build;
  describe(`topk, ${build.name}`, () => {
    it("finds the k-th magnitude at every size, k = 1 and k = n included", () => {
      for (const n of sizes.filter((size) => size > 0)) {
        for (const sparsity of [0, 0.5, 0.9, 1]) {
          const x = normals(n, n + 1, sparsity);
          const ks = [...new Set([1, n >> 2, n >> 1, n - 1, n])].filter((k) => k >= 1);
          expect(threshold(build, x, ks), `n ${n}`).toEqual(ks.map((k) => kthMagnitude(x, k)));
        }
      }
    });

    it("ranks NaN above infinity, and tells denormals and zeros apart", () => {
      const x = Float32Array.of(-0, 1e-45, Number.NaN, -Infinity, 3e38, -1e-45, 0, 3e-45);
      const all = Array.from({ length: 8 }, (_, i) => i + 1);
      const found = threshold(build, x, all);
      expect(found).toEqual(all.map((k) => kthMagnitude(x, k)));
      expect(found.slice(1)).toEqual([0x7f800000, 0x7f61b1e6, 2, 1, 1, 0, 0]);
      expect(found[0]).toBeGreaterThan(0x7f800000);
    });

    // Around the size where sampling begins, at a size where the sample is itself selected from, and big.
    const lengths = build.name === "strict" ? [1024, 1025, 1039, 2048, 40_000, 1_000_000] : [1025, 40_003];
    for (const n of lengths) {
      it(`equals a full sort whatever the data, n = ${n}`, () => {
        for (const [name, shape] of Object.entries(shapes)) {
          const x = shape(n);
          const sorted = magnitudes(x).sort();
          const ks = [1, 2, Math.floor(n / 100), Math.floor(n / 10), n >> 1, Math.floor(n * 0.9), n - 1, n];
          // Just beside the edge of the largest tie.
          const zeros = sorted.lastIndexOf(sorted[n >> 1]) + 1;
          ks.push(Math.max(1, n - zeros), Math.min(n, n - zeros + 1));
          expect(threshold(build, x, ks), name).toEqual(ks.map((k) => sorted[n - k]));
        }
      });
    }

    for (const n of build.name === "strict" ? [40_000, 250_000] : [40_003]) {
      it(`looks at each element less than 3 times, data made against the sample included, n = ${n}`, () => {
        for (const k of [1, Math.floor(n / 100), Math.floor(n / 10), n >> 1, n]) {
          const made = Object.entries(lies).map(([name, lie]) => [name, againstTheSample(n, k, lie)] as const);
          const given = Object.entries(shapes).map(([name, shape]) => [name, shape(n)] as const);
          for (const [name, x] of [...made, ...given]) {
            const guarded = new Guarded(kernels);
            const scratch = guarded.room(kernels.topk_scratch_bytes(n));
            const found = kernels.topk_threshold_f32(n, guarded.placeFlush(x), k, scratch) >>> 0;
            guarded.check();
            expect(found, `${name}, k ${k}`).toBe(kthMagnitude(x, k));
            // The head of the scratch counts the elements of all passes (SWEPT in assembly/compress/topk.ts), those over samples
            // and brackets too.
            const swept = new DataView(kernels.memory.buffer).getBigInt64(scratch + 520, true);
            expect(Number(swept) / n, `${name}, k ${k}`).toBeLessThan(3);
          }
        }
      });
    }

    it("wants scratch that grows as n^(2/3)", () => {
      for (let n = 1; n < 2 ** 30; n = Math.ceil(n * 1.25)) {
        const cubeRoot = Math.cbrt(n);
        expect(kernels.topk_scratch_bytes(n), `n ${n}`).toBeLessThanOrEqual(1024 + 120 * cubeRoot * cubeRoot);
      }
    });

    it("gives ties to the lower index, and exactly k bits", () => {
      const x = Float32Array.of(1, -2, 2, 0.5, 2, -2, 3, 0, 2, 1);
      const [limit] = threshold(build, x, [4]);
      expect(limit).toBe(0x40000000);
      expect(mask(build, x, limit, 3)).toEqual({ mask: Uint8Array.of(0b01010110, 0), used: 3 });
      expect(mask(build, x, limit, 0)).toEqual({ mask: Uint8Array.of(0b01000000, 0), used: 0 });
      expect(mask(build, x, limit, 99)).toEqual({ mask: Uint8Array.of(0b01110110, 1), used: 5 });
    });

    it("masks as its twin does, at every size, for any number of ties", () => {
      for (const n of sizes) {
        for (const sparsity of [0, 0.5, 0.9, 1]) {
          const x = normals(n, n, sparsity).map((value) => Math.round(value * 2) / 2);
          for (const limit of [0, 0x3f000000, 0x7f800000]) {
            for (const ties of [0, 1, 5, n]) {
              expect(mask(build, x, limit, ties), `n ${n}`).toEqual(topkMask(x, limit, ties));
            }
          }
        }
      }
    });

    it("keeps exactly k over several tensors in turn", () => {
      const parts = [37, 0, 64, 130].map((n, i) => normals(n, i).map((value) => Math.round(value * 3)));
      const whole = Float32Array.from(parts.flatMap((part) => [...part]));
      for (const k of [1, 40, 115, 200, whole.length]) {
        const [limit] = threshold(build, whole, [k]);
        let ties = k - magnitudes(whole).filter((bits) => bits > limit).length;
        let count = 0;
        const keptOf: boolean[] = [];
        for (const part of parts) {
          const result = mask(build, part, limit, ties);
          ties -= result.used;
          for (let i = 0; i < part.length; i++) keptOf.push(kept(result.mask, i));
          const guarded = new Guarded(kernels);
          count += kernels.mask_count(part.length, guarded.place(result.mask));
        }
        expect(count).toBe(k);
        expect(ties).toBe(0);
        const { mask: one } = mask(build, whole, limit, k - magnitudes(whole).filter((bits) => bits > limit).length);
        expect(keptOf).toEqual(Array.from(whole, (_, i) => kept(one, i)));
      }
    });

    it("applies a mask: +0 where it is 0 whatever stood there, the very bits where it is 1, in place too", () => {
      for (const n of sizes) {
        const x = normals(n, n);
        for (let i = 0; i < n; i += 3) x[i] = [Number.NaN, -0, -Infinity, 1e-45][(i / 3) & 3];
        const bits = Uint8Array.from(normals((n + 7) >> 3, n + 50), (value) => value * 90);
        const guarded = new Guarded(kernels);
        const source = guarded.place(x);
        const target = guarded.room(4 * n);
        const flags = guarded.placeFlush(bits);
        kernels.mask_apply_f32(n, source, flags, target);
        expect(bitsOf(guarded.read(Float32Array, source, n))).toEqual(bitsOf(x));
        kernels.mask_apply_f32(n, source, flags, source);
        guarded.check();
        const want = bitsOf(maskApply(x, bits));
        expect(bitsOf(guarded.read(Float32Array, target, n))).toEqual(want);
        expect(bitsOf(guarded.read(Float32Array, source, n))).toEqual(want);
      }
    });

    it("counts the first n bits and no spare ones", () => {
      const bits = Uint8Array.from(normals(300, 5), (value) => value * 90);
      for (const n of [...sizes, 511, 513, 2399]) {
        const guarded = new Guarded(kernels);
        let want = 0;
        for (let i = 0; i < n; i++) want += kept(bits, i) ? 1 : 0;
        expect(kernels.mask_count(n, guarded.placeFlush(bits.slice(0, (n + 7) >> 3))), `n ${n}`).toBe(want);
      }
    });
  });
}
