// Any bytes end in a graph, a FormatError or an UnsupportedError.
import { describe, expect, test } from "vitest";
import { FormatError, UnsupportedError } from "../../src/errors.js";
import { readOnnx, readTensor, writeOnnx } from "../../src/formats/onnx/index.js";
import { nested } from "../formats/graphs.js";
import {
  attribute,
  blob,
  dim,
  external,
  float,
  floats,
  initializer,
  int,
  message,
  model,
  node,
  opset,
  packed,
  raw,
  sound,
  tensor,
  value,
} from "../formats/onnx-file.js";
import { uniform } from "../support/kernels.js";
import { mutants } from "./onnx-mutation.js";

/** Every encoding of tensors, functions, bodies, external data, an initializer that is an input. */
const everything = Uint8Array.from([
  ...model(
    [
      ...Object.values(sound),
      message(11, value("w", 1, [dim(2)])),
      message(11, value("open", 10, [dim("N"), dim(-1)])),
      initializer("list", 7, [2], packed(7, 1, -1)),
      initializer("halves", 10, [1], packed(5, 0x3c00)),
      initializer("nibbles", 22, [3], raw(0x12, 3)),
      initializer("bools", 9, [1], raw(1)),
      initializer(
        "outside",
        3,
        [2],
        external([
          ["location", "x"],
          ["offset", "1"],
          ["length", "2"],
        ]),
      ),
      message(
        15,
        message(1, tensor("s", 1, [2], raw(...floats(1, 2)))),
        message(2, tensor("", 7, [2], packed(7, 1, 3))),
        int(3, 2),
        int(3, 2),
      ),
      node("f", ["x"], ["z"], blob(7, "own"), attribute("alpha", 1, float(2, 3))),
      node("Constant", [], ["c"], attribute("value", 4, message(5, tensor("", 1, [1], blob(4, floats(1)))))),
      node(
        "If",
        ["z"],
        ["i"],
        attribute("b", 5, message(6, node("f", ["z"], ["k"], blob(7, "own")), message(12, blob(1, "k")))),
      ),
    ],
    [int(1, 8), opset(15), opset(1, "own")],
  ),
  ...message(
    25,
    ...[blob(1, "f"), blob(4, "a"), blob(5, "b"), blob(10, "own")],
    [0x3a, ...node("LeakyRelu", ["a"], ["t"], attribute("alpha", 1, blob(21, "alpha"))).slice(1)],
    [0x3a, ...node("Relu", ["t"], ["b"]).slice(1)],
  ),
]);
const files = [model(), everything, writeOnnx(nested())];
const file = Uint8Array.of(1, 2, 3, 4);

/** What becomes of the bytes; any error but the two fails the test. */
function outcome(bytes: Uint8Array): "graph" | "damaged" | "unsupported" {
  try {
    const graph = readOnnx(bytes, { externalData: () => file });
    // What was read is sound: it can be written, and is read again; but a sparse weight may be large when it is dense.
    if ([...graph.weights.values()].some(({ shape }) => shape.reduce((size, x) => size * x, 1) > 1e6)) return "graph";
    if (readOnnx(writeOnnx(graph)).nodes.length !== graph.nodes.length) throw new Error("another graph");
    return "graph";
  } catch (error) {
    if (!(error instanceof FormatError || error instanceof UnsupportedError)) throw error;
    if (!/: expected .+, got /s.test(error.message)) throw new Error(`no message: ${error.message}`);
    return error instanceof FormatError ? "damaged" : "unsupported";
  }
}

describe("fuzz", () => {
  test("what is mutated is read", () => expect(files.map(outcome)).toEqual(["graph", "graph", "graph"]));

  test("every truncation and every flipped bit", () => {
    for (const bytes of files) {
      for (let n = 0; n < bytes.length; n++) outcome(bytes.subarray(0, n));
      for (let bit = 0; bit < 8 * bytes.length; bit++) {
        const flipped = bytes.slice();
        flipped[bit >> 3] ^= 1 << (bit & 7);
        outcome(flipped);
      }
    }
  });

  // COPPICE_FUZZ says how many, and a seed: "1000000 7".
  const [count = 20_000, seed = 5] = process.env.COPPICE_FUZZ?.split(" ").map(Number) ?? [];

  test(
    `${count} mutants, their lengths right`,
    () => {
      const seen = new Map<string, number>();
      const source = mutants(files, uniform(seed));
      for (let i = 0; i < count; i++) {
        const what = outcome(source.next().value);
        seen.set(what, (seen.get(what) ?? 0) + 1);
      }
      // All three were reached, deep structure among them.
      expect(seen.get("graph")).toBeGreaterThan(count / 10);
      expect(seen.get("damaged")).toBeGreaterThan(count / 10);
      expect(seen.get("unsupported")).toBeGreaterThan(count / 1000);
    },
    300_000 + count,
  );

  test("a thousand mutants of a tensor alone", () => {
    const next = uniform(6);
    const bytes = Uint8Array.from(tensor("t", 1, [2], raw(...floats(1, 2))));
    for (let i = 0; i < 1000; i++) {
      const mutant = bytes.slice();
      for (let j = 0; j < 3; j++) mutant[Math.floor(next() * mutant.length)] = Math.floor(next() * 256);
      try {
        readTensor(mutant);
      } catch (error) {
        if (!(error instanceof FormatError || error instanceof UnsupportedError)) throw error;
      }
    }
  });
});
