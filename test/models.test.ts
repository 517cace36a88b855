// Real networks of the data folder against the outputs that are stored beside them.
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { readOnnx, readTensor } from "../src/formats/onnx/index.js";
import { loadModel } from "../src/index.js";

const data = process.env.COPPICE_DATA ?? "";
const known = data !== "" && existsSync(join(data, "onnx"));
const why = known ? "" : " (skipped: COPPICE_DATA names no folder with onnx/)";

function floats(path: string): Float32Array {
  return new Float32Array(new Uint8Array(readFileSync(path)).buffer);
}

function near(got: ArrayLike<number>, want: ArrayLike<number>, bound: number): void {
  expect(got.length).toBe(want.length);
  let most = 0;
  for (let i = 0; i < want.length; i++) most = Math.max(most, Math.abs(got[i] - want[i]));
  expect(most).toBeLessThan(bound);
}

describe.skipIf(!known)(`real networks${why}`, () => {
  test.each([
    ["cifar10-resnet20", [32, 32]],
    ["imagenet-mobilenetv1-025", [224, 224]],
    ["imagenet-squeezenet11", [227, 224]],
    ["mlperf-tiny-resnet8", [32, 32]],
  ])("%s: logits", async (name, sides) => {
    const folder = join(data, "onnx", name);
    const graph = readOnnx(readFileSync(join(folder, "model.onnx")));
    using model = await loadModel(graph);
    for (const [i, side] of sides.entries()) {
      const images = floats(join(folder, `golden-${i}-input.f32`));
      const x = { dtype: "float32", shape: [images.length / (3 * side * side), 3, side, side], data: images } as const;
      const results = model.run({ [graph.inputs[0].name]: x });
      near(results[graph.outputs[0].name].data, floats(join(folder, `golden-${i}-logits.f32`)), 1e-3);
    }
  });

  test("stories260k: logits", async () => {
    const folder = join(data, "onnx", "stories260k");
    const graph = readOnnx(readFileSync(join(folder, "model.onnx")));
    using model = await loadModel(graph);
    for (const i of [0, 1, 2]) {
      const tokens = new BigInt64Array(new Uint8Array(readFileSync(join(folder, `golden-${i}-tokens.i64`))).buffer);
      const feeds = { [graph.inputs[0].name]: { dtype: "int64", shape: [1, tokens.length], data: tokens } as const };
      const logits = model.run(feeds)[graph.outputs[0].name];
      near(logits.data, floats(join(folder, `golden-${i}-logits.f32`)), 1e-3);
    }
  });

  test.each(["mnist-8-onnx", "super-resolution-10-onnx"])("%s: its own data sets", async (name) => {
    const folder = join(data, name);
    const graph = readOnnx(readFileSync(join(folder, "model.onnx")));
    using model = await loadModel(graph);
    const sets = readdirSync(folder).filter((entry) => entry.startsWith("test_data_set_"));
    expect(sets.length).toBeGreaterThan(0);
    for (const set of sets) {
      const x = readTensor(readFileSync(join(folder, set, "input_0.pb")));
      const want = readTensor(readFileSync(join(folder, set, "output_0.pb")));
      const got = model.run({ [graph.inputs[0].name]: x })[graph.outputs[0].name];
      expect(got.shape).toEqual(want.shape);
      const values = want.data as Float32Array;
      near(got.data, values, 1e-7 + 1e-3 * values.reduce((most, v) => Math.max(most, Math.abs(v)), 0));
    }
  });
});
