// What is written runs elsewhere: ONNX Runtime, where the peers of the benchmarks are installed (npm run bench:peers).
import { createRequire } from "node:module";
import { expect, test } from "vitest";
import { readOnnx, writeOnnx } from "../../src/formats/onnx/index.js";
import { type Graph, GraphBuilder, toDense } from "../../src/graph/index.js";
import { loadModel } from "../../src/index.js";
import { dense, int8, lenet5, sparse } from "./graphs.js";
import { attribute, blob, float, int, message, model, node, opset, sound } from "./onnx-file.js";

interface Runtime {
  InferenceSession: { create(bytes: Uint8Array, options: object): Promise<Session> };
  Tensor: new (type: string, data: Float32Array, dims: readonly number[]) => unknown;
}
interface Session {
  run(feeds: Record<string, unknown>): Promise<Record<string, { data: Float32Array; dims: readonly number[] }>>;
}

function runtime(): Runtime | undefined {
  try {
    return createRequire(new URL("../../bench/peers/package.json", import.meta.url))("onnxruntime-node") as Runtime;
  } catch {
    return undefined;
  }
}

const ort = runtime();
const why = "onnxruntime-node is not installed in bench/peers";

/** The first output of a model. @param feed name, shape and values of its input */
async function elsewhere(bytes: Uint8Array, feed?: readonly [string, readonly number[], Float32Array]) {
  const session = await ort!.InferenceSession.create(bytes, {
    graphOptimizationLevel: "disabled",
    logSeverityLevel: 4,
  });
  const feeds = feed ? { [feed[0]]: new ort!.Tensor("float32", feed[2], feed[1]) } : {};
  const [result] = Object.values(await session.run(feeds));
  return result;
}

const image = dense([2, 1, 28, 28], 11).data as Float32Array;

test("LeNet-5, its sparse weights dense: as here", async ({ skip }) => {
  if (!ort) skip(why);
  const result = await elsewhere(writeOnnx(lenet5()), ["image", [2, 1, 28, 28], image]);
  using here = await loadModel(lenet5());
  const { logits } = here.run({ image: { dtype: "float32", shape: [2, 1, 28, 28], data: image } });
  expect(result.dims).toEqual(logits.shape);
  expectAlike(result.data, logits.data as Float32Array);
});

function expectAlike(a: Float32Array, b: Float32Array): void {
  const largest = Math.max(...b.map(Math.abs));
  expect(a.length).toBe(b.length);
  for (const [i, x] of a.entries()) expect(Math.abs(x - b[i])).toBeLessThan(1e-5 * largest);
}

test("int8 weights that are kept are the same bits as the same weights dense", async ({ skip }) => {
  if (!ort) skip(why);
  for (const weight of [int8([20, 30], 1), int8([20, 30], 2, "one"), sparse([20, 30], 0.1, 3, { scales: "rows" })]) {
    const graph: Graph = {
      name: "g",
      inputs: [],
      outputs: [{ name: "y", dtype: "float32", shape: [20, 30] }],
      nodes: [{ name: "y", op: "Identity", inputs: ["w"], outputs: ["y"], attributes: {} }],
      weights: new Map([["w", weight]]),
    };
    const bytes = writeOnnx(graph, { keepInt8: true });
    expect(bytes.length).toBeLessThan(writeOnnx(graph).length / 2);
    expect((await elsewhere(bytes)).data).toEqual(toDense(weight));
  }
  const graph: Graph = {
    ...lenet5(),
    weights: new Map([...lenet5().weights, ["conv1.weight", int8([20, 1, 5, 5], 1)]]),
  };
  const results = await Promise.all(
    [writeOnnx(graph, { keepInt8: true }), writeOnnx(graph)].map((bytes) =>
      elsewhere(bytes, ["image", [2, 1, 28, 28], image]),
    ),
  );
  expectAlike(results[0].data, results[1].data);
});

test("functions put in where they are called", async ({ skip }) => {
  if (!ort) skip(why);
  const call = node("f", ["x"], ["y"], blob(7, "own"), blob(3, "call"), attribute("slope", 1, float(2, 0.25)));
  const bytes = Uint8Array.from([
    ...model([sound.input, sound.output, call], [int(1, 8), opset(18), opset(1, "own")]),
    ...message(
      25,
      ...[blob(1, "f"), blob(4, "a"), blob(5, "b"), blob(6, "slope"), blob(10, "own")],
      [0x3a, ...node("LeakyRelu", ["a"], ["t"], attribute("alpha", 1, blob(21, "slope"))).slice(1)],
      [0x3a, ...node("Add", ["t", "a"], ["b"]).slice(1)],
      message(9, blob(1, ""), int(2, 18)),
    ),
  ]);
  const x = Float32Array.of(-8, 3);
  const results = await Promise.all([bytes, writeOnnx(readOnnx(bytes))].map((file) => elsewhere(file, ["x", [2], x])));
  expect([...results[0].data]).toEqual([-10, 6]);
  expect(results[1].data).toEqual(results[0].data);
});

test("a graph of the builder, in every operator set that it may mean", async ({ skip }) => {
  if (!ort) skip(why);
  const b = new GraphBuilder("g");
  const product = b.node("MatMul", [b.input("x", ["N", 3]), b.weight("w", [3, 2], Float32Array.of(1, 4, 2, 5, 3, -6))]);
  b.output("y", ["N", 2], b.node("LeakyRelu", [product], { alpha: 2 }));
  for (let version = 7; version <= 26; version++) {
    const bytes = writeOnnx({ ...b.build(), opset: new Map([["", version]]) });
    const { data } = await elsewhere(bytes, ["x", [1, 3], Float32Array.of(1, -1, 1)]);
    expect([...data]).toEqual([2, -14]);
  }
});
