import { expected, UnsupportedError } from "../errors.js";
import { sameShape, showShape, sizeOf } from "../tensor.js";
import { only, shapeOf } from "./attributes.js";
import { type Op, ofFloats } from "./op.js";

/** A + B, both of one shape. */
export const add: Op = {
  attrs: (node) => only(node, []),
  infer: ofFloats((node, inputs) => {
    const a = shapeOf(node, inputs, 0);
    const b = shapeOf(node, inputs, 1);
    if (!sameShape(a, b)) {
      throw new UnsupportedError(expected(`${node.name} (Add)`, `two inputs of shape ${showShape(a)}`, showShape(b)));
    }
    return [a];
  }),
  lower(site) {
    // A weight may stand on either side.
    const fixed = [0, 1].map((i) => (site.weight(i) && site.weight(i)?.kind !== "live" ? site.dense(i) : 0));
    return ({ inputs, outputs }) => {
      const [a, b] = inputs.map((slot, i) => fixed[i] || slot!.pointer);
      const size = sizeOf(outputs[0].shape);
      return { scratch: 0, run: () => site.kernels.add_f32(size, a, b, outputs[0].pointer) };
    };
  },
  grad:
    ({ kernels }) =>
    ({ outputs, dInputs, dOutputs }) => {
      const size = sizeOf(outputs[0].shape);
      return {
        scratch: 0,
        run() {
          for (const dInput of dInputs) if (dInput) kernels.add_into_f32(size, dOutputs[0], dInput);
        },
      };
    },
};
