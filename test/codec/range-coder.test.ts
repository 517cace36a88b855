import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { Fault, fault } from "../../src/codec/fault.js";
import { number } from "../../src/codec/number.js";
import { createContexts, Decoder, Encoder, stepsPerByte } from "../../src/codec/range-coder.js";

type Step = readonly ["bit", number, number] | readonly ["known", number, number] | readonly ["direct", number, number];

const steps = fc.array(
  fc.oneof(
    fc.tuple(fc.constant("bit" as const), fc.nat(3), fc.nat(1)),
    fc.tuple(fc.constant("known" as const), fc.constantFrom(1, 2, 255, 32768, 65000, 65535), fc.nat(1)),
    fc
      .integer({ min: 1, max: 16 })
      .chain((count) => fc.tuple(fc.constant("direct" as const), fc.constant(count), fc.nat(2 ** count - 1))),
  ),
  { maxLength: 300 },
);

function encode(list: readonly Step[]): Uint8Array {
  const encoder = new Encoder();
  const contexts = createContexts(4);
  for (const [kind, a, b] of list) {
    if (kind === "bit") encoder.bit(contexts, a, b);
    else if (kind === "known") encoder.known(a, b);
    else encoder.direct(a, b);
  }
  return encoder.finish();
}

function decode(bytes: Uint8Array, list: readonly Step[]): number[] {
  const decoder = new Decoder(bytes);
  const contexts = createContexts(4);
  const read = list.map(([kind, a]) => {
    if (kind === "bit") return decoder.bit(contexts, a);
    return kind === "known" ? decoder.known(a) : decoder.direct(a);
  });
  decoder.finish();
  return read;
}

function faultOf(run: () => unknown): number {
  try {
    run();
  } catch (error) {
    if (error instanceof Fault) return error.code;
    throw error;
  }
  return 0;
}

describe("range coder", () => {
  test("gives back every sequence of decisions", () => {
    fc.assert(
      fc.property(steps, (list) => {
        expect(decode(encode(list), list)).toEqual(list.map((step) => step[2]));
      }),
    );
  });

  test("no other bytes give the same decisions: no prefix, not with a byte more, not with another last byte", () => {
    fc.assert(
      fc.property(steps, fc.nat(255), (list, byte) => {
        const bytes = encode(list);
        const values = JSON.stringify(list.map((step) => step[2]));
        const same = (other: Uint8Array) => {
          try {
            return JSON.stringify(decode(other, list)) === values;
          } catch (error) {
            if (error instanceof Fault) return false;
            throw error;
          }
        };
        for (let length = 0; length < bytes.length; length++) if (same(bytes.subarray(0, length))) return false;
        if (same(Uint8Array.of(...bytes, byte)) || same(Uint8Array.of(...bytes, 0))) return false;
        const last = bytes.slice();
        last[last.length - 1] ^= byte;
        return bytes.length === 0 || byte === 0 || !same(last);
      }),
    );
  });

  test("no decisions take no bytes", () => {
    expect(encode([])).toHaveLength(0);
    expect(faultOf(() => decode(Uint8Array.of(0), []))).toBe(fault.ending);
  });

  test("carries run through any number of 255s", () => {
    // A long run of the upper part of the range, then the lower: the bytes before become 255 and then turn over.
    for (let n = 1; n < 200; n++) {
      const list = Array.from({ length: n }, (): Step => ["known", 1, 0]);
      for (let i = 0; i < 40; i++) list.push(["direct", 13, 8191], ["bit", 0, 0]);
      expect(decode(encode(list), list)).toEqual(list.map((step) => step[2]));
    }
  });

  test("a stream shorter than its steps is followed by zeros, no more and no less, and nothing but zeros", () => {
    const read = (bytes: Uint8Array, steps: number) => {
      const decoder = new Decoder(bytes);
      decoder.spend(steps);
      expect(decoder.direct(8)).toBe(77);
      decoder.finish();
    };
    for (const steps of [0, 1, stepsPerByte, stepsPerByte + 1, 10 * stepsPerByte]) {
      const encoder = new Encoder();
      encoder.spend(steps);
      encoder.direct(8, 77);
      const bytes = encoder.finish();
      expect(bytes).toHaveLength(Math.max(1, Math.ceil(steps / stepsPerByte)));
      read(bytes, steps);
      expect(faultOf(() => read(Uint8Array.of(...bytes, 0), steps))).toBe(fault.ending);
      if (bytes.length < 6) continue;
      expect(faultOf(() => read(bytes.subarray(1), steps))).toBe(fault.effort);
      expect(faultOf(() => read(bytes.with(bytes.length - 1, 1), steps))).toBe(fault.ending);
    }
  });

  test("numbers from 0 to 2^32 - 2", () => {
    const list = [0, 1, 2, 3, 7, 8, 127, 128, 65535, 2 ** 31 - 1, 2 ** 31, 2 ** 32 - 3, 2 ** 32 - 2];
    const encoder = new Encoder();
    const contexts = createContexts(288);
    for (const value of list) expect(number(encoder, contexts, 0, 32, value)).toBe(value);
    const decoder = new Decoder(encoder.finish());
    const fresh = createContexts(288);
    expect(list.map(() => number(decoder, fresh, 0, 32, 0))).toEqual(list);
    decoder.finish();
  });
});
