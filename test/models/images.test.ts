// Networks that look at images, against the labels and the outputs that are stored beside them.
import { expect, test } from "vitest";
import { readTensor } from "../../src/formats/onnx/index.js";
import { loadModel } from "../../src/index.js";
import {
  bytesOf,
  crossEntropy,
  describeWithData,
  expectNear,
  floatsOf,
  graphOf,
  jsonOf,
  placeOf,
} from "../support/data.js";

/** The images from `start` to `end` as eval.json says that the network takes them. */
function inputsOf(images: Uint8Array, plane: number, start: number, end: number, rule: Rule): Float32Array {
  const x = new Float32Array((end - start) * 3 * plane);
  for (let i = 0; i < x.length; i++) {
    const c = Math.floor(i / plane) % 3;
    const from = rule.channelOrder === "BGR" ? i + (2 - 2 * c) * plane : i;
    x[i] = (images[3 * plane * start + from] / rule.divide - rule.mean[c]) / rule.std[c];
  }
  return x;
}

interface Rule {
  readonly name: string;
  readonly channelOrder: string;
  readonly divide: number;
  readonly mean: readonly number[];
  readonly std: readonly number[];
}

describeWithData("networks for images", () => {
  test.each([
    ["cifar10-resnet20", 50],
    ["mlperf-tiny-resnet8", 50],
    ["imagenet-mobilenetv1-025", 4],
    ["imagenet-squeezenet11", 4],
  ])("%s: every image of eval.json, %i at a time", async (name, batch) => {
    const rule = jsonOf("onnx", name, "eval.json");
    const images = bytesOf("onnx", name, rule.dataset, rule.images);
    const labelBytes = bytesOf("onnx", name, rule.dataset, rule.labels);
    const labels = rule.labelType === "uint8" ? labelBytes : new Uint16Array(labelBytes.buffer);
    const [, height, width] = rule.imageShape;
    const reference = floatsOf("onnx", name, rule.referenceLogits);
    const classes = reference.length / rule.count;
    using model = await loadModel(graphOf("onnx", name, "model.onnx"));
    const found = { top1: 0, top5: 0, meanCrossEntropy: 0 };
    const all = new Float32Array(reference.length);
    for (let start = 0; start < rule.count; start += batch) {
      const data = inputsOf(images, height * width, start, start + batch, rule.input);
      const x = { dtype: "float32", shape: [batch, 3, height, width], data } as const;
      const logits = model.run({ [rule.input.name]: x }).logits.data as Float32Array;
      all.set(logits, start * classes);
      for (let i = 0; i < batch; i++) {
        const row = logits.subarray(i * classes, (i + 1) * classes);
        const place = placeOf(row, labels[start + i]);
        if (place < 1) found.top1++;
        if (place < 5) found.top5++;
        found.meanCrossEntropy += crossEntropy(row, labels[start + i]) / rule.count;
      }
    }
    expect({ top1: found.top1, top5: found.top5 }).toEqual({ top1: rule.expected.top1, top5: rule.expected.top5 });
    expect(Math.abs(found.meanCrossEntropy - rule.expected.meanCrossEntropy)).toBeLessThan(1e-4);
    expectNear(all, reference, 1e-3);
  });

  test.each(["cifar10-resnet20", "mlperf-tiny-resnet8", "imagenet-mobilenetv1-025", "imagenet-squeezenet11"])(
    "%s: the outputs of golden.json",
    async (name) => {
      const { cases, suggestedAbsTolerance } = jsonOf("onnx", name, "golden.json");
      using model = await loadModel(graphOf("onnx", name, "model.onnx"));
      expect(cases.length).toBe(2);
      for (const { inputs, outputs } of cases) {
        const [{ name: input, shape, file }] = inputs;
        const data = floatsOf("onnx", name, file);
        const results = model.run({ [input]: { dtype: "float32", shape, data } });
        for (const { name: output, file } of outputs) {
          expectNear(results[output].data as Float32Array, floatsOf("onnx", name, file), suggestedAbsTolerance[output]);
        }
      }
    },
  );

  test.each([
    ["mnist-8-onnx", 3],
    ["super-resolution-10-onnx", 1],
  ])("%s: its own %i data sets", async (name, sets) => {
    const graph = graphOf(name, "model.onnx");
    using model = await loadModel(graph);
    for (let set = 0; set < sets; set++) {
      const x = readTensor(bytesOf(name, `test_data_set_${set}`, "input_0.pb"));
      const want = readTensor(bytesOf(name, `test_data_set_${set}`, "output_0.pb"));
      const got = model.run({ [graph.inputs[0].name]: x })[graph.outputs[0].name];
      expect(got.shape).toEqual(want.shape);
      const values = want.data as Float32Array;
      const most = values.reduce((a, b) => Math.max(a, Math.abs(b)), 0);
      expectNear(got.data as Float32Array, values, 1e-7 + 1e-5 * most);
    }
  });
});
