// Factored weights W = C Z, through sessions; the peers get the product as a dense weight. Work: two operations a multiply-add of the
// dense product, so that it may pass the peak. Then the kernels that rebuild W on the way, int8 and f32 factors, against our own
// product with W packed beforehand: what the rebuilding costs.
import { toDense } from "../dist/graph/index.js";
import { floatsAt, place } from "../dist/kernels/engine.js";
import { Random } from "../dist/random.js";
import { freshEngine, uniforms } from "./memory.mjs";
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
  for (const batch of [64, 196]) {
    for (const float of [false, true]) {
      const title = `factored Gemm rebuilt on the way, ${float ? "f32" : "int8"} (kernel)`;
      for (const [what, weight] of [
        ["16 of 256 atoms a column", () => byColumns(1024, 1024, 256, 16)],
        ["pieces of 64, 4 of 256 atoms each", () => byPieces(1024, 1024, 64, 256, 4)],
      ]) {
        const shape = `${batch} x 1024 x 1024, ${what}`;
        yield { case: title, shape, prepare: () => rebuilt(batch, weight(), float, options) };
      }
    }
  }
}

/** Y = X W^T, W rebuilt from int8 or from f32 factors in the kernel that packs it. */
function rebuilt(m, weight, float, { relaxed }) {
  const { shape, layout, d, k: atoms, codeScale, codebookScale } = weight;
  const [n, k] = shape;
  const engine = freshEngine(relaxed);
  const { kernels, arena } = engine;
  const [x, rowPtr, col, scale] = [uniforms(m * k, 1), weight.rowPtr, weight.col, codeScale].map((part) =>
    place(engine, part),
  );
  const values = float ? Float32Array.from(weight.codes, (code, e) => code * codeScale[weight.col[e]]) : weight.codes;
  const book = float ? Float32Array.from(weight.codebook, (value) => value * codebookScale) : weight.codebook;
  const [codes, codebook] = [values, book].map((part) => place(engine, part));
  const panels = arena.alloc(kernels.gemm_panels_b_bytes(k, n));
  kernels.gemm_pack_b_f32(k, n, 1, k, place(engine, toDense(weight)), panels);
  const scratch = arena.alloc(Math.max(kernels.factored_scratch_bytes(m, k), kernels.gemm_scratch_bytes(m, n, k)));
  const contestant = (product) => {
    const y = arena.alloc(4 * m * n);
    return {
      run() {
        kernels.fill_row_f32(m, n, 0, y);
        product(y);
      },
      result: () => floatsAt(engine, y, m * n),
    };
  };
  const whole = layout === "rows";
  const ours = contestant((y) => {
    if (float && whole) kernels.factored_columns_f32(m, n, k, x, rowPtr, col, codes, codebook, y, scratch);
    else if (float) kernels.factored_pieces_f32(m, n, k, d, x, rowPtr, col, codes, codebook, y, scratch);
    else {
      const rest = [x, rowPtr, col, codes, scale, codebook, y, scratch, codebookScale];
      if (whole) kernels.factored_columns_i8(m, n, k, atoms, ...rest);
      else kernels.factored_pieces_i8(m, n, k, d, atoms, ...rest);
    }
  });
  const dense = contestant((y) => kernels.gemm_ab_f32(m, n, k, x, panels, 0, 0, y, scratch));
  return { unit, work: 2 * m * n * k, ours, peers: { "our dense product": dense } };
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

/** A factored weight of n columns of length d, each `perColumn` of `k` atoms. */
export function factors(shape, layout, d, n, k, perColumn) {
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
