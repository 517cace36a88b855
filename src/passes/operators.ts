import { expected, UnsupportedError } from "../errors.js";
import { bodiesOf, defaultOpset, type Graph, type GraphNode } from "../graph/graph.js";
import { liveNodes } from "../graph/order.js";
import { controls, operators } from "../ops/registry.js";
import { rewrites } from "./rewrites.js";

/**
 * Checks that what the outputs of a graph need are operators that run here, as the graph was read: what only passes make is none.
 * @throws UnsupportedError naming the node, its operator and the version of its operator set
 */
export function checkOperators(graph: Graph): void {
  const opset = graph.opset ?? defaultOpset;
  for (const node of liveNodes(graph)) checkNode(node, opset);
}

function checkNode(node: GraphNode, opset: ReadonlyMap<string, number>): void {
  const { name, op, domain = "" } = node;
  if (domain !== "" || !(operators.has(op) || controls.has(op) || Object.hasOwn(rewrites, op))) {
    const version = opset.get(domain);
    const got = `${domain === "" ? op : `${domain}.${op}`} of opset ${version ?? "unknown"}`;
    throw new UnsupportedError(expected(`node ${name}`, "an operator that runs here", got));
  }
  for (const body of bodiesOf(node)) for (const inner of body.nodes) checkNode(inner, opset);
}
