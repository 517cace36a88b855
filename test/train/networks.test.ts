// Gradients of whole networks as they come from files, against differences of the loss: along the gradient of a tensor, and of the value
// that moves it most.
import { expect, test } from "vitest";
import type { TypedArray } from "../../src/dtype.js";
import { toDense } from "../../src/graph/dense.js";
import { type Graph, withWeights } from "../../src/graph/graph.js";
import type { Weight } from "../../src/graph/weight.js";
import type { Tensor } from "../../src/tensor.js";
import type { Batch, Target } from "../../src/train/data.js";
import type { FitOptions } from "../../src/train/options.js";
import { describeWithData, graphOf } from "../support/data.js";
import { normals, uniform } from "../support/kernels.js";
import { sizeOf } from "../support/network.js";
import { descent, train } from "../support/training.js";

const floats = (shape: readonly number[], scale = 1): Tensor => ({
  dtype: "float32",
  shape,
  data: normals(sizeOf(shape), 5).map((v) => scale * v),
});
const whole = (dtype: "int32" | "int64", shape: readonly number[], most: number): Tensor => {
  const next = uniform(3);
  const values = Array.from({ length: sizeOf(shape) }, () => Math.floor(most * next()));
  const data: TypedArray = dtype === "int32" ? Int32Array.from(values) : BigInt64Array.from(values, BigInt);
  return { dtype, shape, data };
};

const lengthOf = (values: Float32Array) => Math.sqrt(values.reduce((sum, v) => sum + v * v, 0));

interface Case {
  readonly file: readonly string[];
  readonly inputs: Readonly<Record<string, Tensor>>;
  readonly target: Target;
  readonly options?: Partial<FitOptions>;
  /** Share of a derivative that a difference may be off: the loss bends, and where it has edges they are met. */
  readonly tolerance?: number;
  /** Of the step that tells gradients: large where they are small beside the weights. */
  readonly rate?: number;
  /** Step of the differences, in parts of a tensor's root mean square. */
  readonly reach?: number;
}

const images = (n: number, side: number) => ({ input: floats([n, 3, side, side]) });
const classes = (n: number, most: number) => Uint32Array.from({ length: n }, (_, i) => (i * 7 + 3) % most);
const squares = (size: number) => ({ target: normals(size, 9), options: { loss: "meanSquaredError" } as const });

const cases: readonly (readonly [string, Case])[] = [
  [
    "ResNet-20, norms folded",
    { file: ["onnx", "cifar10-resnet20", "model.onnx"], inputs: images(4, 32), target: classes(4, 10) },
  ],
  [
    "ResNet-20, norms of the batch",
    {
      file: ["onnx", "cifar10-resnet20", "model.onnx"],
      inputs: images(4, 32),
      target: classes(4, 10),
      options: { norms: "batch" },
    },
  ],
  ["ResNet-8", { file: ["onnx", "mlperf-tiny-resnet8", "model.onnx"], inputs: images(4, 32), target: classes(4, 10) }],
  [
    "MobileNet",
    {
      file: ["onnx", "imagenet-mobilenetv1-025", "model.onnx"],
      inputs: images(2, 224),
      target: classes(2, 1000),
      reach: 3e-4,
      tolerance: 0.06,
    },
  ],
  [
    "SqueezeNet",
    {
      file: ["onnx", "imagenet-squeezenet11", "model.onnx"],
      inputs: images(1, 64),
      target: classes(1, 1000),
      reach: 3e-4,
      tolerance: 0.06,
    },
  ],
  [
    "stories260k, a transformer",
    {
      file: ["onnx", "stories260k", "model.onnx"],
      inputs: { tokens: whole("int64", [1, 12], 512) },
      ...squares(12 * 512),
    },
  ],
  [
    "Silero VAD, an LSTM",
    {
      file: ["silero-vad", "silero_vad_half.onnx"],
      inputs: { input: floats([1, 576], 0.1), state: floats([2, 1, 128]) },
      ...squares(1),
    },
  ],
  [
    "Magika",
    { file: ["magika", "model.onnx"], inputs: { bytes: whole("int32", [1, 2048], 256) }, ...squares(214), rate: 1e6 },
  ],
];

describeWithData("gradients of networks", () => {
  test.each(cases)(
    "%s",
    async (_, { file, inputs, target, options = {}, tolerance = 0.02, rate = 1, reach = 0.01 }) => {
      const data: Batch[] = [{ inputs, target }];
      const given = { ...descent, data, loss: "crossEntropy", ...options } as const;
      // What is trained: norms may have been folded.
      const { graph } = await train(graphOf(...file), { ...given, rate: 0 });
      const { graph: after } = await train(graph, { ...given, rate });
      const lossOf = async (changed: Graph) => (await train(changed, { ...given, rate: 0 })).reports[0].loss;
      // Statistics follow the batch, and no gradient.
      const norms = graph.nodes.filter(({ op }) => op === "BatchNormalization");
      const statistics = new Set(norms.flatMap((node) => node.inputs.slice(3)));
      const gradients = [...graph.weights.keys()].flatMap((name) => {
        if (statistics.has(name)) return [];
        const [before, behind] = [graph, after].map(({ weights }) => weights.get(name)!);
        if (before.kind === "dense" && before.dtype !== "float32") return [];
        const [from, to] = [toDense(before), toDense(behind)];
        const gradient = from.map((value, i) => (value - to[i]) / rate);
        const size = lengthOf(gradient);
        return rate * size > 1e-4 * lengthOf(from) ? [{ name, from, gradient, size }] : [];
      });

      expect(gradients.length).toBeGreaterThan(2);
      // Those that the loss hears: the rest is lost in rounding.
      const loud = gradients.toSorted((a, b) => b.size * lengthOf(b.from) - a.size * lengthOf(a.from));
      const chosen = loud.slice(0, Math.ceil(loud.length / 2));
      const next = uniform(11);
      for (let k = 0; k < 4; k++) {
        const { name, from, gradient, size } = chosen[Math.floor(next() * chosen.length)];
        const largest = gradient.reduce((best, g, i) => (Math.abs(g) > Math.abs(gradient[best]) ? i : best), 0);
        const directions = [gradient.map((g) => g / size), gradient.map((_, i) => Number(i === largest))];
        for (const direction of directions) {
          const slope = direction.reduce((sum, d, i) => sum + d * gradient[i], 0);
          const along = async (step: number) => {
            const values = from.map((value, i) => value + step * direction[i]);
            const weight: Weight = { ...(graph.weights.get(name) as Weight & { kind: "dense" }), data: values };
            return lossOf(withWeights(graph, [[name, weight]]));
          };
          const step = reach * Math.max(lengthOf(from) / Math.sqrt(from.length), 1e-3);
          const central = async (h: number) => ((await along(h)) - (await along(-h))) / (2 * h);
          // Of two steps, so that bends of the third order cancel.
          const difference = (4 * (await central(step)) - (await central(2 * step))) / 3;

          expect(Math.abs(difference - slope), `${name}: ${slope}, ${difference}`).toBeLessThan(
            tolerance * Math.abs(slope) + 1e-5,
          );
        }
      }
    },
  );
});
