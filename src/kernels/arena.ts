import { expected, OutOfMemoryError } from "../errors.js";

const page = 65536;
/** Largest wasm32 memory. */
const addressable = 65536 * page;

/**
 * Bump allocator over one wasm memory: alloc, mark, release, no free. Growth detaches every view, so views are made at the
 * moment of use and never stored.
 */
export class Arena {
  readonly #memory: WebAssembly.Memory;
  readonly #maxBytes: number;
  #top: number;

  /** @param maxBytes the memory's size never passes this */
  constructor(memory: WebAssembly.Memory, base: number, maxBytes: number = addressable) {
    this.#memory = memory;
    this.#maxBytes = Math.min(maxBytes, addressable);
    this.#top = align(base);
    if (memory.buffer.byteLength > this.#maxBytes) this.#refuse(memory.buffer.byteLength);
  }

  /** Bytes in use, from address 0. */
  get top(): number {
    return this.#top;
  }

  /**
   * A block of `bytes`, 64-byte aligned, its contents undefined.
   * @throws OutOfMemoryError past the limit or where the host refuses to grow; the arena is then unchanged
   */
  alloc(bytes: number): number {
    const pointer = this.#top;
    const end = align(pointer + bytes);
    const missing = end - this.#memory.buffer.byteLength;
    if (missing > 0) {
      const pages = Math.ceil(missing / page);
      if (this.#memory.buffer.byteLength + pages * page > this.#maxBytes) this.#refuse(end);
      try {
        this.#memory.grow(pages);
      } catch {
        this.#refuse(end);
      }
    }
    this.#top = end;
    return pointer;
  }

  /** A point to release back to. */
  mark(): number {
    return this.#top;
  }

  /** Gives back all that was allocated since `mark`. */
  release(mark: number): void {
    this.#top = mark;
  }

  /** Gives back all that `use` allocates. */
  scope<T>(use: () => T): T {
    const mark = this.#top;
    try {
      return use();
    } finally {
      this.#top = mark;
    }
  }

  #refuse(bytes: number): never {
    throw new OutOfMemoryError(expected("memory", `at most ${this.#maxBytes} bytes`, `a need of ${bytes}`));
  }
}

function align(bytes: number): number {
  return Math.ceil(bytes / 64) * 64;
}
