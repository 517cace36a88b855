import { expected, ShapeError, UnsupportedError } from "../errors.js";
import type { Graph, ValueInfo } from "../graph/graph.js";
import { operatorOf } from "../ops/registry.js";
import { showShape } from "../tensor.js";

/** Shape of every value, given the shapes of the graph's inputs. @throws ShapeError, UnsupportedError naming the node */
export function inferShapes(
  graph: Graph,
  inputs: ReadonlyMap<string, readonly number[]>,
): Map<string, readonly number[]> {
  const sizes = new Map<string, number>();
  for (const input of graph.inputs) bindShape(`input ${input.name}`, input, inputs.get(input.name)!, sizes);
  const shapes = new Map<string, readonly number[]>(inputs);
  for (const [name, weight] of graph.weights) shapes.set(name, weight.shape);
  for (const node of graph.nodes) {
    const op = operatorOf(node);
    op.attrs(node);
    const outputs = op.infer(
      node,
      node.inputs.map((input) => shapes.get(input)),
    );
    if (node.outputs.length !== outputs.length) {
      throw new UnsupportedError(
        expected(`node ${node.name} (${node.op})`, `${outputs.length} outputs`, `${node.outputs.length}`),
      );
    }
    for (const [i, shape] of outputs.entries()) shapes.set(node.outputs[i], shape);
  }
  for (const output of graph.outputs) {
    const shape = shapes.get(output.name);
    if (!shape) throw new ShapeError(expected(`output ${output.name}`, "a value of the graph", "none"));
    bindShape(`output ${output.name}`, output, shape, sizes);
  }
  return shapes;
}

/** Checks a shape against a declared one; named sizes are bound in `sizes` and must agree. @throws ShapeError */
export function bindShape(
  where: string,
  declared: ValueInfo,
  shape: readonly number[],
  sizes: Map<string, number>,
): void {
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
