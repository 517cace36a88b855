import { describe, expect, test } from "vitest";
import { GraphBuilder } from "../../src/graph/build.js";
import { toDense } from "../../src/graph/dense.js";
import type { Graph } from "../../src/graph/graph.js";
import { Model } from "../../src/runtime/session.js";
import { normals } from "../support/kernels.js";
import { bits, expectClose, fed, isFactored, network, runModule, storages, withWeights } from "../support/network.js";

const shapes = [
  [1, 1],
  [3, 5],
  [8, 16],
  [33, 7],
  [65, 129],
] as const;

function check(graph: Graph, batches: readonly number[], rest: readonly number[], roundings: number, exact = false) {
  const model = new Model(graph, runModule, { exact });
  for (const n of batches) {
    const x = fed([n, ...rest], 40 + n);
    expectClose(model.run({ x }).y, graph, { x }, roundings);
  }
  model.dispose();
}

describe("Gemm with a weight [out, in]", () => {
  for (const [out, inner] of shapes) {
    test.each(storages([out, inner]))(`${out} x ${inner}, %s`, (_name, weight) => {
      for (const bias of [undefined, out]) {
        const graph = withWeights(network("Gemm", [inner], [out], { transB: 1 }, [out, inner], bias), [["w", weight]]);
        check(graph, [1, 5], [inner], 2 * inner + 20);
        if (weight.kind === "factored") check(graph, [1, 5], [inner], 2 * inner + 20, true);
      }
    });
  }

  test.each(storages([1, 30]))("a bias stored as %s", (_name, weight) => {
    const graph = withWeights(network("Gemm", [3], [30], { transB: 1 }, [30, 3], 30), [["b", weight]]);
    check(graph, [1, 2], [3], 30);
  });

  test("a bias that is absent", () => {
    const graph = network("Gemm", [3], [30], { transB: 1 }, [30, 3]);
    check({ ...graph, nodes: [{ ...graph.nodes[0], inputs: ["x", "w", ""] }] }, [2], [3], 20);
  });
});

describe("products with a weight [in, out]", () => {
  test.each(storages([17, 9]))("Gemm without transB, MatMul of rank 2 and 3, %s", (_name, weight) => {
    for (const bias of [undefined, 9]) {
      check(withWeights(network("Gemm", [17], [9], {}, [17, 9], bias), [["w", weight]]), [1, 4], [17], 60);
    }
    check(withWeights(network("MatMul", [17], [9], {}, [17, 9]), [["w", weight]]), [1, 4], [17], 60);
    check(withWeights(network("MatMul", [3, 17], [3, 9], {}, [17, 9]), [["w", weight]]), [1, 4], [3, 17], 60);
  });
});

describe("products of computed values and constants on either side", () => {
  const build = (op: string, attributes: Record<string, number>, parts: ("x" | "z" | "constant" | "")[]) => {
    const b = new GraphBuilder(op);
    const x = b.input("x", ["N", 4]);
    const z = b.input("z", ["M", 4]);
    const shape = (i: number) => (i === 2 ? [4] : [4, 4]);
    const inputs = parts.map((part, i) =>
      part === "x"
        ? b.node("Relu", [x])
        : part === "z"
          ? b.node("Relu", [z])
          : part && b.weight(`c${i}`, shape(i), normals(i === 2 ? 4 : 16, i)),
    );
    b.output("y", ["K", 4], b.node(op, inputs, attributes));
    return b.build();
  };

  test.each([
    ["MatMul", {}, ["x", "z"]],
    ["MatMul", {}, ["constant", "z"]],
    ["MatMul", {}, ["constant", "constant"]],
    ["Gemm", {}, ["x", "z"]],
    ["Gemm", { transB: 1 }, ["x", "z"]],
    ["Gemm", { transB: 1 }, ["x", "z", "constant"]],
    ["Gemm", {}, ["x", "z", "constant"]],
    ["Gemm", {}, ["x", "z", ""]],
    ["Gemm", { transB: 1 }, ["constant", "z", "constant"]],
    ["Gemm", { transB: 1 }, ["constant", "constant", "constant"]],
    ["Gemm", {}, ["constant", "constant", ""]],
  ] as [string, Record<string, number>, ("x" | "z" | "constant" | "")[]][])("%s %o of %j", (op, attributes, parts) => {
    const graph = build(op, attributes, parts);
    const inputs = { x: fed([4, 4], 1), z: fed([4, 4], 2) };
    expectClose(new Model(graph, runModule).run(inputs).y, graph, inputs, 20);
  });
});

describe("one example alone and among 64 gives the same bits", () => {
  test.each(storages([33, 70]))("%s", (name, weight) => {
    const graph = withWeights(network("Gemm", [70], [33], { transB: 1 }, [33, 70], 33), [["w", weight]]);
    const model = new Model(graph, runModule, { exact: isFactored(name) });
    const x = fed([64, 70], 9);
    const together = model.run({ x }).y.data;
    for (const i of [0, 1, 31, 63]) {
      const alone = model.run({ x: x.data.subarray(i * 70, (i + 1) * 70) }).y;
      expect(alone.shape).toEqual([1, 33]);
      expect(bits(alone.data)).toEqual(bits(together.slice(i * 33, (i + 1) * 33)));
    }
  });

  test("and so does MatMul of computed values", () => {
    const b = new GraphBuilder("computed");
    const x = b.input("x", ["N", 70]);
    const w = b.node("Relu", [b.input("w", [70, 33])]);
    b.output("y", ["N", 33], b.node("MatMul", [x, w]));
    const model = new Model(b.build(), runModule);
    const [xs, ws] = [fed([64, 70], 9), fed([70, 33], 10)];
    const together = model.run({ x: xs, w: ws }).y.data;
    for (const i of [0, 31, 63]) {
      const alone = model.run({ x: xs.data.slice(i * 70, (i + 1) * 70), w: ws }).y.data;
      expect(bits(alone)).toEqual(bits(together.slice(i * 33, (i + 1) * 33)));
    }
  });
});

test.each(storages([33, 70]).filter(([name]) => name.startsWith("coded")))(
  "%s gives the bits of what it was coded from",
  (name, weight) => {
    const plain = storages([33, 70]).find(([other]) => `coded ${other}` === name)![1];
    const graph = network("Gemm", [70], [33], { transB: 1 }, [33, 70], 33);
    const x = fed([3, 70], 9);
    const [coded, stored] = [weight, plain].map(
      (w) => new Model(withWeights(graph, [["w", w]]), runModule).run({ x }).y.data,
    );
    expect(bits(coded)).toEqual(bits(stored));
  },
);

test.each(storages([33, 70]))(
  "the values that a session computes with are those of toDense, bit for bit: %s",
  (name, weight) => {
    const graph = withWeights(network("Gemm", [70], [33], { transB: 1 }, [33, 70]), [["w", weight]]);
    const identity = Float32Array.from({ length: 70 * 70 }, (_, i) => (i % 71 === 0 ? 1 : 0));
    const y = new Model(graph, runModule, { exact: isFactored(name) }).run({ x: identity }).y.data;
    const dense = toDense(weight);
    for (let o = 0; o < 33; o++) {
      for (let i = 0; i < 70; i++) {
        if (y[i * 33 + o] !== dense[o * 70 + i])
          expect.fail(`[${o}, ${i}]: ${y[i * 33 + o]}, not ${dense[o * 70 + i]}`);
      }
    }
  },
);
