import { inMemory, isFloat, type TypedArray } from "../dtype.js";
import { expected, ShapeError, UnsupportedError } from "../errors.js";
import type { Graph, GraphNode, ValueInfo } from "../graph/graph.js";
import type { Weight } from "../graph/weight.js";
import { type Info, NeedsValue } from "../ops/op.js";
import { operatorOf } from "../ops/registry.js";
import { showShape, sizeOf } from "../tensor.js";

/**
 * So many elements are computed while planning at most: enough for what shapes are made of, and for the tables that exporters
 * make of them; a few bytes of file cannot ask for more.
 */
const mostKnown = 65536;

/** What can be told while planning of elements: those of a weight, and those that a node makes of known inputs. */
export interface Knowledge {
  elements(weight: string): TypedArray | undefined;
  evaluate(node: GraphNode, inputs: readonly (Info | undefined)[], outputs: readonly Info[]): readonly TypedArray[];
}

/** Shapes depend on the elements of a value that planning does not know. */
export class DependsOnValue extends UnsupportedError {
  readonly value: string;
  readonly node: GraphNode;

  constructor(node: GraphNode, value: string) {
    super(expected(`node ${node.name} (${node.op})`, `the elements of ${value} at planning`, "none"));
    this.node = node;
    this.value = value;
  }
}

/**
 * What every value is, given what the graph's inputs are; with `knowledge`, the elements too where they follow from weights,
 * shapes and known inputs alone.
 * @throws ShapeError, UnsupportedError naming the node; DependsOnValue
 */
export function inferInfos(graph: Graph, inputs: ReadonlyMap<string, Info>, knowledge?: Knowledge): Map<string, Info> {
  const sizes = new Map<string, number>();
  for (const input of graph.inputs) bindShape(`input ${input.name}`, input, inputs.get(input.name)!.shape, sizes);
  const infos = new Map<string, Info>(inputs);
  for (const [name, weight] of graph.weights) infos.set(name, infoOf(name, weight, knowledge));
  for (const node of graph.nodes) {
    const given = node.inputs.map((input) => infos.get(input));
    const outputs = inferNode(node, given);
    const computed = knowledge && mayEvaluate(given, outputs) ? knowledge.evaluate(node, given, outputs) : undefined;
    for (const [i, info] of outputs.entries()) {
      if (node.outputs[i]) infos.set(node.outputs[i], computed ? { ...info, known: computed[i] } : info);
    }
  }
  for (const output of graph.outputs) {
    const info = infos.get(output.name);
    if (!info) throw new ShapeError(expected(`output ${output.name}`, "a value of the graph", "none"));
    if (inMemory(info.dtype) !== inMemory(output.dtype)) {
      throw new ShapeError(expected(`output ${output.name}`, output.dtype, info.dtype));
    }
    bindShape(`output ${output.name}`, output, info.shape, sizes);
  }
  return infos;
}

function inferNode(node: GraphNode, given: readonly (Info | undefined)[]): readonly Info[] {
  const op = operatorOf(node);
  op.attrs(node);
  let outputs: readonly Info[];
  try {
    outputs = op.infer(node, given);
  } catch (error) {
    if (error instanceof NeedsValue) throw new DependsOnValue(node, node.inputs[error.input]);
    throw error;
  }
  // Outputs at the end that nobody wants may be left out.
  if (node.outputs.length > outputs.length) {
    throw new UnsupportedError(
      expected(`node ${node.name} (${node.op})`, `${outputs.length} outputs`, `${node.outputs.length}`),
    );
  }
  return outputs;
}

function mayEvaluate(given: readonly (Info | undefined)[], outputs: readonly Info[]): boolean {
  const size = outputs.reduce((sum, { shape }) => sum + sizeOf(shape), 0);
  return size <= mostKnown && given.every((info) => !info || info.known !== undefined);
}

function infoOf(name: string, weight: Weight, knowledge?: Knowledge): Info {
  const { shape } = weight;
  const stored = weight.kind === "coded" ? weight.storage : weight;
  if (stored.kind !== "dense") return { dtype: "float32", shape };
  // A float is a float however it is stored: compression may have made a float16 of it.
  const dtype = isFloat(stored.dtype) ? "float32" : stored.dtype;
  return { dtype, shape, known: sizeOf(shape) <= mostKnown ? knowledge?.elements(name) : undefined };
}

/** Checks a shape against a declared one; named sizes are bound in `sizes` and must agree. @throws ShapeError */
export function bindShape(
  where: string,
  declared: ValueInfo,
  shape: readonly number[],
  sizes: Map<string, number>,
): void {
  if (!declared.shape) return;
  const fits =
    shape.length === declared.shape.length &&
    declared.shape.every((dim, i) => {
      if (typeof dim === "number") return dim === shape[i];
      const bound = sizes.get(dim) ?? shape[i];
      sizes.set(dim, bound);
      return bound === shape[i];
    });
  if (!fits) throw new ShapeError(expected(where, showShape(declared.shape), showShape(shape)));
}
