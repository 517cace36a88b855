// If and Loop, followed while planning: a branch is chosen and a loop unrolled by elements that are known then.
import { expected, ShapeError, UnsupportedError } from "../errors.js";
import { type Body, type GraphNode, isBody } from "../graph/graph.js";
import { axisOf } from "../ops/attributes.js";
import type { Info } from "../ops/op.js";
import { showShape } from "../tensor.js";
import type { Walk } from "./infer.js";

/** The branch of an If that its condition chooses. @throws DependsOnValue */
export function branch(walk: Walk, node: GraphNode, names: Map<string, string>): void {
  const condition = walk.known(node, resolved(node.inputs[0], names));
  const body = bodyOf(node, condition[0] ? "then_branch" : "else_branch");
  const inside = new Map(names);
  walk.nodes(body.nodes, inside);
  if (body.outputs.length < node.outputs.length) refuse(node, `${node.outputs.length} outputs of ${body.name}`, body);
  for (const [i, output] of node.outputs.entries()) names.set(output, resolved(body.outputs[i].name, inside));
}

/** A Loop, as often as its count and its condition say. @throws DependsOnValue */
export function repeat(walk: Walk, node: GraphNode, names: Map<string, string>): void {
  const [count, first, ...initial] = node.inputs.map((name) => (name === "" ? "" : resolved(name, names)));
  const most = count ? Number(walk.known(node, count)[0]) : Number.POSITIVE_INFINITY;
  let goes = first ? Boolean(walk.known(node, first)[0]) : true;
  const body = bodyOf(node, "body");
  if (body.inputs.length !== initial.length + 2 || body.outputs.length < node.outputs.length + 1) {
    refuse(node, `a body of ${initial.length + 2} inputs and ${node.outputs.length + 1} outputs`, body);
  }
  let carried: readonly string[] = initial;
  const gathered: string[][] = body.outputs.slice(1 + carried.length).map(() => []);
  const flag = (value: boolean): Info => ({ dtype: "bool", shape: [], known: Uint8Array.of(value ? 1 : 0) });
  for (let i = 0; goes && i < most; i++) {
    const inside = new Map(names);
    const [iteration, condition, ...variables] = body.inputs;
    enter(walk, inside, iteration.name, { dtype: "int64", shape: [], known: BigInt64Array.of(BigInt(i)) });
    enter(walk, inside, condition.name, flag(true));
    for (const [k, { name }] of variables.entries()) inside.set(name, carried[k]);
    walk.nodes(body.nodes, inside);
    const [next, ...results] = body.outputs.map((output) => resolved(output.name, inside));
    goes = Boolean(walk.known(node, next)[0]);
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

/** What an output of the body was each time round, along a new dimension. */
export function gather(
  walk: Walk,
  node: GraphNode,
  names: Map<string, string>,
  output: string,
  parts: readonly string[],
  declared: Body["outputs"][number],
  along: number,
): void {
  const infos = parts.map((name) => walk.infos.get(name)!);
  const [first] = infos;
  const shape = first?.shape ?? declared.shape;
  const dtype = first?.dtype ?? declared.dtype;
  if (!shape || !dtype || !shape.every((dim) => typeof dim === "number")) {
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
  const whole = (shape as readonly number[]).toSpliced(axis, 0, parts.length);
  const name = walk.add(output, names, { dtype, shape: whole });
  walk.step({ node, inputs: parts, outputs: [name], copies: { stack: axis } });
}

function enter(walk: Walk, names: Map<string, string>, name: string, info: Info): void {
  names.set(name, walk.add(name, names, info));
}

export function resolved(name: string, names: ReadonlyMap<string, string>): string {
  return names.get(name) ?? name;
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
