import { GraphBuilder } from "../../graph/build.js";
import type { Graph } from "../../graph/graph.js";
import { Random } from "../../random.js";
import { sizeOf } from "../../tensor.js";

/**
 * A residual network for images of 32 x 32, `blocks` in each of three stages of 16, 32 and 64 channels: 1 block gives 8 layers, 3 give 20.
 * Where the channels change, a convolution of 1 x 1 leads past the block. K. He et al., "Deep residual learning for image recognition", 2016.
 */
export function resnet(blocks: number, seed: number): Graph {
  const random = new Random(seed);
  const b = new GraphBuilder(`resnet${6 * blocks + 2}`);
  const normals = (name: string, shape: readonly number[]) => {
    const deviation = Math.sqrt(2 / sizeOf(shape.slice(1)));
    return b.weight(
      name,
      shape,
      Float32Array.from({ length: sizeOf(shape) }, () => deviation * random.normal()),
    );
  };
  const vector = (name: string, length: number, value: number) =>
    b.weight(name, [length], new Float32Array(length).fill(value));
  const conv = (x: string, name: string, [from, to]: readonly number[], kernel: number, stride: number) =>
    b.node(
      "Conv",
      [x, normals(`${name}.weight`, [to, from, kernel, kernel])],
      {
        kernel_shape: [kernel, kernel],
        strides: [stride, stride],
        pads: [0, 0, 0, 0].fill(kernel >> 1),
      },
      name,
    );
  const norm = (x: string, name: string, channels: number) =>
    b.node(
      "BatchNormalization",
      [
        x,
        vector(`${name}.gamma`, channels, 1),
        vector(`${name}.beta`, channels, 0),
        vector(`${name}.mean`, channels, 0),
        vector(`${name}.variance`, channels, 1),
      ],
      {},
      name,
    );
  const relu = (x: string) => b.node("Relu", [x]);
  let x = relu(norm(conv(b.input("image", ["N", 3, 32, 32]), "conv", [3, 16], 3, 1), "norm", 16));
  let from = 16;
  for (const [stage, to] of [16, 32, 64].entries()) {
    for (let block = 0; block < blocks; block++) {
      const name = `stage${stage + 1}.${block + 1}`;
      const stride = from === to ? 1 : 2;
      const first = relu(norm(conv(x, `${name}.conv1`, [from, to], 3, stride), `${name}.norm1`, to));
      const second = norm(conv(first, `${name}.conv2`, [to, to], 3, 1), `${name}.norm2`, to);
      const past = from === to ? x : conv(x, `${name}.past`, [from, to], 1, stride);
      x = relu(b.node("Add", [second, past]));
      from = to;
    }
  }
  x = b.node("Flatten", [b.node("GlobalAveragePool", [x])]);
  const inputs = [x, normals("fc.weight", [10, 64]), vector("fc.bias", 10, 0)];
  b.output("logits", ["N", 10], b.node("Gemm", inputs, { transB: 1 }, "fc"));
  return b.build();
}
