import type { Graph, GraphNode } from "../graph/graph.js";
import { producers } from "../graph/order.js";
import { matrixOf } from "../graph/storage.js";
import { isReal } from "../graph/weight.js";

/**
 * Where a weight W [rows, cols] is multiplied with inputs, Y = X W^T: X are the rows of what `input` names, or in a convolution what
 * the kernel meets at each place. In a grouped convolution the first rows / groups rows meet the first group's inputs, and so on.
 */
export interface Product {
  readonly node: GraphNode;
  /** Name of the weight. */
  readonly weight: string;
  readonly input: string;
  /** Name of the weight that is added to each row of Y, where there is one. */
  readonly bias?: string;
  readonly rows: number;
  readonly cols: number;
  readonly groups: number;
}

/** The products of a network with weights [out, in]: Conv of images and lines, Gemm with transB, MatMul by a transposed weight. */
export function productsOf(graph: Graph): Product[] {
  const made = producers(graph);
  return graph.nodes.flatMap((node): Product[] => {
    if (node.domain) return [];
    const { op, attributes } = node;
    const [input, second, third] = node.inputs;
    const transpose = op === "MatMul" ? made.get(second) : undefined;
    const weight = transpose ? transpose.inputs[0] : second;
    const shape = shapeOfReal(graph, weight);
    if (!shape || graph.weights.has(input)) return [];
    const fits =
      (op === "Conv" && (shape.length === 3 || shape.length === 4)) ||
      (op === "Gemm" && attributes.transB === 1 && !attributes.transA) ||
      (transpose?.op === "Transpose" && shape.length === 2 && `${transpose.attributes.perm ?? "1,0"}` === "1,0");
    if (!fits) return [];
    const groups = op === "Conv" && typeof attributes.group === "number" ? attributes.group : 1;
    const bias = op !== "MatMul" && third && shapeOfReal(graph, third) ? { bias: third } : {};
    return [{ node, weight, input, ...bias, ...matrixOf(shape), groups }];
  });
}

/** The shape of a weight whose values fit in float32; undefined for float64, integers and what is no weight. */
export function shapeOfReal({ weights }: Graph, name: string): readonly number[] | undefined {
  const weight = weights.get(name);
  return weight?.kind === "dense" && !isReal(weight.dtype) ? undefined : weight?.shape;
}
