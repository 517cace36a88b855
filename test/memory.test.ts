// The memory of real networks of the data folder against the least that their values can take.
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { createArray } from "../src/dtype.js";
import { readOnnx } from "../src/formats/onnx/index.js";
import { type Feeds, loadModel } from "../src/index.js";

const data = process.env.COPPICE_DATA ?? "";
const known = data !== "" && existsSync(join(data, "onnx"));
const why = known ? "" : " (skipped: COPPICE_DATA names no folder with onnx/)";

/** A page that is begun and the kernels' own data. */
const more = 65536 + 8192;

/** Shapes of inputs by name; an open dimension is 1 elsewhere. */
const networks: readonly (readonly [string, Readonly<Record<string, readonly number[]>>])[] = [
  ["onnx/cifar10-resnet20/model.onnx", {}],
  ["onnx/mlperf-tiny-resnet8/model.onnx", {}],
  ["onnx/imagenet-mobilenetv1-025/model.onnx", {}],
  ["onnx/imagenet-squeezenet11/model.onnx", { input: [1, 3, 227, 227] }],
  ["mnist-8-onnx/model.onnx", {}],
  ["super-resolution-10-onnx/model.onnx", {}],
  ["magika/model.onnx", { bytes: [1, 2048] }],
  ["silero-vad/silero_vad_16k_op15.onnx", { input: [1, 576], state: [2, 1, 128], sr: [] }],
  ["silero-vad/silero_vad_half.onnx", { input: [1, 576], state: [2, 1, 128] }],
  ["onnx/stories260k/model.onnx", {}],
  ["onnx/stories260k/model.onnx", { tokens: [1, 64] }],
  ["onnx/stories260k/model.onnx", { tokens: [1, 256] }],
  ["basic-pitch/nmp.onnx", {}],
];

describe.skipIf(!known)(`memory of real networks${why}`, () => {
  test.each(networks)("%s %j: the block is at most 1.25 of the lower bound", async (path, shapes) => {
    const graph = readOnnx(readFileSync(join(data, path)));
    using model = await loadModel(graph);
    for (const name of Object.keys(shapes)) expect(graph.inputs.map((input) => input.name)).toContain(name);
    const feeds: Record<string, Feeds[string]> = {};
    for (const { name, dtype, shape: declared = [] } of graph.inputs) {
      const shape = shapes[name] ?? declared.map((dim) => (typeof dim === "number" ? dim : 1));
      const values = createArray(
        dtype,
        shape.reduce((size, dim) => size * dim, 1),
      );
      if (name === "sr") values[0] = 16000n;
      feeds[name] = { dtype, shape, data: values };
    }
    model.run(feeds);
    const { memory } = model.plan(feeds);
    expect(memory.block).toBeLessThanOrEqual(1.25 * memory.lowerBound);
    expect(memory.peak).toBeLessThanOrEqual(memory.packed + 1.25 * memory.lowerBound + more);
  });
});
