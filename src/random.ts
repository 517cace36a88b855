import { log } from "./math.js";

/**
 * Seeded generator, the same numbers on every engine: xoshiro128** seeded by SplitMix32 steps.
 * D. Blackman, S. Vigna, "Scrambled linear pseudorandom number generators", 2021.
 */
export class Random {
  readonly #state = new Uint32Array(4);
  #spare: number | undefined;

  /** @param seed any integer; the low 32 bits count */
  constructor(seed: number) {
    let x = seed >>> 0;
    for (let i = 0; i < 4; i++) {
      x = (x + 0x9e3779b9) >>> 0;
      let z = Math.imul(x ^ (x >>> 16), 0x21f0aaad);
      z = Math.imul(z ^ (z >>> 15), 0x735a2d97);
      this.#state[i] = z ^ (z >>> 15);
    }
  }

  /** Uniform 32-bit integer. */
  next(): number {
    const s = this.#state;
    const result = Math.imul(rotate(Math.imul(s[1], 5), 7), 9) >>> 0;
    const t = s[1] << 9;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = rotate(s[3], 11);
    return result;
  }

  /** Uniform in 0 <= x < 1, a multiple of 2^-32. */
  uniform(): number {
    return this.next() / 4294967296;
  }

  /** Uniform integer in 0..bound-1 for a bound in 1..2^32, unbiased (draws outside a multiple of bound are thrown away). */
  integer(bound: number): number {
    const limit = 4294967296 - (4294967296 % bound);
    let draw = this.next();
    while (draw >= limit) draw = this.next();
    return draw % bound;
  }

  /** Standard normal by the polar method (G. Marsaglia, T. Bray, "A convenient method for generating normal variables", 1964). */
  normal(): number {
    if (this.#spare !== undefined) {
      const value = this.#spare;
      this.#spare = undefined;
      return value;
    }
    for (;;) {
      const u = 2 * this.uniform() - 1;
      const v = 2 * this.uniform() - 1;
      const s = u * u + v * v;
      if (s === 0 || s >= 1) continue;
      const factor = Math.sqrt((-2 * log(s)) / s);
      this.#spare = v * factor;
      return u * factor;
    }
  }

  /** Shuffles in place (R. Durstenfeld, "Algorithm 235: Random permutation", 1964). */
  shuffle(items: Uint32Array): Uint32Array {
    for (let i = items.length - 1; i > 0; i--) {
      const j = this.integer(i + 1);
      const kept = items[i];
      items[i] = items[j];
      items[j] = kept;
    }
    return items;
  }
}

function rotate(x: number, by: number): number {
  return (x << by) | (x >>> (32 - by));
}
