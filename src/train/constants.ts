import { type Body, bodiesOf, type Graph } from "../graph/graph.js";

/** Inputs that say how an operator works, whatever their type: bounds, sizes, exponents. */
const formulas: ReadonlyMap<string, readonly number[]> = new Map([
  ["Clip", [1, 2]],
  ["Dropout", [1]],
  ["Pad", [2]],
  ["Pow", [1]],
  ["Resize", [1, 2]],
]);

/**
 * Whether a weight is a constant of the network's formulas as a rule: a single number, what an operator takes as one, or what a Constant
 * node of the graph as it was given holds.
 */
export function constantsOf({ nodes, weights }: Graph, given: Graph): (name: string) => boolean {
  const taken = new Set(nodes.flatMap(({ op, inputs }) => formulas.get(op)?.map((i) => inputs[i]) ?? []));
  const collect = (body: Body) => {
    for (const node of body.nodes) {
      if (node.op === "Constant") taken.add(node.outputs[0]);
      for (const inner of bodiesOf(node)) collect(inner);
    }
  };
  collect(given);
  return (name) => weights.get(name)?.shape.length === 0 || taken.has(name);
}
