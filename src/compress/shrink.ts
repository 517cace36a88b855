import { plain } from "../graph/dense.js";
import { type Graph, type GraphNode, withWeights } from "../graph/graph.js";
import { readBy } from "../graph/order.js";
import { denseOf, matrixOf } from "../graph/storage.js";
import { type FactoredWeight, isReal, type PlainWeight } from "../graph/weight.js";
import { number } from "../ops/attributes.js";
import { sizeOf } from "../tensor.js";
import { select } from "./select.js";

/**
 * The same function without the channels that do nothing: filters of Conv and rows of Gemm that nothing reads, or that are zero
 * throughout. What such a channel gives by its bias alone goes into the bias behind. Only channels between two such nodes are dropped,
 * with nothing but Relu, pooling and Flatten on the way; of each node one channel at least stays. Inputs and outputs keep their shapes.
 */
export function shrink(graph: Graph): Graph {
  let current = graph;
  // Every cut may leave channels before it that nothing reads any more.
  for (let cut = true; cut; ) {
    cut = false;
    for (const link of linksOf(current)) {
      const next = shrinkLink(current, link);
      cut ||= next !== current;
      current = next;
    }
  }
  return current;
}

/** Two products, and what lies between. */
interface Link {
  readonly from: GraphNode;
  readonly way: readonly GraphNode[];
  readonly to: GraphNode;
}

const channelwise: readonly string[] = ["Relu", "MaxPool", "AveragePool", "GlobalAveragePool", "Flatten"];

/** The links over which all values and weights are used once. */
function linksOf(graph: Graph): Link[] {
  const users = new Map<string, GraphNode[]>();
  for (const node of graph.nodes) for (const name of readBy(node)) users.set(name, [...(users.get(name) ?? []), node]);
  const given = new Set(graph.outputs.map(({ name }) => name));
  const isAlone = ({ inputs }: GraphNode) =>
    inputs.slice(1).every((name) => name === "" || (graph.weights.has(name) && users.get(name)!.length === 1));
  const links: Link[] = [];
  for (const from of graph.nodes) {
    if (!isProduct(from) || !isAlone(from)) continue;
    const way: GraphNode[] = [];
    for (let node = from; ; way.push(node)) {
      const [next, another] = users.get(node.outputs[0]) ?? [];
      if (!next || another || node.outputs.length !== 1 || given.has(node.outputs[0])) break;
      if (isProduct(next) && isAlone(next) && next.inputs[0] === node.outputs[0]) links.push({ from, way, to: next });
      if (next.domain || !channelwise.includes(next.op) || number(next, "axis", 1) !== 1) break;
      node = next;
    }
  }
  return links;
}

/** Whether the rows of the weight are the channels of the output and its columns belong to those of the input. */
function isProduct({ op, domain, attributes, inputs }: GraphNode): boolean {
  if (domain) return false;
  if (op === "Conv") return inputs.length > 1 && (attributes.group ?? 1) === 1;
  if (op !== "Gemm") return false;
  const { transA = 0, transB = 0, alpha = 1, beta = 1 } = attributes;
  return transA === 0 && transB === 1 && alpha === 1 && beta === 1;
}

function shrinkLink(graph: Graph, { from, way, to }: Link): Graph {
  const weightOf = (node: GraphNode, i: number) => {
    const weight = graph.weights.get(node.inputs[i] ?? "");
    return weight && plain(weight);
  };
  const [before, after] = [weightOf(from, 1)!, weightOf(to, 1)!];
  const [bias, biasAfter] = [weightOf(from, 2), weightOf(to, 2)];
  const { rows } = matrixOf(before.shape);
  const each = matrixOf(after.shape).cols / rows;
  if (!isCuttable(before) || !isCuttable(after) || !Number.isInteger(each)) return graph;
  if (bias && (!isCuttable(bias) || bias.shape.join() !== String(rows))) return graph;

  const filters = denseOf(before);
  const readers = denseOf(after);
  const offsets = bias ? denseOf(bias) : new Float32Array(rows);
  const { rows: outs, cols: ins } = matrixOf(after.shape);
  const movable = biasAfter?.shape[0] === outs && isMovable(way, to, biasAfter);
  /** What a channel gives everywhere, or undefined where that depends on the input. */
  const constant = (o: number): number | undefined => {
    const width = filters.length / rows;
    if (filters.subarray(o * width, (o + 1) * width).some((value) => value !== 0)) return undefined;
    return way.some(({ op }) => op === "Relu") ? Math.max(0, offsets[o]) : offsets[o];
  };
  const isRead = (o: number) => {
    for (let r = 0; r < outs; r++)
      for (let c = 0; c < each; c++) if (readers[r * ins + o * each + c] !== 0) return true;
    return false;
  };
  const isDead = (o: number) => !isRead(o) || constant(o) === 0 || (movable && constant(o) !== undefined);
  const all = range(rows);
  const dead = new Set(all.filter(isDead));
  if (dead.size === rows) dead.delete(0);
  if (dead.size === 0) return graph;

  const keep = all.filter((o) => !dead.has(o));
  const cols = keep.flatMap((o) => range(each).map((c) => o * each + c));
  const weights: [string, PlainWeight][] = [
    [from.inputs[1], select(before, keep, range(filters.length / rows), [keep.length, ...before.shape.slice(1)])],
    [
      to.inputs[1],
      select(after, range(outs), cols, [outs, cols.length / sizeOf(after.shape.slice(2)), ...after.shape.slice(2)]),
    ],
  ];
  if (bias) weights.push([from.inputs[2], select(bias, [0], keep, [keep.length])]);
  if (movable) {
    const moved = denseOf(biasAfter!);
    for (const o of dead) {
      for (let r = 0; r < outs; r++)
        for (let c = 0; c < each; c++) moved[r] += (constant(o) ?? 0) * readers[r * ins + o * each + c];
    }
    weights.push([to.inputs[2], { kind: "dense", shape: biasAfter!.shape, dtype: "float32", data: moved }]);
  }
  return withWeights(graph, weights);
}

/** Whether a channel that is the same everywhere is as good as a bias of `to`: no borders of zeros, and a bias that takes any value. */
function isMovable(way: readonly GraphNode[], to: GraphNode, bias: PlainWeight | undefined): boolean {
  const { pads, auto_pad = "NOTSET" } = to.attributes;
  const bordered = auto_pad !== "NOTSET" || (Array.isArray(pads) && pads.some((pad) => pad !== 0));
  if (bias?.kind !== "dense" || bias.dtype !== "float32" || bias.shape.length !== 1) return false;
  return !bordered && !way.some(({ op }) => op === "AveragePool");
}

function isCuttable(weight: PlainWeight): weight is Exclude<PlainWeight, FactoredWeight> {
  return weight.kind !== "factored" && (weight.kind !== "dense" || isReal(weight.dtype));
}

function range(length: number): number[] {
  return Array.from({ length }, (_, i) => i);
}
