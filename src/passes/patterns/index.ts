// What exporters write in several operators, as the one that it is: the same function, to rounding.
import type { Patterns } from "../net.js";
import { activation } from "./activation.js";
import { moved, normed } from "./affine.js";
import { padded, reshapedTwice, turnedTwice, turnedWeight } from "./movement.js";
import { scaled, shifted, spread } from "./norm.js";
import { selected } from "./selection.js";

export const patterns: Patterns = {
  Add: [shifted, spread, moved],
  AveragePool: [padded],
  BatchNormalization: [normed],
  Conv: [padded],
  Div: [activation, moved],
  MatMul: [turnedWeight, selected],
  Mul: [scaled, activation, moved],
  Neg: [moved],
  Reshape: [reshapedTwice],
  Sub: [moved],
  Transpose: [turnedTwice],
};
