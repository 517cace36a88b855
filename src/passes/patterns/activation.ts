import type { Attribute, GraphNode } from "../../graph/graph.js";
import type { Net, Pattern } from "../net.js";
import { isNear, type Product, productOf } from "./product.js";

/**
 * Activations as exporters write them: sums and products of x and a function of x, in any order of the factors.
 * Gelu: x (1 + erf(x / sqrt 2)) / 2 and x (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3))) / 2. Swish: x sigmoid(a x).
 * HardSwish: x hardSigmoid(x), x clip(x + 3, 0, 6) / 6; HardSigmoid: the latter without x. Mish: x tanh(softplus(x)).
 */
export const activation: Pattern = (node, net) => {
  const product = productOf(net, node);
  if (!product) return undefined;
  const { factors, scale } = product;
  if (factors.length === 1) {
    const [x] = [clipped(net, factors[0])];
    if (x === undefined || !isNear(scale, 1 / 6) || !fits(net, x, product)) return undefined;
    return made(node, "HardSigmoid", x, { alpha: 1 / 6, beta: 0.5 });
  }
  if (factors.length !== 2) return undefined;
  for (const [x, gate] of [factors, factors.toReversed()]) {
    if (!fits(net, x, product)) continue;
    const found = gated(net, x, gate, scale);
    if (found) return made(node, found.op, x, found.attributes);
  }
  return undefined;
};

interface Found {
  readonly op: string;
  readonly attributes: Readonly<Record<string, Attribute>>;
}

/** What scale * x * gate is, where that is one operator. */
function gated(net: Net, x: string, gate: string, scale: number): Found | undefined {
  const maker = net.maker(gate, ["Add", "Sigmoid", "HardSigmoid", "Clip", "Tanh"]);
  switch (maker?.op) {
    case "Add": {
      const sum = net.withScalar(maker);
      if (!isNear(scale, 0.5) || sum?.c !== 1) return undefined;
      if (isErf(net, sum.x, x)) return { op: "Gelu", attributes: {} };
      return isTanh(net, sum.x, x) ? { op: "Gelu", attributes: { approximate: "tanh" } } : undefined;
    }
    case "Sigmoid": {
      if (!isNear(scale, 1)) return undefined;
      const alpha = maker.inputs[0] === x ? 1 : times(net, maker.inputs[0], x);
      if (alpha === undefined) return undefined;
      return { op: "Swish", attributes: alpha === 1 ? {} : { alpha } };
    }
    case "HardSigmoid": {
      const { alpha = 0.2, beta = 0.5 } = maker.attributes;
      const known = maker.inputs[0] === x && isNear(scale, 1) && isNear(Number(alpha), 1 / 6) && beta === 0.5;
      return known ? { op: "HardSwish", attributes: {} } : undefined;
    }
    case "Clip":
      return isNear(scale, 1 / 6) && clipped(net, gate) === x ? { op: "HardSwish", attributes: {} } : undefined;
    case "Tanh": {
      const soft = net.maker(maker.inputs[0], ["Softplus"]);
      return isNear(scale, 1) && soft?.inputs[0] === x ? { op: "Mish", attributes: {} } : undefined;
    }
    default:
      return undefined;
  }
}

/** Whether a value is erf(x / sqrt 2). */
function isErf(net: Net, value: string, x: string): boolean {
  const erf = net.maker(value, ["Erf"]);
  const scale = erf && times(net, erf.inputs[0], x);
  return scale !== undefined && isNear(scale, Math.SQRT1_2);
}

/** Whether a value is tanh(sqrt(2 / pi) (x + 0.044715 x^3)), the sum multiplied out or not. */
function isTanh(net: Net, value: string, x: string): boolean {
  const tanh = net.maker(value, ["Tanh"]);
  const outer = tanh && productAt(net, tanh.inputs[0]);
  if (!outer || !isNear(outer.scale, 0.7978845608028654) || !fits(net, x, outer)) return false;
  const alone = outer.factors.length === 1;
  const rest = alone ? outer.factors : outer.factors.filter((factor) => factor !== x);
  if (rest.length !== 1 || outer.factors.length > 2) return false;
  const sum = net.maker(rest[0], ["Add"]);
  if (!sum) return false;
  return [sum.inputs, sum.inputs.toReversed()].some(([first, second]) => {
    const inner = productAt(net, second);
    const starts = alone ? first === x : net.scalar(first) === 1;
    const power = alone ? 3 : 2;
    if (!starts || !inner || !isNear(inner.scale, 0.044715) || !fits(net, x, inner)) return false;
    return inner.factors.length === power && inner.factors.every((factor) => factor === x);
  });
}

/** x where a value is clip(x + 3, 0, 6). */
function clipped(net: Net, value: string): string | undefined {
  const clip = net.maker(value, ["Clip"]);
  if (!clip || net.scalar(clip.inputs[1]) !== 0 || net.scalar(clip.inputs[2]) !== 6) return undefined;
  const add = net.maker(clip.inputs[0], ["Add"]);
  const sum = add && net.withScalar(add);
  return sum?.c === 3 ? sum.x : undefined;
}

/** c where a value is c x. */
function times(net: Net, value: string, x: string): number | undefined {
  const product = productAt(net, value);
  if (product?.factors.length !== 1 || product.factors[0] !== x || !fits(net, x, product)) return undefined;
  return product.scale;
}

function productAt(net: Net, value: string): Product | undefined {
  const maker = net.maker(value, ["Mul", "Div"]);
  return maker && productOf(net, maker);
}

/** Whether the scalars of a product leave x its dimensions. */
function fits(net: Net, x: string, { rank }: Product): boolean {
  return rank <= net.outline(x).rank;
}

function made(node: GraphNode, op: string, x: string, attributes: Found["attributes"]): GraphNode[] {
  return [{ name: node.name, op, inputs: [x], outputs: node.outputs, attributes }];
}
