import { Fault, fault } from "./fault.js";
import { type Coder, createContexts } from "./range-coder.js";

// Contexts: 1 for the sign, 2048 for the 11 bits after it, 16 for the next 4, 8 for lower bytes that repeat.
const nibble = 2049;
const lower = nibble + 16;
const count = lower + 8;

/** Smallest 11 bits after the sign that mean NaN or infinity, by element width: all ones in the exponent. */
const special: Readonly<Record<number, number>> = { 2: 0x7c0, 4: 0x7f8, 8: 0x7ff };

/** Of the lower bytes, each is a bit and a division. */
export function stepsPerElement(width: number): number {
  return width === 1 ? 8 : 16 + 3 * (width - 2);
}

/**
 * Elements of 1, 2, 4 or 8 bytes, little-endian, without loss. One byte: a binary tree. Wider: the highest bit alone,
 * the 11 below it as a tree (for float32 the exponent and three bits of the mantissa), 4 more as a tree; each byte
 * below repeats that of the element before (of zeros for the first), or is 8 plain bits.
 * @param data [n * width], read by an Encoder, written in full by a Decoder
 * @param finite whether the elements are floating-point numbers, which must be finite
 * @throws Fault
 */
export function bytes(coder: Coder, n: number, width: number, data: Uint8Array, finite: boolean): void {
  coder.spend(stepsPerElement(width) * n);
  const contexts = createContexts(count);
  for (let i = 0; i < n; i++) element(coder, contexts, width, data, i * width, finite);
}

/** Elements as they are, little-endian, from one array of bytes to another. @throws Fault where one is not finite */
export function plainBytes(n: number, width: number, from: Uint8Array, to: Uint8Array, finite: boolean): void {
  to.set(from);
  if (!finite) return;
  for (let i = 0, at = width - 1; i < n; i++, at += width) {
    if ((((to[at] & 127) << 4) | (to[at - 1] >> 4)) >= special[width]) throw new Fault(fault.value);
  }
}

function element(
  coder: Coder,
  contexts: Uint16Array,
  width: number,
  data: Uint8Array,
  at: number,
  finite: boolean,
): void {
  if (width === 1) {
    data[at] = tree(coder, contexts, 0, 8, data[at]);
    return;
  }
  const high = (data[at + width - 1] << 8) | data[at + width - 2];
  const sign = coder.bit(contexts, 0, high >> 15);
  const middle = tree(coder, contexts, 1, 11, (high >> 4) & 0x7ff);
  if (finite && middle >= special[width]) throw new Fault(fault.value);
  const low = tree(coder, contexts, nibble, 4, high & 15);
  data[at + width - 1] = (sign << 7) | (middle >> 4);
  data[at + width - 2] = ((middle & 15) << 4) | low;
  for (let b = width - 3; b >= 0; b--) {
    const before = at === 0 ? 0 : data[at - width + b];
    const same = coder.bit(contexts, lower + b, data[at + b] === before ? 1 : 0);
    data[at + b] = same ? before : coder.direct(8, data[at + b]);
  }
}

/** `bits` bits from the highest down, each under the bits above it: contexts base + 1 .. base + 2^bits - 1. */
function tree(coder: Coder, contexts: Uint16Array, base: number, bits: number, value: number): number {
  let node = 1;
  for (let i = bits - 1; i >= 0; i--) node = 2 * node + coder.bit(contexts, base + node, (value >> i) & 1);
  return node - (1 << bits);
}
