// The gradient of products, norms, pools, networks through time and attention.
import { describe, expect, test } from "vitest";
import type { Attribute } from "../../src/graph/graph.js";
import { checks, type Input, refused, type Shape } from "../support/gradients.js";

describe("products", () => {
  checks([
    ["Conv", [[2, 4, 9], [6, 2, 3], [6]], { group: 2, strides: [2], pads: [2, 1] }],
    ["Conv", [[2, 3, 8], [3, 1, 3], [3]], { group: 3, dilations: [2], pads: [0, 3] }],
    [
      "Conv",
      [
        [1, 1, 1],
        [2, 1, 1],
      ],
    ],
    ["Conv", [[2, 6, 5, 7], [4, 3, 3, 2], [4]], { group: 2, strides: [2, 1], dilations: [1, 2], pads: [1, 2, 0, 1] }],
    ["Conv", [[2, 3, 5, 5], [6, 1, 3, 3], [6]], { group: 3, pads: [2, 0, 1, 1] }],
    [
      "MatMul",
      [
        [2, 3, 4],
        [4, 5],
      ],
    ],
    [
      "MatMul",
      [
        [3, 4],
        [2, 4, 5],
      ],
    ],
    ["MatMul", [[4], [4, 5]]],
    [
      "MatMul",
      [
        [2, 1, 3, 4],
        [5, 4, 2],
      ],
    ],
    ["MatMul", [[7], [7]]],
    ["Gemm", [[5, 3], [5, 4], [4]], { transA: 1, alpha: 0.5, beta: 2 }],
    [
      "Gemm",
      [
        [3, 5],
        [4, 5],
        [3, 1],
      ],
      { transB: 1, beta: 0.3 },
    ],
    [
      "Gemm",
      [
        [5, 3],
        [4, 5],
        [3, 4],
      ],
      { transA: 1, transB: 1 },
    ],
    ["Gemm", [[1, 1], [1, 1], [1]], { alpha: -2 }],
  ]);
});

describe("norms", () => {
  const mean: Input = { held: [0.3, -0.2, 0.1], dtype: "float32" };
  const variance: Input = { held: [0.7, 1.5, 0.4], dtype: "float32" };
  checks([
    ["InstanceNormalization", [[2, 3, 4, 5], [3], [3]]],
    ["InstanceNormalization", [[3, 2, 7], [2], [2]], { epsilon: 0.1 }],
    ["GroupNormalization", [[2, 6, 3, 2], [6], [6]], { num_groups: 3 }],
    ["GroupNormalization", [[2, 4, 5], [4], [4]], { num_groups: 1 }],
    ["RMSNormalization", [[3, 4, 5], [5]]],
    [
      "RMSNormalization",
      [
        [3, 4, 5],
        [4, 5],
      ],
      { axis: 1, epsilon: 0.01 },
    ],
    ["LayerNormalization", [[3, 4, 5], [5], [5]]],
    [
      "LayerNormalization",
      [
        [3, 4, 5],
        [4, 5],
      ],
      { axis: 1 },
    ],
    ["BatchNormalization", [[4, 3, 2, 3], [3], [3], mean, variance], { training_mode: 1 }],
    ["BatchNormalization", [[7, 3], [3], [3], mean, variance], { training_mode: 1, epsilon: 0.05 }],
    ["BatchNormalization", [[4, 3, 2, 3], [3], [3], mean, variance]],
  ]);
});

describe("pools", () => {
  const image: Shape = [2, 2, 6, 7];
  checks([
    ["MaxPool", [image], { kernel_shape: [3, 2], strides: [2, 2], pads: [1, 0, 2, 1] }],
    ["MaxPool", [image], { kernel_shape: [2, 3], dilations: [2, 1], pads: [1, 1, 0, 1] }],
    ["MaxPool", [image], { kernel_shape: [3, 3], strides: [2, 2], ceil_mode: 1 }],
    ["MaxPool", [[2, 3, 11]], { kernel_shape: [3], strides: [2] }],
    ["MaxPool", [[1, 2, 4, 5, 3]], { kernel_shape: [2, 2, 2], strides: [1, 2, 1] }],
    ["AveragePool", [image], { kernel_shape: [3, 3], strides: [2, 2], ceil_mode: 1, pads: [1, 1, 1, 1] }],
    ["AveragePool", [image], { kernel_shape: [3, 3], strides: [2, 2], ceil_mode: 1, count_include_pad: 1 }],
    ["AveragePool", [image], { kernel_shape: [2, 2], dilations: [2, 3], pads: [1, 0, 0, 1], count_include_pad: 1 }],
    ["AveragePool", [[2, 3, 9]], { kernel_shape: [4], strides: [3], pads: [1, 2] }],
    ["AveragePool", [[1, 2, 4, 5, 3]], { kernel_shape: [2, 3, 2] }],
    ["LpPool", [image], { kernel_shape: [2, 3], strides: [2, 1] }],
    ["LpPool", [image], { kernel_shape: [2, 2], p: 3 }],
    ["GlobalAveragePool", [[2, 3, 4, 5]]],
    ["GlobalMaxPool", [[2, 3, 4, 5]]],
    ["GlobalMaxPool", [[2, 3, 7]]],
    ["GlobalLpPool", [[2, 3, 4, 5]], { p: 2 }],
  ]);
});

describe("Resize", () => {
  const by = (...held: number[]): Input => ({ held, dtype: "float32" });
  checks([
    ["Resize", [[1, 2, 3, 4], "", by(1, 1, 2, 2)]],
    [
      "Resize",
      [[1, 2, 6, 4], "", by(1, 1, 0.5, 1.5)],
      { coordinate_transformation_mode: "asymmetric", nearest_mode: "floor" },
    ],
    ["Resize", [[1, 2, 3, 4], "", by(1, 1, 2, 2.5)], { mode: "linear" }],
    [
      "Resize",
      [[2, 1, 5, 4], "", by(1, 1, 2, 0.5)],
      { mode: "linear", coordinate_transformation_mode: "align_corners" },
    ],
    ["Resize", [[1, 1, 6, 5], "", by(1, 1, 0.5, 2)], { mode: "cubic" }],
    ["Resize", [[1, 1, 2, 2], "", by(1, 1, 1, 1)], { mode: "linear" }],
  ]);
});

describe("through time", () => {
  /** x, W, R, B, no lengths, first states: of so many steps, batch, inputs, hidden values, directions. */
  const given = (gates: number, t: number, n: number, k: number, h: number, d = 1, states = gates - 2): Input[] => [
    [t, n, k],
    [d, gates * h, k],
    [d, gates * h, h],
    [d, 2 * gates * h],
    "",
    ...Array.from({ length: states }, () => [d, n, h]),
  ];
  checks(
    [
      ["LSTM", given(4, 4, 2, 3, 5), { hidden_size: 5 }, 3],
      ["LSTM", given(4, 1, 1, 4, 3), { hidden_size: 3 }, 3],
      ["LSTM", given(4, 3, 2, 4, 3, 1, 0), { hidden_size: 3, direction: "reverse" }],
      ["LSTM", given(4, 3, 2, 2, 3, 2), { hidden_size: 3, direction: "bidirectional" }, 3],
      ["LSTM", given(4, 3, 1, 2, 9).slice(0, 3), { hidden_size: 9 }, 2],
      ["GRU", given(3, 4, 2, 3, 5), { hidden_size: 5 }, 2],
      ["GRU", given(3, 4, 2, 3, 5), { hidden_size: 5, linear_before_reset: 1 }, 2],
      ["GRU", given(3, 3, 2, 3, 4, 2), { hidden_size: 4, direction: "bidirectional", linear_before_reset: 1 }, 2],
      ["GRU", given(3, 3, 1, 2, 3, 1, 0), { hidden_size: 3, direction: "reverse" }],
    ],
    { value: (v) => v / 2 },
  );
});

describe("Attention", () => {
  const open: Input = { held: [1, 0, 1, 1, 1, 1, 0, 1, 0, 1, 1, 1], shape: [3, 4], dtype: "bool" };
  checks([
    [
      "Attention",
      [
        [2, 2, 3, 4],
        [2, 2, 5, 4],
        [2, 2, 5, 3],
      ],
    ],
    [
      "Attention",
      [
        [1, 4, 3, 4],
        [1, 2, 3, 4],
        [1, 2, 3, 4],
      ],
      { is_causal: 1 },
    ],
    [
      "Attention",
      [
        [2, 3, 8],
        [2, 4, 8],
        [2, 4, 6],
      ],
      { q_num_heads: 2, kv_num_heads: 2, scale: 0.3 },
    ],
    ["Attention", [[1, 2, 3, 4], [1, 2, 4, 4], [1, 2, 4, 2], open]],
    [
      "Attention",
      [
        [2, 2, 3, 4],
        [2, 2, 4, 4],
        [2, 2, 4, 2],
        [2, 1, 3, 4],
      ],
    ],
    [
      "Attention",
      [
        [2, 2, 3, 4],
        [2, 2, 4, 4],
        [2, 2, 4, 2],
        [1, 4],
      ],
      { is_causal: 1 },
    ],
    [
      "Attention",
      [
        [1, 1, 1, 7],
        [1, 1, 9, 7],
        [1, 1, 9, 5],
      ],
    ],
  ]);
});

describe("what has no gradient, by name", () => {
  const lstm: Input[] = [
    [2, 1, 3],
    [1, 8, 3],
    [1, 8, 2],
  ];
  const heads: Input[] = [
    [1, 1, 2, 3],
    [1, 1, 2, 3],
    [1, 1, 2, 3],
  ];
  test.each([
    [
      "LSTM",
      lstm,
      { hidden_size: 2, clip: 1 },
      "node (LSTM): expected a gradient of the plain form, without clip, got clip",
    ],
    ["LSTM", lstm, { hidden_size: 2, input_forget: 1 }, "without input_forget"],
    ["LSTM", [...lstm, "", "", "", "", [1, 6]], { hidden_size: 2 }, "without peepholes"],
    ["Attention", heads, { softcap: 2 }, "node (Attention): expected a gradient without softcap, got softcap"],
    ["Attention", [...heads, "", [1, 1, 3, 3], [1, 1, 3, 3]], {}, "without past keys"],
    ["Floor", [[2, 3]], {}, "fit: node node: expected an operator with a gradient, got Floor"],
    ["CumSum", [[2, 3], { held: [0], shape: [] }], {}, "got CumSum"],
  ] as [string, Input[], Record<string, Attribute>, string][])("%s %j %o", async (op, inputs, attributes, message) => {
    await expect(refused([op, inputs, attributes])).rejects.toThrow(message);
  });
});
