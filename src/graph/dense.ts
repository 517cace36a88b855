import { decodeWeight } from "../codec/weight.js";
import { denseOf } from "./storage.js";
import type { PlainWeight, Weight } from "./weight.js";

/** The storage ready to use: coded weights are decoded. @throws FormatError where coded bytes are damaged */
export function plain(weight: Weight): PlainWeight {
  return weight.kind === "coded" ? decodeWeight(weight) : weight;
}

/** The values of any storage, coded ones too, [rows, cols] in row-major order. @throws FormatError */
export function toDense(weight: Weight): Float32Array {
  return denseOf(plain(weight));
}

/** Fraction of zeros among the values, 0..1; an empty weight has sparsity 0. @throws FormatError */
export function sparsity(weight: Weight): number {
  const dense = toDense(weight);
  let zeros = 0;
  for (const value of dense) if (value === 0) zeros++;
  return dense.length === 0 ? 0 : zeros / dense.length;
}
