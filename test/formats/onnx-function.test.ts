import { describe, expect, test } from "vitest";
import { readOnnx } from "../../src/formats/onnx/index.js";
import type { Graph } from "../../src/graph/graph.js";
import { attribute, type Bytes, blob, float, int, message, model, node, opset, sound } from "./onnx-file.js";

const parts = Object.values(sound);

describe("functions", () => {
  // Two functions of one domain: f(a; alpha = 2) -> b, c calls g; g(a) -> a hands through.
  const reference = (name: string, to: string) => attribute(name, 1, blob(21, to));
  const inner = (bytes: Bytes) => [0x3a, ...bytes.slice(1)];
  const branch = message(6, blob(2, "then"), node("Add", ["t", "a"], ["u"]), message(12, blob(1, "u")));
  const f = message(
    25,
    ...[blob(1, "f"), blob(4, "a"), blob(4, "more"), blob(5, "b"), blob(5, "c"), blob(10, "own")],
    inner(node("LeakyRelu", ["a"], ["t"], reference("alpha", "alpha"), reference("beta", "beta"), blob(3, "leak"))),
    inner(node("g", ["t"], ["s"], blob(7, "own"))),
    inner(node("If", ["more"], ["b"], attribute("then_branch", 5, branch))),
    inner(node("Relu", ["s"], ["c"])),
    message(11, blob(1, "alpha"), int(20, 1), float(2, 2)),
    message(9, blob(1, ""), int(2, 21)),
    message(9, blob(1, "com.example"), int(2, 4)),
  );
  const g = message(25, blob(1, "g"), blob(4, "a"), blob(5, "a"), blob(10, "own"));
  const call = (name: string, outputs: string[], ...more: Bytes[]) =>
    node("f", ["x", "w"], outputs, blob(7, "own"), blob(3, name), ...more);

  test("stand where they were called: values named anew, attributes given or by default, bodies too", () => {
    const calls = [call("one", ["p", ""]), call("two", ["q", "r"], attribute("alpha", 1, float(2, 3)))];
    const taken = node("Relu", ["x"], ["one/t"]);
    const bytes = Uint8Array.from([
      ...model([...parts, taken, ...calls], [int(1, 10), opset(21), opset(1, "own")]),
      ...f,
      ...g,
    ]);
    const graph = readOnnx(bytes);
    expect(graph.nodes.slice(2).map(({ op, inputs, outputs }) => [op, ...inputs, "->", ...outputs].join(" "))).toEqual([
      "LeakyRelu x -> one/t_2",
      "Identity one/t_2 -> one/s",
      "If w -> p",
      "Relu one/s -> one/c",
      "LeakyRelu x -> two/t",
      "Identity two/t -> two/s",
      "If w -> q",
      "Relu two/s -> r",
    ]);
    expect([graph.nodes[2].attributes, graph.nodes[6].attributes]).toEqual([{ alpha: 2 }, { alpha: 3 }]);
    expect(graph.nodes[2].name).toBe("one/leak");
    const { then_branch: body } = graph.nodes[8].attributes as { then_branch: Graph };
    expect(body.nodes[0]).toMatchObject({ inputs: ["two/t", "x"], outputs: ["two/u"] });
    expect(body.outputs).toEqual([{ name: "two/u" }]);
    expect(graph.opset).toEqual(
      new Map([
        ["", 21],
        ["own", 1],
        ["com.example", 4],
      ]),
    );
  });

  test("calls inside of bodies", () => {
    const body = attribute("then_branch", 5, message(6, call("deep", ["p", "q"]), message(12, blob(1, "q"))));
    const bytes = model([...parts, node("If", ["x"], ["z"], body)], [int(1, 10), opset(21), opset(1, "own")]);
    const graph = readOnnx(Uint8Array.from([...bytes, ...f, ...g]));
    const { then_branch: inside } = graph.nodes[1].attributes as { then_branch: Graph };
    expect(inside.nodes.map(({ op }) => op)).toEqual(["LeakyRelu", "Identity", "If", "Relu"]);
    expect(inside.nodes[3].outputs).toEqual(["q"]);
  });

  test("overloads are functions of their own", () => {
    const overloaded = message(
      25,
      blob(1, "g"),
      blob(4, "a"),
      blob(5, "b"),
      blob(10, "own"),
      blob(13, "v2"),
      inner(node("Abs", ["a"], ["b"])),
    );
    const calls = [node("g", ["x"], ["p"], blob(7, "own")), node("g", ["x"], ["q"], blob(7, "own"), blob(8, "v2"))];
    const bytes = model([...parts, ...calls], [int(1, 10), opset(21), opset(1, "own")]);
    const { nodes } = readOnnx(Uint8Array.from([...bytes, ...g, ...overloaded]));
    expect(nodes.slice(1).map(({ op }) => op)).toEqual(["Identity", "Abs"]);
  });
});
