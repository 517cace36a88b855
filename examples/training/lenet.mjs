// Builds LeNet-5 and LeNet-300-100, trains and prunes them in cycles for a few steps, compresses and runs them:
//   npm ci && node examples/training/lenet.mjs
// The digits are made here (bright bars on noise, a place for each class); `npm run demo` does it with MNIST.
import { loadModel } from "coppice";
import { compress } from "coppice/compress";
import { writeContainer } from "coppice/container";
import { GraphBuilder } from "coppice/graph";
import { batches, cyclical, fit } from "coppice/train";

const classes = 10;
const count = 320;
const next = uniform(1);

/** LeNet-5 as Caffe has it: 431,080 parameters. Y. LeCun et al., "Gradient-based learning applied to document recognition", 1998. */
function lenet5() {
  const b = new GraphBuilder("lenet5");
  const pool = { kernel_shape: [2, 2], strides: [2, 2] };
  let x = b.input("image", ["N", 1, 28, 28]);
  x = b.node("Conv", [x, ...layer(b, "conv1", [20, 1, 5, 5])], { kernel_shape: [5, 5] });
  x = b.node("MaxPool", [x], pool);
  x = b.node("Conv", [x, ...layer(b, "conv2", [50, 20, 5, 5])], { kernel_shape: [5, 5] });
  x = b.node("MaxPool", [x], pool);
  x = b.node("Flatten", [x]);
  x = b.node("Relu", [b.node("Gemm", [x, ...layer(b, "fc1", [500, 800])], { transB: 1 })]);
  b.output("logits", ["N", classes], b.node("Gemm", [x, ...layer(b, "fc2", [classes, 500])], { transB: 1 }));
  return b.build();
}

/** LeNet-300-100: 266,610 parameters. */
function lenet300() {
  const b = new GraphBuilder("lenet300");
  let x = b.node("Flatten", [b.input("image", ["N", 1, 28, 28])]);
  x = b.node("Relu", [b.node("Gemm", [x, ...layer(b, "fc1", [300, 784])], { transB: 1 })]);
  x = b.node("Relu", [b.node("Gemm", [x, ...layer(b, "fc2", [100, 300])], { transB: 1 })]);
  b.output("logits", ["N", classes], b.node("Gemm", [x, ...layer(b, "fc3", [classes, 100])], { transB: 1 }));
  return b.build();
}

/** Weight and bias of a layer; weights of variance 2 / fan-in (K. He et al., "Delving deep into rectifiers", 2015). */
function layer(b, name, shape) {
  const size = shape.reduce((product, dim) => product * dim, 1);
  const deviation = Math.sqrt((2 * shape[0]) / size);
  // Uniform in -a..a has the variance a^2 / 3.
  const values = Float32Array.from({ length: size }, () => Math.sqrt(3) * deviation * (2 * next() - 1));
  return [b.weight(`${name}.weight`, shape, values), b.weight(`${name}.bias`, [shape[0]], new Float32Array(shape[0]))];
}

/** Images [count, 1, 28, 28] and their labels: class c has a bar in row 2 + 2 c, or so. */
function makeDigits() {
  const inputs = Float32Array.from({ length: count * 784 }, () => 0.3 * next());
  const labels = Uint8Array.from({ length: count }, () => Math.floor(classes * next()));
  for (const [i, label] of labels.entries()) {
    const start = i * 784 + (3 + 2 * label) * 28 + Math.floor(6 * next());
    inputs.fill(1, start, start + 18);
  }
  return { input: "image", inputs, shape: [1, 28, 28], labels };
}

/** Seeded numbers in 0..1 (mulberry32): every run prints the same. */
function uniform(seed) {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

const training = makeDigits();
const unseen = makeDigits();

for (const graph of [lenet5(), lenet300()]) {
  // Two cycles: up to 80 % zeros, back to 40 %, up to 90 %; then the masks stay. 60 steps of 32 images.
  const schedule = cyclical({ cycles: 2, sparsity: 0.9, targets: [0.8, 0.9], drop: 0.4, warm: 5, ramp: 10, hold: 10 });
  const run = fit(graph, {
    data: (seed) => batches(training, { size: 32, epochs: 6, seed }),
    loss: "crossEntropy",
    optimizer: { kind: "adam" },
    schedule,
  });
  for await (const { step, loss, sparsity, cycle } of run) {
    if (step % 15 === 0) console.log(`${graph.name} step ${step}: loss ${loss.toFixed(3)}, ${percent(sparsity)} zeros`);
    if (cycle) console.log(`${graph.name} cycle ${cycle.index + 1}: ${cycle.revived} weights came back`);
  }

  const small = await compress(run.graph(), { recipe: { weights: { "*": { storage: "sparse", bits: 5 } } } });
  const file = writeContainer(small.graph);
  const model = await loadModel(file);
  const logits = model.run({ image: unseen.inputs }).logits.data;
  model.dispose();
  let right = 0;
  for (const [i, label] of unseen.labels.entries()) {
    const scores = logits.subarray(i * classes, (i + 1) * classes);
    if (scores.indexOf(Math.max(...scores)) === label) right++;
  }
  const ratio = (4 * small.report.parameters) / file.length;
  console.log(`${graph.name}: ${file.length} bytes (${ratio.toFixed(0)}x smaller), ${percent(right / count)} right\n`);
}

function percent(fraction) {
  return `${(100 * fraction).toFixed(1)} %`;
}
