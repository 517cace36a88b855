// Hostile tensors in ONNX files, and hostile names of the files that they stand in.
import { describe, expect, test } from "vitest";
import { FormatError, UnsupportedError } from "../../src/errors.js";
import { readOnnx } from "../../src/formats/onnx/index.js";
import {
  attribute,
  type Bytes,
  blob,
  external,
  floats,
  initializer,
  int,
  message,
  node,
  packed,
  raw,
  sound,
  tensor,
  withNodes,
  withWeights,
} from "../formats/onnx-file.js";
import { expectRefusal, refusal } from "./onnx-refusal.js";

describe("section B, initializers", () => {
  const v = (type: number, dims: readonly (number | bigint)[], ...data: Bytes[]) =>
    withWeights(initializer("v", type, dims, ...data));
  const one = raw(...floats(1));
  const cases: [string, Uint8Array, typeof FormatError | typeof UnsupportedError, string][] = [
    ["twice", withWeights(sound.weight), FormatError, 'initializer: expected a name of its own, got "w" twice'],
    ["without a name", withWeights(initializer("", 1, [1], one)), FormatError, 'initializer: expected a name, got ""'],
    [
      "no type",
      withWeights(message(5, blob(8, "v"))),
      FormatError,
      "initializer v: expected a known element type, got number 0",
    ],
    ["type 27", v(27, [1], one), FormatError, "initializer v: expected a known element type, got number 27"],
    ["a type of -1", v(-1, [1], one), FormatError, "initializer v: expected a known element type, got number -1"],
    [
      "texts",
      v(8, [1], blob(6, "a")),
      UnsupportedError,
      "initializer v: expected elements that are real numbers of whole o",
    ],
    [
      "complex numbers",
      v(14, [1], one),
      UnsupportedError,
      "initializer v: expected elements that are real numbers of whole",
    ],
    [
      "8-bit floats",
      v(17, [1], raw(1)),
      UnsupportedError,
      "initializer v: expected elements that are real numbers of whole",
    ],
    [
      "a segment",
      v(1, [1], one, message(3, int(1, 0))),
      UnsupportedError,
      "initializer v: expected a tensor in one piece, got",
    ],
    [
      "a negative size",
      v(1, [-1], one),
      FormatError,
      "initializer v: expected sizes from 0, and fewer than 2^53 elements, g",
    ],
    [
      "a size of 2^53",
      v(1, [2 ** 53], one),
      FormatError,
      "initializer v: expected sizes from 0, and fewer than 2^53 elements",
    ],
    [
      "0 x 2^63",
      v(1, [0, 2n ** 63n], one),
      FormatError,
      "initializer v: expected sizes from 0, and fewer than 2^53 elements",
    ],
    [
      "sizes whose product overflows 2^64",
      v(1, [4194305, 4194305, 211106198978564], one),
      FormatError,
      "initializer v: expected sizes from 0, and fewer than 2^53 elements, got [4194305, 4194305, 211106198978564]",
    ],
    [
      "a product of 2^32",
      v(1, [65536, 65536]),
      FormatError,
      "initializer v [65536, 65536]: expected 17179869184 bytes of fl",
    ],
    [
      "rank 10,000",
      v(1, new Array(10_000).fill(2), one),
      FormatError,
      "initializer v: expected sizes from 0, and fewer than",
    ],
    [
      "10,000 sizes of 1",
      v(1, new Array(10_000).fill(1)),
      FormatError,
      "initializer v 10000 dimensions: expected 4 bytes of",
    ],
    ["raw data too short", v(1, [2], one), FormatError, "initializer v [2]: expected 8 bytes of float32, got 4"],
    ["raw data too long", v(1, [0], one), FormatError, "initializer v [0]: expected 0 bytes of float32, got 4"],
    ["no data", v(1, [2]), FormatError, "initializer v [2]: expected 8 bytes of float32, got 0"],
    [
      "a short list",
      v(1, [2], blob(4, floats(1))),
      FormatError,
      "initializer v [2]: expected 2 numbers in floatData, got 1",
    ],
    [
      "a short list of integers",
      v(7, [2], packed(7, 300)),
      FormatError,
      "initializer v [2]: expected 2 numbers in int64Data",
    ],
    [
      "a long list",
      v(6, [1], packed(5, 1, 2)),
      FormatError,
      "initializer v [1]: expected 1 numbers in int32Data, got 2",
    ],
    [
      "a list of one for 10^12",
      v(7, [1e12], packed(7, 1)),
      FormatError,
      "initializer v [1000000000000]: expected 1000000000000 numbers in int64Data, got 1",
    ],
    [
      "raw and typed data",
      v(1, [1], one, blob(4, floats(1))),
      FormatError,
      "initializer v: expected data in one place, got floatData and rawData",
    ],
    [
      "two lists",
      v(1, [1], blob(4, floats(1)), packed(5, 1)),
      FormatError,
      "initializer v: expected data in one place, got floatData and int32Data",
    ],
    [
      "raw data and texts",
      v(1, [1], one, blob(6, "a")),
      FormatError,
      "initializer v: expected data in one place, got stringData and rawData",
    ],
    [
      "texts for numbers",
      v(1, [1], blob(6, "a")),
      FormatError,
      "initializer v [1]: expected 4 bytes of float32, got 0",
    ],
    [
      "another type's list",
      v(1, [1], packed(7, 1)),
      FormatError,
      "initializer v: expected float32 in floatData, got int64Data",
    ],
    ["an int8 of 128", v(3, [1], packed(5, 128)), FormatError, "initializer v: expected values of int8, got 128 at 0"],
    ["a uint8 of -1", v(2, [2], packed(5, 1, -1)), FormatError, "initializer v: expected values of uint8, got -1 at 1"],
    [
      "a uint32 of 2^32",
      v(12, [1], packed(11, 2 ** 32)),
      FormatError,
      "initializer v: expected values of uint32, got 42949",
    ],
    [
      "a float16 of 17 bits",
      v(10, [1], packed(5, 65536)),
      FormatError,
      "initializer v: expected values of float16, got 655",
    ],
    ["a bool of 2", v(9, [1], packed(5, 2)), FormatError, "initializer v: expected 0 or 1 for bool, got 2"],
    ["a raw bool of 2", v(9, [1], raw(2)), FormatError, "initializer v: expected 0 or 1 for bool, got 2"],
    [
      "three 4-bit integers in one byte",
      v(22, [3], raw(1)),
      FormatError,
      "initializer v [3]: expected 2 bytes of int4, got 1",
    ],
  ];
  test.each(cases)("%s", (_, bytes, kind, start) => expectRefusal(bytes, kind, start));

  const sparse = (name: string, values: Bytes, indices: Bytes, dims: readonly (number | bigint)[], more: Bytes = []) =>
    withWeights(
      message(
        15,
        message(1, values),
        message(2, indices),
        dims.flatMap((size) => int(3, size)),
        more,
        blob(16, name),
      ),
    );
  const two = tensor("s", 1, [2], raw(...floats(1, 2)));
  const at = (...places: (number | bigint)[]) => tensor("", 7, [places.length], packed(7, ...places));
  const sparseCases: [string, Uint8Array, string][] = [
    ["past the end", sparse("s", two, at(0, 6), [2, 3]), "initializer s indices: expected one in 1..5, got 6"],
    ["negative", sparse("s", two, at(-1, 0), [2, 3]), "initializer s indices: expected one in 0..5, got -1"],
    [
      "of 2^63 - 1",
      sparse("s", two, at(0, 2n ** 63n - 1n), [2, 3]),
      "initializer s indices: expected one in 1..5, got 92",
    ],
    ["twice", sparse("s", two, at(1, 1), [2, 3]), "initializer s indices: expected one in 2..5, got 1"],
    ["falling", sparse("s", two, at(2, 1), [2, 3]), "initializer s indices: expected one in 3..5, got 1"],
    ["too few", sparse("s", two, at(1), [2, 3]), "initializer s indices: expected int64 [2] or [2, 2], got int64 [1]"],
    [
      "by place, past the end of an axis",
      sparse("s", two, tensor("", 7, [2, 2], packed(7, 0, 3, 1, 0)), [2, 3]),
      "initializer s indices: expected one in 0..2, got 3",
    ],
    [
      "by place, for another rank",
      sparse("s", two, tensor("", 7, [2, 3], packed(7, 0, 0, 0, 0, 0, 1)), [2, 3]),
      "initializer s indices: expected int64 [2] or [2, 2], got int64 [2, 3]",
    ],
    [
      "of another type",
      sparse("s", two, tensor("", 6, [2], packed(5, 0, 1)), [2, 3]),
      "initializer s indices: expected int64 [2] or [2, 2], got int32 [2]",
    ],
  ];
  test.each(sparseCases)("sparse, an index %s", (_, bytes, start) => expectRefusal(bytes, FormatError, start));

  test("sparse: no indices, values of rank 2, sizes that overflow or that the file is not worth", () => {
    const bytes = withWeights(message(15, message(1, two), int(3, 2)));
    expectRefusal(bytes, FormatError, "initializer s: expected values and indices, got one of them");
    const square = tensor("s", 1, [1, 2], raw(...floats(1, 2)));
    expectRefusal(
      sparse("s", square, at(0, 1), [2, 3]),
      FormatError,
      "initializer s: expected values in one dimension, got [",
    );
    expectRefusal(
      sparse("s", two, at(0, 1), [2 ** 53]),
      FormatError,
      "initializer s: expected sizes from 0, and fewer than 2",
    );
    // Rows cost 4 bytes each, and dense elements their width, before there are any.
    expectRefusal(
      sparse("s", two, at(0, 1), [1e9, 1]),
      FormatError,
      "onnx: expected content in proportion to the file, got m",
    );
    const bits = tensor("s", 10, [2], raw(1, 2, 3, 4));
    expectRefusal(
      sparse("s", bits, at(0, 1), [1e5, 1e7]),
      FormatError,
      "onnx: expected content in proportion to the file, got",
    );
    const constant = attribute("sparse_value", 11, message(22, message(1, two), message(2, at(0, 1)), int(3, 1e12)));
    const bomb = withNodes(node("Constant", [], ["c"], constant));
    expectRefusal(bomb, FormatError, "onnx: expected content in proportion to the file, got more");
    // Columns cost nothing.
    expect(readOnnx(sparse("s", two, at(0, 1e9), [1, 2e9])).weights.get("s")).toMatchObject({ kind: "sparse" });
  });
});

describe("section B, external data", () => {
  const file = Uint8Array.from([...floats(1, 2, 3, 4)]);
  const asked: string[] = [];
  const resolve = (name: string) => {
    asked.push(name);
    return file;
  };
  const v = (...entries: [string, string][]) => withWeights(initializer("v", 1, [2], external(entries)));
  const where = "initializer v: expected ";

  test.each([
    "",
    "../x",
    "a/../b",
    "a/..",
    "..",
    "/etc/passwd",
    "C:\\x",
    "c:x",
    "\\\\host\\share\\x",
    "\\x",
    "a\\..\\b",
    "x\0y",
    "x\ny",
    "%2e%2e/x",
    "%2E./x",
    "a/%2e%2e%2fb",
    "..%5cx",
    "%2fetc/passwd",
    "file:///etc/passwd",
    "http://example.com/x",
  ])("the location %j is refused before the resolver hears of it", (location) => {
    asked.length = 0;
    const error = refusal(v(["location", location]), resolve);
    expect(error).toEqual(
      new FormatError(`${where}a location inside the model's folder, got ${JSON.stringify(location)}`),
    );
    expect(asked).toEqual([]);
  });

  test.each(["x", "a/b.bin", "__proto__", "constructor", "..x", "x..", "%41", "a b", "weights.onnx_data"])(
    "the location %j is asked for exactly so",
    (location) => {
      asked.length = 0;
      const graph = readOnnx(v(["location", location], ["length", "8"]), { externalData: resolve });
      expect([...(graph.weights.get("v") as { data: Float32Array }).data]).toEqual([1, 2]);
      expect(asked).toEqual([location]);
    },
  );

  const cases: [[string, string][], string][] = [
    [[["offset", "-1"]], 'a whole number for the offset of external data, got "-1"'],
    [[["offset", "1e3"]], 'a whole number for the offset of external data, got "1e3"'],
    [[["offset", ""]], 'a whole number for the offset of external data, got ""'],
    [[["offset", " 1"]], 'a whole number for the offset of external data, got " 1"'],
    [[["offset", "0x1"]], 'a whole number for the offset of external data, got "0x1"'],
    [[["offset", "9007199254740993"]], 'a whole number for the offset of external data, got "9007199254740993"'],
    [[["offset", "9".repeat(400)]], `a whole number for the offset of external data, got "${"9".repeat(80)}"`],
    [[["length", "-8"]], 'a whole number for the length of external data, got "-8"'],
    [[["length", "8.0"]], 'a whole number for the length of external data, got "8.0"'],
    [[["offset", "17"]], "an offset of at most 16, got 17"],
    [[["offset", "9007199254740991"]], "an offset of at most 16, got 9007199254740991"],
    [
      [
        ["offset", "12"],
        ["length", "8"],
      ],
      "a length of at most 4, got 8",
    ],
    [[["length", "9007199254740991"]], "a length of at most 16, got 9007199254740991"],
    [[["length", "4"]], "8 bytes of external data, got 4"],
    [[], "8 bytes of external data, got 16"],
    [[["location", "y"]], 'each key of external data once, got "location" twice'],
    [
      [
        ["length", "8"],
        ["length", "8"],
      ],
      'each key of external data once, got "length" twice',
    ],
  ];
  test.each(cases)("%j", (entries, message) => {
    expect(refusal(v(["location", "x"], ...entries), resolve)).toEqual(new FormatError(where + message));
  });

  test("no resolver, a resolver that gives no bytes, one that throws", () => {
    const bytes = v(["location", "x"], ["length", "8"]);
    expectRefusal(bytes, UnsupportedError, `${where}a resolver of external data, got none`);
    expect(refusal(bytes, () => undefined as unknown as Uint8Array)).toEqual(
      new TypeError('externalData("x"): expected a Uint8Array, got undefined'),
    );
    const own = new Error("no such file");
    expect(
      refusal(bytes, () => {
        throw own;
      }),
    ).toBe(own);
  });

  test("data in two places, a reference that does not count, a place that is not known", () => {
    const entries = external([["location", "x"]]);
    expectRefusal(
      withWeights(initializer("v", 1, [2], entries, raw(...floats(1, 2)))),
      FormatError,
      `${where}data in one place, got rawData and externalData`,
    );
    const idle = message(13, blob(1, "location"), blob(2, "x"));
    expectRefusal(
      withWeights(initializer("v", 1, [2], idle)),
      FormatError,
      `${where}external data where it says so, got`,
    );
    expectRefusal(
      withWeights(initializer("v", 1, [2], int(14, 2))),
      FormatError,
      `${where}a known place of its data, got nu`,
    );
    expectRefusal(
      withWeights(initializer("v", 1, [2], int(14, 1))),
      FormatError,
      `${where}a location inside the model's fo`,
    );
  });

  test("a small model may not ask for a large file again and again", () => {
    const large = new Uint8Array(1 << 20);
    const weights = (count: number, offset: (i: number) => number) =>
      Array.from({ length: count }, (_, i) =>
        initializer(
          `v${i}`,
          2,
          [large.length - 1000],
          external([
            ["location", "x"],
            ["offset", `${offset(i)}`],
            ["length", `${large.length - 1000}`],
          ]),
        ),
      );
    const read = (bytes: Uint8Array) => readOnnx(bytes, { externalData: () => large });
    // The same bytes are there once, however many tensors they are.
    const tied = read(withWeights(...weights(1000, () => 0)));
    expect(new Set([...tied.weights.values()].slice(1).map((weight) => (weight as { data: unknown }).data)).size).toBe(
      1,
    );
    expect(() => read(withWeights(...weights(1000, (i) => i)))).toThrow(
      new FormatError(
        "initializer v1: expected tensors that do not overlap in external data, got more bytes than there are",
      ),
    );
  });
});
