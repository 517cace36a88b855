import { describe, expect, test } from "vitest";
import { GraphBuilder } from "../../src/graph/build.js";
import { toDense } from "../../src/graph/dense.js";
import type { Attribute, Graph } from "../../src/graph/graph.js";
import type { FactoredWeight, Int8Weight, SparseWeight } from "../../src/graph/weight.js";
import { runReference } from "../reference/network.js";
import { normals } from "../support/kernels.js";
import { factoredWeight, fed, sizeOf, storages, withWeights } from "../support/network.js";
import { batch, descent, differences, expectGradients, train, twinGradient, twinLoss } from "../support/training.js";

/** A builder with weights of modest size. */
class Net extends GraphBuilder {
  #seed = 500;

  w(name: string, shape: readonly number[], scale = 0.5): string {
    return this.weight(
      name,
      shape,
      normals(sizeOf(shape), this.#seed++).map((v) => v * scale),
    );
  }
}

/** Finishes a network and gives it a batch whose target is far from its output. */
async function check(net: Net, y: string, inputs: Record<string, ReturnType<typeof fed>>) {
  net.output("out", ["N"], y);
  const built = net.build();
  const { shape } = runReference(built, inputs).get("out")!;
  const graph: Graph = { ...built, outputs: [{ ...built.outputs[0], shape }] };
  await expectGradients(graph, batch(inputs, normals(sizeOf(shape), 900)), "meanSquaredError");
  if (shape.length === 2) {
    await expectGradients(
      graph,
      batch(
        inputs,
        Uint32Array.from({ length: shape[0] }, (_, r) => (r * 7) % shape[1]),
      ),
      "crossEntropy",
    );
  }
}

describe("Gemm and MatMul", () => {
  test.each([1, 2, 5])("two layers of Gemm, with and without transB and bias, %d rows", async (rows) => {
    const net = new Net("gemm");
    const x = net.input("x", ["N", 6]);
    const h = net.node("Relu", [net.node("Gemm", [x, net.w("w1", [9, 6]), net.w("b1", [9])], { transB: 1 })]);
    const g = net.node("Gemm", [h, net.w("w2", [9, 7]), net.w("b2", [1, 7])]);
    const n = net.node("Gemm", [g, net.w("w3", [4, 7])], { transB: 1 });
    await check(net, net.node("Gemm", [n, net.w("w4", [4, 5]), ""]), { x: fed([rows, 6], 1) });
  });

  test("MatMul of rank 3 and 4", async () => {
    const net = new Net("matmul");
    const x = net.input("x", ["N", 3, 5]);
    const h = net.node("MatMul", [x, net.w("w1", [5, 6])]);
    const y = net.node("Flatten", [net.node("MatMul", [net.node("Relu", [h]), net.w("w2", [6, 2])])]);
    await check(net, y, { x: fed([2, 3, 5], 1) });
    const deep = new Net("matmul");
    const z = deep.node("MatMul", [deep.input("x", ["N", 2, 3, 5]), deep.w("w1", [5, 4])]);
    await check(deep, z, { x: fed([2, 2, 3, 5], 1) });
  });

  test.each([
    ["a stack on either side", [2, 3, 4], [2, 4, 5]],
    ["one matrix of A for all of B", [3, 4], [2, 4, 5]],
    ["one matrix of B for all of A", [2, 2, 3, 4], [1, 4, 5]],
    ["each side broadcast", [2, 1, 3, 4], [3, 4, 5]],
    ["a vector A", [4], [2, 4, 5]],
    ["a vector B", [2, 3, 4], [4]],
  ])("MatMul of computed stacks: %s", async (_name, a, b) => {
    const net = new Net("stacks");
    net.input("x", ["N"]);
    const [left, right] = [net.node("Tanh", [net.w("wa", a)]), net.node("Tanh", [net.w("wb", b)])];
    await check(net, net.node("MatMul", [left, right]), { x: fed([1], 1) });
    const alone = new Net("stacks");
    alone.input("x", ["N"]);
    await check(alone, alone.node("MatMul", [alone.w("wa", a), alone.w("wb", b)]), { x: fed([1], 1) });
  });

  test.each([0, 1])("both sides computed, transB = %d", async (transB) => {
    const net = new Net("computed");
    const x = net.input("x", [4, 3]);
    const a = net.node("MatMul", [x, net.w("wa", [3, 5])]);
    const b = net.node("Gemm", [net.w("wb", transB ? [6, 4] : [5, 4]), net.w("wc", transB ? [4, 5] : [4, 6])]);
    await check(net, net.node("Gemm", [a, b, net.w("bias", [6])], { transB }), { x: fed([4, 3], 1) });
  });

  test("tiles and more: 70 rows, 130 inputs, 66 outputs", async () => {
    const net = new Net("large");
    const x = net.input("x", ["N", 13]);
    const h = net.node("Gemm", [x, net.w("w1", [66, 13], 0.1), net.w("b1", [66], 0.1)], { transB: 1 });
    await check(net, net.node("Gemm", [h, net.w("w2", [3, 66], 0.1)], { transB: 1 }), { x: fed([70, 13], 1) });
  });
});

describe("Conv", () => {
  const cases: [string, number[], number[], Record<string, Attribute>][] = [
    ["plain", [2, 6, 7], [4, 2, 3, 3], {}],
    ["pointwise", [3, 4, 4], [5, 3, 1, 1], {}],
    ["padded", [2, 5, 5], [3, 2, 3, 3], { pads: [1, 1, 1, 1] }],
    ["uneven", [2, 6, 5], [3, 2, 2, 3], { pads: [2, 0, 1, 3], strides: [2, 1] }],
    ["dilated", [2, 7, 8], [2, 2, 3, 2], { dilations: [2, 3], pads: [1, 0, 0, 2] }],
    ["strided", [2, 8, 9], [2, 2, 3, 3], { strides: [3, 2] }],
    ["in groups", [4, 5, 6], [6, 2, 3, 3], { group: 2, pads: [1, 0, 0, 1] }],
    ["depthwise", [3, 6, 5], [3, 1, 3, 3], { group: 3, strides: [2, 1], dilations: [1, 2] }],
    ["depthwise, two outputs each", [3, 5, 5], [6, 1, 2, 2], { group: 3 }],
  ];

  test.each(cases)("%s, between two others", async (_name, [channels, h, w], shape, attributes) => {
    const net = new Net("conv");
    const x = net.input("x", ["N", 2, h, w]);
    const before = net.node("Conv", [x, net.w("first", [channels, 2, 1, 1]), net.w("b0", [channels])]);
    const c = net.node("Conv", [before, net.w("w", shape), net.w("b", [shape[0]])], attributes);
    const after = net.node("Conv", [c, net.w("last", [2, shape[0], 1, 1])]);
    await check(net, net.node("Flatten", [after]), { x: fed([3, 2, h, w], 2) });
  });

  test("of a computed kernel", async () => {
    const net = new Net("conv");
    const x = net.input("x", ["N", 2, 5, 5]);
    const kernel = net.node("Relu", [net.w("w", [3, 2, 3, 3])]);
    await check(net, net.node("Flatten", [net.node("Conv", [x, kernel, net.w("b", [3])])]), {
      x: fed([2, 2, 5, 5], 2),
    });
  });
});

describe("pools", () => {
  test.each([
    ["MaxPool", { kernel_shape: [2, 2], strides: [2, 2] }],
    ["MaxPool", { kernel_shape: [3, 2], strides: [1, 2], pads: [1, 0, 2, 1] }],
    ["AveragePool", { kernel_shape: [2, 2], strides: [2, 2] }],
    ["AveragePool", { kernel_shape: [3, 3], pads: [1, 2, 0, 1] }],
    ["AveragePool", { kernel_shape: [3, 3], strides: [2, 1], pads: [1, 2, 0, 1], count_include_pad: 1 }],
    ["GlobalAveragePool", {}],
  ] as [string, Record<string, Attribute>][])("%s %o", async (op, attributes) => {
    const net = new Net("pool");
    const x = net.input("x", ["N", 2, 6, 7]);
    const c = net.node("Conv", [x, net.w("w", [3, 2, 2, 2]), net.w("b", [3])], { pads: [0, 1, 1, 0] });
    await check(net, net.node("Flatten", [net.node(op, [c], attributes)]), { x: fed([2, 2, 6, 7], 3) });
  });
});

describe("value by value", () => {
  test.each(["Relu", "Softmax", "Identity"])("%s", async (op) => {
    const net = new Net(op);
    const x = net.input("x", ["N", 4]);
    const h = net.node(op, [net.node("Gemm", [x, net.w("w", [4, 5]), net.w("b", [5])])]);
    await check(net, net.node("MatMul", [h, net.w("last", [5, 3])]), { x: fed([3, 4], 4) });
  });

  test.each([
    ["Sigmoid", {}],
    ["Tanh", {}],
    ["Erf", {}],
    ["Gelu", {}],
    ["Gelu", { approximate: "tanh" }],
  ] as [string, Record<string, Attribute>][])("%s %o", async (op, attributes) => {
    const net = new Net("curved");
    const h = net.node(op, [net.node("MatMul", [net.input("x", ["N", 3]), net.w("w1", [3, 7], 1.5)])], attributes);
    await check(net, net.node("MatMul", [h, net.w("w2", [7, 4])]), { x: fed([5, 3], 11) });
  });

  test("Clip", async () => {
    const net = new Net("clip");
    const h = net.node("Gemm", [net.input("x", ["N", 4]), net.w("w", [4, 5]), net.w("b", [5])]);
    const held = net.node("Clip", [net.node("Clip", [h], { min: -0.5, max: 0.75 })], { max: 0.7 });
    await check(net, net.node("MatMul", [held, net.w("last", [5, 3])]), { x: fed([6, 4], 4) });
  });

  test("bounds of Clip that are weights stay as they are", async () => {
    const net = new Net("clip");
    const bounds = [net.weight("least", [], Float32Array.of(-0.5)), net.weight("most", [1], Float32Array.of(0.75))];
    const held = net.node("Clip", [net.node("MatMul", [net.input("x", ["N", 4]), net.w("w", [4, 5])]), ...bounds]);
    net.output("out", ["N", 5], held);
    const graph = net.build();
    const data = batch({ x: fed([6, 4], 4) }, normals(30, 900));
    const { graph: after } = await train(graph, { ...descent, data: [data], loss: "meanSquaredError" });
    for (const name of ["least", "most"])
      expect(toDense(after.weights.get(name)!)).toEqual(toDense(graph.weights.get(name)!));
    const gradient = twinGradient(graph, data, "meanSquaredError", "w");
    const [before, moved] = [graph, after].map(({ weights }) => toDense(weights.get("w")!));
    for (const [i, g] of gradient.entries()) expect(Math.abs(before[i] - moved[i] - g)).toBeLessThan(1e-5);
  });

  test.each([true, false])("LayerNormalization, bias: %s", async (bias) => {
    const net = new Net("norm");
    const h = net.node("MatMul", [net.input("x", ["N", 2, 4]), net.w("w1", [4, 6])]);
    const parts = bias ? [net.w("scale", [6]), net.w("bias", [6])] : [net.w("scale", [6])];
    const n = net.node("LayerNormalization", [h, ...parts], { epsilon: 0.01 });
    const wide = net.node("LayerNormalization", [n, net.w("wide", [2, 6])], { axis: 1 });
    await check(net, net.node("MatMul", [net.node("Flatten", [wide]), net.w("w2", [12, 4])]), {
      x: fed([5, 2, 4], 12),
    });
  });

  test("Softmax of rank 3 at the end", async () => {
    const net = new Net("softmax");
    const x = net.input("x", ["N", 2, 4]);
    await check(net, net.node("Softmax", [net.node("MatMul", [x, net.w("w", [4, 5])])]), { x: fed([3, 2, 4], 4) });
  });

  test.each([0, 1, 2, -1])("Flatten at axis %d", async (axis) => {
    const net = new Net("flatten");
    const x = net.input("x", ["N", 2, 4]);
    const y = net.node("Flatten", [net.node("MatMul", [x, net.w("w", [4, 3])])], { axis });
    await check(net, y, { x: fed([2, 2, 4], 4) });
  });

  test("Add of two branches, of a value to itself, of a weight on either side", async () => {
    const net = new Net("add");
    const x = net.input("x", [3, 4]);
    const a = net.node("MatMul", [x, net.w("wa", [4, 4])]);
    const b = net.node("MatMul", [x, net.w("wb", [4, 4])]);
    const sum = net.node("Add", [net.node("Add", [a, net.node("Relu", [b])]), net.w("right", [3, 4])]);
    await check(net, net.node("Add", [net.w("left", [3, 4]), net.node("Add", [sum, sum])]), { x: fed([3, 4], 5) });
  });

  test("Add of what is repeated: rows, columns, channels, one value, both sides", async () => {
    for (const [rest, other] of [
      [[4], [4]],
      [[4], [3, 1]],
      [[4], [1]],
      [
        [2, 5],
        [2, 1],
      ],
    ]) {
      const net = new Net("add");
      const x = net.node("MatMul", [net.input("x", [3, ...rest]), net.w("wa", [rest[rest.length - 1], 4])]);
      const y = net.node("Add", [net.node("Add", [net.w("left", other), x]), net.w("right", [1])]);
      // Not cross-entropy, which a sum over all classes does not change.
      const shape = [3, ...rest.slice(0, -1), 4];
      net.output("out", shape, net.node("Relu", [y]));
      const inputs = { x: fed([3, ...rest], 5) };
      await expectGradients(net.build(), batch(inputs, normals(sizeOf(shape), 900)), "meanSquaredError");
    }
  });
});

describe("what is used more than once", () => {
  test("a weight in several nodes, a value by several nodes, the output by another node", async () => {
    const net = new Net("shared");
    const x = net.input("x", [3, 4]);
    const w = net.w("w", [4, 4]);
    const b = net.w("b", [4]);
    const a = net.node("Gemm", [x, w, b]);
    const c = net.node("Relu", [net.node("Gemm", [a, w, b], { transB: 1 })]);
    const y = net.node("Add", [net.node("Add", [a, c]), net.node("Softmax", [a])], {}, "sum");
    net.output("aside", [3, 4], net.node("Relu", [y]));
    net.output("out", [3, 4], y);
    const built = net.build();
    const graph = { ...built, outputs: [...built.outputs].reverse() };
    await expectGradients(graph, batch({ x: fed([3, 4], 6) }, normals(12, 1)), "meanSquaredError");
  });
});

describe("a weight that is not stored dense", () => {
  const shape = [4, 3, 2, 2];
  const net = () => {
    const n = new Net("tuned");
    const c = n.node("Conv", [n.input("x", ["N", 3, 4, 4]), n.w("w", shape), n.w("b", [4])]);
    n.output("out", ["N", 4], n.node("Flatten", [n.node("GlobalAveragePool", [n.node("Relu", [c])])]));
    return n.build();
  };
  const data = batch(
    { x: fed([3, 3, 4, 4], 7) },
    normals(12, 8).map((v) => 4 * v),
  );
  const loss = "meanSquaredError";

  test("masked: pruned values stay as they are, the rest moves by the gradient of what was computed", async () => {
    const masked = storages(shape).find(([name]) => name === "masked")![1];
    if (masked.kind !== "masked") throw new Error();
    const graph = withWeights(net(), [["w", masked]]);
    const { graph: after } = await train(graph, { ...descent, data: [data], loss });
    const gradient = twinGradient(graph, data, loss, "w");
    const moved = after.weights.get("w")!;
    if (moved.kind !== "masked") throw new Error();
    expect(moved.mask).toEqual(masked.mask);
    for (const [i, g] of gradient.entries()) {
      const kept = (masked.mask[i >> 3] >> (i & 7)) & 1;
      expect(Math.abs(masked.data[i] - moved.data[i] - (kept ? g : 0))).toBeLessThan(kept ? 1e-5 : 1e-30);
    }
  });

  /** Codes are within half a step of where descent leads, and inside the range of those that were there. */
  const expectCode = (code: number, wanted: number, most: number) => {
    const inside = Math.min(Math.max(wanted, -most), most);
    expect(Math.abs(code - inside)).toBeLessThan(0.501);
  };

  test.each(["int8 per row", "int8 per tensor"])("%s: straight through the rounding", async (name) => {
    const stored = storages(shape).find(([other]) => other === name)![1] as Int8Weight;
    const graph = withWeights(net(), [["w", stored]]);
    const { graph: after } = await train(graph, { ...descent, data: [data], loss, rate: 0.2 });
    const gradient = twinGradient(graph, data, loss, "w");
    const moved = after.weights.get("w") as Int8Weight;
    expect(moved.kind).toBe("int8");
    // What lies on the grid already is off by rounding only, and so are its scales.
    for (const [r, scale] of moved.scale.entries()) expect(scale / stored.scale[r]).toBeCloseTo(1, 4);
    const most = stored.q.reduce((m, q) => Math.max(m, Math.abs(q)), 0);
    for (const [i, g] of gradient.entries()) {
      const scale = stored.scale[stored.scale.length === 1 ? 0 : Math.floor(i / 12)];
      expectCode(moved.q[i], stored.q[i] - (0.2 * g) / scale, most);
    }
    expect(moved.q).not.toEqual(stored.q);
  });

  test("sparse int8: the same on the support, and nothing off it", async () => {
    const stored = storages(shape).find(([other]) => other === "sparse, but mostly full")![1] as SparseWeight;
    const graph = withWeights(net(), [["w", stored]]);
    const { graph: after } = await train(graph, { ...descent, data: [data], loss, rate: 0.2 });
    const gradient = twinGradient(graph, data, loss, "w");
    const [before, moved] = [toDense(stored), toDense(after.weights.get("w")!)];
    expect(after.weights.get("w")!.kind).toBe("sparse");
    const most = (stored.values as Int8Array).reduce((m, q) => Math.max(m, Math.abs(q)), 0);
    for (const [i, g] of gradient.entries()) {
      const scale = stored.scale![Math.floor(i / 12)];
      if (before[i] === 0) expect(moved[i]).toBe(0);
      else expectCode(moved[i] / scale, (before[i] - 0.2 * g) / scale, most);
    }
    expect(moved).not.toEqual(before);
  });

  /** Dense values of a factored weight from given coefficients and codebook, in f64. */
  const rebuilt = (weight: FactoredWeight, z: Float64Array, c: Float64Array) => {
    const columns = new Float64Array(weight.n * weight.d);
    for (let j = 0; j < weight.n; j++) {
      for (let e = weight.rowPtr[j]; e < weight.rowPtr[j + 1]; e++) {
        for (let i = 0; i < weight.d; i++) columns[j * weight.d + i] += z[e] * c[weight.col[e] * weight.d + i];
      }
    }
    const { layout, d } = weight;
    return Float64Array.from({ length: sizeOf(shape) }, (_, i) => {
      const [r, c] = [Math.floor(i / 12), i % 12];
      return layout === "kernel" ? columns[i] : columns[(Math.floor(r / d) * 12 + c) * d + (r % d)];
    });
  };

  test.each([
    ["kernel", undefined],
    ["kernel", 7],
    ["rows", undefined],
    ["tile", 2],
    ["tile", 3],
  ] as const)("factored by %s, d = %s: coefficients and codebook both move", async (layout, d) => {
    const stored = factoredWeight(shape, layout, { seed: 3, k: 3, density: 0.7, d });
    const graph = withWeights(net(), [["w", stored]]);
    const rate = 0.05;
    const { graph: after } = await train(graph, { ...descent, data: [data], loss, rate });
    const z = Float64Array.from(stored.codes, (code, e) => code * stored.codeScale[stored.col[e]]);
    const c = Float64Array.from(stored.codebook, (value) => value * stored.codebookScale);
    const cost = () => twinLoss(graph, data, loss, new Map([["w", rebuilt(stored, z, c)]]));
    const [dz, dc] = [differences(z, cost), differences(c, cost)];
    const moved = after.weights.get("w") as FactoredWeight;
    expect(moved.kind).toBe("factored");
    expect([moved.layout, moved.d, moved.n, moved.k]).toEqual([stored.layout, stored.d, stored.n, stored.k]);
    for (const [i, value] of moved.codebook.entries()) {
      expectCode(value, stored.codebook[i] - (rate * dc[i]) / stored.codebookScale, 127);
    }
    expect(moved.codebook).not.toEqual(stored.codebook);
    const most = stored.codes.reduce((m, q) => Math.max(m, Math.abs(q)), 0);
    for (let j = 0; j < stored.n; j++) {
      const codes = new Map<number, number>();
      for (let e = moved.rowPtr[j]; e < moved.rowPtr[j + 1]; e++) codes.set(moved.col[e], moved.codes[e]);
      for (let e = stored.rowPtr[j]; e < stored.rowPtr[j + 1]; e++) {
        expectCode(
          codes.get(stored.col[e]) ?? 0,
          stored.codes[e] - (rate * dz[e]) / stored.codeScale[stored.col[e]],
          most,
        );
        codes.delete(stored.col[e]);
      }
      expect(codes.size).toBe(0);
    }
  });
});
