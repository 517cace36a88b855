import type { GraphNode } from "../../graph/graph.js";
import type { Net } from "../net.js";

/** A value as a product of a number and of values, in no order. */
export interface Product {
  readonly scale: number;
  /** Dimensions of the scalars in it. */
  readonly rank: number;
  readonly factors: readonly string[];
}

/** No product that is looked for is made by more nodes. */
const mostNodes = 8;

/**
 * The product that a node makes: Mul, Div by a number, squares and cubes, taken together where nothing else reads what is
 * between them; undefined where it makes none.
 */
export function productOf(net: Net, node: GraphNode): Product | undefined {
  let [scale, rank, left] = [1, 0, mostNodes];
  const factors: string[] = [];
  const open = [node];
  const take = (value: string): void => {
    const c = net.scalar(value);
    const maker = net.maker(value, ["Mul", "Div", "Pow"]);
    if (c !== undefined) {
      scale *= c;
      rank = Math.max(rank, net.outline(value).rank);
    } else if (maker && isProduct(net, maker)) open.push(maker);
    else factors.push(value);
  };
  if (!isProduct(net, node)) return undefined;
  for (const { op, inputs } of open) {
    if (left-- === 0) return undefined;
    take(inputs[0]);
    if (op === "Mul") take(inputs[1]);
    else {
      const c = net.scalar(inputs[1])!;
      rank = Math.max(rank, net.outline(inputs[1]).rank);
      if (op === "Div") scale /= c;
      else for (let i = 1; i < c; i++) factors.push(inputs[0]);
    }
  }
  return { scale, rank, factors };
}

function isProduct(net: Net, { op, inputs: [x, by] }: GraphNode): boolean {
  if (op === "Mul") return true;
  const c = net.scalar(by);
  // A power of what is a product or a number is no product of values.
  return op === "Div" ? c !== undefined : op === "Pow" && (c === 2 || c === 3) && plain(net, x);
}

function plain(net: Net, value: string): boolean {
  return net.scalar(value) === undefined && net.maker(value, ["Mul", "Div", "Pow"]) === undefined;
}

/** Whether two numbers are one as float32 or as exporters round them. */
export function isNear(a: number, b: number): boolean {
  return Math.abs(a - b) <= 1e-6 * Math.abs(b);
}
