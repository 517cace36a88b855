import { isFloat } from "../dtype.js";
import { expected, ShapeError, UnsupportedError } from "../errors.js";
import { cos } from "../math.js";
import { integer, only } from "./attributes.js";
import { dtypeOf } from "./element.js";
import { inputOf, knownIntegers } from "./known.js";
import { nothing, type Op } from "./op.js";

/** So many values a window has at most: they are made while planning. */
const longest = 1048576;

/** A window [size], size a known number: the value at n of `value(cosine of n turns, of 2 n turns)`, a turn being the period. */
function window(value: (once: number, twice: number) => number): Op {
  return {
    attrs: (node) => only(node, ["output_datatype", "periodic"]),
    infer(node, inputs) {
      const dtype = dtypeOf(node, "output_datatype", "float32");
      if (!isFloat(dtype)) {
        throw new UnsupportedError(expected(`${node.name}.output_datatype`, "a floating-point type", dtype));
      }
      const { shape } = inputOf(node, inputs, 0);
      const [size, ...more] = knownIntegers(node, inputs, 0);
      if (!(size >= 0 && size <= longest) || more.length > 0) {
        const got = `[${[size, ...more].join(", ")}] of ${shape.length} dimensions`;
        throw new ShapeError(expected(`${node.name} (${node.op}) input 0`, `a size in 0..${longest}`, got));
      }
      const period = integer(node, "periodic", 1) !== 0 ? size : size - 1;
      const known = Float32Array.from({ length: size }, (_, n) => {
        // A window of one value has no period.
        const angle = period === 0 ? Math.PI : (2 * Math.PI * n) / period;
        return value(cos(angle), cos(2 * angle));
      });
      return [{ dtype, shape: [size], known }];
    },
    lower: () => () => nothing,
  };
}

export const hannWindow: Op = window((once) => 0.5 - 0.5 * once);

/** With 25 / 46, what the first side lobe vanishes with, for the usual 0.54. */
export const hammingWindow: Op = window((once) => 25 / 46 - (21 / 46) * once);

export const blackmanWindow: Op = window((once, twice) => 0.42 - 0.5 * once + 0.08 * twice);
