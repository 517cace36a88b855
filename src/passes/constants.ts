import { inMemory } from "../dtype.js";
import { CoppiceError } from "../errors.js";
import type { Graph, GraphNode } from "../graph/graph.js";
import type { Weight } from "../graph/weight.js";
import { type Info, NeedsValue } from "../ops/op.js";
import { controls, operatorOf } from "../ops/registry.js";
import { sizeOf } from "../tensor.js";
import type { Knowledge } from "./infer.js";

/** So many elements may be made of next to nothing: a few bytes of file cannot ask for more, but by weights that they bring. */
const most = 65536;
/** How many results of that size a graph may have, besides. */
const mostResults = 16;
/** How often all weights may be read. */
const mostReads = 64;

/**
 * The same function with what follows from weights alone computed, once: it becomes weights. Only dense weights are looked at, so what
 * is stored in fewer bytes stays so. A result has at most 65,536 elements or as many as all weights; all results have at most 16 times
 * the one and twice the other, and are made of 64 times both at most. What cannot be computed is left for planning, which says why.
 */
export function foldConstants(graph: Graph, knowledge: Knowledge): Graph {
  const outputs = new Set(graph.outputs.map((output) => output.name));
  const weights = new Map(graph.weights);
  const given = [...weights.values()].reduce((sum, { shape }) => sum + sizeOf(shape), 0);
  const limit = Math.max(most, given);
  let room = mostResults * most + 2 * given;
  let reads = mostReads * (most + given);
  const infos = new Map<string, Info>();
  const compute = (node: GraphNode): readonly Info[] | undefined => {
    if (controls.has(node.op) || node.outputs.some((name) => outputs.has(name))) return undefined;
    if (node.inputs.some((name) => name !== "" && !isDense(weights.get(name)))) return undefined;
    for (const name of node.inputs) if (name !== "" && !infos.has(name)) infos.set(name, infoOf(name));
    const inputs = node.inputs.map((name) => infos.get(name));
    const op = operatorOf(node);
    op.attrs(node);
    const made = op.infer(node, inputs);
    const size = made.reduce((sum, { shape }) => sum + sizeOf(shape), 0);
    if (size > Math.min(limit, room) || made.length < node.outputs.length) return undefined;
    // A narrower float is one only as long as it is computed: a weight is a float32 to what reads it.
    if (made.some(({ dtype }) => inMemory(dtype) !== dtype)) return undefined;
    for (const info of inputs) reads -= info ? sizeOf(info.shape) : 0;
    if (reads < 0) return undefined;
    room -= size;
    if (made.every(({ known }) => known)) return made;
    const values = knowledge.evaluate(node, inputs, made);
    return made.map((info, i) => ({ ...info, known: values[i] }));
  };
  const infoOf = (name: string): Info => {
    const weight = weights.get(name)!;
    const { dtype } = (weight.kind === "coded" ? weight.storage : weight) as { readonly dtype: Info["dtype"] };
    return { dtype: inMemory(dtype), shape: weight.shape, known: knowledge.elements(name) };
  };
  const nodes = graph.nodes.filter((node) => {
    const made = attempt(() => compute(node));
    for (const [i, name] of node.outputs.entries()) {
      if (!made || name === "") continue;
      const { dtype, shape, known } = made[i];
      infos.set(name, made[i]);
      weights.set(name, { kind: "dense", dtype, shape, data: known! });
    }
    return made === undefined;
  });
  return nodes.length === graph.nodes.length ? graph : { ...graph, nodes, weights };
}

/** Whether a weight is there and is stored as one number for each value. */
function isDense(weight: Weight | undefined): boolean {
  return (weight?.kind === "coded" ? weight.storage.kind : weight?.kind) === "dense";
}

/** What a call gives, or undefined where it cannot be done. */
function attempt<T>(call: () => T): T | undefined {
  try {
    return call();
  } catch (error) {
    if (error instanceof CoppiceError || error instanceof NeedsValue) return undefined;
    throw error;
  }
}
