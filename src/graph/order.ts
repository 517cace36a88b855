import { expected, FormatError } from "../errors.js";
import { type Body, bodiesOf, type Graph, type GraphNode } from "./graph.js";

/** Node that makes each value. */
export function producers(graph: Graph): Map<string, GraphNode> {
  const made = new Map<string, GraphNode>();
  for (const node of graph.nodes) for (const output of node.outputs) made.set(output, node);
  return made;
}

/** The values that a node reads: its inputs, and what its bodies use of the graphs around them. */
export function readBy(node: GraphNode): readonly string[] {
  const bodies = bodiesOf(node);
  return bodies.length === 0 ? node.inputs : [...node.inputs, ...bodies.flatMap(readFromOutside)];
}

/** The values that the nodes and outputs of a body name and nothing inside it makes. */
function readFromOutside(body: Body): string[] {
  const inside = new Set([
    ...body.inputs.map((input) => input.name),
    ...body.weights.keys(),
    ...body.nodes.flatMap((node) => node.outputs),
  ]);
  const named = [...body.nodes.flatMap(readBy), ...body.outputs.map((output) => output.name)];
  return [...new Set(named)].filter((name) => name !== "" && !inside.has(name));
}

/** The nodes that the graph's outputs need, in their order. */
export function liveNodes(graph: Graph): GraphNode[] {
  const wanted = new Set(graph.outputs.map((output) => output.name));
  const live: GraphNode[] = [];
  for (const node of [...graph.nodes].reverse()) {
    if (!node.outputs.some((output) => wanted.has(output))) continue;
    live.push(node);
    for (const input of readBy(node)) if (input !== "") wanted.add(input);
  }
  return live.reverse();
}

/** The same nodes, every one after those that make its inputs (A. Kahn, 1962). @throws FormatError naming a node on a cycle */
export function sorted(graph: Graph): GraphNode[] {
  const known = new Set([...graph.inputs.map((input) => input.name), ...graph.weights.keys(), ""]);
  const made = producers(graph);
  const users = new Map<GraphNode, GraphNode[]>();
  const missing = new Map<GraphNode, number>();
  for (const node of graph.nodes) {
    let count = 0;
    for (const input of new Set(readBy(node))) {
      if (known.has(input)) continue;
      const maker = made.get(input);
      if (!maker) throw new FormatError(expected(`node ${node.name}`, "inputs that exist", `"${input}"`));
      users.set(maker, [...(users.get(maker) ?? []), node]);
      count++;
    }
    missing.set(node, count);
  }
  const ready = graph.nodes.filter((node) => missing.get(node) === 0);
  for (const node of ready) {
    for (const user of users.get(node) ?? []) {
      const left = missing.get(user)! - 1;
      missing.set(user, left);
      if (left === 0) ready.push(user);
    }
  }
  const stuck = graph.nodes.find((node) => missing.get(node)! > 0);
  if (stuck) throw new FormatError(expected("graph", "no cycle", `one through node ${stuck.name}`));
  return ready;
}
