// ONNX files that unfold to more than they are worth: functions, and things that are made of two bytes.
import { describe, expect, test } from "vitest";
import { FormatError, UnsupportedError } from "../../src/errors.js";
import { readOnnx } from "../../src/formats/onnx/index.js";
import {
  attribute,
  type Bytes,
  blob,
  float,
  int,
  message,
  model,
  node,
  opset,
  sound,
  varint,
  withNodes,
} from "../formats/onnx-file.js";
import { expectRefusal } from "./onnx-refusal.js";

const parts = Object.values(sound);
const head = [int(1, 10), opset(21)];
const good = model();

describe("functions", () => {
  const declared = (name: string, nodes: readonly Bytes[], more: readonly Bytes[] = []) =>
    message(
      25,
      blob(1, name),
      blob(4, "a"),
      blob(5, "b"),
      ...nodes.map((bytes) => [0x3a, ...bytes.slice(1)]),
      blob(10, "own"),
      ...more,
    );
  const call = (name: string, input: string, output: string) => node(name, [input], [output], blob(7, "own"));
  const withFunctions = (...functions: readonly Bytes[]) =>
    Uint8Array.from([...model([...parts, call("f", "x", "z")], [...head, opset(1, "own")]), ...functions.flat()]);

  test("that calls itself, or others in a circle", () => {
    const own = withFunctions(declared("f", [call("f", "a", "b")]));
    expectRefusal(own, FormatError, "function own.f: expected no recursion, got one");
    const circle = withFunctions(declared("f", [call("g", "a", "b")]), declared("g", [call("f", "a", "b")]));
    expectRefusal(circle, FormatError, "function own.f: expected no recursion, got one");
    const body = attribute("then", 5, message(6, call("f", "a", "c")));
    const inBody = withFunctions(declared("f", [node("If", ["a"], ["b"], body)]));
    expectRefusal(inBody, FormatError, "function own.f: expected no recursion, got one");
  });

  test("that calls others 33 deep", () => {
    const chain = (length: number) =>
      withFunctions(
        ...Array.from({ length }, (_, i) =>
          declared(i === 0 ? "f" : `f${i}`, [
            i + 1 < length ? call(`f${i + 1}`, "a", "b") : node("Relu", ["a"], ["b"]),
          ]),
        ),
      );
    expect(readOnnx(chain(32)).nodes).toHaveLength(2);
    expectRefusal(chain(33), FormatError, "function own.f32: expected calls nested at most 32 deep, got more");
  });

  test("that doubles at every level", () => {
    const levels = Array.from({ length: 30 }, (_, i) => {
      const next = i === 29 ? "Relu" : `f${i + 1}`;
      const domain = i === 29 ? "" : "own";
      const twice = [node(next, ["a"], ["c"], blob(7, domain)), node(next, ["c"], ["b"], blob(7, domain))];
      return declared(i === 0 ? "f" : `f${i}`, twice);
    });
    expectRefusal(withFunctions(...levels), FormatError, "onnx: expected content in proportion to the file, got more");
  });

  test("twice, or for another operator set", () => {
    const relu = declared("f", [node("Relu", ["a"], ["b"])]);
    expectRefusal(withFunctions(relu, relu), FormatError, "function own.f: expected one function, got a second one");
    const older = declared("f", [node("Relu", ["a"], ["b"])], [message(9, blob(1, ""), int(2, 13))]);
    expectRefusal(
      withFunctions(older),
      UnsupportedError,
      'function own.f: expected the model\'s operator set 21 of "", got 13',
    );
  });
});

describe("in proportion", () => {
  const repeated = (field: number, bytes: Bytes, count: number) => {
    const file = new Uint8Array(head.flat().length + 10 + count * bytes.length);
    const inside = new Uint8Array(count * bytes.length);
    for (let i = 0; i < count; i++) inside.set(bytes, i * bytes.length);
    const start = [...head.flat(), 8 * field + 2, ...varint(inside.length)];
    file.set(start);
    file.set(inside, start.length);
    return file.subarray(0, start.length + inside.length);
  };

  test.each([
    ["nodes", [0x0a, 0]],
    ["nodes with an attribute", [0x0a, 2, 0x2a, 0]],
    ["initializers", [0x2a, 0]],
    ["inputs", [0x5a, 0]],
    ["initializers with a list of unpacked numbers", [0x2a, 2, 0x28, 1]],
  ] as [string, number[]][])("a million empty %s are refused before they are made", (_, bytes) => {
    expectRefusal(repeated(7, bytes, 1e6), FormatError, "onnx: expected content in proportion to the file, got more");
  });

  test("a million empty names are worth their bytes, and so are 50,000 nodes of a real size", () => {
    const names = message(1, new Array(1_000_000).fill([0x0a, 0]).flat());
    expectRefusal(withNodes(names), FormatError, "node : expected an operator, got none");
    const conv = (i: number) => [
      ...node(
        "Conv",
        [`conv_${i}`, "w"],
        [`conv_${i + 1}`],
        blob(3, `Conv_${i}`),
        attribute("strides", 7, int(8, 2), int(8, 2)),
      ),
    ];
    const chain = Array.from({ length: 50_000 }, (_, i) => conv(i)).flat();
    expect(readOnnx(withNodes(node("Relu", ["x"], ["conv_0"]), chain)).nodes).toHaveLength(50_002);
  });

  test("fields that are not known are skipped, however many and long", () => {
    const unknown = [
      ...int(99, 2n ** 64n - 1n),
      ...blob(100, "x".repeat(1000)),
      ...float(101, 1),
      ...[0xb1, 6, 1, 2, 3, 4, 5, 6, 7, 8],
    ];
    const padded = Uint8Array.from([...good, ...new Array(1000).fill(unknown).flat()]);
    expect(readOnnx(padded)).toEqual(readOnnx(good));
  });
});
