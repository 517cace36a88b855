import { createArray, type DType } from "../../dtype.js";
import type { GraphNode } from "../../graph/graph.js";
import type { Net, Pattern } from "../net.js";

/**
 * A product whose left rows are (index == 0, index == 1, ...), as JAX writes an embedding: each takes a row of the weight, or zeros where
 * the index is none. A Gather in a weight that ends in a row of zeros gives the same.
 */
export const selected: Pattern = (node, net) => {
  const [left, table] = node.inputs;
  const weight = net.weights.get(table);
  const cast = net.maker(left, ["Cast"]);
  const equal = cast && net.maker(cast.inputs[0], ["Equal"]);
  if (!equal || node.attributes.transB || weight?.kind !== "dense" || weight.shape.length !== 2 || net.uses(table) > 1)
    return undefined;
  const [count, width] = weight.shape;
  for (const [index, places] of [equal.inputs, equal.inputs.toReversed()]) {
    const dtype = counts(net, places, count);
    const shape = dtype && net.shape(index);
    if (shape?.at(-1) !== 1 || net.weights.get(places)!.shape.length > shape.length) continue;
    // 0 times what is not finite is no 0.
    const rows = net.floats(table);
    if (!rows?.every(Number.isFinite)) continue;
    const data = new Float32Array((count + 1) * width);
    data.set(rows);
    const padded = net.weight(node, "rows", { kind: "dense", shape: [count + 1, width], dtype: "float32", data });
    return gathered(net, node, index, padded, dtype!, count);
  }
  return undefined;
};

/** Takes rows of a weight, its last for every index outside of 0 .. count - 1: -1 is the last as well. */
function gathered(net: Net, node: GraphNode, index: string, table: string, dtype: DType, count: number): GraphNode[] {
  const made = (what: string, op: string, inputs: readonly string[]): GraphNode => {
    const name = net.name(node, what);
    return { name, op, inputs, outputs: [name], attributes: {} };
  };
  const number = (what: string, type: DType, value: number, shape: readonly number[]) => {
    const data = createArray(type, 1);
    (data as { fill(value: number | bigint): unknown }).fill(type === "int64" ? BigInt(value) : value);
    return net.weight(node, what, { kind: "dense", shape, dtype: type, data });
  };
  const flat = made("flat", "Squeeze", [index, number("axis", "int64", -1, [1])]);
  const bounds = [number("none", dtype, -1, []), number("last", dtype, count, [])];
  const within = made("within", "Clip", [flat.name, ...bounds]);
  const rows = { ...node, op: "Gather", inputs: [table, within.name], attributes: { axis: 0 } };
  return [flat, within, rows];
}

/** Type of a weight that is 0, 1, ... count - 1 along its last dimension. */
function counts(net: Net, value: string, count: number): "int32" | "int64" | undefined {
  const numbers = net.integers(value);
  const weight = net.weights.get(value);
  if (weight?.kind !== "dense" || weight.shape.at(-1) !== count || numbers?.length !== count) return undefined;
  if (weight.dtype !== "int32" && weight.dtype !== "int64") return undefined;
  return numbers.every((number, i) => number === i) ? weight.dtype : undefined;
}
