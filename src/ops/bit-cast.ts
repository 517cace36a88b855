import { bytesPerElement, type DType } from "../dtype.js";
import { expected, ShapeError, UnsupportedError } from "../errors.js";
import { only } from "./attributes.js";
import { dtypeOf } from "./element.js";
import { inputOf } from "./known.js";
import { wholly } from "./move.js";
import type { Op } from "./op.js";

/** The same bits as elements of another type: of those that stand in memory as they are, every float but float32 does not. */
export const bitCast: Op = {
  inPlace: true,
  attrs: (node) => only(node, ["to"]),
  infer(node, inputs) {
    const { dtype, shape } = inputOf(node, inputs, 0);
    const to = dtypeOf(node, "to", "bool");
    for (const type of [dtype, to]) {
      if (!isPlain(type) && !(type === "bool" && type === dtype)) {
        throw new UnsupportedError(expected(`${node.name} (BitCast)`, "float32 or integers of whole bytes", type));
      }
    }
    if (bytesPerElement(to) !== bytesPerElement(dtype)) {
      throw new ShapeError(expected(`${node.name}.to`, `a type as wide as ${dtype}`, to));
    }
    return [{ dtype: to, shape }];
  },
  lower:
    ({ kernels }) =>
    ({ inputs, outputs }) => ({ scratch: 0, run: wholly(kernels, inputs[0]!, outputs[0]) }),
};

function isPlain(dtype: DType): boolean {
  return dtype === "float32" || (/int/.test(dtype) && !dtype.endsWith("int4"));
}
