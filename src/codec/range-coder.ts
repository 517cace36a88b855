// An adaptive binary range coder: G. N. N. Martin, "Range encoding", 1979, with the carry handled in the output; the
// bit-wise form is that of I. Pavlov's LZMA. Estimator: R. Krichevsky and V. Trofimov, "The performance of universal
// encoding", 1981.
import { Fault, fault } from "./fault.js";

/**
 * Both directions of the coder. A model is one function over a Coder: with an Encoder it writes the symbols it is
 * given, with a Decoder it ignores them and gives back those it reads. So there is one description of the format and
 * not two.
 */
export interface Coder {
  readonly decodes: boolean;
  /** One bit under the adaptive context `index`. */
  bit(contexts: Uint16Array, index: number, bit: number): number;
  /** One bit whose chance of being 1 is known: chance / 65536, in 1..65535. */
  known(chance: number, bit: number): number;
  /** `count` equiprobable bits, 1..16. */
  direct(count: number, value: number): number;
  /** What comes takes so many steps to decode. A section has a byte for `stepsPerByte` of them at least. @throws Fault */
  spend(steps: number): void;
}

/**
 * Steps of decoding that a byte of a section may ask for; a step takes as long as an adaptive bit that was to be expected. Without this
 * bound a byte may hold 1,400 of them. No network that was measured comes near it.
 */
export const stepsPerByte = 128;

const top = 0x1000000;
const full = 0x100000000;

/** Chance of a 1 never leaves [least, 65536 - least]. */
const least = 256;
/** Observations after which a context stops slowing down: its window is 256 bits (measured: 128 to 1024 differ by 0.2 %). */
const memory = 254;

/** `count` contexts, each a chance of 1 in 1/65536 and a number of observations. */
export function createContexts(count: number): Uint16Array {
  const contexts = new Uint16Array(2 * count);
  for (let i = 0; i < contexts.length; i += 2) contexts[i] = 32768;
  return contexts;
}

/** p += (bit - p) / (n + 2): the Krichevsky-Trofimov estimate while n grows, an exponential window after. */
export function learn(contexts: Uint16Array, index: number, bit: number): void {
  const at = 2 * index;
  const seen = contexts[at + 1];
  let chance = contexts[at];
  if (bit) {
    chance += Math.trunc((65536 - chance) / (seen + 2));
    if (chance > 65536 - least) chance = 65536 - least;
  } else {
    chance -= Math.trunc(chance / (seen + 2));
    if (chance < least) chance = least;
  }
  contexts[at] = chance;
  if (seen < memory) contexts[at + 1] = seen + 1;
}

/** Learns from the symbols it is given and writes nothing: brings contexts to where coding those symbols leaves them. */
export const learner: Coder = {
  decodes: false,
  bit(contexts, index, bit) {
    learn(contexts, index, bit);
    return bit;
  },
  known: (_chance, bit) => bit,
  direct: (_count, value) => value,
  spend() {},
};

export class Encoder implements Coder {
  readonly decodes = false;
  #bytes = new Uint8Array(256);
  #length = 0;
  #low = 0;
  #range = full - 1;
  #steps = 0;

  bit(contexts: Uint16Array, index: number, bit: number): number {
    this.known(contexts[2 * index], bit);
    learn(contexts, index, bit);
    return bit;
  }

  known(chance: number, bit: number): number {
    const bound = (this.#range >>> 16) * chance;
    if (bit) this.#range = bound;
    else {
      this.#low += bound;
      this.#range -= bound;
    }
    this.#normalize();
    return bit;
  }

  direct(count: number, value: number): number {
    this.#range = this.#range >>> count;
    this.#low += value * this.#range;
    this.#normalize();
    return value;
  }

  spend(steps: number): void {
    this.#steps += steps;
  }

  /**
   * The shortest bytes that, followed by zeros, lie in the final range: none more where a carry or nothing will do, or
   * else one. Zeros follow until there are bytes for all steps. The decoder accepts no other ending.
   */
  finish(): Uint8Array {
    if (this.#low > 0) {
      if (this.#low + this.#range > full) this.#carry();
      else this.#push(Math.ceil(this.#low / top));
    }
    while (this.#length * stepsPerByte < this.#steps) this.#push(0);
    return this.#bytes.slice(0, this.#length);
  }

  #normalize(): void {
    if (this.#low >= full) {
      this.#low -= full;
      this.#carry();
    }
    while (this.#range < top) {
      this.#push(Math.floor(this.#low / top));
      this.#low = (this.#low % top) * 256;
      this.#range *= 256;
    }
  }

  #carry(): void {
    let i = this.#length - 1;
    while (this.#bytes[i] === 255) this.#bytes[i--] = 0;
    this.#bytes[i]++;
  }

  #push(byte: number): void {
    if (this.#length === this.#bytes.length) {
      const wider = new Uint8Array(2 * this.#length);
      wider.set(this.#bytes);
      this.#bytes = wider;
    }
    this.#bytes[this.#length++] = byte;
  }
}

export class Decoder implements Coder {
  readonly decodes = true;
  /** Length of the section. */
  readonly byteLength: number;
  readonly #bytes: Uint8Array;
  #at = 0;
  #code = 0;
  #range = full - 1;
  #steps = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
    this.byteLength = bytes.length;
    for (let i = 0; i < 4; i++) this.#shift();
  }

  bit(contexts: Uint16Array, index: number): number {
    const bit = this.known(contexts[2 * index]);
    learn(contexts, index, bit);
    return bit;
  }

  known(chance: number): number {
    const bound = (this.#range >>> 16) * chance;
    const bit = this.#code < bound ? 1 : 0;
    if (bit) this.#range = bound;
    else {
      this.#code -= bound;
      this.#range -= bound;
    }
    this.#normalize();
    return bit;
  }

  direct(count: number): number {
    this.#range = this.#range >>> count;
    // A damaged section may point past the last value.
    const value = Math.min(Math.floor(this.#code / this.#range), (1 << count) - 1);
    this.#code -= value * this.#range;
    this.#normalize();
    return value;
  }

  spend(steps: number): void {
    this.#steps += steps;
    if (this.#steps > stepsPerByte * this.byteLength) throw new Fault(fault.effort);
  }

  /** @throws Fault where the section's end is not exactly what the encoder writes after these symbols */
  finish(): void {
    const bytes = this.#bytes;
    const byte = (at: number) => (at < this.byteLength ? bytes[at] : 0);
    const last = byte(this.#at - 4);
    // The stream ended with the last byte it had to write, or with one more.
    const end = this.#at - (last === 0 ? 4 : 3);
    const zeros = (from: number) => bytes.subarray(from).every((x) => x === 0);
    const least = Math.ceil(this.#steps / stepsPerByte);
    const wholly = this.#code < this.#range && zeros(end) && this.byteLength === Math.max(end, least);
    // One more byte is the first that will do, and only where none more would not.
    const shortest = last === 0 || (this.#code < top && this.#code + full - last * top >= this.#range);
    if (!wholly || !shortest) throw new Fault(fault.ending);
  }

  #normalize(): void {
    while (this.#range < top) {
      this.#range *= 256;
      this.#shift();
    }
  }

  /** After the last byte come zeros, as many as an encoder may have left out. */
  #shift(): void {
    if (this.#at >= this.byteLength + 4) throw new Fault(fault.ended);
    const byte = this.#at < this.byteLength ? this.#bytes[this.#at] : 0;
    this.#at++;
    this.#code = ((this.#code << 8) | byte) >>> 0;
  }
}
