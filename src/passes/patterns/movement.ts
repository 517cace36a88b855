import type { GraphNode } from "../../graph/graph.js";
import type { Net, Pattern } from "../net.js";

/** One Transpose for two, and none where they cancel. */
export const turnedTwice: Pattern = (node, net) => {
  const before = net.maker(node.inputs[0], ["Transpose"], Number.POSITIVE_INFINITY);
  if (!before) return undefined;
  const [first, second] = [before, node].map(({ attributes: { perm } }) => perm as readonly number[] | undefined);
  const rank = (first ?? second)?.length;
  if (rank === undefined || (first && second && first.length !== second.length)) return undefined;
  const reversed = Array.from({ length: rank }, (_, i) => rank - 1 - i);
  const perm = (second ?? reversed).map((axis) => (first ?? reversed)[axis]);
  const made = { name: node.name, inputs: [before.inputs[0]], outputs: node.outputs };
  if (perm.every((axis, i) => axis === i)) return [{ ...made, op: "Identity", attributes: {} }];
  return [{ ...made, op: "Transpose", attributes: { perm } }];
};

/** A product by the Transpose of a weight takes the weight as it is stored. */
export const turnedWeight: Pattern = (node, net) => {
  const turn = net.maker(node.inputs[1], ["Transpose"], Number.POSITIVE_INFINITY);
  const weight = turn && net.weights.get(turn.inputs[0]);
  const swaps = weight?.shape.length === 2 && `${turn?.attributes.perm ?? [1, 0]}` === "1,0";
  if (!swaps || node.attributes.transB) return undefined;
  const [a, , ...row] = node.inputs;
  return [{ ...node, inputs: [a, turn!.inputs[0], ...row], attributes: { transB: 1 } }];
};

/** A Reshape of what is only another shape of x is one of x. */
export const reshapedTwice: Pattern = (node, net) => {
  const kinds = ["Reshape", "Flatten", "Squeeze", "Unsqueeze"];
  const before = net.maker(node.inputs[0], kinds, Number.POSITIVE_INFINITY);
  const shape = net.integers(node.inputs[1]);
  // 0 stands for a size of what is between.
  if (!before || !shape || shape.includes(0)) return undefined;
  return [{ ...node, inputs: [before.inputs[0], node.inputs[1]] }];
};

/** Zeros around images become padding of the window that goes over them; a mean must count them. */
export const padded: Pattern = (node, net) => {
  const { auto_pad = "NOTSET", ceil_mode = 0, count_include_pad = 0, pads } = node.attributes;
  const pad = net.maker(node.inputs[0], ["Pad"]);
  const rank = node.op === "Conv" ? net.outline(node.inputs[1]).rank : net.outline(node.inputs[0]).rank;
  const zeros = pad && zerosOf(net, pad, rank);
  if (!zeros || (auto_pad !== "NOTSET" && auto_pad !== "VALID")) return undefined;
  const own = auto_pad === "NOTSET" && Array.isArray(pads) ? (pads as readonly number[]) : zeros.map(() => 0);
  if (own.length !== zeros.length) return undefined;
  const attributes = { ...node.attributes, auto_pad: "NOTSET", pads: zeros.map((count, i) => count + own[i]) };
  const inputs = [pad.inputs[0], ...node.inputs.slice(1)];
  if (node.op === "Conv") return [{ ...node, inputs, attributes }];
  const kernel = node.attributes.kernel_shape;
  const within = Array.isArray(kernel) && zeros.every((count, i) => count < (kernel[i % kernel.length] as number));
  const counted = count_include_pad === 1 || own.every((count) => count === 0);
  if (!within || !counted || ceil_mode !== 0) return undefined;
  return [{ ...node, inputs, attributes: { ...attributes, count_include_pad: 1 } }];
};

/** How many zeros a Pad puts before and after each dimension past the second, where it does nothing else. */
function zerosOf(net: Net, pad: GraphNode, rank: number): readonly number[] | undefined {
  const [, counts, value = "", along = ""] = pad.inputs;
  const given = net.integers(counts);
  const axes = along === "" ? Array.from({ length: rank }, (_, i) => i) : net.integers(along);
  if ((pad.attributes.mode ?? "constant") !== "constant" || (value !== "" && net.scalar(value) !== 0)) return undefined;
  if (!given || !axes || given.length !== 2 * axes.length || given.some((count) => count < 0)) return undefined;
  const zeros = new Array<number>(2 * rank).fill(0);
  for (const [i, axis] of axes.entries()) {
    const at = axis < 0 ? axis + rank : axis;
    zeros[at] = given[i];
    zeros[rank + at] = given[axes.length + i];
  }
  if ([0, 1, rank, rank + 1].some((i) => zeros[i] !== 0) || zeros.length !== 2 * rank) return undefined;
  return [...zeros.slice(2, rank), ...zeros.slice(rank + 2)];
}
