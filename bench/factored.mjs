// Factored weights W = C Z, through sessions; the peers get the product as a dense weight. Work: two operations a multiply-add of the
// dense product, so that it may pass the peak.
import { toDense } from "../dist/graph/index.js";
import { Random } from "../dist/random.js";
import { uniforms } from "./memory.mjs";
import { session } from "./session.mjs";

const unit = "GFLOP/s";
const only = ["onnxruntime-web", "onnxruntime-node"];

export function* factored(options) {
  const size = 4096;
  for (const batch of [1, 16, 64]) {
    const rows = batch === 1 ? "factored Gemm of one row" : "factored Gemm";
    const shape = batch === 1 ? `${size} x ${size}` : `${batch} x ${size} x ${size}`;
    yield {
      case: `${rows}, rank 512, 32 a column`,
      shape,
      prepare: () => linear(batch, size, byColumns(size, size, 512, 32), options),
    };
    yield {
      case: `${rows}, pieces of 64, 256 atoms, 4 a piece`,
      shape,
      prepare: () => linear(batch, size, byPieces(size, size, 64, 256, 4), options),
    };
  }
}

async function linear(m, size, weight, { relaxed, peers }) {
  const x = uniforms(m * size, 1);
  const node = { op: "Gemm", attributes: { transB: 1 } };
  const ours = await session(node, [m, size], x, weight, [m, size], { relaxed });
  const job = { m, k: size, n: size, x, w: toDense(weight) };
  return {
    unit,
    work: 2 * m * size * size,
    ours,
    peers: await peers.contestants("linear", job, { only }),
    tolerance: 1e-4,
  };
}

/** Layout `rows`: a column of W is `perColumn` of `k` atoms, each as long as it is. */
function byColumns(rows, cols, k, perColumn) {
  return factors([rows, cols], "rows", rows, cols, k, perColumn);
}

/** Layout `kernel`: a row of W is cut into pieces of d, each `perPiece` of `k` atoms. One bit a weight at 64, 256, 4. */
function byPieces(rows, cols, d, k, perPiece) {
  return factors([rows, cols], "kernel", d, (rows * cols) / d, k, perPiece);
}

function factors(shape, layout, d, n, k, perColumn) {
  const random = new Random(5);
  const rowPtr = Uint32Array.from({ length: n + 1 }, (_, j) => j * perColumn);
  const col = new Uint32Array(n * perColumn);
  // One atom out of each of `perColumn` equal parts: distinct and rising.
  const part = Math.floor(k / perColumn);
  for (let e = 0; e < col.length; e++) col[e] = (e % perColumn) * part + random.integer(part);
  const codes = Int8Array.from(col, () => (1 + random.integer(7)) * (random.integer(2) ? 1 : -1));
  const codebook = Int8Array.from({ length: k * d }, () => random.integer(255) - 127);
  const codeScale = Float32Array.from({ length: k }, (_, a) => (1 + (a % 7) / 7) / 512);
  return { kind: "factored", shape, layout, d, n, k, rowPtr, col, codes, codeScale, codebook, codebookScale: 1 / 512 };
}
