// Matrix products and convolutions with dense f32 weights, through sessions. Work: two operations a multiply-add of the plain
// algorithm, so that a minimal one (Winograd) may pass the peak.
import { uniforms } from "./memory.mjs";
import { denseWeight, network, session } from "./session.mjs";
import { layersOf, outputOf, shapeOf } from "./shapes.mjs";

const unit = "GFLOP/s";
export const all = ["onnxruntime-web", "onnxruntime-node", "tfjs-wasm"];

export function* gemm(options) {
  const sizes = [128, 256, 512, 1024].map((size) => [size, size, size]);
  for (const [m, k, n] of [...sizes, [64, 1024, 1024], [196, 1024, 1024]]) {
    yield { case: "MatMul", shape: `${m} x ${k} x ${n}`, prepare: () => matmul(m, k, n, options) };
  }
  for (const { name, out, in: k, rows } of layersOf("transformer")) {
    const shape = `${name}, ${rows} x ${k} x ${out}`;
    yield { case: "Gemm", shape, prepare: () => linear(rows, k, out, options) };
    yield { case: "Gemm with bias and Relu", shape, prepare: () => linearRelu(rows, k, out, options) };
  }
  // Scores and mixtures of attention in twelve heads.
  for (const [m, k, n] of [
    [128, 32, 128],
    [128, 128, 32],
    [16, 64, 512],
  ]) {
    const shape = `12 of ${m} x ${k} x ${n}`;
    yield { case: "MatMul of a batch, both sides computed", shape, prepare: () => matmuls(12, m, k, n, options) };
  }
}

export function* gemv(options) {
  yield { case: "Gemm of one row", shape: "4096 x 4096", prepare: () => linear(1, 4096, 4096, options) };
  for (const network of ["resnet18", "resnet50", "mobilenet"]) {
    for (const { op, name, out, in: k } of layersOf(network)) {
      if (op !== "gemm") continue;
      yield { case: "Gemm of one row", shape: `${name}, ${k} -> ${out}`, prepare: () => linear(1, k, out, options) };
    }
  }
}

export function* conv(options) {
  for (const network of ["resnet18", "resnet50", "mobilenet", "squeezenet", "resnet20"]) {
    for (const layer of layersOf(network)) {
      if (layer.op !== "conv") continue;
      yield { case: kindOf(layer), shape: shapeOf(layer), prepare: () => convolution(layer, options) };
    }
  }
  for (const layer of [...layersOf("resnet50"), ...layersOf("mobilenet"), ...layersOf("resnet20")]) {
    if (layer.op !== "conv" || !/stage1|1$/.test(layer.name)) continue;
    const prepare = () => convolutionRelu(layer, options);
    yield { case: "Conv with bias and Relu", shape: shapeOf(layer), prepare };
  }
}

/** Which line of the goals a convolution belongs to. */
function kindOf({ c, o, kh, stride, group }) {
  if (group > 1) return "Conv depthwise";
  if (kh === 1) return "Conv 1x1";
  if (kh === 3 && stride === 1 && c >= 32 && o >= 32) return "Conv 3x3 stride 1";
  return "Conv other";
}

async function matmul(m, k, n, { relaxed, peers }) {
  const [a, b] = [uniforms(m * k, 1), uniforms(k * n, 2)];
  const ours = await session({ op: "MatMul" }, [m, k], a, denseWeight([k, n], b), [m, n], { relaxed });
  const found = await peers.contestants("matmul", { m, k, n, a, b }, { only: all });
  return { unit, work: 2 * m * k * n, ours, peers: found };
}

async function linear(m, k, n, { relaxed, peers }) {
  const [x, w] = [uniforms(m * k, 1), uniforms(n * k, 2)];
  const node = { op: "Gemm", attributes: { transB: 1 } };
  const ours = await session(node, [m, k], x, denseWeight([n, k], w), [m, n], { relaxed });
  const found = await peers.contestants("linear", { m, k, n, x, w }, { only: all });
  return { unit, work: 2 * m * k * n, ours, peers: found };
}

async function linearRelu(m, k, n, { relaxed, peers }) {
  const [x, w, bias] = [uniforms(m * k, 1), uniforms(n * k, 2), uniforms(n, 3)];
  const weights = new Map([
    ["w", denseWeight([n, k], w)],
    ["b", denseWeight([n], bias)],
  ]);
  const nodes = [{ op: "Gemm", inputs: ["x", "w", "b"], outputs: ["h"], attributes: { transB: 1 } }, relu];
  const ours = await network(nodes, { x: [[m, k], x] }, weights, [m, n], { relaxed });
  const found = await peers.contestants("linearRelu", { m, k, n, x, w, bias }, { only: all });
  return { unit, work: 2 * m * k * n, ours, peers: found };
}

async function matmuls(count, m, k, n, { relaxed, peers }) {
  const [a, b] = [uniforms(count * m * k, 1), uniforms(count * k * n, 2)];
  const [aShape, bShape, yShape] = [
    [count, m, k],
    [count, k, n],
    [count, m, n],
  ];
  const nodes = [{ op: "MatMul", inputs: ["a", "b"], outputs: ["y"] }];
  const ours = await network(nodes, { a: [aShape, a], b: [bShape, b] }, new Map(), yShape, { relaxed });
  const found = await peers.contestants("matmuls", { a, aShape, b, bShape, yShape }, { only: all });
  return { unit, work: 2 * count * m * k * n, ours, peers: found };
}

const relu = { op: "Relu", inputs: ["h"], outputs: ["y"] };

/** One image. */
async function convolution(layer, { relaxed, peers }) {
  const { c, h, w: width, o, kh, kw, group } = layer;
  const { outH, outW } = outputOf(layer);
  const [x, w] = [uniforms(c * h * width, 1), uniforms((o * c * kh * kw) / group, 2)];
  const weight = denseWeight([o, c / group, kh, kw], w);
  const ours = await session(convNode(layer), [1, c, h, width], x, weight, [1, o, outH, outW], { relaxed });
  const found = await peers.contestants("conv", { ...layer, outH, outW, x, weight: w }, { only: all });
  return { unit, work: (2 * o * outH * outW * c * kh * kw) / group, ours, peers: found, tolerance: 1e-4 };
}

async function convolutionRelu(layer, { relaxed, peers }) {
  const { c, h, w: width, o, kh, kw, group } = layer;
  const { outH, outW } = outputOf(layer);
  const [x, w, bias] = [uniforms(c * h * width, 1), uniforms((o * c * kh * kw) / group, 2), uniforms(o, 3)];
  const weights = new Map([
    ["w", denseWeight([o, c / group, kh, kw], w)],
    ["b", denseWeight([o], bias)],
  ]);
  const nodes = [{ ...convNode(layer), inputs: ["x", "w", "b"], outputs: ["h"] }, relu];
  const ours = await network(nodes, { x: [[1, c, h, width], x] }, weights, [1, o, outH, outW], { relaxed });
  const found = await peers.contestants("convRelu", { ...layer, outH, outW, x, weight: w, bias }, { only: all });
  return { unit, work: (2 * o * outH * outW * c * kh * kw) / group, ours, peers: found, tolerance: 1e-4 };
}

export function convNode({ kh, kw, stride, pad, group }) {
  const attributes = { kernel_shape: [kh, kw], strides: [stride, stride], pads: [pad, pad, pad, pad], group };
  return { op: "Conv", attributes };
}
