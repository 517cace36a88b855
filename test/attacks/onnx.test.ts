// Hostile ONNX files: any bytes end in a graph, a FormatError or an UnsupportedError, with these messages.
import { describe, expect, test } from "vitest";
import { FormatError, UnsupportedError } from "../../src/errors.js";
import { readOnnx } from "../../src/formats/onnx/index.js";
import {
  attribute,
  type Bytes,
  blob,
  dim,
  initializer,
  int,
  message,
  model,
  node,
  opset,
  raw,
  sound,
  value,
  varint,
  withNodes,
  withWeights,
} from "../formats/onnx-file.js";
import { expectRefusal, refusal } from "./onnx-refusal.js";

const parts = Object.values(sound);
const head = [int(1, 10), opset(21)];
const good = model();

test("what these attacks are made of is otherwise sound", () => {
  const graph = readOnnx(good);
  expect(graph.nodes).toEqual([{ name: "y", op: "Add", inputs: ["x", "w"], outputs: ["y"], attributes: {} }]);
  expect(graph.weights.get("w")).toEqual({ kind: "dense", shape: [2], dtype: "float32", data: Float32Array.of(1, 2) });
  expect(graph.inputs).toEqual([{ name: "x", dtype: "float32", shape: [2] }]);
});

describe("section B, the wire", () => {
  test("every truncation is refused", () => {
    for (let n = 0; n < good.length; n++)
      expect(refusal(good.subarray(0, n)), `${n} bytes`).toBeInstanceOf(FormatError);
  });

  const eleven = [...new Array(10).fill(0x80), 1];
  const cases: [string, Bytes, string][] = [
    ["a varint of 11 bytes", [8, ...eleven], "byte 1: expected a field of a message, got invalid varint"],
    ["a varint of 11 bytes in a field that is skipped", [0x28, ...eleven], "byte 1: expected a field of a message"],
    ["a length of 11 bytes", [0x3a, ...eleven], "byte 1: expected a field of a message, got invalid varint"],
    ["a length past the end", [0x3a, 1], "byte 1: expected a length of at most 0, got 1"],
    ["a length of 2^31", [0x3a, ...varint(2 ** 31)], "byte 1: expected a length of at most 0, got 2147483648"],
    ["a length of 2^32", [0x3a, ...varint(2 ** 32)], "byte 1: expected a length of at most 0, got 4294967296"],
    [
      "a length of 2^63",
      [0x3a, ...varint(2n ** 63n)],
      "byte 1: expected a length of at most 0, got 9223372036854776000",
    ],
    [
      "a length of 2^63 that is skipped",
      [0x32, ...varint(2n ** 63n)],
      "byte 1: expected a length of at most 0, got 92",
    ],
    [
      "a message past the end of the one around it",
      [0x3a, 2, 0x0a, 5, 0, 0, 0, 0, 0],
      "byte 3: expected a length of at",
    ],
    ["a group", [0x0b, 0x0c], "byte 0: expected no groups, got one"],
    ["an unknown group", [0xfb, 1, 0xfc, 1], "byte 0: expected no groups, got one"],
    ["groups nested 100,000 deep", new Array(100_000).fill(0x0b), "byte 0: expected no groups, got one"],
    ["the end of a group", [0x0c], "byte 0: expected no groups, got one"],
    ["wire type 6", [0x0e], "byte 1: expected a field of a message, got illegal tag"],
    ["wire type 7", [0x0f], "byte 1: expected a field of a message, got illegal tag"],
    ["field 0", [0x00, 0x00], "byte 1: expected a field of a message, got illegal tag"],
    ["a tag of more than 32 bits", [0x88, 0x80, 0x80, 0x80, 0x10, 1], "byte 5: expected a field of a message, got ill"],
    ["another wire type", blob(1, "x"), "byte 0: expected another wire type for ModelProto.irVersion, got Length"],
    [
      "a fixed number for a graph",
      [0x3d, 0, 0, 0, 0],
      "byte 0: expected another wire type for ModelProto.graph, got B",
    ],
    ["a fixed number past the end", [0x25, 0, 0, 0], "byte 4: expected a field inside its message, got one"],
    ["a graph twice", [...message(7), ...message(7)], "byte 3: expected ModelProto.graph once, got a second one"],
    ["a number twice", [...int(1, 8), ...int(1, 8)], "byte 3: expected ModelProto.irVersion once, got a second one"],
    ["text that is not UTF-8", blob(2, [0xff]), "byte 1: expected text in UTF-8, got other bytes"],
    ["overlong UTF-8", blob(2, [0xc0, 0x80]), "byte 1: expected text in UTF-8, got other bytes"],
    ["half a surrogate pair", blob(2, [0xed, 0xa0, 0x80]), "byte 1: expected text in UTF-8, got other bytes"],
    ["an end inside a varint", [0x08, 0x80], "byte 2: expected a field of a message, got premature EOF"],
    ["an end inside a tag", [0x80], "byte 1: expected a field of a message, got premature EOF"],
  ];
  test.each(cases)("%s", (_, bytes, start) => expectRefusal(Uint8Array.from(bytes), FormatError, start));

  test("numbers that reach past the end of their message or list", () => {
    const inGraph = (...bytes: number[]) => Uint8Array.from([...head.flat(), ...blob(7, bytes), 1, 1, 1]);
    const at = head.flat().length + 2;
    expectRefusal(inGraph(0x20, 0x80), FormatError, `byte ${at + 2}: expected a field inside its message, got one`);
    // A list of packed sizes of 3 bytes, the last of which goes on.
    const dims = message(5, [0x0a, 3, 1, 1, 0x80], int(2, 1));
    expectRefusal(model([...parts, dims]), FormatError, "byte ");
  });

  test("a packed list that is no multiple of its elements", () => {
    const list = (field: number, type: number, length: number) =>
      withWeights(initializer("v", type, [1], blob(field, new Array(length).fill(1))));
    for (const length of [1, 3, 5, 7]) {
      expectRefusal(
        list(4, 1, length),
        FormatError,
        `initializer v [1]: expected 1 numbers in floatData, got ${length / 4}`,
      );
    }
    expectRefusal(list(10, 11, 12), FormatError, "initializer v [1]: expected 1 numbers in doubleData, got 1.5");
    // Varints of which the last does not end.
    expectRefusal(
      withWeights(initializer("v", 6, [1], blob(5, [1, 0x80]))),
      FormatError,
      "initializer v int32Data: expected whole packed numbers, got premature EOF",
    );
    const ints = attribute("ints", 7, blob(8, [1, 0x80]));
    expectRefusal(withNodes(node("Relu", ["y"], ["z"], ints)), FormatError, "byte ");
    const reals = attribute("floats", 6, blob(7, [0, 0, 0]));
    expectRefusal(withNodes(node("Relu", ["y"], ["z"], reals)), FormatError, "byte ");
  });
});

describe("section B, the model", () => {
  const graph = message(7, blob(2, "g"), ...parts);
  const cases: [string, Bytes, typeof FormatError | typeof UnsupportedError, string][] = [
    ["nothing at all", [], FormatError, "model: expected an IR version, got 0"],
    ["IR version 0", [...int(1, 0), ...opset(21), ...graph], FormatError, "model: expected an IR version, got 0"],
    ["no IR version", [...opset(21), ...graph], FormatError, "model: expected an IR version, got 0"],
    ["IR version -1", [...int(1, -1), ...opset(21), ...graph], FormatError, "model: expected an IR version, got -1"],
    [
      "IR version 2",
      [...int(1, 2), ...opset(21), ...graph],
      UnsupportedError,
      "model: expected an IR version in 3..13, got 2",
    ],
    [
      "IR version 14",
      [...int(1, 14), ...opset(21), ...graph],
      UnsupportedError,
      "model: expected an IR version in 3..13",
    ],
    [
      "a huge IR version",
      [...int(1, 2n ** 63n - 1n), ...opset(21), ...graph],
      UnsupportedError,
      "model: expected an IR version in 3..13, got 92",
    ],
    ["no operator set", [...int(1, 10), ...graph], FormatError, "model: expected an operator set, got none"],
    [
      "operator set 0",
      [...int(1, 10), ...opset(0), ...graph],
      FormatError,
      'opset "": expected a version from 1, got 0',
    ],
    [
      "operator set 6",
      [...int(1, 10), ...opset(6), ...graph],
      UnsupportedError,
      'opset "": expected a version in 7..26',
    ],
    [
      "operator set 27",
      [...int(1, 10), ...opset(27), ...graph],
      UnsupportedError,
      'opset "": expected a version in 7..26',
    ],
    [
      "a domain twice",
      [...int(1, 10), ...opset(21), ...opset(20), ...graph],
      FormatError,
      'opset "": expected one version, got 21 and 20',
    ],
    [
      "a domain twice, under both of its names",
      [...int(1, 10), ...opset(21), ...opset(20, "ai.onnx"), ...graph],
      FormatError,
      'opset "": expected one version, got 21 and 20',
    ],
    [
      "only another domain's",
      [...int(1, 10), ...opset(1, "a"), ...graph],
      FormatError,
      "node y (Add): expected an operator s",
    ],
    ["no graph", head.flat(), FormatError, "model: expected a graph, got none"],
  ];
  test.each(cases)("%s", (_, bytes, kind, start) => expectRefusal(Uint8Array.from(bytes), kind, start));

  test("the same version twice is one version", () => {
    const twice = Uint8Array.from([...int(1, 10), ...opset(21), ...opset(21, "ai.onnx"), ...graph]);
    expect(readOnnx(twice).opset).toEqual(new Map([["", 21]]));
  });
});

describe("section B, the graph", () => {
  /** Nodes whose bodies have such a node, without end: each level is what stands before the next. */
  const nested = (op: string, depth: number): number[] => {
    const levels: number[][] = [];
    let length = 0;
    const around = (field: number, ...bytes: number[][]) => {
      const inside = bytes.flat();
      levels.push([8 * field + 2, ...varint(inside.length + length), ...inside]);
      length += levels.at(-1)!.length;
    };
    for (let i = 0; i < depth; i++) {
      around(6);
      around(5, blob(1, "body"), [...int(20, 5)]);
      around(1, blob(2, `o${i}`), blob(4, op));
    }
    return levels.reverse().flat();
  };

  test.each(["If", "Loop", "Scan"])("%s nested 32 deep is read; 33 and 3000 deep are refused", (op) => {
    expect(readOnnx(withNodes(nested(op, 32))).nodes).toHaveLength(2);
    for (const depth of [33, 3000]) {
      const { message: said } = refusal(withNodes(nested(op, depth)));
      expect(said).toMatch(/^byte \d+: expected nesting of at most 32, got more$/);
    }
  });

  const type = (...inner: Bytes[]) => message(11, blob(1, "s"), message(2, ...inner));
  const cases: [string, Uint8Array, typeof FormatError | typeof UnsupportedError, string][] = [
    [
      "a cycle",
      withNodes(node("Relu", ["b"], ["a"]), node("Relu", ["a"], ["b"])),
      FormatError,
      'node a: expected inputs made before it, got "b"',
    ],
    [
      "a node that reads itself",
      withNodes(node("Relu", ["a"], ["a"])),
      FormatError,
      "node a: expected inputs made before",
    ],
    [
      "a value made twice",
      withNodes(node("Relu", ["x"], ["y"])),
      FormatError,
      "output of node y_2: expected a name of its",
    ],
    [
      "a value that is an input too",
      withNodes(node("Relu", ["x"], ["x"])),
      FormatError,
      'output of node x: expected a name of its own, got "x" twice',
    ],
    [
      "a value of a body that the graph around it has too",
      withNodes(node("If", [], ["z"], attribute("b", 5, message(6, node("Relu", ["x"], ["y"]))))),
      FormatError,
      'output of node y: expected a name of its own, got "y" twice',
    ],
    [
      "a missing input",
      withNodes(node("Relu", ["nowhere"], ["z"])),
      FormatError,
      "node z: expected inputs made before it",
    ],
    [
      "a missing output",
      model([...parts, message(12, value("nowhere"))]),
      FormatError,
      'graph output: expected a value of the graph, got "nowhere"',
    ],
    [
      "an input twice",
      model([...parts, sound.input]),
      FormatError,
      'graph input: expected a name of its own, got "x" twice',
    ],
    [
      "an input without a name",
      model([...parts, message(11, value(""))]),
      FormatError,
      'graph input: expected a name, got ""',
    ],
    [
      "an input without a type",
      model([...parts, message(11, blob(1, "s"))]),
      FormatError,
      "graph input s: expected a type",
    ],
    ["an input of an empty type", model([...parts, type()]), FormatError, "graph input s: expected a type, got none"],
    [
      "a sequence",
      model([...parts, type(message(4))]),
      UnsupportedError,
      "graph input s: expected a tensor, got a sequence",
    ],
    ["a map", model([...parts, type(message(5))]), UnsupportedError, "graph input s: expected a tensor, got a map"],
    [
      "an optional",
      model([...parts, type(message(9))]),
      UnsupportedError,
      "graph input s: expected a tensor, got an optional",
    ],
    [
      "a sparse input",
      model([...parts, type(message(8))]),
      UnsupportedError,
      "graph input s: expected a tensor, got a sparse",
    ],
    [
      "types nested 3000 deep",
      model([...parts, type(deepType(3000))]),
      UnsupportedError,
      "graph input s: expected a tensor",
    ],
    [
      "an element type of 0",
      model([...parts, message(11, value("s", 0))]),
      FormatError,
      "graph input s: expected a known el",
    ],
    [
      "an element type of 27",
      model([...parts, message(11, value("s", 27))]),
      FormatError,
      "graph input s: expected a known e",
    ],
    [
      "texts",
      model([...parts, message(11, value("s", 8))]),
      UnsupportedError,
      "graph input s: expected elements that are re",
    ],
    [
      "a size of -2",
      model([...parts, message(11, value("s", 1, [dim(-2)]))]),
      FormatError,
      "graph input s: expected sizes from 0, below 2^53, got -2",
    ],
    [
      "a size of 2^53",
      model([...parts, message(11, value("s", 1, [dim(2 ** 53)]))]),
      FormatError,
      "graph input s: expected sizes from 0, below 2^53, got 9007199254740992",
    ],
    [
      "a size and a name for it",
      model([...parts, message(11, value("s", 1, [message(1, int(1, 2), blob(2, "N"))]))]),
      FormatError,
      "graph input s: expected a size or a name for it, got both",
    ],
    [
      "a node without an operator",
      withNodes(message(1, blob(2, "z"))),
      FormatError,
      "node z: expected an operator, got none",
    ],
    [
      "an unknown domain",
      withNodes(node("Relu", ["x"], ["z"], blob(7, "com.example"))),
      FormatError,
      'node z (Relu): expected an operator set of "com.example", got none',
    ],
    [
      "an overload that no function has",
      withNodes(node("Relu", ["x"], ["z"], blob(8, "fast"))),
      UnsupportedError,
      "node z (Relu): expected an operator or a function, got overload fast",
    ],
  ];
  test.each(cases)("%s", (_, bytes, kind, start) => expectRefusal(bytes, kind, start));

  test("an unknown operator is read, and judged by whoever plans the graph", () => {
    const bytes = model(
      [...parts, node("Frobnicate", ["x"], ["z"], blob(7, "com.example"))],
      [...head, opset(3, "com.example")],
    );
    expect(readOnnx(bytes).nodes[1]).toMatchObject({ op: "Frobnicate", domain: "com.example" });
  });

  const relu = (...attributes: Bytes[]) => withNodes(node("Relu", ["x"], ["z"], ...attributes));
  const where = "node z attribute a: expected ";
  const attributes: [string, Uint8Array, typeof FormatError | typeof UnsupportedError, string][] = [
    [
      "twice",
      relu(attribute("a", 2), attribute("a", 2)),
      FormatError,
      'node z: expected attributes once each, got "a" twice',
    ],
    ["no name", relu(attribute("", 2)), FormatError, "node z attribute : expected a name"],
    ["no type", relu(message(5, blob(1, "a"), int(3, 1))), FormatError, `${where}a known type, got number 0`],
    ["type 15", relu(attribute("a", 15)), FormatError, `${where}a known type, got number 15`],
    ["tensors", relu(attribute("a", 9)), UnsupportedError, `${where}numbers, texts, a tensor or a graph, got TENSORS`],
    ["graphs", relu(attribute("a", 10)), UnsupportedError, `${where}numbers, texts, a tensor or a graph, got GRAPHS`],
    [
      "a type",
      relu(attribute("a", 13)),
      UnsupportedError,
      `${where}numbers, texts, a tensor or a graph, got TYPE_PROTO`,
    ],
    ["a tensor that is not there", relu(attribute("a", 4)), FormatError, `${where}a tensor, got none`],
    ["a graph that is not there", relu(attribute("a", 5)), FormatError, `${where}a graph, got none`],
    ["a sparse tensor that is not there", relu(attribute("a", 11)), FormatError, `${where}a sparse tensor, got none`],
    [
      "a reference outside of a function",
      relu(attribute("a", 2, blob(21, "b"))),
      FormatError,
      `${where}a value, got a re`,
    ],
    [
      "text that is not UTF-8",
      relu(attribute("a", 3, blob(4, [0xff]))),
      UnsupportedError,
      `${where}text in UTF-8, got othe`,
    ],
    [
      "an integer that a double does not hold",
      relu(attribute("a", 2, int(3, 2n ** 53n + 1n))),
      UnsupportedError,
      `${where}an integer below 2^53, got 9007199254740992`,
    ],
  ];
  test.each(attributes)("an attribute: %s", (_, bytes, kind, start) => expectRefusal(bytes, kind, start));

  test("names are only names", () => {
    const odd = ["__proto__", "constructor", "../x", "a\0b"];
    const graph = readOnnx(
      model(
        [
          ...odd.map((name) => message(11, value(name))),
          ...odd.map((name) => initializer(`${name}.w`, 3, [1], raw(1))),
          ...odd.map((name) => node(name, [name, `${name}.w`], [`${name}.y`], attribute(name, 2, int(3, 7)))),
          ...odd.map((name) => message(12, value(`${name}.y`))),
        ],
        head,
      ),
    );
    expect(graph.inputs.map(({ name }) => name)).toEqual(odd);
    expect([...graph.weights.keys()]).toEqual(odd.map((name) => `${name}.w`));
    for (const [i, { op, attributes }] of graph.nodes.entries()) {
      expect(op).toBe(odd[i]);
      expect(Object.entries(attributes)).toEqual([[odd[i], 7]]);
      expect(Object.getPrototypeOf(attributes)).toBe(Object.prototype);
    }
  });
});

/** Sequences of sequences: what a type holds. */
function deepType(depth: number): number[] {
  let bytes: number[] = [];
  for (let i = 0; i < depth; i++) bytes = message(4, message(1, bytes));
  return bytes;
}
