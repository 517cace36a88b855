import type { Graph, GraphNode } from "../graph/graph.js";
import { type FullEngine, floatsAt } from "../kernels/engine.js";
import type { Plan } from "../runtime/plan.js";
import type { Parameter } from "./parameter.js";

/**
 * BatchNormalization with statistics of the batch, all of them or those that are in training mode; what the stored ones become are outputs
 * of names that nothing else has.
 */
export function inTraining(graph: Graph, all: boolean): Graph {
  const taken = new Set(graph.nodes.flatMap((node) => node.outputs));
  for (const name of graph.weights.keys()) taken.add(name);
  for (const { name } of graph.inputs) taken.add(name);
  const fresh = (wanted: string) => {
    let name = wanted;
    while (taken.has(name)) name = `${name}'`;
    taken.add(name);
    return name;
  };
  const made = (node: GraphNode): GraphNode => {
    if (node.op !== "BatchNormalization" || node.domain || !(all || node.attributes.training_mode)) return node;
    const [y, mean, variance] = node.outputs;
    const statistics = [mean || fresh(node.inputs[3]), variance || fresh(node.inputs[4])];
    return { ...node, outputs: [y, ...statistics], attributes: { ...node.attributes, training_mode: 1 } };
  };
  return { ...graph, nodes: graph.nodes.map(made) };
}

/**
 * What puts the statistics that norms in training made into the weights that hold the stored ones. No gradient leads to those, so
 * the optimizer leaves them alone.
 */
export function bindStatistics(engine: FullEngine, plan: Plan, parameters: ReadonlyMap<string, Parameter>): () => void {
  const moves = plan.steps.flatMap(({ node, inputs, io }) => {
    if (node.op !== "BatchNormalization" || !node.attributes.training_mode) return [];
    return [1, 2].flatMap((i) => {
      const values = parameters.get(inputs[i + 2])?.trained[0];
      const made = io.outputs[i];
      return values && made ? [{ from: made.pointer, to: values.values, size: values.size }] : [];
    });
  });
  return () => {
    for (const { from, to, size } of moves) floatsAt(engine, to, size).set(floatsAt(engine, from, size));
  };
}
