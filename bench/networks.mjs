// The real networks of the folder that COPPICE_DATA names, each with what it is fed at batch 1.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { joined as inARow } from "./curves/data.mjs";

const image =
  (name, ...sides) =>
  () => ({ [name]: waves(1, ...sides) });
const speech = () => ({ input: waves(1, 576), state: waves(2, 1, 128) });
const sr = { dtype: "int64", shape: [], data: BigInt64Array.of(16000n) };
const stories = [1, 64, 256].map((count) => ({
  name: `stories260K, ${count} ${count === 1 ? "token" : "tokens"}`,
  file: "onnx/stories260k/model.onnx",
  feeds: () => ({ tokens: counted(BigInt64Array, "int64", [1, count], (i) => BigInt((37 * i + 1) % 512)) }),
}));

/**
 * { name, file, feeds, cnn, tolerance }: `feeds()` makes { NAME: { dtype, shape, data } }; `cnn`: little else than convolutions over
 * images.
 */
export const networks = [
  { name: "ResNet-20", file: "onnx/cifar10-resnet20/model.onnx", feeds: image("input", 3, 32, 32), cnn: true },
  { name: "ResNet-8", file: "onnx/mlperf-tiny-resnet8/model.onnx", feeds: image("input", 3, 32, 32), cnn: true },
  {
    name: "MobileNetV1-0.25",
    file: "onnx/imagenet-mobilenetv1-025/model.onnx",
    feeds: image("input", 3, 224, 224),
    cnn: true,
  },
  {
    name: "SqueezeNet 1.1",
    file: "onnx/imagenet-squeezenet11/model.onnx",
    feeds: image("input", 3, 227, 227),
    cnn: true,
  },
  { name: "MNIST-8", file: "mnist-8-onnx/model.onnx", feeds: image("Input3", 1, 28, 28), cnn: true },
  {
    name: "super-resolution-10",
    file: "super-resolution-10-onnx/model.onnx",
    feeds: image("input", 1, 224, 224),
    cnn: true,
  },
  {
    name: "Magika",
    file: "magika/model.onnx",
    feeds: () => ({ bytes: counted(Int32Array, "int32", [1, 2048], (i) => (37 * i) % 257) }),
  },
  { name: "Silero VAD", file: "silero-vad/silero_vad_16k_op15.onnx", feeds: () => ({ ...speech(), sr }) },
  { name: "Silero VAD, half", file: "silero-vad/silero_vad_half.onnx", feeds: speech },
  ...stories,
  {
    name: "basic-pitch",
    file: "basic-pitch/nmp.onnx",
    feeds: image("serving_default_input_2:0", 43844, 1),
    tolerance: 1e-3, // It takes the logarithm of next to nothing.
  },
];

export const folder = process.env.COPPICE_DATA;

export function bytesOf({ file }) {
  return new Uint8Array(readFileSync(join(folder, file)));
}

/** Feeds as ONNX Runtime takes them. */
export function tensorsOf(ort, feeds) {
  const entries = Object.entries(feeds);
  return Object.fromEntries(
    entries.map(([name, { dtype, shape, data }]) => [name, new ort.Tensor(dtype, data, shape)]),
  );
}

/** The elements of all outputs, one after the other. */
export function joined(outputs) {
  const arrays = Object.keys(outputs)
    .sort()
    .map((name) => outputs[name].data);
  return inARow(arrays);
}

function waves(...shape) {
  return counted(Float32Array, "float32", shape, (i) => Math.sin(0.37 * i) * Math.cos(0.0011 * i));
}

function counted(Type, dtype, shape, element) {
  const data = new Type(shape.reduce((a, b) => a * b));
  for (let i = 0; i < data.length; i++) data[i] = element(i);
  return { dtype, shape, data };
}
