// Weights with 80, 90 and 95 % zeros at random places, in CSR on our side, through sessions; the peers know no such weights and get
// them dense, except for the sparse matrix package. Work: two operations for each value that is kept.
import { Random } from "../dist/random.js";
import { uniforms } from "./memory.mjs";
import { convNode } from "./product.mjs";
import { session, sparseWeight } from "./session.mjs";
import { layersOf, outputOf, shapeOf } from "./shapes.mjs";

const unit = "GFLOP/s";
const dense = ["onnxruntime-web", "onnxruntime-node"];

export function* sparse(options) {
  const threes = layersOf("resnet18").filter(({ kh, stride }) => kh === 3 && stride === 1);
  const ones = layersOf("resnet50").filter(({ name }) => /stage[13]\./.test(name));
  for (const sparsity of [0.8, 0.9, 0.95]) {
    const percent = `${Math.round(100 * sparsity)} %`;
    for (const layer of [...threes, ...ones]) {
      const kind = layer.kh === 3 ? "sparse Conv 3x3" : "sparse Conv 1x1";
      const prepare = () => convolution(layer, sparsity, options);
      yield { case: `${kind}, ${percent}`, shape: shapeOf(layer), prepare };
    }
    for (const [m, k, n] of [
      [64, 1024, 1024],
      [128, 384, 1536],
      [196, 1024, 1024],
    ]) {
      const prepare = () => linear(m, k, n, sparsity, options);
      yield { case: `sparse Gemm, ${percent}`, shape: `${m} x ${k} x ${n}`, prepare };
    }
    const vector = () => linear(1, 4096, 4096, sparsity, options);
    yield { case: `sparse Gemm of one row, ${percent}`, shape: "4096 x 4096", prepare: vector };
  }
  const small = () => linear(1, 1024, 1024, 0.95, options, ["ml-sparse-matrix"]);
  yield { case: "sparse Gemm of one row, 95 %", shape: "1024 x 1024, sparse matrix package", prepare: small };
  const wide = () => linear(28, 512, 512, 0.95, options, ["ml-sparse-matrix"]);
  yield { case: "sparse Gemm, 95 %", shape: "28 x 512 x 512, sparse matrix package", prepare: wide };
}

async function convolution(layer, sparsity, { relaxed, peers }) {
  const { c, h, w: width, o, kh, kw } = layer;
  const { outH, outW } = outputOf(layer);
  const x = uniforms(c * h * width, 1);
  const pruned = sparseWeight([o, c, kh, kw], uniforms(o * c * kh * kw, 2), sparsity, new Random(3));
  const ours = await session(convNode(layer), [1, c, h, width], x, pruned.weight, [1, o, outH, outW], { relaxed });
  const found = await peers.contestants("conv", { ...layer, outH, outW, x, weight: pruned.dense }, { only: dense });
  return { unit, work: 2 * pruned.values.length * outH * outW, ours, peers: found };
}

async function linear(m, k, n, sparsity, { relaxed, peers }, only = dense) {
  const x = uniforms(m * k, 1);
  const pruned = sparseWeight([n, k], uniforms(n * k, 2), sparsity, new Random(3));
  const node = { op: "Gemm", attributes: { transB: 1 } };
  const ours = await session(node, [m, k], x, pruned.weight, [m, n], { relaxed });
  const across = Float32Array.from(x, (_, i) => x[(i % m) * k + Math.floor(i / m)]);
  const found = {
    ...(await peers.contestants("linear", { m, k, n, x, w: pruned.dense }, { only })),
    ...(await peers.contestants("spmm", { rows: n, cols: k, n: m, ...pruned, x: across }, { only })),
  };
  for (const [name, peer] of Object.entries(found)) if (name === "ml-sparse-matrix") found[name] = upright(peer, n, m);
  return { unit, work: 2 * m * pruned.values.length, ours, peers: found };
}

/** The result [rows, cols] of a peer as [cols, rows]. */
function upright(peer, rows, cols) {
  const result = (returned) => {
    const y = peer.result(returned);
    return Float32Array.from(y, (_, i) => y[(i % rows) * cols + Math.floor(i / rows)]);
  };
  return { ...peer, result };
}
