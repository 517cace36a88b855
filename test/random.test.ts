import { describe, expect, test } from "vitest";
import { Random } from "../src/random.js";

/** The published algorithms in BigInt: xoshiro128** 1.1 (D. Blackman, S. Vigna) on four SplitMix32 outputs. */
function* twin(seed: bigint): Generator<number> {
  const word = (x: bigint) => BigInt.asUintN(32, x);
  const rotate = (x: bigint, by: bigint) => word((x << by) | (x >> (32n - by)));
  let counter = word(seed);
  const s = [0n, 0n, 0n, 0n].map(() => {
    counter = word(counter + 0x9e3779b9n);
    let z = word((counter ^ (counter >> 16n)) * 0x21f0aaadn);
    z = word((z ^ (z >> 15n)) * 0x735a2d97n);
    return z ^ (z >> 15n);
  });
  for (;;) {
    yield Number(word(rotate(word(s[1] * 5n), 7n) * 9n));
    const t = word(s[1] << 9n);
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = rotate(s[3], 11n);
  }
}

/** Sum of (seen - wanted)^2 / wanted over the bins. */
function chiSquare(counts: readonly number[]): number {
  const wanted = counts.reduce((sum, count) => sum + count, 0) / counts.length;
  return counts.reduce((sum, count) => sum + (count - wanted) ** 2 / wanted, 0);
}

describe("Random", () => {
  test.each([0, 1, 42, 0xffffffff, -1, 2 ** 32 + 5])("seed %d gives the published sequence", (seed) => {
    const random = new Random(seed);
    const reference = twin(BigInt(seed));
    for (let i = 0; i < 500; i++) expect(random.next()).toBe(reference.next().value);
  });

  test("golden numbers: these never change, whatever the engine", () => {
    const random = new Random(42);
    expect([random.next(), random.next(), random.next(), random.next()]).toEqual([
      660444221, 3652823732, 77672526, 910233633,
    ]);
    expect([random.uniform(), random.uniform()]).toEqual([0.5348906284198165, 0.8815137383062392]);
    expect([random.integer(10), random.integer(1000), random.integer(2 ** 32)]).toEqual([4, 476, 2460634111]);
    expect([random.normal(), random.normal(), random.normal()]).toEqual([
      0.889302794744744, -0.6148292847000871, 0.3114096076062067,
    ]);
    expect([...random.shuffle(Uint32Array.from({ length: 8 }, (_, i) => i))]).toEqual([1, 5, 0, 2, 3, 4, 7, 6]);
  });

  test("only the low 32 bits of the seed count", () => {
    expect(new Random(7).next()).toBe(new Random(2 ** 32 + 7).next());
    expect(new Random(-1).next()).toBe(new Random(0xffffffff).next());
    expect(new Random(7).next()).not.toBe(new Random(8).next());
  });

  test("uniform lies in 0 <= x < 1 and fills 256 bins evenly", () => {
    const random = new Random(1);
    const bins = new Array<number>(256).fill(0);
    let outside = 0;
    for (let i = 0; i < 256_000; i++) {
      const x = random.uniform();
      if (!(x >= 0 && x < 1)) outside++;
      bins[Math.floor(x * 256)]++;
    }
    expect(outside).toBe(0);
    // Chi-square with 255 degrees: mean 255, standard deviation 22.6.
    expect(Math.abs(chiSquare(bins) - 255)).toBeLessThan(5 * 22.6);
  });

  test("every bit of next is fair", () => {
    const random = new Random(9);
    const ones = new Array<number>(32).fill(0);
    for (let i = 0; i < 20_000; i++) {
      const draw = random.next();
      for (let b = 0; b < 32; b++) ones[b] += (draw >>> b) & 1;
    }
    for (const count of ones) expect(Math.abs(count - 10_000)).toBeLessThan(5 * 71);
  });

  test.each([1, 2, 3, 7, 10, 100])("integer(%d) is even over its range", (bound) => {
    const random = new Random(3);
    const bins = new Array<number>(bound).fill(0);
    for (let i = 0; i < 1000 * bound; i++) bins[random.integer(bound)]++;
    const degrees = bound - 1;
    expect(Math.abs(chiSquare(bins) - degrees)).toBeLessThanOrEqual(5 * Math.sqrt(2 * degrees));
  });

  test("integer throws draws away rather than favour low numbers", () => {
    // 3/4 of 2^32: taking the remainder of every draw would give the lowest third half of all draws.
    const bound = 3 * 2 ** 30;
    const random = new Random(4);
    let low = 0;
    for (let i = 0; i < 30_000; i++) if (random.integer(bound) < 2 ** 30) low++;
    expect(Math.abs(low - 10_000)).toBeLessThan(5 * 82);
    // The same draws, one by one: those past the last whole multiple are left out.
    const reference = twin(5n);
    const other = new Random(5);
    for (let i = 0; i < 200; i++) {
      let draw = reference.next().value as number;
      while (draw >= bound) draw = reference.next().value as number;
      expect(other.integer(bound)).toBe(draw);
    }
  });

  test("normal has mean 0, variance 1, and the tails of a normal", () => {
    const random = new Random(6);
    const count = 100_000;
    let sum = 0;
    let squares = 0;
    let past2 = 0;
    let past3 = 0;
    for (let i = 0; i < count; i++) {
      const x = random.normal();
      sum += x;
      squares += x * x;
      if (Math.abs(x) > 2) past2++;
      if (Math.abs(x) > 3) past3++;
    }
    expect(Math.abs(sum / count)).toBeLessThan(0.016);
    expect(Math.abs(squares / count - 1)).toBeLessThan(0.023);
    expect(Math.abs(past2 / count - 0.0455)).toBeLessThan(0.0035);
    expect(Math.abs(past3 / count - 0.0027)).toBeLessThan(0.0009);
  });

  test("shuffle is a permutation, in place, and every order of three is as likely", () => {
    const random = new Random(8);
    for (const length of [0, 1, 2, 17, 1000]) {
      const items = Uint32Array.from({ length }, (_, i) => i);
      expect(random.shuffle(items)).toBe(items);
      expect([...items].sort((a, b) => a - b)).toEqual(Array.from({ length }, (_, i) => i));
    }
    const orders = new Map<string, number>();
    for (let i = 0; i < 6000; i++) {
      const order = random.shuffle(Uint32Array.of(0, 1, 2)).join("");
      orders.set(order, (orders.get(order) ?? 0) + 1);
    }
    expect(orders.size).toBe(6);
    expect(chiSquare([...orders.values()])).toBeLessThan(5 + 5 * Math.sqrt(10));
  });
});
