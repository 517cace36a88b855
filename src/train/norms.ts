import type { Graph, GraphNode } from "../graph/graph.js";
import { type FullEngine, floatsAt } from "../kernels/engine.js";
import type { Plan } from "../runtime/plan.js";
import { sizeOf } from "../tensor.js";
import type { Place } from "./parameter.js";

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

/** What a weight that holds the statistics of a norm becomes. */
export interface Statistic {
  readonly weight: string;
  readonly values: Float32Array;
}

/** Finds what norms in training made of the stored statistics that are trained: views, valid until the next allocation. */
export function bindStatistics(engine: FullEngine, plan: Plan, trained: ReadonlyMap<string, Place>): () => Statistic[] {
  const made = plan.steps.flatMap(({ node, inputs, io }) => {
    if (node.op !== "BatchNormalization" || !node.attributes.training_mode) return [];
    return [1, 2].flatMap((i) => {
      const weight = inputs[i + 2];
      const slot = io.outputs[i];
      return slot && trained.has(weight) ? [{ weight, slot }] : [];
    });
  });
  return () => made.map(({ weight, slot }) => ({ weight, values: floatsAt(engine, slot.pointer, sizeOf(slot.shape)) }));
}
