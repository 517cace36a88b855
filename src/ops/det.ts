import { expected, ShapeError } from "../errors.js";
import { showShape, sizeOf } from "../tensor.js";
import { only, shapeOf } from "./attributes.js";
import { elementsOf } from "./element.js";
import { type Op, ofFloats } from "./op.js";

/** The determinant of each matrix [..., m, m]: the product of pivots, each the largest of its column, in f64. */
export const det: Op = {
  attrs: (node) => only(node, []),
  infer: ofFloats((node, inputs) => {
    const shape = shapeOf(node, inputs, 0);
    const [m, n] = shape.slice(-2);
    if (shape.length < 2 || m !== n) {
      throw new ShapeError(expected(`${node.name} (Det)`, "square matrices [..., m, m]", showShape(shape)));
    }
    return [shape.slice(0, -2)];
  }),
  lower:
    ({ kernels }) =>
    ({ inputs, outputs }) => {
      const x = inputs[0]!;
      const m = x.shape[x.shape.length - 1];
      const count = sizeOf(outputs[0].shape);
      const matrix = new Float64Array(m * m);
      return {
        scratch: 0,
        run() {
          const [from, to] = [elementsOf(kernels, x), elementsOf(kernels, outputs[0])];
          for (let i = 0; i < count; i++) {
            for (let j = 0; j < matrix.length; j++) matrix[j] = Number(from[i * matrix.length + j]);
            to[i] = determinant(m, matrix);
          }
        },
      };
    },
};

/** Of a matrix [m, m], which is used up. */
function determinant(m: number, a: Float64Array): number {
  let product = 1;
  for (let p = 0; p < m; p++) {
    let pivot = p;
    for (let i = p + 1; i < m; i++) if (Math.abs(a[i * m + p]) > Math.abs(a[pivot * m + p])) pivot = i;
    if (pivot !== p) {
      for (let j = p; j < m; j++) [a[p * m + j], a[pivot * m + j]] = [a[pivot * m + j], a[p * m + j]];
      product = -product;
    }
    const value = a[p * m + p];
    product *= value;
    if (value === 0) return product;
    for (let i = p + 1; i < m; i++) {
      const factor = a[i * m + p] / value;
      for (let j = p + 1; j < m; j++) a[i * m + j] -= factor * a[p * m + j];
    }
  }
  return product;
}
