import { describe, expect, test } from "vitest";
import { FormatError, UnsupportedError } from "../../src/errors.js";
import { readIdx, readNpy, readNpz } from "../../src/formats/data.js";
import { idx, npy, npyOf, type Zipped, zip } from "../formats/data-file.js";
import { uniform } from "../support/kernels.js";

const shaped = /^.+: expected .+, got /s;
const header = (dict: string, bytes = 8, version = 1, length?: number) =>
  npyOf(dict, new Uint8Array(bytes), version, length);
const dict = (descr: string, shape: string, order = "False") =>
  `{'descr': '${descr}', 'fortran_order': ${order}, 'shape': ${shape}, }`;
const good = npy("<f4", [2, 1], Float32Array.of(1, 2));

const idxRefused: [string, Uint8Array][] = [
  ["empty", new Uint8Array(0)],
  ["3 bytes", Uint8Array.of(0, 0, 8)],
  ["wrong magic", Uint8Array.of(1, 0, 8, 0, 5)],
  ["a gzip file", Uint8Array.of(0x1f, 0x8b, 8, 0, 0)],
  ["type 0", Uint8Array.of(0, 0, 0, 0, 5)],
  ["type 0x0a", Uint8Array.of(0, 0, 0x0a, 0, 5)],
  ["dimensions cut short", Uint8Array.of(0, 0, 8, 2, 0, 0, 0, 1, 0, 0, 0)],
  ["255 dimensions that are not there", Uint8Array.of(0, 0, 8, 255, 0, 0, 0, 1)],
  ["no data", Uint8Array.of(0, 0, 8, 1, 0, 0, 0, 1)],
  ["a byte less", Uint8Array.of(0, 0, 0x0b, 1, 0, 0, 0, 1, 7)],
  ["a byte more", Uint8Array.of(0, 0, 8, 1, 0, 0, 0, 1, 7, 8)],
  ["a dimension of 2^32 - 1", Uint8Array.of(0, 0, 8, 1, 255, 255, 255, 255, 7)],
  ["dimensions whose product passes 2^53", idx(8, [0xffffffff, 0xffffffff, 0xffffffff], new Uint8Array(1))],
  ["dimensions whose product wraps 2^32 to 0", idx(8, [65536, 65536], new Uint8Array(0))],
  ["rank 0 without its element", Uint8Array.of(0, 0, 8, 0)],
  ["little-endian dimensions", Uint8Array.of(0, 0, 8, 1, 1, 0, 0, 0, 7)],
];

const npyRefused: [string, Uint8Array][] = [
  ["empty", new Uint8Array(0)],
  ["9 bytes", good.subarray(0, 9)],
  ["wrong magic", good.map((byte, i) => (i === 0 ? 0x92 : byte))],
  ["version 0.0", header(dict("<f4", "(2,)"), 8, 0)],
  ["version 4.0", header(dict("<f4", "(2,)"), 8, 4)],
  ["version 1.1", good.map((byte, i) => (i === 7 ? 1 : byte))],
  ["version 2 of 11 bytes", header("", 0, 2).subarray(0, 11)],
  ["header length past the end", header(dict("<f4", "(2,)"), 8, 1, 65535)],
  ["header length of 4 GiB", header(dict("<f4", "(2,)"), 8, 2, 0xffffffff)],
  ["a header of 2 MiB", header(dict("<f4", "(2,)").padEnd(2 << 20), 8, 2)],
  ["a header that is not UTF-8", npyOf(Uint8Array.of(0x7b, 0xff, 0x7d), new Uint8Array(8), 3)],
  ["an empty header", header("")],
  ["a header that is a list", header("['descr', '<f4']")],
  ["a header that is a text", header("'descr'")],
  ["a header that is code", header("__import__('os').system('true')")],
  ["code inside the dict", header("{'descr': exec('x'), 'fortran_order': False, 'shape': (2,)}")],
  ["a dict that does not end", header("{'descr': '<f4', 'fortran_order': False, 'shape': (2,)")],
  ["an empty dict", header("{}")],
  ["a key missing", header("{'descr': '<f4', 'shape': (2,)}")],
  ["a key twice", header("{'descr': '<f4', 'descr': '<f4', 'fortran_order': False, 'shape': (2,)}")],
  ["a key too many", header("{'descr': '<f4', 'fortran_order': False, 'shape': (2,), 'more': 'x'}")],
  ["a key __proto__", header("{'descr': '<f4', 'fortran_order': False, 'shape': (2,), '__proto__': 'x'}")],
  ["a key toString", header("{'descr': '<f4', 'fortran_order': False, 'shape': (2,), 'toString': 'x'}")],
  ["commas missing", header("{'descr': '<f4' 'fortran_order': False 'shape': (2,)}")],
  ["two commas", header("{'descr': '<f4',, 'fortran_order': False, 'shape': (2,)}")],
  ["descr a number", header("{'descr': 4, 'fortran_order': False, 'shape': (2,)}")],
  ["descr a truth", header("{'descr': True, 'fortran_order': False, 'shape': (2,)}")],
  ["fortran_order a number", header("{'descr': '<f4', 'fortran_order': 1, 'shape': (2,)}")],
  ["fortran_order a text", header("{'descr': '<f4', 'fortran_order': 'False', 'shape': (2,)}")],
  ["fortran_order in lower case", header(dict("<f4", "(2,)", "false"))],
  ["dtype unknown", header(dict("<q4", "(2,)"))],
  ["dtype of 3 bytes", header(dict("<i3", "(2,)"))],
  ["dtype without an order", header(dict("f4", "(2,)"))],
  ["dtype of no order but 4 bytes", header(dict("|f4", "(2,)"))],
  ["dtype empty", header(dict("", "(2,)"))],
  ["dtype __proto__", header(dict("<__proto__", "(2,)"))],
  ["shape a number", header(dict("<f4", "2"))],
  ["shape a number in brackets", header(dict("<f4", "(2)"))],
  ["shape a list", header(dict("<f4", "[2]"))],
  ["shape (,)", header(dict("<f4", "(,)"))],
  ["shape with a hole", header(dict("<f4", "(2,,1)"))],
  ["shape negative", header(dict("<f4", "(-2,)"))],
  ["shape fractional", header(dict("<f4", "(2.0,)"))],
  ["shape 1e0", header(dict("<f4", "(1e0,)"))],
  ["shape of 2^53", header(dict("<f4", "(9007199254740992,)"))],
  ["shape of a hundred digits", header(dict("<f4", `(${"9".repeat(100)},)`))],
  ["shape whose product passes 2^53", header(dict("<f4", "(4194304, 4194304, 4194304)"))],
  ["shape whose product wraps 2^32 to 0", header(dict("<f4", "(65536, 65536)"), 0)],
  ["a huge shape of Fortran's order", header(dict("<f4", "(1000000, 1000000)", "True"))],
  ["65 dimensions", header(dict("|u1", `(${"1, ".repeat(65)})`), 1)],
  ["100,000 dimensions", header(dict("|u1", `(${"1,".repeat(100_000)})`), 1, 2)],
  ["a byte less", good.subarray(0, good.length - 1)],
  ["a byte more", Uint8Array.of(...good, 0)],
  ["two arrays in a file", Uint8Array.of(...good, ...good)],
];

const npyUnsupported: [string, string][] = [
  ["objects: a pickle", "|O"],
  ["objects of 8 bytes", "|O8"],
  ["bytes", "|S5"],
  ["texts", "<U5"],
  ["records without names", "|V8"],
  ["times", "<M8[ns]"],
  ["durations", "<m8[ns]"],
  ["complex numbers", "<c8"],
  ["floats of 16 bytes", "<f16"],
];

const one: Zipped = { name: "a.npy", bytes: good };
const two: Zipped = { name: "b.npy", bytes: good, deflate: true };
const zeros = npy("|u1", [100_000], new Uint8Array(100_000));
/** The archive with one byte of its middle changed. */
const bent = (file: Uint8Array, at: number) => file.map((byte, i) => (i === at ? byte ^ 0x55 : byte));

const npzRefused: [string, Uint8Array][] = [
  ["empty", new Uint8Array(0)],
  ["a NPY file", good],
  ["21 bytes", zip([]).subarray(0, 21)],
  ["cut at the end", zip([one]).subarray(0, -1)],
  ["bytes after the end", Uint8Array.of(...zip([one]), 0)],
  ["bytes before the start", Uint8Array.of(0, ...zip([one]))],
  ["a directory at another place", zip([one], { 16: 3 })],
  ["a directory longer than it is", zip([one], { 12: 60 })],
  ["a directory past the end", zip([one], { 16: 0x7fffffff })],
  ["fewer entries than the directory has", zip([one, two], { 8: 1, 10: 1 })],
  ["more entries than the directory has", zip([one], { 8: 2, 10: 2 })],
  ["an entry at another place", zip([{ ...one, lies: { 42: 4 } }])],
  ["an entry past the directory", zip([{ ...one, lies: { 42: 0x7fffffff } }])],
  ["a size past the directory", zip([{ ...one, lies: { 20: 0x7fffffff, 24: 0x7fffffff } }])],
  ["stored bytes of another number", zip([{ ...one, lies: { 24: 7 } }])],
  ["a name that reaches past the directory", zip([{ ...one, lies: { 28: 60000 } }])],
  ["a name that is another in its own header", zip([{ ...one, lies: { 28: 4 } }])],
  ["a name twice", zip([one, { ...two, name: "a.npy" }])],
  ["entries that overlap: the same twice", zip([one, { name: "a.npy", bytes: good, lies: { 42: 0 } }])],
  ["a name without .npy", zip([{ ...one, name: "a.txt" }])],
  ["a folder", zip([{ name: "a/", bytes: new Uint8Array(0) }])],
  ["a wrong CRC of stored bytes", zip([{ ...one, lies: { 16: 1 } }])],
  ["a wrong CRC of deflated bytes", zip([{ ...two, lies: { 16: 1 } }])],
  ["stored bytes that were changed", bent(zip([one]), 60)],
  ["deflated bytes that were changed", bent(zip([two]), 40)],
  ["stored bytes said to be deflated", zip([{ ...one, lies: { 10: 8 } }])],
  ["deflated to more than is said", zip([{ ...two, lies: { 24: good.length - 1 } }])],
  ["deflated to less than is said", zip([{ ...two, lies: { 24: good.length + 1 } }])],
  ["deflated to 4 GiB, it says", zip([{ ...two, lies: { 24: 0xfffffffe } }])],
  ["deflated bytes cut short", zip([{ ...two, lies: { 20: 20 } }])],
  ["an array that is none", zip([{ ...one, bytes: new Uint8Array(20) }])],
];

const npzUnsupported: [string, Uint8Array][] = [
  ["encryption", zip([{ ...one, lies: { 8: 1 } }])],
  ["bzip2", zip([{ ...one, lies: { 10: 12 } }])],
  ["LZMA", zip([{ ...one, lies: { 10: 14 } }])],
  ["zip64 entries", zip([{ ...one, lies: { 24: 0xffffffff } }])],
  ["a zip64 archive", zip([one], { 16: 0xffffffff })],
  ["several disks", zip([one], { 8: 0 })],
  ["objects inside", zip([{ ...one, bytes: npy("|O", [1], new Uint8Array(8)) }])],
];

/** Whether it was read; any error but the two fails the test. */
async function outcome(read: () => unknown): Promise<boolean> {
  try {
    await read();
    return true;
  } catch (error) {
    if (error instanceof FormatError || error instanceof UnsupportedError) {
      expect(error.message).toMatch(shaped);
      return false;
    }
    throw error;
  }
}

describe("IDX", () => {
  test.each(idxRefused)("%s: FormatError", (_, bytes) => {
    expect(() => readIdx(bytes)).toThrow(FormatError);
    expect(() => readIdx(bytes)).toThrow(shaped);
  });
});

describe("NPY", () => {
  test.each(npyRefused)("%s: FormatError", (_, bytes) => {
    expect(() => readNpy(bytes)).toThrow(FormatError);
    expect(() => readNpy(bytes)).toThrow(shaped);
  });

  test.each(npyUnsupported)("%s: UnsupportedError", (_, descr) => {
    expect(() => readNpy(header(dict(descr, "(1,)")))).toThrow(UnsupportedError);
  });

  test("records: UnsupportedError", () => {
    const records = "{'descr': [('x', '<f4'), ('y', '<f4')], 'fortran_order': False, 'shape': (1,), }";
    expect(() => readNpy(header(records))).toThrow(UnsupportedError);
  });

  test("long headers of nothing but spaces, digits or brackets take no time", () => {
    for (const filling of [" ", "(", "1", "{", "}", "'", "'descr':", "'descr' :  ["]) {
      const long = `{${filling.repeat(Math.floor(1_000_000 / filling.length))}`;
      expect(() => readNpy(header(long, 8, 2))).toThrow(/: expected /);
    }
  });
});

describe("NPZ", () => {
  test.each(npzRefused)("%s: FormatError", async (_, bytes) => {
    const refused = expect(readNpz(bytes)).rejects;
    await refused.toBeInstanceOf(FormatError);
    await expect(readNpz(bytes)).rejects.toThrow(shaped);
  });

  test.each(npzUnsupported)("%s: UnsupportedError", async (_, bytes) => {
    await expect(readNpz(bytes)).rejects.toBeInstanceOf(UnsupportedError);
  });

  test("more than the limit, before anything is unpacked", async () => {
    const file = zip([{ name: "z.npy", bytes: zeros, deflate: true }]);
    await expect(readNpz(file, { bytes: 100_000 })).rejects.toEqual(
      new FormatError(`npz: expected at most 100000 bytes unpacked, got ${zeros.length}`),
    );
    expect((await readNpz(file, { bytes: zeros.length })).size).toBe(1);
  });

  test("names that bite are names", async () => {
    const names = ["__proto__", "constructor", "", "../x", "x".repeat(60_000)];
    const tensors = await readNpz(zip(names.map((name) => ({ name: `${name}.npy`, bytes: good }))));
    expect([...tensors.keys()]).toEqual(names);
  });
});

describe("damage", () => {
  const file = zip([one, two]);
  const labels = idx(0x0c, [3], Int32Array.of(1, 2, 3));

  test("every truncation is refused", async () => {
    for (let n = 0; n < labels.length; n++) expect(() => readIdx(labels.subarray(0, n))).toThrow(FormatError);
    for (let n = 0; n < good.length; n++) expect(() => readNpy(good.subarray(0, n))).toThrow(FormatError);
    for (let n = 0; n < file.length; n++) expect(await outcome(() => readNpz(file.subarray(0, n))), `${n}`).toBe(false);
  });

  test("every bit flip ends in tensors or one of the two errors", async () => {
    for (const [bytes, read] of [
      [labels, readIdx],
      [good, readNpy],
      [file, readNpz],
    ] as const) {
      for (let bit = 0; bit < 8 * bytes.length; bit++) {
        const bad = bytes.slice();
        bad[bit >> 3] ^= 1 << (bit & 7);
        await outcome(() => read(bad));
      }
    }
  });

  test("5,000 headers of NPY with pieces put in and taken out", async () => {
    const next = uniform(1);
    const random = (n: number) => Math.floor(next() * n);
    const pieces = [
      "'",
      "{",
      "}",
      "(",
      ")",
      ",",
      ":",
      "0",
      "9".repeat(20),
      "-1",
      "True",
      "[",
      "'descr'",
      "<f4",
      "|O",
      "L",
    ];
    let read = 0;
    for (let i = 0; i < 5000; i++) {
      let text = dict("<f4", "(2, 1)");
      for (let edits = 1 + random(3); edits > 0; edits--) {
        const from = random(text.length);
        const to = from + random(4);
        text = text.slice(0, from) + (random(3) === 0 ? "" : pieces[random(pieces.length)]) + text.slice(to);
      }
      if (await outcome(() => readNpy(header(text)))) read++;
    }
    expect(read).toBeLessThan(2500);
  });
});
