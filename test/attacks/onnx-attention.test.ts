// Attention and RotaryEmbedding as no model means them: the class of each error and how its message starts.
import { describe, expect, test } from "vitest";
import { ShapeError, UnsupportedError } from "../../src/errors.js";
import type { Attribute } from "../../src/graph/graph.js";
import type { Tensor } from "../../src/tensor.js";
import { thrown } from "../support/network.js";
import { ints, runNode, tensor } from "../support/one-node.js";

const zeros = (...shape: number[]): Tensor => {
  return { dtype: "float32", shape, data: new Float32Array(shape.reduce((size, dim) => size * dim, 1)) };
};

type Attack = readonly [
  inputs: readonly (Tensor | undefined)[],
  attributes: Readonly<Record<string, Attribute>>,
  kind: typeof ShapeError | typeof UnsupportedError,
  start: string,
];

function expectRefusal(op: string, [inputs, attributes, kind, start]: Attack, weights: readonly number[] = []): void {
  const error = thrown(() => runNode(op, inputs, attributes, { weights })) as Error;
  expect(error.message.slice(0, start.length)).toBe(start);
  expect(error).toBeInstanceOf(kind);
  expect(error.message).toMatch(/^.+: expected .+, got /s);
}

const [q, k, v] = [zeros(2, 6, 4, 8), zeros(2, 3, 5, 8), zeros(2, 3, 5, 7)];
const flat = [zeros(2, 4, 24), zeros(2, 5, 24), zeros(2, 5, 24)];
const input = (i: number) => `n (Attention) input ${i}: expected`;

describe("Attention", () => {
  const attacks: readonly (readonly [string, Attack])[] = [
    [
      "heads that do not divide",
      [[zeros(2, 4, 4, 8), k, v], {}, ShapeError, `${input(0)} heads of queries that share 3`],
    ],
    ["no heads of keys", [[q, zeros(2, 0, 5, 8), zeros(2, 0, 5, 8)], {}, ShapeError, `${input(0)} heads of queries`]],
    ["rank 2", [[zeros(4, 8), zeros(4, 8), zeros(4, 8)], {}, ShapeError, `${input(0)} [n, heads, rows, size]`]],
    ["ranks that differ", [[q, flat[1], flat[2]], { kv_num_heads: 3 }, ShapeError, `${input(1)} keys like queries`]],
    ["3-D without heads", [flat, {}, ShapeError, "n.q_num_heads: expected a number of heads, got none"]],
    ["3-D without heads of keys", [flat, { q_num_heads: 3 }, ShapeError, "n.kv_num_heads: expected a number of heads"]],
    [
      "heads that do not fit a width",
      [flat, { q_num_heads: 5, kv_num_heads: 3 }, ShapeError, `${input(0)} a multiple of 5 heads, got [2, 4, 24]`],
    ],
    ["no heads", [flat, { q_num_heads: 0, kv_num_heads: 3 }, ShapeError, "n.q_num_heads: expected 1 or more, got 0"]],
    ["less than none", [flat, { q_num_heads: -3, kv_num_heads: 3 }, ShapeError, "n.q_num_heads: expected 1 or more"]],
    ["other heads than are told", [[q, k, v], { q_num_heads: 3 }, ShapeError, `${input(0)} 3 heads, got [2, 6, 4, 8]`]],
    ["keys of another size", [[q, zeros(2, 3, 5, 9), v], {}, ShapeError, `${input(1)} keys like queries [2, 6, 4, 8]`]],
    ["keys of another batch", [[q, zeros(1, 3, 5, 8), v], {}, ShapeError, `${input(1)} keys like queries`]],
    ["more values than keys", [[q, k, zeros(2, 3, 6, 7)], {}, ShapeError, `${input(2)} a value for each key`]],
    ["values of other heads", [[q, k, zeros(2, 6, 5, 7)], {}, ShapeError, `${input(2)} a value for each key`]],
    [
      "heads of nothing",
      [[zeros(1, 1, 9, 0), zeros(1, 1, 9, 0), zeros(1, 1, 9, 1)], {}, ShapeError, "n (Attention): expected heads of 1"],
    ],
    [
      "heads without end",
      [
        [zeros(2 ** 20, 2 ** 20, 0, 1), zeros(2 ** 20, 1, 0, 1), zeros(2 ** 20, 1, 0, 1)],
        {},
        UnsupportedError,
        "n (Attention): expected at most 1048576 heads",
      ],
    ],
    ["no values", [[q, k], {}, ShapeError, "n (Attention): expected an input 2, got none"]],
    ["whole numbers", [[q, ints([1]), v], {}, UnsupportedError, `${input(1)} floating-point values, got int64`]],
    ["scale NaN", [[q, k, v], { scale: NaN }, ShapeError, "n.scale: expected a positive number, got NaN"]],
    ["scale 0", [[q, k, v], { scale: 0 }, ShapeError, "n.scale: expected a positive number, got 0"]],
    ["scale below 0", [[q, k, v], { scale: -1 }, ShapeError, "n.scale: expected a positive number, got -1"]],
    ["scale infinite", [[q, k, v], { scale: Infinity }, ShapeError, "n.scale: expected a positive number"]],
    ["softcap below 0", [[q, k, v], { softcap: -1 }, ShapeError, "n.softcap: expected 0 or a positive number, got -1"]],
    ["softcap NaN", [[q, k, v], { softcap: NaN }, ShapeError, "n.softcap: expected 0 or a positive number, got NaN"]],
    [
      "mode 4",
      [[q, k, v], { qk_matmul_output_mode: 4 }, ShapeError, "n.qk_matmul_output_mode: expected 0 to 3, got 4"],
    ],
    [
      "softmax in int64",
      [[q, k, v], { softmax_precision: 7 }, UnsupportedError, "n.softmax_precision: expected a float"],
    ],
    [
      "softmax in nothing",
      [[q, k, v], { softmax_precision: 99 }, UnsupportedError, "n.softmax_precision: expected an"],
    ],
    ["unknown attribute", [[q, k, v], { window: 3 }, UnsupportedError, "n (Attention): expected attributes among"]],
    ["mask too wide", [[q, k, v, zeros(4, 6)], {}, ShapeError, `${input(3)} a mask that broadcasts to [2, 6, 4, 5]`]],
    ["mask of other rows", [[q, k, v, zeros(3, 5)], {}, ShapeError, `${input(3)} a mask that broadcasts to`]],
    ["mask of other heads", [[q, k, v, zeros(2, 3, 4, 5)], {}, ShapeError, `${input(3)} a mask that broadcasts to`]],
    ["mask a list", [[q, k, v, zeros(5)], {}, ShapeError, `${input(3)} a mask that broadcasts to`]],
    ["mask of 5-D", [[q, k, v, zeros(1, 1, 1, 4, 5)], {}, ShapeError, `${input(3)} a mask that broadcasts to`]],
    [
      "mask of integers",
      [[q, k, v, ints(new Array(20).fill(1), [4, 5])], {}, UnsupportedError, `${input(3)} floating-p`],
    ],
    [
      "past keys alone",
      [[q, k, v, undefined, zeros(2, 3, 1, 8)], {}, ShapeError, `${input(5)} past keys and past values together`],
    ],
    [
      "past values alone",
      [
        [q, k, v, undefined, undefined, zeros(2, 3, 1, 7)],
        {},
        ShapeError,
        `${input(4)} past keys and past values toge`,
      ],
    ],
    [
      "past values of another length",
      [[q, k, v, undefined, zeros(2, 3, 1, 8), zeros(2, 3, 2, 7)], {}, ShapeError, `${input(5)} [2, 3, 1, 7], got`],
    ],
    [
      "past keys of another size",
      [[q, k, v, undefined, zeros(2, 3, 1, 7), zeros(2, 3, 1, 7)], {}, ShapeError, `${input(4)} [2, 3, 1, 8], got`],
    ],
    [
      "past keys of 1-D",
      [[q, k, v, undefined, zeros(3), zeros(3)], {}, ShapeError, `${input(4)} [2, 3, 0, 8], got [3]`],
    ],
    [
      "lengths beside a past",
      [
        [q, k, v, undefined, zeros(2, 3, 1, 8), zeros(2, 3, 1, 7), ints([1, 1])],
        {},
        ShapeError,
        `${input(6)} no lengths of keys beside past keys`,
      ],
    ],
    [
      "too few lengths",
      [[q, k, v, undefined, undefined, undefined, ints([1])], {}, ShapeError, `${input(6)} a length for each of 2`],
    ],
    [
      "lengths of int32",
      [
        [q, k, v, undefined, undefined, undefined, tensor("int32", [2], [1, 1])],
        {},
        ShapeError,
        `${input(6)} int64, got int32`,
      ],
    ],
  ];
  test.each(attacks)("%s", (_name, attack) => expectRefusal("Attention", attack));

  test.each([
    [-1, "0 to 5 keys, got -1"],
    [6, "0 to 5 keys, got 6"],
  ])("a constant length of %d", (length, start) => {
    const inputs = [q, k, v, undefined, undefined, undefined, ints([1, length])];
    expectRefusal("Attention", [inputs, {}, ShapeError, `${input(6)} ${start}`], [6]);
  });

  test("scores of more than 2^31 bytes are not begun", () => {
    const wide = [zeros(1, 1, 30_000, 1), zeros(1, 1, 30_000, 1), zeros(1, 1, 30_000, 1)];
    const graph = () => runNode("Attention", wide, {}, { outputs: ["float32", "float32", "float32", "float32"] });
    const error = thrown(graph) as Error;
    expect(error).toBeInstanceOf(ShapeError);
    expect(error.message).toMatch(/^n \(Attention\): expected an output of at most 2\^31 bytes/);
  });
});

describe("RotaryEmbedding", () => {
  const x = zeros(2, 3, 4, 8);
  const [cos, places] = [zeros(9, 4), ints(new Array(8).fill(1), [2, 4])];
  const at = (i: number) => `n (RotaryEmbedding) input ${i}: expected`;
  const attacks: readonly (readonly [string, Attack])[] = [
    [
      "an odd part",
      [[x, cos, cos, places], { rotary_embedding_dim: 3 }, ShapeError, "n.rotary_embedding_dim: expected an"],
    ],
    [
      "a part below 0",
      [[x, cos, cos, places], { rotary_embedding_dim: -2 }, ShapeError, "n.rotary_embedding_dim: exp"],
    ],
    [
      "a part past the head",
      [[x, cos, cos, places], { rotary_embedding_dim: 10 }, ShapeError, `${at(0)} heads of an even`],
    ],
    ["odd heads", [[zeros(2, 3, 4, 7), cos, cos, places], {}, ShapeError, `${at(0)} heads of an even size`]],
    [
      "3-D without heads",
      [[zeros(2, 4, 24), cos, cos, places], {}, ShapeError, "n.num_heads: expected a number of heads"],
    ],
    ["rank 2", [[zeros(4, 8), cos, cos], {}, ShapeError, `${at(0)} [n, heads, rows, size] or`]],
    ["cosines of another width", [[x, zeros(9, 3), cos, places], {}, ShapeError, `${at(1)} [9, 4], got [9, 3]`]],
    ["fewer sines", [[x, cos, zeros(8, 4), places], {}, ShapeError, `${at(2)} [9, 4], got [8, 4]`]],
    ["a table without positions", [[x, cos, cos], {}, ShapeError, `${at(1)} [2, 4, 4], got [9, 4]`]],
    ["an empty table", [[x, zeros(0, 4), zeros(0, 4), places], {}, ShapeError, `${at(1)} a row for the positions`]],
    ["positions of another shape", [[x, cos, cos, ints([1])], {}, ShapeError, `${at(3)} [2, 4], got [1]`]],
    [
      "positions of int32",
      [[x, cos, cos, tensor("int32", [2, 4], new Array(8).fill(1))], {}, ShapeError, `${at(3)} int64, got int32`],
    ],
  ];
  test.each(attacks)("%s", (_name, attack) => expectRefusal("RotaryEmbedding", attack));

  test.each([-1, 9, 2 ** 40])("a constant position of %d", (position) => {
    const inputs = [x, cos, cos, ints([...new Array(7).fill(1), position], [2, 4])];
    expectRefusal("RotaryEmbedding", [inputs, {}, ShapeError, `${at(3)} positions in 0..8, got ${position}`], [3]);
  });
});
