import type { GraphNode } from "../../graph/graph.js";
import { controls, operatorOf } from "../registry.js";
import { attention } from "./attention.js";
import type { Gradient } from "./chain.js";
import { elementwise } from "./elementwise.js";
import { norms } from "./norm.js";
import { recurrent } from "./recurrent.js";
import { reductions } from "./reduce.js";

/** Gradients that are recipes of general kernels: apart from their operators, because what only runs networks has no use for them. */
const recipes: ReadonlyMap<string, Gradient> = new Map(
  Object.entries({ Attention: attention, ...elementwise, ...norms, ...recurrent, ...reductions }),
);

/** The gradient of a node's operator; undefined where it has none. */
export function gradientFor(node: GraphNode): Gradient | undefined {
  if (controls.has(node.op)) return undefined;
  return operatorOf(node).grad ?? (node.domain ? undefined : recipes.get(node.op));
}
