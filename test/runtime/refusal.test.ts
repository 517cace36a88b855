import { describe, expect, test } from "vitest";
import { decodeWeight } from "../../src/codec/weight.js";
import { FormatError, ShapeError, UnsupportedError } from "../../src/errors.js";
import { GraphBuilder } from "../../src/graph/build.js";
import type { Graph } from "../../src/graph/graph.js";
import type { Weight } from "../../src/graph/weight.js";
import { Model } from "../../src/runtime/session.js";
import { fed, network, runModule, storages, thrown, withWeights } from "../support/network.js";

describe("what a graph may not hold", () => {
  const graph = network("Gemm", [3], [4], { transB: 1 }, [4, 3]);
  const refusal = (g: Graph) => thrown(() => new Model(g, runModule));

  test.each(storages([4, 3]).filter(([, weight]) => weight.kind !== "coded"))(
    "a number that is none in a weight: %s",
    (name, weight) => {
      const broken = {
        dense: () => ({
          ...weight,
          data:
            weight.kind === "dense" && weight.dtype !== "float32"
              ? new Uint16Array(12).fill(weight.dtype === "float16" ? 0x7e00 : 0x7fc0)
              : new Float32Array(12).fill(Number.NaN),
        }),
        masked: () => ({ ...weight, data: new Float32Array(12).fill(Number.NaN) }),
        int8: () => ({ ...weight, scale: Float32Array.of(Number.NaN) }),
        sparse: () => {
          if (weight.kind !== "sparse") throw new Error();
          if (weight.scale) return { ...weight, scale: Float32Array.of(Number.NaN) };
          return { ...weight, values: weight.values.map(() => Number.NaN) };
        },
        factored: () => ({ ...weight, codebookScale: Number.NaN }),
        coded: () => weight,
      }[weight.kind]() as Weight;
      if (broken.kind === "sparse" && broken.values.length === 0) return;
      const scaled = !["dense", "masked"].includes(weight.kind) && name !== "sparse f32";
      expect(refusal(withWeights(graph, [["w", broken]]))).toEqual(
        new FormatError(`weight w: expected ${scaled ? "scales above 0" : "finite numbers"}, got NaN at 0`),
      );
    },
  );

  test.each(storages([4, 3]).filter(([name]) => name.startsWith("coded")))("damaged bytes: %s", (_name, weight) => {
    if (weight.kind !== "coded") return;
    const damaged = Array.from(weight.bytes, (_, i) => weight.bytes.slice(0, i));
    damaged.push(Uint8Array.of(...weight.bytes, 0));
    let refused = 0;
    for (const bytes of damaged) {
      // Some cuts are sound codes of other values (a file's checksum tells): both decoders must judge alike.
      const errors = [
        () => decodeWeight({ ...weight, bytes }),
        () => new Model(withWeights(graph, [["w", { ...weight, bytes }]]), runModule),
      ].map((load) => {
        try {
          load();
          return undefined;
        } catch (error) {
          return error;
        }
      });
      expect(errors[1] === undefined).toBe(errors[0] === undefined);
      if (errors[1] === undefined) continue;
      expect(errors[1]).toBeInstanceOf(FormatError);
      expect((errors[1] as Error).message).toMatch(/^weight w: expected .*, got /);
      refused++;
    }
    expect(refused).toBeGreaterThan(damaged.length / 2);
  });

  test("operators, attributes, types and outputs that are not run here", () => {
    const node = graph.nodes[0];
    expect(refusal({ ...graph, nodes: [{ ...node, op: "ImageDecoder" }] })).toEqual(
      new UnsupportedError("node gemm1: expected an operator that runs here, got ImageDecoder of opset 21"),
    );
    expect(refusal({ ...graph, nodes: [{ ...node, attributes: { transA: 1 } }] })).toEqual(
      new UnsupportedError("gemm1 (Gemm): expected transA = 0, got 1"),
    );
    expect(refusal({ ...graph, outputs: [...graph.outputs, { name: "w", dtype: "float32", shape: [4, 3] }] })).toEqual(
      new UnsupportedError("output w: expected a computed value, got a weight"),
    );
    expect(
      refusal(withWeights(graph, [["w", { kind: "dense", shape: [4, 3], dtype: "int32", data: new Int32Array(12) }]])),
    ).toEqual(new UnsupportedError("node gemm1 (Gemm): expected floating-point values in w, got int32"));
    expect(refusal({ ...graph, nodes: [{ ...node, inputs: ["q", "w"] }] })).toEqual(
      new FormatError('node gemm1: expected inputs made before it, got "q"'),
    );
  });

  test.each([
    ["Conv", { group: 3 }, [6, 1, 3, 3], ShapeError],
    ["Conv", {}, [6, 2, 3, 3], ShapeError],
    ["Conv", {}, [6, 9], ShapeError],
    ["Gemm", {}, [3], ShapeError],
  ] as const)("%s %o with a weight of %j: at the latest when it is run", (op, attributes, shape, error) => {
    const g = network(op, [1, 5, 5], [6, 3, 3], attributes, shape);
    expect(() => new Model(g, runModule).run({ x: fed([1, 1, 5, 5], 1) })).toThrow(error);
  });

  test("normalization statistics that do not fit each other", () => {
    const c = new GraphBuilder("g");
    const image = c.input("x", ["N", 3, 2, 2]);
    const sizes = [3000, 3, 3, 3];
    const fixed = ["gamma", "beta", "mean", "variance"].map((name, i) =>
      c.weight(name, [sizes[i]], new Float32Array(sizes[i])),
    );
    c.output("y", ["N", 3, 2, 2], c.node("BatchNormalization", [image, ...fixed], {}, "norm"));
    expect(refusal(c.build())).toEqual(
      new ShapeError("norm (BatchNormalization) input 2: expected 3000 values, got [3]"),
    );
  });
});

describe("what is no argument at all", () => {
  const graph = network("Gemm", [3], [4], { transB: 1 }, [4, 3]);

  test.each([Number.NaN, -1])("maxBytes %d", (maxBytes) => {
    expect(thrown(() => new Model(graph, runModule, { maxBytes }))).toEqual(
      new RangeError(`maxBytes: expected a number of bytes, got ${maxBytes}`),
    );
  });

  // The eight bytes of an empty module.
  const empty = new WebAssembly.Module(Uint8Array.of(0, 0x61, 0x73, 0x6d, 1, 0, 0, 0));
  test.each([[empty], [{}], [null]])("a module that is another: %o", (module) => {
    expect(thrown(() => new Model(graph, module as WebAssembly.Module))).toEqual(
      new TypeError("module: expected run.wasm or full.wasm, compiled, got another value"),
    );
  });

  test("a weight in a plain array", () => {
    const data = [1, 2, 3] as unknown as Float32Array;
    const weight: Weight = { kind: "dense", shape: [3], dtype: "float32", data };
    expect(thrown(() => new Model(withWeights(graph, [["w", weight]]), runModule))).toEqual(
      new FormatError("weight w: expected data of float32, got Array"),
    );
  });
});
