import { describe, expect, test } from "vitest";
import { OutOfMemoryError } from "../../src/errors.js";
import { Arena } from "../../src/kernels/arena.js";

const page = 65536;
const memory = (initial = 1, maximum = 100) => new WebAssembly.Memory({ initial, maximum });

describe("Arena", () => {
  test("blocks are 64-byte aligned, apart, and inside memory", () => {
    const arena = new Arena(memory(), 100);
    expect(arena.top).toBe(128);
    const pointers = [1, 64, 65, 0, 3].map((bytes) => arena.alloc(bytes));
    expect(pointers).toEqual([128, 192, 256, 384, 384]);
    expect(arena.top).toBe(448);
  });

  test("memory grows as far as is needed, and what was written stays", () => {
    const m = memory();
    const arena = new Arena(m, 0);
    const first = arena.alloc(16);
    new Uint8Array(m.buffer, first, 16).fill(7);
    const big = arena.alloc(3 * page);
    expect(m.buffer.byteLength).toBe(4 * page);
    new Uint8Array(m.buffer, big, 3 * page).fill(1);
    expect([...new Uint8Array(m.buffer, first, 16)]).toEqual(new Array(16).fill(7));
    arena.alloc(page - 64);
    expect(m.buffer.byteLength).toBe(4 * page);
    arena.alloc(1);
    expect(m.buffer.byteLength).toBe(5 * page);
  });

  test("released memory is given out again", () => {
    const m = memory();
    const arena = new Arena(m, 0);
    arena.alloc(100);
    const mark = arena.mark();
    const a = arena.alloc(10 * page);
    arena.release(mark);
    expect(arena.alloc(10 * page)).toBe(a);
    expect(m.buffer.byteLength).toBe(11 * page);
  });

  test("past maxBytes it refuses, stays as it was, and goes on serving what fits", () => {
    const m = memory();
    const arena = new Arena(m, 0, 3 * page);
    arena.alloc(page);
    const top = arena.top;
    expect(() => arena.alloc(2 * page + 1)).toThrow(
      new OutOfMemoryError(`memory: expected at most ${3 * page} bytes, got a need of ${3 * page + 64}`),
    );
    expect(() => arena.alloc(Number.MAX_SAFE_INTEGER)).toThrow(OutOfMemoryError);
    expect(() => arena.alloc(Number.POSITIVE_INFINITY)).toThrow(OutOfMemoryError);
    expect(arena.top).toBe(top);
    expect(m.buffer.byteLength).toBe(page);
    expect(arena.alloc(2 * page)).toBe(page);
    expect(m.buffer.byteLength).toBe(3 * page);
    expect(() => arena.alloc(1)).toThrow(OutOfMemoryError);
    expect(arena.alloc(0)).toBe(3 * page);
  });

  test("maxBytes counts whole pages: memory itself never passes it", () => {
    const m = memory();
    const arena = new Arena(m, 0, 2 * page - 1);
    expect(() => arena.alloc(page + 1)).toThrow(OutOfMemoryError);
    expect(arena.alloc(page)).toBe(0);
    expect(m.buffer.byteLength).toBe(page);
  });

  test("a limit below what the module begins with is refused at once", () => {
    expect(() => new Arena(memory(2), 0, page)).toThrow(
      new OutOfMemoryError(`memory: expected at most ${page} bytes, got a need of ${2 * page}`),
    );
  });

  test("where the host refuses, that is our error, and the arena stays usable", () => {
    const m = memory(1, 2);
    const arena = new Arena(m, 0);
    expect(() => arena.alloc(5 * page)).toThrow(OutOfMemoryError);
    expect(arena.top).toBe(0);
    expect(arena.alloc(2 * page)).toBe(0);
  });

  test("more than wasm32 addresses is refused, whatever maxBytes says", () => {
    const arena = new Arena(memory(), 0, Number.POSITIVE_INFINITY);
    expect(() => arena.alloc(2 ** 32 + 1)).toThrow(OutOfMemoryError);
  });
});
