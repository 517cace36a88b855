import { expect, test } from "vitest";
import type { Tensor } from "../../src/tensor.js";
import { rotary } from "../reference/attention.js";
import type { Elements } from "../reference/movement.js";
import { normals } from "../support/kernels.js";
import { sizeOf } from "../support/network.js";
import { ints, numbers, tensor } from "../support/one-node.js";
import { runNode } from "../support/operator.js";

function floats(shape: readonly number[], seed: number): Tensor {
  return { dtype: "float32", shape, data: normals(sizeOf(shape), seed) };
}

/** Rows of a table at positions. */
function taken(table: Tensor, positions: readonly number[], batch: number): Elements {
  const [, pairs] = table.shape;
  const data = positions.flatMap((at) => Array.from(table.data.slice(at * pairs, (at + 1) * pairs) as Float32Array));
  return { shape: [batch, positions.length / batch, pairs], data };
}

const cases = [
  { batch: 2, heads: 4, rows: 3, size: 8 },
  { batch: 1, heads: 1, rows: 1, size: 2 },
  { batch: 2, heads: 3, rows: 5, size: 33, turned: 10 },
  { batch: 1, heads: 2, rows: 17, size: 64, turned: 64 },
  { batch: 3, heads: 2, rows: 4, size: 7, turned: 2 },
  { batch: 2, heads: 2, rows: 0, size: 4 },
];

test.each(cases)("%o", ({ batch, heads, rows, size, turned = 0 }) => {
  const pairs = (turned || size) / 2;
  for (const three of [false, true]) {
    for (const interleaved of [0, 1]) {
      const x = floats(three ? [batch, rows, heads * size] : [batch, heads, rows, size], 1);
      const attributes = {
        interleaved,
        ...(turned ? { rotary_embedding_dim: turned } : {}),
        ...(three ? { num_heads: heads } : {}),
      };
      const positions = Array.from({ length: batch * rows }, (_, i) => (7 * i) % 20);
      const [cos, sin] = [floats([20, pairs], 2), floats([20, pairs], 3)];
      const rowsOf = (table: Tensor) => taken(table, positions, batch);
      const want = rotary(numbers(x), rowsOf(cos), rowsOf(sin), three ? heads : undefined, interleaved === 1);
      const places = ints(positions, [batch, rows]);
      const [given] = runNode("RotaryEmbedding", [x, cos, sin, places], ["float32"], attributes);
      const [own, more] = [cos, sin].map((table) => {
        const { shape, data } = rowsOf(table);
        return tensor("float32", shape, [...data]);
      });
      const [direct] = runNode("RotaryEmbedding", [x, own, more], ["float32"], attributes);
      expect(given!.shape).toEqual(x.shape);
      expect(direct!.data).toEqual(given!.data);
      for (let i = 0; i < want.length; i++) {
        expect(Math.abs(Number(given!.data[i]) - want[i])).toBeLessThanOrEqual(2 ** -23 * 40);
      }
    }
  }
});

test("positions outside that only a run knows are refused", () => {
  const [x, cos, sin] = [floats([1, 1, 3, 4], 1), floats([5, 2], 2), floats([5, 2], 3)];
  const at = (...positions: number[]) =>
    runNode("RotaryEmbedding", [x, cos, sin, ints(positions, [1, 3])], ["float32"])[0]!.data;
  const where = "n (RotaryEmbedding) input 3: expected indices in -5..4, got ";
  expect(() => at(4, 99, 1)).toThrow(`${where}99`);
  expect(() => at(0, -1000, 1)).toThrow(`${where}-1000`);
});
