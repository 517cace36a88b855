import type { TypedArray } from "../dtype.js";
import { expected, UnsupportedError } from "../errors.js";
import { type Attribute, type Graph, type GraphNode, isBody } from "../graph/graph.js";
import type { Weight } from "../graph/weight.js";
import { plainGemm } from "./gemm.js";

/** What an older form of an operator becomes; undefined: it stays as it is. */
type Rewrite = (node: GraphNode, to: Rewriter) => readonly GraphNode[] | undefined;

/** Makes the weights and nodes that rewritten nodes need, under names that nothing has. */
export class Rewriter {
  readonly version: number;
  readonly #graph: Graph;
  readonly #taken: Set<string>;
  readonly #weights: Map<string, Weight>;

  constructor(graph: Graph, version: number, taken: Set<string>, weights: Map<string, Weight>) {
    this.version = version;
    this.#graph = graph;
    this.#taken = taken;
    this.#weights = weights;
  }

  /** Shape of a weight or an input of the graph, where that is what a value is. */
  shapeOf(value: string): readonly (number | string)[] | undefined {
    return (this.#weights.get(value) ?? this.#graph.inputs.find(({ name }) => name === value))?.shape;
  }

  name(wanted: string): string {
    let name = wanted;
    for (let i = 2; this.#taken.has(name); i++) name = `${wanted}.${i}`;
    this.#taken.add(name);
    return name;
  }

  integers(node: GraphNode, what: string, values: readonly number[], scalar = false): string {
    // The ends of a Slice may be the largest there is, which a number does not hold exactly.
    const most = Number.MAX_SAFE_INTEGER;
    const data = BigInt64Array.from(values, (value) => BigInt(Math.trunc(Math.min(Math.max(value, -most), most))));
    return this.#weight(node, what, "int64", scalar ? [] : [data.length], data);
  }

  floats(node: GraphNode, what: string, values: readonly number[], scalar = false): string {
    return this.#weight(node, what, "float32", scalar ? [] : [values.length], Float32Array.from(values));
  }

  #weight(
    node: GraphNode,
    what: string,
    dtype: "int64" | "float32",
    shape: readonly number[],
    data: TypedArray,
  ): string {
    const name = this.name(`${node.name}.${what}`);
    this.#weights.set(name, { kind: "dense", shape, dtype, data });
    return name;
  }

  /** A node beside another; its output bears its name. */
  node(
    beside: GraphNode,
    what: string,
    op: string,
    inputs: readonly string[],
    attributes: Readonly<Record<string, Attribute>> = {},
  ): GraphNode {
    const name = this.name(`${beside.name}.${what}`);
    return { name, op, inputs, outputs: [name], attributes };
  }
}

function without(node: GraphNode, ...names: readonly string[]): GraphNode {
  const kept = Object.entries(node.attributes).filter(([name]) => !names.includes(name));
  return { ...node, attributes: Object.fromEntries(kept) };
}

/** The node with its i-th input; those missing before it are absent. */
function withInput(node: GraphNode, i: number, value: string): GraphNode {
  const inputs = Array.from({ length: Math.max(node.inputs.length, i + 1) }, (_, k) => node.inputs[k] ?? "");
  return { ...node, inputs: inputs.with(i, value) };
}

function numbersOf(value: Attribute | undefined): readonly number[] | undefined {
  if (typeof value === "number") return [value];
  return Array.isArray(value) && value.every((item) => typeof item === "number") ? value : undefined;
}

/** Attributes that became inputs in an operator set: `[name, input]`, and how they stand there. */
function moved(since: number, kind: "integers" | "floats", scalar: boolean, ...places: [string, number][]): Rewrite {
  return (node, to) => {
    if (to.version >= since) return undefined;
    let made = node;
    for (const [name, i] of places) {
      const values = numbersOf(node.attributes[name]);
      if (values && !node.inputs[i]) made = withInput(made, i, to[kind](node, name, values, scalar));
      made = values ? without(made, name) : made;
    }
    return [made];
  };
}

function sequence(...steps: readonly Rewrite[]): Rewrite {
  return (node, to) => {
    let nodes: readonly GraphNode[] = [node];
    for (const step of steps) nodes = nodes.flatMap((each) => step(each, to) ?? each);
    return nodes;
  };
}

/** Attributes that older sets have and that say nothing about the result of running a network. */
function dropped(since: number, ...names: readonly string[]): Rewrite {
  return (node, to) => (to.version < since ? [without(node, ...names)] : undefined);
}

const reduced = moved(18, "integers", false, ["axes", 1]);

/** Before 13: over all dimensions from `axis` on as if they were one. */
const flattened: Rewrite = (node, to) => {
  const { axis = 1 } = node.attributes;
  if (to.version >= 13) return undefined;
  if (axis === -1) return [node];
  const shape = to.node(node, "shape", "Shape", [node.inputs[0]]);
  const flat = to.node(node, "flat", "Flatten", [node.inputs[0]], { axis });
  const rows = { ...node, inputs: flat.outputs, outputs: [to.name(`${node.name}.rows`)], attributes: { axis: 1 } };
  const name = to.name(`${node.name}.shaped`);
  const shaped = { name, op: "Reshape", inputs: [rows.outputs[0], shape.name], outputs: node.outputs, attributes: {} };
  return [shape, flat, rows, shaped];
};

/** Before 7: B is repeated only where `broadcast` says so, and stands in A from dimension `axis` on. */
const aligned: Rewrite = (node, to) => {
  if (to.version >= 7) return undefined;
  const { axis } = node.attributes;
  const [a, b] = node.inputs;
  const rank = to.shapeOf(b)?.length;
  // Without an axis it stands at the end, as it does now.
  if (typeof axis !== "number" || !node.attributes.broadcast) return [without(node, "broadcast", "axis")];
  if (rank === undefined) return [node];
  const rest = to.node(
    node,
    "rest",
    "Shape",
    [a],
    axis < 0 && axis + rank >= 0 ? { start: 0, end: 0 } : { start: axis + rank },
  );
  const count = to.node(node, "count", "Shape", [rest.name]);
  const one = { dtype: "int64", shape: [1], data: BigInt64Array.of(1n) } as const;
  const ones = to.node(node, "ones", "ConstantOfShape", [count.name], { value: one });
  const own = to.node(node, "own", "Shape", [b]);
  const shape = to.node(node, "shape", "Concat", [own.name, ones.name], { axis: 0 });
  const shaped = to.node(node, "shaped", "Reshape", [b, shape.name]);
  return [rest, count, ones, own, shape, shaped, without({ ...node, inputs: [a, shaped.name] }, "broadcast", "axis")];
};

/** Scales of the older resizing operators mean pixels that begin at their corners. */
const corners = { coordinate_transformation_mode: "asymmetric", nearest_mode: "floor" };

const upsample: Rewrite = (node, to) => {
  const { mode = "nearest", scales, height_scale: h, width_scale: w } = node.attributes;
  const given = typeof h === "number" && typeof w === "number" ? [1, 1, h, w] : numbersOf(scales);
  const values = node.inputs[1] || (given ? to.floats(node, "scales", given) : "");
  const linear = mode === "bilinear" || mode === "linear";
  const attributes = { mode: linear ? "linear" : mode, ...corners };
  return [{ ...node, op: "Resize", inputs: [node.inputs[0], "", values], attributes }];
};

const resize: Rewrite = (node, to) => {
  if (to.version >= 11) return undefined;
  return [
    { ...node, inputs: [node.inputs[0], "", node.inputs[1] ?? ""], attributes: { ...node.attributes, ...corners } },
  ];
};

/** Statistics as outputs meant training, and had more names than there are values now. */
const normalized: Rewrite = (node, to) => {
  if (to.version >= 14) return undefined;
  const spatial = node.attributes.spatial ?? 1;
  const made = without(node, "is_test", "consumed_inputs", ...(to.version < 9 && spatial === 1 ? ["spatial"] : []));
  const trains = to.version >= 7 ? node.outputs.slice(1).some((name) => name !== "") : node.attributes.is_test === 0;
  if (!trains) return [{ ...made, outputs: node.outputs.slice(0, 1) }];
  return [{ ...made, outputs: node.outputs.slice(0, 3), attributes: { ...made.attributes, training_mode: 1 } }];
};

/** Element types by the names of TensorProto.DataType, whose numbers are their places. */
const elementTypes = [
  "UNDEFINED",
  "FLOAT",
  "UINT8",
  "INT8",
  "UINT16",
  "INT16",
  "INT32",
  "INT64",
  "STRING",
  "BOOL",
  "FLOAT16",
  "DOUBLE",
  "UINT32",
  "UINT64",
];

const cast: Rewrite = (node) => {
  const { to } = node.attributes;
  if (typeof to !== "string") return undefined;
  return [{ ...node, attributes: { ...node.attributes, to: elementTypes.indexOf(to.toUpperCase()) } }];
};

/** Until 20, scale and bias stood for groups, and now for channels: each is repeated for the channels of its group. */
const grouped: Rewrite = (node, to) => {
  const { num_groups: groups } = node.attributes;
  if (to.version >= 21 || typeof groups !== "number") return undefined;
  const [x, ...parts] = node.inputs;
  const channels = to.node(node, "channels", "Shape", [x], { start: 1, end: 2 });
  const count = to.integers(node, "groups", [groups]);
  const each = to.node(node, "each", "Div", [channels.name, count]);
  const wide = to.node(node, "wide", "Concat", [count, each.name], { axis: 0 });
  const column = to.integers(node, "column", [groups, 1]);
  const flat = to.integers(node, "flat", [-1]);
  const repeated = parts.map((part, i) => {
    const what = i === 0 ? "scale" : "bias";
    const tall = to.node(node, `${what}.column`, "Reshape", [part, column]);
    const full = to.node(node, `${what}.groups`, "Expand", [tall.name, wide.name]);
    return [tall, full, to.node(node, `${what}.channels`, "Reshape", [full.name, flat])];
  });
  const inputs = [x, ...repeated.map((nodes) => nodes[2].name)];
  return [channels, each, wide, ...repeated.flat(), { ...node, inputs }];
};

/** The words for the ways of interpolation until 20. */
const sampled: Rewrite = (node, to) => {
  const { mode = "bilinear" } = node.attributes;
  if (to.version >= 20 || typeof mode !== "string") return undefined;
  return [{ ...node, attributes: { ...node.attributes, mode: mode.replace(/^bi(?=linear$|cubic$)/, "") } }];
};

const aligns: Rewrite = (node, to) => {
  if (to.version >= 16) return undefined;
  return [{ ...node, attributes: { coordinate_transformation_mode: "output_half_pixel", ...node.attributes } }];
};

/** Sequences [batch, time, ..], as Scan had them before 9: a Scan over the batch around one over time. */
const overBatch: Rewrite = (node, to) => {
  if (to.version >= 9) return undefined;
  const [lengths, ...inputs] = node.inputs;
  if (lengths)
    throw new UnsupportedError(expected(`node ${node.name} (Scan)`, "sequences of one length", "their lengths"));
  const { body, directions } = node.attributes;
  const fresh = (names: readonly string[]) => names.map((name) => to.name(`${node.name}.${name}`));
  const one = {
    ...{ ...node, name: to.name(`${node.name}.time`), inputs: fresh(inputs), outputs: fresh(node.outputs) },
    attributes: { ...without(node, "directions").attributes, ...(directions && { scan_input_directions: directions }) },
  };
  const values = (names: readonly string[]) => names.map((name) => ({ name }));
  const around = isBody(body) ? body.name : node.name;
  const each = { name: `${around}.batch`, inputs: values(one.inputs), outputs: values(one.outputs), nodes: [one] };
  const attributes = { num_scan_inputs: inputs.length, body: { ...each, weights: new Map() } };
  return [{ ...node, inputs, attributes }];
};

const renamedScatter: Rewrite = (node) => [{ ...node, op: "ScatterElements" }];

const concatenated: Rewrite = (node, to) =>
  to.version < 4 ? [{ ...node, attributes: { axis: 1, ...node.attributes } }] : undefined;

const binary = ["Add", "Sub", "Mul", "Div", "Pow", "And", "Or", "Xor", "Equal", "Less", "Greater"];
const sums = ["Max", "Mean", "Min", "Prod", "L1", "L2", "LogSum", "LogSumExp", "SumSquare"].map((op) => `Reduce${op}`);
const alone = [
  "Abs",
  "Ceil",
  "Elu",
  "Exp",
  "Floor",
  "InstanceNormalization",
  "LeakyRelu",
  "Log",
  "Neg",
  "Reciprocal",
  "Relu",
];
const legacy = dropped(6, "consumed_inputs");

/** By operator. Sources: the changelog of ONNX's operators (docs/Changelog.md). */
export const rewrites: Readonly<Record<string, Rewrite | undefined>> = {
  __proto__: null as never,
  ...Object.fromEntries(binary.map((op) => [op, sequence(legacy, aligned)])),
  ...Object.fromEntries([...alone, "Selu", "Sigmoid", "Sqrt", "Sum", "Tanh"].map((op) => [op, legacy])),
  ...Object.fromEntries(sums.map((op) => [op, reduced])),
  ReduceSum: moved(13, "integers", false, ["axes", 1]),
  BatchNormalization: normalized,
  Cast: cast,
  Clip: sequence(legacy, moved(11, "floats", true, ["min", 1], ["max", 2])),
  Concat: concatenated,
  Dropout: sequence(dropped(7, "is_test", "consumed_inputs"), moved(12, "floats", true, ["ratio", 1])),
  Gemm: sequence(dropped(7, "broadcast"), plainGemm),
  GridSample: sampled,
  GroupNormalization: grouped,
  Hardmax: flattened,
  LogSoftmax: flattened,
  Pad: sequence(
    moved(2, "integers", false, ["paddings", 1]),
    moved(11, "integers", false, ["pads", 1]),
    moved(11, "floats", true, ["value", 2]),
  ),
  Reshape: sequence(legacy, moved(5, "integers", false, ["shape", 1])),
  Resize: resize,
  RoiAlign: aligns,
  Scan: overBatch,
  Scatter: renamedScatter,
  Slice: moved(10, "integers", false, ["starts", 1], ["ends", 2], ["axes", 3]),
  Softmax: flattened,
  Split: moved(13, "integers", false, ["split", 1]),
  Squeeze: moved(13, "integers", false, ["axes", 1]),
  TopK: moved(10, "integers", false, ["k", 1]),
  Unsqueeze: moved(13, "integers", false, ["axes", 1]),
  Upsample: upsample,
};
