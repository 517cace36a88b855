// Which kernel a convolution is given, on both sides of every constant that decides it.
import { describe, expect, test } from "vitest";
import type { Attribute, GraphNode } from "../../src/graph/graph.js";
import type { RunKernels } from "../../src/kernels/abi.js";
import { conv, sparseFromWinograd, winogradFrom } from "../../src/ops/conv.js";
import { depthwiseUntil } from "../../src/ops/image.js";
import type { PlacedWeight, Slot } from "../../src/ops/op.js";
import { sparseFromConv } from "../../src/ops/sparse.js";

interface Choice {
  readonly shape: readonly number[];
  readonly attributes?: Record<string, Attribute>;
  /** Fraction of zeros of a weight in CSR. */
  readonly sparsity?: number;
  readonly int8?: boolean;
  readonly live?: boolean;
  readonly exact?: boolean;
  /** Sides of the output, and whether they are known when the node is lowered. */
  readonly out?: readonly number[];
  readonly known?: boolean;
}

function slot(shape: readonly number[]): Slot {
  return { pointer: 0, dtype: "float32", shape };
}

/** Names of the kernels that a run calls, without those that pack. */
function chosen({
  shape,
  attributes = {},
  sparsity,
  int8,
  live,
  exact = false,
  out = [14, 14],
  known = true,
}: Choice): string[] {
  const called: string[] = [];
  let running = false;
  const kernels = new Proxy({} as RunKernels, {
    get: (_, name) => () => {
      if (running && !String(name).includes("pack")) called.push(String(name));
      return 0;
    },
  });
  const cols = shape.slice(1).reduce((size, side) => size * side, 1);
  const size = { shape, rows: shape[0], cols };
  const weight: PlacedWeight =
    sparsity !== undefined
      ? {
          ...size,
          kind: "sparse",
          nnz: Math.round((1 - sparsity) * shape[0] * cols),
          rowPtr: 0,
          col: 0,
          values: 0,
          scale: int8 ? 64 : 0,
        }
      : { ...size, kind: live ? "live" : "dense", values: 0 };
  const node: GraphNode = { name: "node", op: "Conv", inputs: ["x", "w"], outputs: ["y"], attributes };
  const bind = conv.lower({
    node,
    kernels,
    weight: (i) => (i === 1 ? weight : undefined),
    place: <K>() => weight as Extract<PlacedWeight, { kind: K }>,
    dense: () => 0,
    borrow: (_, use) => use(0),
    constant: () => undefined,
    alloc: () => 0,
    temporary: (_, use) => use(0),
    exact,
    limits: 0,
    output: known ? [1, shape[0], ...out] : undefined,
  });
  const group = (attributes.group as number | undefined) ?? 1;
  const image = [2, shape[1] * group, ...out.map((side) => side + 2)];
  const io = { inputs: [slot(image), live ? slot(shape) : undefined], outputs: [slot([2, shape[0], ...out])] };
  const launch = bind(io, () => 0);
  running = true;
  launch.run(0);
  return called;
}

const w = winogradFrom;

describe("Winograd", () => {
  test.each([
    [w, w, "winograd_f32"],
    [w - 1, w, "conv_f32"],
    [w, w - 1, "conv_f32"],
  ])("%i channels out, %i in: %s", (o, c, kernel) => {
    expect(chosen({ shape: [o, c, 3, 3] })).toEqual([kernel]);
  });

  test("groups have the channels of one group", () => {
    expect(chosen({ shape: [2 * w, w, 3, 3], attributes: { group: 2 } })).toEqual(["winograd_f32", "winograd_f32"]);
    expect(chosen({ shape: [2 * w - 2, w, 3, 3], attributes: { group: 2 } })).toEqual(["conv_f32", "conv_f32"]);
  });

  test.each([
    ["exact", { exact: true }],
    ["weights that are trained", { live: true }],
    ["strides", { attributes: { strides: [1, 2] } }],
    ["dilations", { attributes: { dilations: [2, 1] } }],
    ["another height", { shape: [64, 64, 2, 3] }],
    ["another width", { shape: [64, 64, 3, 5] }],
    ["a line", { shape: [64, 64, 3], out: [14] }],
  ] as [string, Partial<Choice>][])("not for %s", (_, choice) => {
    expect(chosen({ shape: [64, 64, 3, 3], ...choice })).toEqual(["conv_f32"]);
  });

  test.each([
    [5, 5, "conv_f32"],
    [6, 6, "winograd_f32"],
    [4, 8, "conv_f32"],
    [4, 9, "winograd_f32"],
    [1, 99, "conv_f32"],
    [8, 8, "winograd_f32"],
    [0, 3, "conv_f32"],
  ])("outputs of %i x %i: %s", (h, width, kernel) => {
    expect(chosen({ shape: [64, 64, 3, 3], out: [h, width] })).toEqual([kernel]);
    expect(chosen({ shape: [64, 64, 3, 3], out: [h, width], known: false })).toEqual(["winograd_f32"]);
  });
});

describe("CSR", () => {
  test.each([
    [sparseFromWinograd - 0.01, "winograd_f32"],
    [sparseFromWinograd + 0.01, "sparse_conv_f32"],
  ])("where Winograd can be, sparsity %f: %s", (sparsity, kernel) => {
    expect(chosen({ shape: [64, 64, 3, 3], sparsity })).toEqual([kernel]);
    const exact = chosen({ shape: [64, 64, 3, 3], sparsity, exact: true });
    expect(exact).toEqual(["sparse_conv_f32"]);
  });

  test.each([
    [sparseFromConv - 0.01, "conv_f32"],
    [sparseFromConv + 0.01, "sparse_conv_f32"],
  ])("elsewhere, sparsity %f: %s", (sparsity, kernel) => {
    for (const shape of [
      [64, 64, 1, 1],
      [64, 64, 5, 5],
      [64, w - 1, 3, 3],
    ]) {
      expect(chosen({ shape, sparsity })).toEqual([kernel]);
    }
    const strided = { shape: [64, 64, 3, 3], sparsity, attributes: { strides: [2, 2] } };
    expect(chosen(strided)).toEqual([kernel]);
  });

  test("int8 values and groups", () => {
    expect(chosen({ shape: [64, 64, 1, 1], sparsity: 0.9, int8: true })).toEqual(["sparse_conv_i8"]);
    const grouped = { shape: [8, 4, 3, 3], sparsity: 0.9, attributes: { group: 4 } };
    expect(chosen(grouped)).toEqual(new Array(4).fill("sparse_conv_f32"));
  });
});

describe("depthwise", () => {
  test.each([
    [depthwiseUntil, "depthwise_f32"],
    [depthwiseUntil + 1, "conv_f32"],
  ])("%i outputs for each channel: %s", (m, kernel) => {
    for (const live of [false, true]) {
      const called = chosen({ shape: [6 * m, 1, 3, 3], attributes: { group: 6 }, live });
      expect(called).toEqual(kernel === "conv_f32" ? new Array(6).fill(kernel) : [kernel]);
    }
  });

  test("not with two channels in for each group", () => {
    expect(chosen({ shape: [6, 2, 3, 3], attributes: { group: 3 } })).toEqual(new Array(3).fill("conv_f32"));
  });
});
