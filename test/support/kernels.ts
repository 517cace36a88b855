// Loads the built modules and lays out guarded buffers: every kernel test goes through here.
import { existsSync, readFileSync } from "node:fs";
import { instantiateSync } from "@assemblyscript/loader";
import type { FullKernels } from "../../src/kernels/abi.js";

const root = new URL("../../", import.meta.url);

export interface Build {
  readonly name: "strict" | "debug" | "relaxed";
  readonly kernels: FullKernels;
}

/** The builds of full.wasm that this runtime takes: strict, debug, and relaxed where relaxed SIMD is there. */
export function builds(): Build[] {
  const strict = readFileSync(new URL("dist/wasm/full.wasm", root));
  const list: Build[] = [{ name: "strict", kernels: instantiate(strict) }];
  const debug = new URL("build/wasm/full.debug.wasm", root);
  if (!existsSync(debug)) throw new Error("build/wasm/full.debug.wasm is missing: run `npm run build:debug`");
  // The loader turns an assertion's abort into an Error with file and line.
  list.push({ name: "debug", kernels: instantiateSync(readFileSync(debug), {}).exports as unknown as FullKernels });
  const relaxed = readFileSync(new URL("dist/wasm/full.relaxed.wasm", root));
  if (WebAssembly.validate(relaxed)) list.push({ name: "relaxed", kernels: instantiate(relaxed) });
  return list;
}

function instantiate(bytes: Uint8Array<ArrayBuffer>): FullKernels {
  return new WebAssembly.Instance(new WebAssembly.Module(bytes)).exports as unknown as FullKernels;
}

const poison = 0xa5;
const band = 64;

type View = Float32Array | Float64Array | Int8Array | Int16Array | Uint8Array | Uint32Array | Int32Array | Uint16Array;
type ViewConstructor<V> = new (buffer: ArrayBufferLike, offset: number, length: number) => V;

/** Buffers with poisoned guard bands before and after. `check()` after the kernel throws where a band was written. */
export class Guarded {
  readonly #memory: WebAssembly.Memory;
  #top: number;
  readonly #bands: number[] = [];
  #flushed = false;

  constructor(kernels: FullKernels) {
    this.#memory = kernels.memory;
    this.#top = Math.ceil(kernels.heap_base() / 64) * 64;
    this.#guard();
  }

  /** A buffer filled from `data`. Returns its pointer. */
  place(data: View): number {
    const pointer = this.#reserve(data.byteLength);
    new Uint8Array(this.#memory.buffer, pointer, data.byteLength).set(
      new Uint8Array(data.buffer, data.byteOffset, data.byteLength),
    );
    return pointer;
  }

  /** A poisoned buffer of `bytes`. */
  room(bytes: number): number {
    return this.#reserve(bytes);
  }

  /** Limits as assembly/simd.ts takes them in `clamp`; 0 where they hold nothing. */
  limits([lo, hi]: readonly [lo: number, hi: number]): number {
    if (lo === Number.NEGATIVE_INFINITY && hi === Number.POSITIVE_INFINITY) return 0;
    return this.place(Float32Array.of(lo, hi, lo === 0 ? 0 : -0));
  }

  /** A copy of `length` elements at `pointer`. */
  read<V extends View>(type: ViewConstructor<V>, pointer: number, length: number): V {
    const width = new type(new ArrayBuffer(0), 0, 0).BYTES_PER_ELEMENT;
    return new type(this.#memory.buffer.slice(pointer, pointer + width * length), 0, length);
  }

  /** `data` copied so that it ends exactly where memory ends, and an over-read traps. Nothing may be placed after it. */
  placeFlush(data: View): number {
    this.#flushed = true;
    const pointer = this.#memory.buffer.byteLength - data.byteLength;
    if (pointer < this.#top) {
      this.#memory.grow(Math.ceil((this.#top - pointer) / 65536));
      return this.placeFlush(data);
    }
    new Uint8Array(this.#memory.buffer, pointer, data.byteLength).set(
      new Uint8Array(data.buffer, data.byteOffset, data.byteLength),
    );
    return pointer;
  }

  /** @throws Error naming the band that a kernel wrote into */
  check(): void {
    for (const [i, start] of this.#bands.entries()) {
      const bytes = new Uint8Array(this.#memory.buffer, start, band);
      for (let j = 0; j < band; j++) {
        if (bytes[j] !== poison) throw new Error(`guard band ${i} (byte ${j} of ${band}) was overwritten`);
      }
    }
  }

  /** The pointer is only as aligned as its element asks: 4 bytes, so that kernels are tried on unaligned vectors too. */
  #reserve(bytes: number): number {
    if (this.#flushed) throw new Error("Guarded: expected placeFlush to be the last call, got another buffer");
    const pointer = this.#top;
    this.#grow(pointer + bytes + 4 + band);
    new Uint8Array(this.#memory.buffer, pointer, bytes).fill(poison);
    this.#top = Math.ceil((pointer + bytes) / 4) * 4;
    // The gap of up to three bytes between an int8 buffer and its band is poisoned too, and counted as part of the band.
    new Uint8Array(this.#memory.buffer, pointer + bytes, this.#top - pointer - bytes).fill(poison);
    this.#guard();
    return pointer;
  }

  #guard(): void {
    this.#grow(this.#top + band);
    new Uint8Array(this.#memory.buffer, this.#top, band).fill(poison);
    this.#bands.push(this.#top);
    this.#top += band;
  }

  #grow(end: number): void {
    const missing = end - this.#memory.buffer.byteLength;
    if (missing > 0) this.#memory.grow(Math.ceil(missing / 65536));
  }
}

/** The sizes every kernel is tried on: around the vector width and each tile edge. */
export const sizes = [0, 1, 2, 3, 4, 5, 7, 8, 15, 16, 17, 31, 33, 63, 64, 65, 127, 129] as const;

/** Seeded standard normal values; `sparsity` of them are zero. */
export function normals(length: number, seed: number, sparsity = 0): Float32Array {
  const next = uniform(seed);
  const out = new Float32Array(length);
  for (let i = 0; i < length; i++) {
    let sum = -6;
    for (let j = 0; j < 12; j++) sum += next();
    out[i] = next() < sparsity ? 0 : sum;
  }
  return out;
}

/** Seeded generator of numbers in 0..1 (mulberry32). */
export function uniform(seed: number): () => number {
  let state = seed | 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}
