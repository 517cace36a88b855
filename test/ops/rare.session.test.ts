// BitCast, the windows of signals, and Det.
import { describe, expect, test } from "vitest";
import { bytesPerElement, type DType } from "../../src/dtype.js";
import { ShapeError, UnsupportedError } from "../../src/errors.js";
import { normals } from "../support/kernels.js";
import { counted, ints, numbers, runNode, tensor } from "../support/one-node.js";

const types = new Map<DType, number>([
  ["float32", 1],
  ["uint8", 2],
  ["int8", 3],
  ["uint16", 4],
  ["int16", 5],
  ["int32", 6],
  ["int64", 7],
  ["float16", 10],
  ["float64", 11],
  ["uint32", 12],
  ["uint64", 13],
  ["uint4", 21],
]);

describe("BitCast", () => {
  test("gives the same bytes as every type as wide", () => {
    let pairs = 0;
    for (const from of types.keys()) {
      for (const [to, code] of types) {
        const plain = [from, to].every((type) => !["float16", "float64", "uint4"].includes(type));
        const x = counted(from, [2, 3]);
        const run = () => runNode("BitCast", [x], { to: code }, { outputs: [to] })[0];
        if (!plain) expect(run).toThrow(UnsupportedError);
        else if (bytesPerElement(from) !== bytesPerElement(to)) {
          expect(run).toThrow(new ShapeError(`n.to: expected a type as wide as ${from}, got ${to}`));
        } else {
          const y = run();
          expect(y.dtype).toBe(to);
          expect(y.shape).toEqual([2, 3]);
          const bytes = ({ buffer, byteOffset, byteLength }: ArrayBufferView) =>
            new Uint8Array(buffer, byteOffset, byteLength);
          expect(bytes(y.data)).toEqual(bytes(x.data));
          pairs++;
        }
      }
    }
    expect(pairs).toBe(9 + 4 + 4 + 4);
  });

  test("takes truth values and gives none; keeps what a NaN holds", () => {
    const [y] = runNode("BitCast", [counted("bool", [5])], { to: 2 }, { outputs: ["uint8"] });
    expect([...y.data].every((v) => v === 0 || v === 1)).toBe(true);
    expect(() => runNode("BitCast", [counted("uint8", [5])], { to: 9 }, { outputs: ["bool"] })).toThrow(
      new UnsupportedError("n (BitCast): expected float32 or integers of whole bytes, got bool"),
    );
    const bits = tensor("int32", [2], [0x7fc12345, -0x3fffff]);
    const [nan] = runNode("BitCast", [bits], { to: 1 }, { outputs: ["float32"] });
    expect(new Int32Array(nan.data.buffer, nan.data.byteOffset, 2)).toEqual(Int32Array.of(0x7fc12345, -0x3fffff));
  });
});

describe.each([
  ["HannWindow", [0.5, 0.5, 0]],
  ["HammingWindow", [25 / 46, 21 / 46, 0]],
  ["BlackmanWindow", [0.42, 0.5, 0.08]],
] as const)("%s", (op, [a, b, c]) => {
  test("is its sum of cosines", () => {
    for (const periodic of [0, 1]) {
      for (const size of [0, 2, 3, 10, 400]) {
        const [y] = runNode(op, [ints([size], [])], { periodic }, { outputs: ["float32"] });
        const turn = (2 * Math.PI) / (periodic ? size : size - 1);
        expect(y.shape).toEqual([size]);
        for (let n = 0; n < size; n++) {
          const want = a - b * Math.cos(n * turn) + c * Math.cos(2 * n * turn);
          expect(Math.abs(Number(y.data[n]) - want)).toBeLessThan(1e-7);
        }
      }
    }
  });

  test("of one value is 1; of other types; refusals", () => {
    const [y] = runNode(op, [tensor("int32", [1], [1])], { periodic: 0 }, { outputs: ["float32"] });
    expect(numbers(y)).toEqual({ shape: [1], data: [1] });
    const [wide] = runNode(op, [ints([8], [])], { output_datatype: 11 }, { outputs: ["float64"] });
    expect(wide.dtype).toBe("float64");
    expect(() => runNode(op, [ints([8], [])], { output_datatype: 7 }, { outputs: ["int64"] })).toThrow(
      new UnsupportedError("n.output_datatype: expected a floating-point type, got int64"),
    );
    for (const [size, got] of [
      [ints([-1], []), "[-1] of 0 dimensions"],
      [ints([2 ** 40], []), "[1099511627776] of 0 dimensions"],
      [ints([1, 2]), "[1, 2] of 1 dimensions"],
    ] as const) {
      expect(() => runNode(op, [size], {}, { outputs: ["float32"] })).toThrow(
        new ShapeError(`n (${op}) input 0: expected a size in 0..1048576, got ${got}`),
      );
    }
  });
});

describe("Det", () => {
  /** By the first row. */
  function twin(m: number, a: readonly number[]): number {
    if (m === 0) return 1;
    let sum = 0;
    for (let j = 0; j < m; j++) {
      const minor = a.filter((_, i) => i >= m && i % m !== j);
      sum += (j % 2 ? -1 : 1) * a[j] * twin(m - 1, minor);
    }
    return sum;
  }

  test.each([0, 1, 2, 3, 5, 6])("%i x %i", (m) => {
    const values = normals(6 * m * m, m + 1);
    // One that has none, and one that needs rows in another order.
    if (m > 1) values.fill(0, 0, m * m + 1);
    const x = tensor("float32", [2, 3, m, m], [...values]);
    const [y] = runNode("Det", [x]);
    expect(y.shape).toEqual([2, 3]);
    for (let i = 0; i < 6; i++) {
      const want = twin(m, [...values.slice(i * m * m, (i + 1) * m * m)]);
      expect(Math.abs(Number(y.data[i]) - want)).toBeLessThan(1e-5 * (1 + Math.abs(want)));
    }
  });

  test("of what is no square is refused", () => {
    for (const shape of [[3], [2, 3], []]) {
      expect(() => runNode("Det", [counted("float32", shape)])).toThrow(
        new ShapeError(`n (Det): expected square matrices [..., m, m], got [${shape.join(", ")}]`),
      );
    }
    expect(() => runNode("Det", [counted("int32", [2, 2])])).toThrow(UnsupportedError);
  });
});
