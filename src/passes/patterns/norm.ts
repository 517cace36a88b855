import type { GraphNode } from "../../graph/graph.js";
import type { Net, Pattern } from "../net.js";

/** y / sqrt(v + epsilon). */
interface Quotient {
  readonly y: string;
  readonly v: string;
  readonly epsilon: number;
}

/** gamma y / sqrt(v + epsilon): LayerNormalization where y = x - mean(x) and v = mean(y^2), RMSNormalization where v = mean(y^2). */
export const scaled: Pattern = (node, net) => {
  for (const [gamma, value] of [node.inputs, node.inputs.toReversed()]) {
    const quotient = quotientAt(net, value);
    if (!quotient || !isRow(net, gamma, quotient.y)) continue;
    const { y, v, epsilon } = quotient;
    if (!isMeanSquare(net, v, y)) continue;
    const made = { name: node.name, outputs: node.outputs, attributes: { axis: -1, epsilon } };
    const x = centredOf(net, y);
    if (x === undefined) return [{ ...made, op: "RMSNormalization", inputs: [y, gamma] }];
    return [{ ...made, op: "LayerNormalization", inputs: [x, gamma] }];
  }
  return undefined;
};

/** The same plus beta. */
export const shifted: Pattern = (node, net) => {
  for (const [beta, value] of [node.inputs, node.inputs.toReversed()]) {
    const norm = net.maker(value, ["LayerNormalization"]);
    if (norm?.inputs.length !== 2 || !isRow(net, beta, value)) continue;
    return [{ ...norm, inputs: [...norm.inputs, beta], outputs: node.outputs }];
  }
  return undefined;
};

/** x g + (beta - mean(x) g) with g = gamma / sqrt(mean((x - mean(x))^2) + epsilon), as TensorFlow puts it. */
export const spread: Pattern = (node, net) => {
  for (const [left, right] of [node.inputs, node.inputs.toReversed()]) {
    const [product, rest] = [net.maker(left, ["Mul"]), net.maker(right, ["Sub"])];
    const moved = rest && net.maker(rest.inputs[1], ["Mul"]);
    if (!product || !rest || !moved) continue;
    for (const [x, g] of [product.inputs, product.inputs.toReversed()]) {
      const mean = moved.inputs.find((name) => name !== g);
      const scale = net.maker(g, ["Mul"], 2);
      if (!mean || !scale || !moved.inputs.includes(g)) continue;
      for (const [gamma, inverse] of [scale.inputs, scale.inputs.toReversed()]) {
        const root = rootAt(net, inverse);
        if (!root || ![gamma, rest.inputs[0]].every((row) => isRow(net, row, x))) continue;
        const y = squared(net, meanAt(net, root.v)?.inputs[0] ?? "");
        const centre = y === undefined ? undefined : net.maker(y, ["Sub"], 2);
        if (centre?.inputs[0] !== x || centre.inputs[1] !== mean || meanAt(net, mean, 2)?.inputs[0] !== x) continue;
        const attributes = { axis: -1, epsilon: root.epsilon };
        const inputs = [x, gamma, rest.inputs[0]];
        return [{ name: node.name, op: "LayerNormalization", inputs, outputs: node.outputs, attributes }];
      }
    }
  }
  return undefined;
};

/** Whether a weight has a number for each element of the last dimension of x. */
function isRow(net: Net, weight: string, x: string): boolean {
  const { last } = net.outline(x);
  const shape = net.weights.get(weight)?.shape;
  return last !== undefined && shape?.length === 1 && shape[0] === last;
}

function quotientAt(net: Net, value: string): Quotient | undefined {
  const node = net.maker(value, ["Div", "Mul"]);
  if (!node) return undefined;
  const [a, b] = node.inputs;
  if (node.op === "Div") {
    const sum = sumAt(net, net.maker(b, ["Sqrt"])?.inputs[0] ?? "");
    return sum && { y: a, ...sum };
  }
  for (const [y, inverse] of [node.inputs, [b, a]]) {
    const root = rootAt(net, inverse);
    if (root) return { y, ...root };
  }
  return undefined;
}

type Root = Pick<Quotient, "v" | "epsilon">;

/** 1 / sqrt(v + epsilon). */
function rootAt(net: Net, value: string): Root | undefined {
  const node = net.maker(value, ["Reciprocal", "Div", "Pow"]);
  if (!node) return undefined;
  const [a, b] = node.inputs;
  if (node.op === "Pow") return net.scalar(b) === -0.5 && net.outline(b).rank === 0 ? sumAt(net, a) : undefined;
  if (node.op === "Div" && !(net.scalar(a) === 1 && net.outline(a).rank <= 1)) return undefined;
  return sumAt(net, net.maker(node.op === "Div" ? b : a, ["Sqrt"])?.inputs[0] ?? "");
}

/** v + epsilon. */
function sumAt(net: Net, value: string): Root | undefined {
  const node = net.maker(value, ["Add"]);
  const sum = node && net.withScalar(node);
  return sum && { v: sum.x, epsilon: sum.c };
}

/** Whether a value is the mean of y^2 over the last dimension. */
function isMeanSquare(net: Net, value: string, y: string): boolean {
  return squared(net, meanAt(net, value)?.inputs[0] ?? "") === y;
}

/** y where a value is y^2. */
function squared(net: Net, value: string): string | undefined {
  const node = net.maker(value, ["Pow", "Mul"]);
  if (!node) return undefined;
  const [a, b] = node.inputs;
  if (node.op === "Mul") return a === b ? a : undefined;
  return net.scalar(b) === 2 && net.outline(b).rank <= net.outline(a).rank ? a : undefined;
}

/** The node that makes a value by ReduceMean over the last dimension, which stays. */
function meanAt(net: Net, value: string, uses = 1): GraphNode | undefined {
  const node = net.maker(value, ["ReduceMean"], uses);
  if (!node || (node.attributes.keepdims ?? 1) !== 1) return undefined;
  const axes = net.integers(node.inputs[1] ?? "");
  const { rank, exact } = net.outline(node.inputs[0]);
  return axes?.length === 1 && (axes[0] === -1 || (exact && axes[0] === rank - 1)) ? node : undefined;
}

/** x where y = x - mean(x), read by nothing but a norm. */
function centredOf(net: Net, y: string): string | undefined {
  const node = net.maker(y, ["Sub"], 3);
  if (!node) return undefined;
  const [x, mean] = node.inputs;
  return meanAt(net, mean)?.inputs[0] === x ? x : undefined;
}
