// Hostile safetensors files: any bytes end in tensors, a FormatError or an UnsupportedError.
import { describe, expect, test } from "vitest";
import { FormatError, UnsupportedError } from "../../src/errors.js";
import { readSafetensors, writeSafetensors } from "../../src/formats/safetensors.js";
import { safetensorsFile as file } from "../formats/safetensors-file.js";
import { uniform } from "../support/kernels.js";

const w = (shape: unknown, offsets: unknown, dtype: unknown = "U8") => ({ w: { dtype, shape, data_offsets: offsets } });
const text = (json: string) => file(json);
const length = (high: number, low: number, ...rest: number[]) => {
  const bytes = new Uint8Array(8 + rest.length);
  new DataView(bytes.buffer).setUint32(0, low, true);
  new DataView(bytes.buffer).setUint32(4, high, true);
  bytes.set(rest, 8);
  return bytes;
};
/** A header of raw bytes. */
const raw = (...bytes: number[]) => length(0, bytes.length, ...bytes);
const cap = 16 * 2 ** 20;
const nested = (depth: number) =>
  `{"w":{"dtype":"U8","shape":[0],"data_offsets":[0,0],"x":${"[".repeat(depth)}${"]".repeat(depth)}}}`;
const good = '"dtype":"U8","shape":[1],"data_offsets":[0,1]';

const refused: [string, Uint8Array][] = [
  ["empty", new Uint8Array(0)],
  ...[1, 2, 3, 4, 5, 6, 7].map((n): [string, Uint8Array] => [`${n} bytes`, new Uint8Array(n)]),
  ["header length 0", length(0, 0)],
  ["header length 1", raw(0x7b)],
  ["header length past the end", length(0, 3, 0x7b, 0x7d)],
  ["header length 2^63", length(0x80000000, 0, 0x7b, 0x7d)],
  ["header length 2^64 - 1", length(0xffffffff, 0xffffffff, 0x7b, 0x7d)],
  [
    "header length of the cap and 1",
    (() => {
      const big = new Uint8Array(8 + cap + 1).fill(0x20);
      new DataView(big.buffer).setBigUint64(0, BigInt(cap + 1), true);
      big.set([0x7b, 0x7d], 8);
      return big;
    })(),
  ],
  ["not UTF-8", raw(0x7b, 0x22, 0xff, 0x22, 0x3a, 0x30, 0x7d)],
  ["overlong UTF-8", raw(0x7b, 0x22, 0xc0, 0x80, 0x22, 0x3a, 0x30, 0x7d)],
  ["byte order mark", raw(0xef, 0xbb, 0xbf, 0x7b, 0x7d)],
  ["leading space", text(" {}")],
  ["leading NUL", text("\u0000{}")],
  ["trailing NUL", text("{}\u0000")],
  ["trailing line feed", text("{}\n")],
  ["not JSON", text("{w}")],
  ["an unterminated text", text('{"w}')],
  ["top-level array", text("[]")],
  ["top-level text", text('"x"')],
  ["top-level null", text("null")],
  ["trailing garbage in the header", text("{}}")],
  ["a second object", text("{}{}")],
  ["duplicate key, another range", file(`{"w":{${good}},"w":{"dtype":"U8","shape":[1],"data_offsets":[1,2]}}`, 1, 2)],
  ["duplicate key, the same range", file(`{"w":{${good}},"w":{${good}}}`, 1)],
  ["duplicate key by escapes", file(`{"w":{${good}},"\\u0077":{${good}}}`, 1)],
  ["duplicate inner key", file(`{"w":{${good},"shape":[1]}}`, 1)],
  ["duplicate inner key by escapes", file(`{"w":{${good},"sh\\u0061pe":[1]}}`, 1)],
  ["__metadata__ twice", text('{"__metadata__":{},"__metadata__":{}}')],
  ["a key twice in __metadata__", text('{"__metadata__":{"a":"1","a":"2"}}')],
  ["__metadata__ with a number", text('{"__metadata__":{"a":1}}')],
  ["__metadata__ with null", text('{"__metadata__":{"a":null}}')],
  ["__metadata__ an array", text('{"__metadata__":[]}')],
  ["__metadata__ a text", text('{"__metadata__":"x"}')],
  ["a tensor that is null", text('{"w":null}')],
  ["a tensor that is an array", text('{"w":[]}')],
  ["unknown dtype", file(w([1], [0, 1], "Q8"), 1)],
  ["dtype in the wrong case", file(w([1], [0, 1], "u8"), 1)],
  ["dtype a number", file(w([1], [0, 1], 8), 1)],
  ["dtype missing", file({ w: { shape: [1], data_offsets: [0, 1] } }, 1)],
  ["dtype __proto__", file(w([1], [0, 1], "__proto__"), 1)],
  ["shape missing", file({ w: { dtype: "U8", data_offsets: [0, 1] } }, 1)],
  ["shape not an array", file(w(1, [0, 1]), 1)],
  ["shape an object", file(w({ length: 1 }, [0, 1]), 1)],
  ["shape negative", file(w([-1], [0, 1]), 1)],
  ["shape -0", file('{"w":{"dtype":"U8","shape":[-0],"data_offsets":[0,0]}}')],
  ["shape fractional", file(w([1.5], [0, 1]), 1)],
  ["shape 1.0", file('{"w":{"dtype":"U8","shape":[1.0],"data_offsets":[0,1]}}', 1)],
  ["shape 1e0", file('{"w":{"dtype":"U8","shape":[1e0],"data_offsets":[0,1]}}', 1)],
  ["shape 1e308", file(w([1e308], [0, 1]), 1)],
  ["shape 1e400", file('{"w":{"dtype":"U8","shape":[1e400],"data_offsets":[0,1]}}', 1)],
  ["shape of texts", file(w(["1"], [0, 1]), 1)],
  ["shape of booleans", file(w([true], [0, 1]), 1)],
  ["shape of nulls", file(w([null], [0, 1]), 1)],
  ["shape nested", file(w([[1]], [0, 1]), 1)],
  ["shape 2^53", file(w([2 ** 53], [0, 1]), 1)],
  ["shape 2^64 - 1", file('{"w":{"dtype":"U8","shape":[18446744073709551615],"data_offsets":[0,1]}}', 1)],
  ["product over u64", file(w([4194305, 4194305, 211106198978564], [0, 1]), 1)],
  ["product that wraps 2^32 to 0", file(w([65536, 65536], [0, 0]))],
  ["[0, 2^53]", file(w([0, 2 ** 53], [0, 0]))],
  ["offsets missing", file({ w: { dtype: "U8", shape: [0] } })],
  ["no offsets", file(w([0], []))],
  ["1 offset", file(w([0], [0]))],
  ["3 offsets", file(w([0], [0, 0, 0]))],
  ["offsets reversed", file(w([1], [1, 0]), 1)],
  ["offsets negative", file(w([1], [-1, 0]), 1)],
  ["offsets fractional", file(w([1], [0, 0.5]), 1)],
  ["offsets past the end by 1", file(w([2], [0, 2]), 1)],
  ["offsets of 2^53", file(w([0], [2 ** 53, 2 ** 53]))],
  ["size less than the shape's", file(w([2], [0, 1]), 1)],
  ["size more than the shape's", file(w([1], [0, 2]), 1, 2)],
  ["half an element", file(w([1], [0, 3], "F32"), 1, 2, 3)],
  ["overlap by 1", file({ a: w([2], [0, 2]).w, b: w([2], [1, 3]).w }, 1, 2, 3)],
  ["identical ranges", file({ a: w([2], [0, 2]).w, b: w([2], [0, 2]).w }, 1, 2)],
  ["nested ranges", file({ a: w([3], [0, 3]).w, b: w([1], [1, 2]).w }, 1, 2, 3)],
  ["a hole at the start", file(w([1], [1, 2]), 1, 2)],
  ["a hole in the middle", file({ a: w([1], [0, 1]).w, b: w([1], [2, 3]).w }, 1, 2, 3)],
  ["a hole at the end: trailing bytes", file(w([1], [0, 1]), 1, 2)],
  ["data without tensors", file({}, 1)],
  ["an empty tensor inside a hole", file({ a: w([0], [1, 1]).w, b: w([2], [0, 2]).w }, 1, 2)],
  ["nesting of 33", text(nested(31))],
  ["nesting of 100,000", text(nested(100_000))],
  ["nesting of a million, never closed", text(`${'{"a":'.repeat(1_000_000)}}`)],
  ["a ZIP after a good file", new Uint8Array([...file(w([1], [0, 1]), 1), 0x50, 0x4b, 5, 6, ...new Uint8Array(18)])],
  ["a PDF", new TextEncoder().encode("%PDF-1.7\n{}")],
  ["a pickle", Uint8Array.of(0x80, 2, 0x7d, 0x71, 0, 0x2e, 0, 0, 0, 0)],
  ["a ZIP", Uint8Array.of(0x50, 0x4b, 3, 4, 0, 0, 0, 0, 0x7b, 0x7d)],
];

describe("section A: safetensors", () => {
  test.each(refused)("%s: FormatError", (_, bytes) => {
    expect(() => readSafetensors(bytes)).toThrow(FormatError);
    expect(() => readSafetensors(bytes)).toThrow(/^.+: expected .+, got /s);
  });

  test.each(["F4", "F6_E2M3", "F8_E4M3", "F8_E5M2", "F8_E8M0", "C64"])("dtype %s: UnsupportedError", (dtype) => {
    expect(() => readSafetensors(file(w([2], [0, 2], dtype), 1, 2))).toThrow(UnsupportedError);
  });

  test("names that bite are names: __proto__, constructor, none, NUL, ../, a megabyte", () => {
    for (const name of ["__proto__", "constructor", "", "\u0000", "../x", "x".repeat(2 ** 20)]) {
      const { tensors } = readSafetensors(file(`{${JSON.stringify(name)}:{${good}}}`, 5));
      expect([...tensors.keys()]).toEqual([name]);
      expect(tensors.get(name)!.data[0]).toBe(5);
    }
    expect(({} as Record<string, unknown>).dtype).toBeUndefined();
  });

  test("what is legal: rank 0, rank 10,000, empty tensors, 32 deep, a header of the cap, holes that are none", () => {
    expect(readSafetensors(file(w([], [0, 1]), 1)).tensors.get("w")!.shape).toEqual([]);
    expect(readSafetensors(file(w(new Array(10_000).fill(1), [0, 1]), 1)).tensors.get("w")!.shape).toHaveLength(10_000);
    expect(readSafetensors(file({ a: w([0], [1, 1]).w, b: w([1], [0, 1]).w }, 1)).tensors.size).toBe(2);
    expect(readSafetensors(text(nested(30))).tensors.size).toBe(1);
    const big = new Uint8Array(8 + cap).fill(0x20);
    new DataView(big.buffer).setBigUint64(0, BigInt(cap), true);
    big.set([0x7b, 0x7d], 8);
    expect(readSafetensors(big).tensors.size).toBe(0);
    expect(() => readSafetensors(big, { headerBytes: 100 })).toThrow(FormatError);
  });

  const tiny = (count: number) => {
    const entries = Array.from(
      { length: count },
      (_, i) => `"${i}x":{"dtype":"U8","shape":[],"data_offsets":[${i},${i + 1}]}`,
    );
    const bytes = file(`{${entries.join(",")}}`);
    const whole = new Uint8Array(bytes.length + count);
    whole.set(bytes);
    return whole;
  };

  test("a million tiny tensors are past the default cap; 200,000 are read", () => {
    expect(() => readSafetensors(tiny(1_000_000))).toThrow(FormatError);
    expect(readSafetensors(tiny(200_000)).tensors.size).toBe(200_000);
  });

  const sample = writeSafetensors(
    [
      ["conv.weight", { dtype: "float32", shape: [2, 1], data: Float32Array.of(1, 2) }],
      ["é", { dtype: "int8", shape: [3], data: Int8Array.of(1, 2, 3) }],
      ["empty", { dtype: "float64", shape: [0, 4], data: new Float64Array(0) }],
    ],
    [["format", "pt"]],
  );

  test("every truncation is refused", () => {
    for (let n = 0; n < sample.length; n++)
      expect(() => readSafetensors(sample.subarray(0, n)), `${n}`).toThrow(FormatError);
  });

  test("every bit flip of the header ends in tensors, a FormatError or an UnsupportedError", () => {
    const start = 8 + Number(new DataView(sample.buffer).getBigUint64(0, true));
    for (let bit = 0; bit < 8 * start; bit++) {
      const bytes = sample.slice();
      bytes[bit >> 3] ^= 1 << (bit & 7);
      outcome(bytes);
    }
  });

  test("20,000 mutated files", () => {
    const next = uniform(1);
    const random = (n: number) => Math.floor(next() * n);
    const pieces = [
      '"',
      "{",
      "}",
      "[",
      "]",
      ",",
      ":",
      "0",
      "1e9",
      "-1",
      "null",
      "\\u0000",
      "__proto__",
      "F32",
      "BF16",
      "18446744073709551616",
    ];
    let read = 0;
    for (let i = 0; i < 20_000; i++) {
      const at = new DataView(sample.buffer).getUint32(0, true);
      let json = new TextDecoder().decode(sample.subarray(8, 8 + at)).trimEnd();
      const edits = 1 + random(3);
      for (let j = 0; j < edits; j++) {
        const from = random(json.length);
        const to = random(3) === 0 ? from + random(20) : from + random(2);
        json = json.slice(0, from) + (random(3) === 0 ? "" : pieces[random(pieces.length)]) + json.slice(to);
      }
      const data = [...sample.subarray(8 + at), ...(random(5) === 0 ? [1, 2] : [])];
      if (outcome(file(json, ...data))) read++;
    }
    expect(read).toBeLessThan(20_000);
  });

  /** Whether it was read; any error but the two fails the test. */
  function outcome(bytes: Uint8Array): boolean {
    try {
      readSafetensors(bytes);
      return true;
    } catch (error) {
      if (error instanceof FormatError || error instanceof UnsupportedError) return false;
      throw error;
    }
  }
});
