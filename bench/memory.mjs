// The built modules, and the memory that the benchmarks lay out in them.
import { readFileSync } from "node:fs";
import { createEngine } from "../dist/kernels/engine.js";
import { Random } from "../dist/random.js";

/** Enough for the largest case, so that memory never grows. */
const pages = 4096;

/**
 * A fresh instance of full.wasm, or of its relaxed build, whose memory is large from the start: memory that grows detaches its
 * buffer, after which the V8 of Node 20 runs every loop over typed arrays a third slower (measured), and that would be unfair
 * to the plain JavaScript.
 */
export function freshEngine(relaxed) {
  const file = relaxed ? "full.relaxed.wasm" : "full.wasm";
  const bytes = readFileSync(new URL(`../dist/wasm/${file}`, import.meta.url));
  return createEngine(new WebAssembly.Module(withPages(bytes)));
}

/** The module with `pages` as the initial size of its memory. */
function withPages(bytes) {
  const leb = (value) => (value < 128 ? [value] : [(value & 127) | 128, ...leb(value >>> 7)]);
  let at = 8;
  while (at < bytes.length) {
    const start = at;
    const id = bytes[at++];
    let size = 0;
    for (let shift = 0, more = true; more; shift += 7) {
      more = bytes[at] > 127;
      size |= (bytes[at++] & 127) << shift;
    }
    if (id === 5) {
      // One memory, no maximum, its initial pages.
      const section = [1, 0, ...leb(pages)];
      return Buffer.concat([
        bytes.subarray(0, start),
        Buffer.from([5, section.length, ...section]),
        bytes.subarray(at + size),
      ]);
    }
    at += size;
  }
  throw new Error("memory: expected a memory section, got none");
}

/** Seeded standard normal values. */
export function normals(length, seed) {
  const random = new Random(seed);
  return Float32Array.from({ length }, () => random.normal());
}

/** Seeded uniform values in -0.5..0.5: quicker to make where there are millions. */
export function uniforms(length, seed) {
  const random = new Random(seed);
  return Float32Array.from({ length }, () => random.uniform() - 0.5);
}

/** Random sparse integers in CSR: exactly `perRow` entries in each of `rows` rows, columns rising, 1 <= |code| <= 127. */
export function sparseCodes(rows, cols, perRow, seed) {
  const random = new Random(seed);
  const rowPtr = Uint32Array.from({ length: rows + 1 }, (_, r) => r * perRow);
  const col = new Uint32Array(rows * perRow);
  const order = Uint32Array.from({ length: cols }, (_, c) => c);
  for (let r = 0; r < rows; r++) col.set(random.shuffle(order).slice(0, perRow).sort(), r * perRow);
  const codes = Int8Array.from(col, () => (1 + random.integer(127)) * (random.integer(2) ? 1 : -1));
  return { rowPtr, col, codes };
}
