import { Fault, fault } from "./fault.js";
import { lengthContexts, mantissaContexts, number } from "./number.js";
import { type Coder, createContexts } from "./range-coder.js";

// Contexts: same step as expected, sign of the difference, its magnitude, the same below the step as before.
const sign = 1;
const length = 2;
const mantissa = length + lengthContexts;
const rest = mantissa + mantissaContexts;
const count = rest + 1;

/** Bits of a float32 below its exponent and the first four of its mantissa, which are its step. */
const below = 19;
/** The first step that means infinity or NaN. */
const infinite = 0xff0;

/** As before or not, a number below 4080, a sign; below the step, a bit and two divisions. */
export const stepsPerScale = 32;

/**
 * float32 scales, finite and positive. A scale is a step, sixteen of them for each doubling, told by its distance from the mean
 * of those before, and what is below the step: as before (at first nothing: such are scales that were rounded), or 19 plain bits.
 * @param scale [n], read by an Encoder, written in full by a Decoder
 * @throws Fault
 */
export function scales(coder: Coder, scale: Float32Array): void {
  const bits = new Uint32Array(scale.buffer, scale.byteOffset, scale.length);
  coder.spend(stepsPerScale * scale.length);
  const contexts = createContexts(count);
  let mean = 0; // in 1/16 of a step
  let low = 0;
  for (let i = 0; i < bits.length; i++) {
    const given = bits[i] >>> below;
    const step = i === 0 ? coder.direct(12, given) : near(coder, contexts, (mean + 8) >> 4, given);
    if (step < 0 || step >= infinite) throw new Fault(fault.value);
    const other = bits[i] & 0x7ffff;
    if (!coder.bit(contexts, rest, other === low ? 1 : 0)) {
      low = (coder.direct(3, other >>> 16) << 16) | coder.direct(16, other & 0xffff);
    }
    bits[i] = (step << below) | low;
    if (bits[i] === 0) throw new Fault(fault.value);
    mean = i === 0 ? 16 * step : mean + ((16 * step - mean) >> Math.min(31 - Math.clz32(i + 1), 4));
  }
}

/** A step by its difference from `expected`; what a damaged section gives may be out of range. */
function near(coder: Coder, contexts: Uint16Array, expected: number, given: number): number {
  const off = given - expected;
  if (coder.bit(contexts, 0, off === 0 ? 1 : 0)) return expected;
  const distance = number(coder, contexts, length, mantissa, Math.abs(off) - 1) + 1;
  return coder.bit(contexts, sign, off < 0 ? 1 : 0) ? expected - distance : expected + distance;
}
