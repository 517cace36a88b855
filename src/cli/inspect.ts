import { readFileSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { basename, dirname, extname, join } from "node:path";
import { createArray } from "../dtype.js";
import { CoppiceError, expected } from "../errors.js";
import { readContainer } from "../formats/container/index.js";
import { readOnnx } from "../formats/onnx/index.js";
import { readSafetensors } from "../formats/safetensors.js";
import { sparsity } from "../graph/dense.js";
import { bodiesOf, type Graph, type GraphNode, parameterCount, type ValueInfo } from "../graph/graph.js";
import { byteLength } from "../graph/storage.js";
import { isReal, type Weight } from "../graph/weight.js";
import { loadModel, type ModelPlan, type Tensor } from "../index.js";
import { hoist } from "../passes/hoist.js";
import { grouped, table } from "../table.js";
import { showShape, sizeOf } from "../tensor.js";

export interface InspectOptions {
  readonly plan: boolean;
  /** Every weight, and not the first of them. */
  readonly all: boolean;
  /** Shapes of inputs, as NAME=1,3,224,224. */
  readonly shapes: readonly string[];
}

/** What is in a file, and what it takes to run it. */
export interface Inspection {
  readonly name: string;
  readonly inputs: readonly ValueInfo[];
  readonly outputs: readonly ValueInfo[];
  /** Number of nodes by operator, the most frequent first; those of bodies count. */
  readonly nodes: Readonly<Record<string, number>>;
  readonly parameters: number;
  readonly weights: readonly WeightLine[];
  /** What a reader changed. */
  readonly notices: readonly string[];
  /** A plan for `shapes`, or why there is none; nothing of it for what has no nodes. */
  readonly shapes?: Readonly<Record<string, readonly number[]>>;
  readonly plan?: ModelPlan;
  readonly refused?: string;
}

interface WeightLine {
  readonly name: string;
  readonly shape: readonly number[];
  readonly dtype: string;
  readonly storage: string;
  readonly bytes: number;
  /** Fraction of zeros; absent for integers. */
  readonly sparsity?: number;
}

/** Weights that are listed without --all. */
const mostWeights = 40;

/**
 * Reads a model file (.onnx, .coppice, or .safetensors for weights alone) and plans it, open dimensions being 1 where no shape is given.
 * @throws as the readers and `Model.plan` do; a plan that fails is told in `refused` unless the plan or a shape was asked for
 */
export async function inspect(path: string, options: InspectOptions): Promise<Inspection> {
  const graph = await graphOf(path);
  const whole = hoist(graph);
  const counts = new Map<string, number>();
  for (const { op } of nodesIn(graph.nodes)) counts.set(op, (counts.get(op) ?? 0) + 1);
  const about = {
    name: graph.name,
    inputs: graph.inputs,
    outputs: graph.outputs,
    nodes: Object.fromEntries([...counts].sort((a, b) => b[1] - a[1] || (a[0] < b[0] ? -1 : 1))),
    parameters: parameterCount(whole),
    weights: [...whole.weights].map(([name, weight]) => lineOf(name, weight)),
    notices: graph.notices ?? [],
  };
  if (graph.nodes.length === 0) return about;
  const shapes = shapesOf(graph, options.shapes);
  try {
    using model = await loadModel(graph);
    return { ...about, shapes, plan: model.plan(zeros(graph, shapes)) };
  } catch (error) {
    if (!(error instanceof CoppiceError) || options.plan || options.shapes.length > 0) throw error;
    return { ...about, shapes, refused: error.message };
  }
}

async function graphOf(path: string): Promise<Graph> {
  const bytes = () => readFile(path);
  switch (extname(path).toLowerCase()) {
    case ".onnx":
      return readOnnx(await bytes(), { externalData: (name) => readFileSync(join(dirname(path), name)) });
    case ".coppice":
      return readContainer(await bytes());
    case ".safetensors": {
      const { tensors } = readSafetensors(await bytes());
      const weights = [...tensors].map(([name, tensor]): [string, Weight] => [name, { kind: "dense", ...tensor }]);
      return { name: basename(path), inputs: [], outputs: [], nodes: [], weights: new Map(weights) };
    }
  }
  throw new TypeError(expected("inspect", "a file that ends in .onnx, .coppice or .safetensors", basename(path)));
}

/** The nodes, and those of the bodies in them. */
function* nodesIn(nodes: readonly GraphNode[]): Generator<GraphNode> {
  for (const node of nodes) {
    yield node;
    for (const body of bodiesOf(node)) yield* nodesIn(body.nodes);
  }
}

function lineOf(name: string, weight: Weight): WeightLine {
  const storage = weight.kind === "coded" ? weight.storage : weight;
  const { shape } = weight;
  const kind = weight.kind === "coded" ? `coded ${storage.kind}` : storage.kind;
  const line = { name, shape, dtype: dtypeOf(storage), storage: kind, bytes: byteLength(weight) };
  return storage.kind === "dense" && !isReal(storage.dtype) ? line : { ...line, sparsity: sparsity(weight) };
}

function dtypeOf(storage: Weight | Extract<Weight, { kind: "coded" }>["storage"]): string {
  if (storage.kind === "dense") return storage.dtype;
  if (storage.kind === "sparse")
    return typeof storage.values === "string" ? storage.values : storage.scale ? "int8" : "float32";
  return storage.kind === "masked" ? "float32" : "int8";
}

/** The shape of every input: as given, or as declared with 1 for what is open. */
function shapesOf(graph: Graph, given: readonly string[]): Record<string, readonly number[]> {
  const shapes = graph.inputs.map(({ name, shape = [] }): [string, readonly number[]] => [
    name,
    shape.map((dim) => (typeof dim === "number" ? dim : 1)),
  ]);
  for (const text of given) {
    const at = text.lastIndexOf("=");
    if (at < 1 || !/^(\d{1,15}(,\d{1,15})*)?$/.test(text.slice(at + 1))) {
      throw new RangeError(`--shape: expected NAME=1,3,224,224, got "${text}"`);
    }
    shapes.push([
      text.slice(0, at),
      text
        .slice(at + 1)
        .split(",")
        .filter((size) => size !== "")
        .map(Number),
    ]);
  }
  return Object.fromEntries(shapes);
}

function zeros(graph: Graph, shapes: Readonly<Record<string, readonly number[]>>): Record<string, Tensor> {
  const dtypes = new Map(graph.inputs.map(({ name, dtype }) => [name, dtype]));
  const tensors = Object.entries(shapes).map(([name, shape]): [string, Tensor] => {
    const dtype = dtypes.get(name) ?? "float32";
    return [name, { dtype, shape, data: createArray(dtype, sizeOf(shape)) }];
  });
  return Object.fromEntries(tensors);
}

/** An inspection for people. */
export function text(inspection: Inspection, options: Pick<InspectOptions, "all" | "plan">): string {
  const { name, inputs, outputs, nodes, parameters, weights, notices, plan } = inspection;
  const values = (kind: string, list: readonly ValueInfo[]) =>
    list.map(
      (value) => `${kind}  ${value.name}  ${value.dtype} ${value.shape ? showShape(value.shape) : "of any shape"}`,
    );
  const count = Object.values(nodes).reduce((sum, n) => sum + n, 0);
  const ops = Object.entries(nodes).map(([op, n]) => `${op} ${n}`);
  const lines = [
    name,
    ...values("input ", inputs),
    ...values("output", outputs),
    ...(count > 0 ? [`${grouped(count)} nodes: ${ops.join(", ")}`] : []),
    `${grouped(parameters)} parameters`,
    ...notices.map((notice) => `note: ${notice}`),
    "",
    ...weightLines(weights, options.all),
  ];
  if (inspection.refused !== undefined) lines.push("", `no plan${fed(inspection)}: ${inspection.refused}`);
  if (plan) lines.push("", ...memoryLines(inspection, plan));
  if (plan && options.plan) lines.push("", ...planLines(plan));
  return `${lines.join("\n")}\n`;
}

function weightLines(weights: readonly WeightLine[], all: boolean): string[] {
  if (weights.length === 0) return ["no weights"];
  const shown = all || weights.length <= mostWeights ? weights : weights.slice(0, mostWeights);
  const rows = shown.map((weight) => [
    weight.name,
    showShape(weight.shape),
    weight.dtype,
    weight.storage,
    grouped(weight.bytes),
    weight.sparsity === undefined ? "" : weight.sparsity.toFixed(3),
  ]);
  const rest = weights.length - shown.length;
  const lines = [table(["weight", "shape", "dtype", "storage", "bytes", "sparsity"], rows, 4)];
  return rest > 0 ? [...lines, `... ${grouped(rest)} more (--all)`] : lines;
}

function fed({ shapes = {} }: Inspection): string {
  const inputs = Object.entries(shapes).map(([name, shape]) => `${name} ${showShape(shape)}`);
  return inputs.length > 0 ? `, fed ${inputs.join(", ")}` : "";
}

function memoryLines(inspection: Inspection, { memory }: ModelPlan): string[] {
  const ratio = memory.lowerBound > 0 ? memory.block / memory.lowerBound : 1;
  return [
    `memory at run time${fed(inspection)}`,
    `  weights     ${grouped(memory.packed)} bytes, stored as ${grouped(memory.weights)}`,
    `  block       ${grouped(memory.block)} bytes, ${ratio.toFixed(3)} of the lower bound, ${grouped(memory.lowerBound)}`,
    `  session     ${grouped(memory.peak)} bytes`,
  ];
}

function planLines({ inputs, steps }: ModelPlan): string[] {
  const rowsOf = (step: string, node: string, op: string, values: ModelPlan["inputs"], notes: string) =>
    values.map((value, i) => [
      i === 0 ? step : "",
      i === 0 ? node : "",
      i === 0 ? op : "",
      value.name,
      `${value.dtype} ${showShape(value.shape)}`,
      i === 0 ? notes : "",
      grouped(value.offset),
      grouped(value.bytes),
      `${value.first}..${value.last}`,
    ]);
  const rows = [
    ...inputs.flatMap((value) => rowsOf("", "", "input", [value], "")),
    ...steps.flatMap(({ name, op, outputs, inPlace, scratch }, step) => {
      const room = scratch.bytes > 0 ? `scratch ${grouped(scratch.bytes)} at ${grouped(scratch.offset)}` : "";
      return rowsOf(
        String(step),
        name,
        op,
        outputs,
        [inPlace ? "in place" : "", room].filter((note) => note).join(", "),
      );
    }),
  ];
  return [table(["step", "node", "op", "value", "type", "notes", "offset", "bytes", "alive"], rows, 6)];
}
