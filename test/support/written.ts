// Graphs in lines, and how one in which a pattern is found is held against the same one by one.
import { expect } from "vitest";
import { GraphBuilder } from "../../src/graph/build.js";
import type { Attribute, Graph } from "../../src/graph/graph.js";
import { createEngine } from "../../src/kernels/engine.js";
import { applyPasses, passes } from "../../src/passes/index.js";
import { knowledgeOf } from "../../src/runtime/lower.js";
import { Model } from "../../src/runtime/session.js";
import { normals } from "./kernels.js";
import { runModule, sizeOf } from "./network.js";

/** What a session makes of a graph before it lowers it. */
export const passed = (graph: Graph) =>
  applyPasses(
    graph,
    passes((given) => knowledgeOf(createEngine(runModule), given)),
  );
export const ops = (graph: Graph) => graph.nodes.map(({ op }) => op);

/** A graph in which every value is read from outside, so that nothing is found. */
function opened(graph: Graph): Graph {
  const own = new Set(graph.outputs.map(({ name }) => name));
  const names = graph.nodes.flatMap((node) => node.outputs).filter((name) => !own.has(name));
  return { ...graph, outputs: [...graph.outputs, ...names.map((name) => ({ name, dtype: "float32" as const }))] };
}

/** Seeded values for the inputs; `open` stands for each open dimension. */
export function feedsOf(graph: Graph, open = 3) {
  return Object.fromEntries(
    graph.inputs.map(({ name, shape = [] }, i) => {
      const sizes = shape.map((dim) => (typeof dim === "number" ? dim : open));
      return [name, { dtype: "float32" as const, shape: sizes, data: normals(sizeOf(sizes), 7 + i) }];
    }),
  );
}

/** Holds a graph that becomes `found` against the same graph as it was written. */
export function check(graph: Graph, found: readonly string[], within = 2e-6): Graph {
  const before = structuredClone(graph);
  const made = passed(graph);
  expect(ops(made)).toEqual(found);
  expect(ops(passed(opened(graph)))).toEqual(ops(graph));
  const feeds = feedsOf(graph);
  const results = new Model(graph, runModule).run(feeds);
  const wanted = new Model(opened(graph), runModule).run(feeds);
  for (const { name } of graph.outputs) {
    expect(results[name].shape).toEqual(wanted[name].shape);
    const size = wanted[name].data.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
    expect(size).toBeGreaterThan(0);
    for (const [i, value] of wanted[name].data.entries()) {
      expect(Math.abs(results[name].data[i] - value)).toBeLessThanOrEqual(within * size);
    }
  }
  expect(graph).toEqual(before);
  return made;
}

/** Builds a graph in lines: `net.op(...)` adds a node, `net.of(...)` a weight. */
export class Lines {
  readonly b = new GraphBuilder("net");
  #count = 0;
  readonly x: string;

  constructor(shape: readonly (number | string)[]) {
    this.x = this.b.input("x", shape);
  }

  of(shape: readonly number[], ...values: number[]): string {
    const data = values.length > 0 ? Float32Array.from(values) : normals(sizeOf(shape), 50 + this.#count);
    return this.b.weight(`w${this.#count++}`, shape, data);
  }

  list(...values: number[]): string {
    return this.b.weight(`w${this.#count++}`, [values.length], BigInt64Array.from(values, BigInt), "int64");
  }

  op(op: string, inputs: readonly string[], attributes: Record<string, Attribute> = {}): string {
    return this.b.node(op, inputs, attributes);
  }

  graph(y: string, shape: readonly (number | string)[]): Graph {
    this.b.output("y", shape, y);
    return this.b.build();
  }
}

/** A graph over x [N, 8] that `write` makes of it. */
export function written(
  write: (net: Lines, x: string) => string,
  shape: readonly (number | string)[] = ["N", 8],
): Graph {
  const net = new Lines(shape);
  return net.graph(write(net, net.x), shape);
}
