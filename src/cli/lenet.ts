import { GraphBuilder } from "../graph/build.js";
import type { Graph } from "../graph/graph.js";
import { Random } from "../random.js";
import { sizeOf } from "../tensor.js";

/**
 * LeNet-5 as Caffe has it: conv 20 5x5, pool, conv 50 5x5, pool, fc 500, relu, fc 10; 431,080 parameters.
 * Y. LeCun, L. Bottou, Y. Bengio, P. Haffner, "Gradient-based learning applied to document recognition", 1998.
 */
export function lenet5(seed: number): Graph {
  const random = new Random(seed);
  const b = new GraphBuilder("lenet5");
  const layer = (name: string, shape: readonly number[]) => [
    b.weight(`${name}.weight`, shape, normals(random, shape)),
    b.weight(`${name}.bias`, [shape[0]], new Float32Array(shape[0])),
  ];
  const pool = { kernel_shape: [2, 2], strides: [2, 2] };
  let x = b.input("image", ["N", 1, 28, 28]);
  x = b.node("Conv", [x, ...layer("conv1", [20, 1, 5, 5])], { kernel_shape: [5, 5] }, "conv1");
  x = b.node("MaxPool", [x], pool, "pool1");
  x = b.node("Conv", [x, ...layer("conv2", [50, 20, 5, 5])], { kernel_shape: [5, 5] }, "conv2");
  x = b.node("MaxPool", [x], pool, "pool2");
  x = b.node("Flatten", [x], {}, "flat");
  x = b.node("Gemm", [x, ...layer("fc1", [500, 800])], { transB: 1 }, "fc1");
  x = b.node("Relu", [x], {}, "relu1");
  x = b.node("Gemm", [x, ...layer("fc2", [10, 500])], { transB: 1 }, "fc2");
  b.output("logits", ["N", 10], x);
  return b.build();
}

/** LeNet-300-100: fc 300, relu, fc 100, relu, fc 10; 266,610 parameters. Same source. */
export function lenet300(seed: number): Graph {
  const random = new Random(seed);
  const b = new GraphBuilder("lenet300");
  const sizes = [784, 300, 100, 10];
  let x = b.node("Flatten", [b.input("image", ["N", 1, 28, 28])], {}, "flat");
  for (const [i, cols] of sizes.slice(0, -1).entries()) {
    const name = `fc${i + 1}`;
    const shape = [sizes[i + 1], cols];
    const weight = b.weight(`${name}.weight`, shape, normals(random, shape));
    const bias = b.weight(`${name}.bias`, [shape[0]], new Float32Array(shape[0]));
    x = b.node("Gemm", [x, weight, bias], { transB: 1 }, name);
    if (i + 2 < sizes.length) x = b.node("Relu", [x], {}, `relu${i + 1}`);
  }
  b.output("logits", ["N", 10], x);
  return b.build();
}

/** Normal values of variance 2 / fan-in (K. He et al., "Delving deep into rectifiers", 2015). */
function normals(random: Random, shape: readonly number[]): Float32Array {
  const deviation = Math.sqrt(2 / sizeOf(shape.slice(1)));
  return Float32Array.from({ length: sizeOf(shape) }, () => deviation * random.normal());
}
