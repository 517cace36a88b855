// Activations and norms over the hidden layer of a small transformer, 128 tokens by 1536, through sessions. Work: elements.
import { normals, uniforms } from "./memory.mjs";
import { denseWeight, session } from "./session.mjs";

const only = ["onnxruntime-web", "onnxruntime-node", "tfjs-wasm"];

export function* activation(options) {
  for (const op of ["Relu", "Sigmoid", "Tanh", "Erf", "Gelu", "Softmax", "LayerNormalization"]) {
    yield { case: op, shape: "128 x 1536", prepare: () => rowwise(op, 128, 1536, options) };
  }
}

async function rowwise(op, rows, cols, { relaxed, peers }) {
  const shape = [rows, cols];
  const x = normals(rows * cols, 1);
  const weights = op === "LayerNormalization" ? { w: uniforms(cols, 2), b: uniforms(cols, 3) } : {};
  const stored = Object.entries(weights).map(([name, data]) => [name, denseWeight([cols], data)]);
  const ours = await session({ op }, shape, x, new Map(stored), shape, { relaxed });
  const found = await peers.contestants("rowwise", { op, shape, x, weights }, { only });
  return { unit: "G elements/s", work: rows * cols, ours, peers: found };
}
