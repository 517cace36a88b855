import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { FormatError } from "../../src/errors.js";
import type { Graph, GraphNode } from "../../src/graph/graph.js";
import { liveNodes, producers, sorted } from "../../src/graph/order.js";

const node = (name: string, inputs: string[], outputs = [name]): GraphNode => ({
  name,
  op: "Any",
  inputs,
  outputs,
  attributes: {},
});
const graph = (nodes: GraphNode[], outputs: string[]): Graph => ({
  name: "g",
  inputs: [{ name: "x", dtype: "float32", shape: [1] }],
  outputs: outputs.map((name) => ({ name, dtype: "float32", shape: [1] })),
  nodes,
  weights: new Map([["w", { kind: "dense", shape: [1], dtype: "float32", data: new Float32Array(1) }]]),
});
const names = (nodes: readonly GraphNode[]) => nodes.map(({ name }) => name);

describe("sorted", () => {
  test("puts makers before users", () => {
    const nodes = [node("c", ["b", "a"]), node("b", ["a", "w"]), node("a", ["x", "", "w"])];
    expect(names(sorted(graph(nodes, ["c"])))).toEqual(["a", "b", "c"]);
  });

  test("keeps an order that is already right", () => {
    const nodes = [node("a", ["x"]), node("b", ["x"]), node("c", ["a"]), node("d", ["b", "b"])];
    expect(names(sorted(graph(nodes, ["d"])))).toEqual(["a", "b", "c", "d"]);
  });

  test("a cycle, a self-loop and a missing input are named", () => {
    expect(() => sorted(graph([node("a", ["b"]), node("b", ["a"])], ["b"]))).toThrow(
      new FormatError("graph: expected no cycle, got one through node a"),
    );
    expect(() => sorted(graph([node("ok", ["x"]), node("a", ["a", "x"])], ["a"]))).toThrow(
      new FormatError("graph: expected no cycle, got one through node a"),
    );
    expect(() => sorted(graph([node("a", ["nowhere"])], ["a"]))).toThrow(
      new FormatError('node a: expected inputs that exist, got "nowhere"'),
    );
    expect(() => sorted(graph([node("a", ["x"]), node("b", ["a", "c"]), node("c", ["b"])], ["c"]))).toThrow(
      FormatError,
    );
  });

  test("any shuffled graph without cycles comes out in order; any back edge is found", () => {
    fc.assert(
      fc.property(
        fc.array(fc.array(fc.nat(), { maxLength: 4 }), { minLength: 1, maxLength: 20 }),
        fc.array(fc.nat(), { minLength: 20, maxLength: 20 }),
        (edges, keys) => {
          const nodes = edges.map((from, i) =>
            node(`n${i}`, from.map((f) => (i === 0 ? "x" : `n${f % i}`)).concat("x")),
          );
          const mixed = nodes
            .map((n, i) => ({ n, key: keys[i] }))
            .sort((a, b) => a.key - b.key)
            .map(({ n }) => n);
          const order = sorted(graph(mixed, [`n${nodes.length - 1}`]));
          expect(new Set(order)).toEqual(new Set(nodes));
          const seen = new Set(["x", "w", ""]);
          for (const { name, inputs } of order) {
            for (const input of inputs) expect(seen.has(input)).toBe(true);
            seen.add(name);
          }
          const last = nodes[nodes.length - 1];
          const bent = mixed.map((n) =>
            n === nodes[0] ? { ...n, inputs: [last.name] } : n === last ? { ...n, inputs: ["n0"] } : n,
          );
          expect(() => sorted(graph(bent, [last.name]))).toThrow(FormatError);
        },
      ),
      { numRuns: 60, seed: 1 },
    );
  });

  test("a long chain needs no deep stack", () => {
    const nodes = Array.from({ length: 20_000 }, (_, i) => node(`n${i}`, [i === 0 ? "x" : `n${i - 1}`])).reverse();
    expect(sorted(graph(nodes, ["n19999"]))).toHaveLength(20_000);
  });
});

test("producers maps every output to its node", () => {
  const a = node("a", ["x"], ["p", "q"]);
  expect([...producers(graph([a], ["p"]))]).toEqual([
    ["p", a],
    ["q", a],
  ]);
});

test("liveNodes drops what no output needs, and an absent value needs nothing", () => {
  const nodes = [
    node("a", ["x", ""]),
    node("dead", ["a"]),
    node("deader", ["dead"], ["deader", ""]),
    node("b", ["a"], ["", "b"]),
    node("c", ["b"]),
  ];
  expect(names(liveNodes(graph(nodes, ["c"])))).toEqual(["a", "b", "c"]);
  expect(names(liveNodes(graph(nodes, ["x"])))).toEqual([]);
  expect(names(liveNodes(graph(nodes, ["dead", "b"])))).toEqual(["a", "dead", "b"]);
});
