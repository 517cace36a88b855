// Matrix products and convolutions with dense f32 weights, through sessions. Work: two operations a multiply-add of the plain
// algorithm, so that a minimal one (Winograd) may pass the peak.
import { uniforms } from "./memory.mjs";
import { denseWeight, session } from "./session.mjs";
import { layersOf, outputOf, shapeOf } from "./shapes.mjs";

const unit = "GFLOP/s";
export const all = ["onnxruntime-web", "onnxruntime-node", "tfjs-wasm"];

export function* gemm(options) {
  const sizes = [128, 256, 512, 1024].map((size) => [size, size, size]);
  for (const [m, k, n] of [...sizes, [64, 1024, 1024], [196, 1024, 1024]]) {
    yield { case: "MatMul", shape: `${m} x ${k} x ${n}`, prepare: () => matmul(m, k, n, options) };
  }
  for (const { name, out, in: k, rows } of layersOf("transformer")) {
    yield { case: "Gemm", shape: `${name}, ${rows} x ${k} x ${out}`, prepare: () => linear(rows, k, out, options) };
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

export function convNode({ kh, kw, stride, pad, group }) {
  const attributes = { kernel_shape: [kh, kw], strides: [stride, stride], pads: [pad, pad, pad, pad], group };
  return { op: "Conv", attributes };
}
