// If and Loop, followed while planning: a branch is chosen and a loop unrolled by elements that are known then.
import { expected, ShapeError, UnsupportedError } from "../errors.js";
import { type Body, type Dim, type GraphNode, isBody } from "../graph/graph.js";
import { axisOf } from "../ops/attributes.js";
import { sized } from "../ops/known.js";
import type { Info } from "../ops/op.js";
import { showShape, sizeOf } from "../tensor.js";
import { Names, type Walk } from "./infer.js";

/** The branch of an If that its condition chooses. @throws DependsOnValue */
export function branch(walk: Walk, node: GraphNode, names: Names): void {
  const holds = flagOf(walk, node, names.of(node.inputs[0] ?? ""));
  const [then, other] = [bodyOf(node, "then_branch"), bodyOf(node, "else_branch")];
  if (then.outputs.length !== other.outputs.length)
    refuse(node, `${then.outputs.length} outputs of ${other.name}`, other);
  const body = holds ? then : other;
  const inside = new Names(names);
  walk.nodes(body.nodes, inside);
  if (body.outputs.length < node.outputs.length) refuse(node, `${node.outputs.length} outputs of ${body.name}`, body);
  for (const [i, output] of node.outputs.entries()) names.set(output, inside.of(body.outputs[i].name));
}

/** A Loop, as often as its count and its condition say. @throws DependsOnValue */
export function repeat(walk: Walk, node: GraphNode, names: Names): void {
  const [count, first, ...initial] = node.inputs.map((name) => (name === "" ? "" : names.of(name)));
  const most = count ? Number(oneOf(walk, node, count, "int64")) : Number.POSITIVE_INFINITY;
  let goes = first ? flagOf(walk, node, first) : true;
  const body = bodyOf(node, "body");
  if (body.inputs.length !== initial.length + 2 || body.outputs.length < node.outputs.length + 1) {
    refuse(node, `a body of ${initial.length + 2} inputs and ${node.outputs.length + 1} outputs`, body);
  }
  let carried: readonly string[] = initial;
  const gathered: string[][] = body.outputs.slice(1 + carried.length).map(() => []);
  const flag = (value: boolean): Info => ({ dtype: "bool", shape: [], known: Uint8Array.of(value ? 1 : 0) });
  for (let i = 0; goes && i < most; i++) {
    const inside = new Names(names);
    const [iteration, condition, ...variables] = body.inputs;
    enter(walk, inside, iteration.name, { dtype: "int64", shape: [], known: BigInt64Array.of(BigInt(i)) });
    enter(walk, inside, condition.name, flag(true));
    for (const [k, { name }] of variables.entries()) inside.set(name, carried[k]);
    walk.nodes(body.nodes, inside);
    const [next, ...results] = body.outputs.map((output) => inside.of(output.name));
    goes = flagOf(walk, node, next);
    carried = results.slice(0, carried.length);
    for (const [k, name] of results.slice(carried.length).entries()) gathered[k].push(name);
    // A body without nodes takes no steps, but takes its turns.
    walk.step({ node, inputs: [], outputs: [] });
  }
  for (const [i, output] of node.outputs.entries()) {
    if (output === "") continue;
    if (i < carried.length) names.set(output, carried[i]);
    else gather(walk, node, names, output, gathered[i - carried.length], body.outputs[i + 1], 0);
  }
}

/**
 * What an output of the body was each time round, along a new dimension. Without a turn its shape is the declared one, in which a
 * dimension that no input of the graph has is 0.
 */
export function gather(
  walk: Walk,
  node: GraphNode,
  names: Names,
  output: string,
  parts: readonly string[],
  declared: Body["outputs"][number],
  along: number,
): void {
  const infos = parts.map((name) => walk.infos.get(name)!);
  const [first] = infos;
  const sizeAt = (dim: Dim) => (typeof dim === "number" ? dim : (walk.sizes.get(dim) ?? 0));
  const shape = first?.shape ?? declared.shape?.map(sizeAt);
  const dtype = first?.dtype ?? declared.dtype;
  if (!shape || !dtype) {
    throw new UnsupportedError(
      expected(`node ${node.name} (${node.op})`, `a turn that tells the shape of ${output}`, "none"),
    );
  }
  for (const info of infos) {
    if (showShape(info.shape) !== showShape(shape)) {
      throw new ShapeError(
        expected(`node ${node.name} (${node.op})`, `${showShape(shape)} each time`, showShape(info.shape)),
      );
    }
  }
  const axis = axisOf(node, along, shape.length + 1);
  const whole = shape.toSpliced(axis, 0, parts.length);
  const name = walk.add(output, names, sized(node, dtype, whole));
  walk.step({ node, inputs: parts, outputs: [name], copies: { stack: axis } });
}

function flagOf(walk: Walk, node: GraphNode, name: string): boolean {
  return oneOf(walk, node, name, "bool") !== 0;
}

/** The only element of a value. @throws ShapeError, DependsOnValue */
function oneOf(walk: Walk, node: GraphNode, name: string, dtype: "bool" | "int64"): number | bigint {
  const info = walk.infos.get(name);
  if (info?.dtype !== dtype || sizeOf(info.shape) !== 1) {
    const got = info ? `${info.dtype} ${showShape(info.shape)}` : "none";
    throw new ShapeError(expected(`node ${node.name} (${node.op})`, `one ${dtype}`, got));
  }
  return walk.known(node, name)[0];
}

function enter(walk: Walk, names: Names, name: string, info: Info): void {
  names.set(name, walk.add(name, names, info));
}

export function bodyOf(node: GraphNode, attribute: string): Body {
  const body = node.attributes[attribute];
  if (body === undefined || !isBody(body)) {
    throw new ShapeError(expected(`node ${node.name} (${node.op})`, `a body ${attribute}`, "none"));
  }
  return body;
}

export function refuse(node: GraphNode, want: string, { inputs, outputs }: Body): never {
  const got = `${inputs.length} inputs and ${outputs.length} outputs`;
  throw new ShapeError(expected(`node ${node.name} (${node.op})`, want, got));
}
