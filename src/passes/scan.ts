// Scan, followed while planning: a turn for each slice of its inputs.
import { createArray, inMemory } from "../dtype.js";
import { expected, ShapeError, UnsupportedError } from "../errors.js";
import type { GraphNode } from "../graph/graph.js";
import { axisOf, integer, integers } from "../ops/attributes.js";
import { around } from "../ops/axis.js";
import type { Info } from "../ops/op.js";
import { showShape, sizeOf } from "../tensor.js";
import { bodyOf, gather, refuse } from "./control.js";
import { Names, type Walk } from "./infer.js";

/** An input that is taken slice by slice. */
interface Scanned {
  readonly name: string;
  readonly info: Info;
  readonly axis: number;
  readonly backwards: boolean;
}

/** @throws ShapeError, UnsupportedError */
export function scan(walk: Walk, node: GraphNode, names: Names): void {
  const body = bodyOf(node, "body");
  const count = integer(node, "num_scan_inputs", 0);
  const states = node.inputs.length - count;
  if (count < 1 || states < 0 || body.inputs.length !== node.inputs.length || body.outputs.length < states) {
    refuse(node, `a body of ${node.inputs.length} inputs, ${count} of them slices, and ${states} states`, body);
  }
  if (node.outputs.length > body.outputs.length) refuse(node, `${node.outputs.length} outputs of ${body.name}`, body);
  const scanned = scannedOf(walk, node, count, names);
  const length = scanned[0].info.shape[scanned[0].axis];
  let carried: readonly string[] = node.inputs.slice(0, states).map((name) => names.of(name));
  const gathered: string[][] = body.outputs.slice(states).map(() => []);
  for (let turn = 0; turn < length; turn++) {
    const inside = new Names(names);
    for (const [i, name] of carried.entries()) inside.set(body.inputs[i].name, name);
    for (const [i, input] of scanned.entries()) {
      const inner = body.inputs[states + i].name;
      inside.set(inner, enter(walk, node, inner, inside, input, input.backwards ? length - 1 - turn : turn));
    }
    walk.nodes(body.nodes, inside);
    const results = body.outputs.map(({ name }) => inside.of(name));
    carried = results.slice(0, states);
    for (const [k, name] of results.slice(states).entries()) gathered[k].push(name);
  }
  const made = body.outputs.length - states;
  const axes = integers(node, "scan_output_axes", made, 0, -0x7fffffff);
  const backwards = directions(node, "scan_output_directions", made);
  for (const [i, output] of node.outputs.entries()) {
    if (output === "") continue;
    if (i < states) names.set(output, carried[i]);
    else {
      const k = i - states;
      const parts = backwards[k] ? gathered[k].reverse() : gathered[k];
      gather(walk, node, names, output, parts, body.outputs[i], axes[k]);
    }
  }
}

function directions(node: GraphNode, name: string, length: number): boolean[] {
  return integers(node, name, length, 0, 0).map((value) => {
    if (value > 1) throw new ShapeError(expected(`${node.name}.${name}`, "0 or 1 each", `${value}`));
    return value === 1;
  });
}

/** @throws ShapeError where inputs have not as many slices each */
function scannedOf(walk: Walk, node: GraphNode, count: number, names: Names): Scanned[] {
  const axes = integers(node, "scan_input_axes", count, 0, -0x7fffffff);
  const backwards = directions(node, "scan_input_directions", count);
  const scanned = node.inputs.slice(-count).map((input, i) => {
    const name = names.of(input);
    const info = walk.infos.get(name);
    if (!info) {
      throw new UnsupportedError(expected(`node ${node.name} (Scan)`, "every input that is taken in slices", "none"));
    }
    return { name, info, axis: axisOf(node, axes[i], info.shape.length), backwards: backwards[i] };
  });
  const lengths = scanned.map(({ info, axis }) => info.shape[axis]);
  if (lengths.some((length) => length !== lengths[0])) {
    throw new ShapeError(expected(`node ${node.name} (Scan)`, "as many slices of each input", showShape(lengths)));
  }
  return scanned;
}

/** One slice as a value inside of the body. */
function enter(
  walk: Walk,
  node: GraphNode,
  inner: string,
  names: Names,
  { name, info, axis }: Scanned,
  at: number,
): string {
  const made = walk.add(inner, names, sliceOf(info, axis, at));
  walk.step({ node, inputs: [name], outputs: [made], copies: { slice: axis, at } });
  return made;
}

function sliceOf({ dtype, shape, known }: Info, axis: number, at: number): Info {
  const sliced = { dtype, shape: shape.filter((_, d) => d !== axis) };
  if (!known) return sliced;
  const { k, inner } = around(shape, axis);
  const part = createArray(inMemory(dtype), sizeOf(sliced.shape));
  for (let i = 0; i < part.length; i++) part[i] = known[(Math.floor(i / inner) * k + at) * inner + (i % inner)];
  return { ...sliced, known: part };
}
