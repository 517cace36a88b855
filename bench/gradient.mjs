// Backward: products with a turned side, and the gradients of a convolution, both sides unpacked as training has them. Our kernels,
// copies in and out included, against TensorFlow.js. Work: two operations a multiply-add.
import { floatsAt, place } from "../dist/kernels/engine.js";
import { Random } from "../dist/random.js";
import { freshEngine, uniforms } from "./memory.mjs";
import { sparseWeight } from "./session.mjs";
import { layersOf, outputOf, shapeOf } from "./shapes.mjs";

const unit = "GFLOP/s";
const only = ["tfjs-wasm", "tfjs-cpu"];

export function* gradient(options) {
  for (const size of [256, 512]) {
    const shape = `${size} x ${size} x ${size}`;
    yield { case: "dW of Gemm, A^T B", shape, prepare: () => product(size, size, size, true, options) };
    yield { case: "dX of MatMul, A B^T", shape, prepare: () => product(size, size, size, false, options) };
  }
  const support = () => onSupport(384, 384, 128, 0.9, options);
  yield { case: "dW of Gemm where a sparse W has values, 90 %", shape: "384 x 384, 128 rows", prepare: support };
  const layers = ["resnet18", "resnet20"].flatMap(layersOf).filter(({ name }) => /stage[13]$/.test(name));
  for (const layer of layers) {
    yield { case: "dX of Conv", shape: shapeOf(layer), prepare: () => convolution(layer, "x", options) };
    yield { case: "dW of Conv", shape: shapeOf(layer), prepare: () => convolution(layer, "w", options) };
  }
}

/** A contestant that copies `sources` in, zeroes the destination, calls the kernel, and copies the destination out. */
function around(engine, sources, length, scratchBytes, call) {
  const { arena } = engine;
  const places = sources.map((source) => arena.alloc(4 * source.length));
  const y = arena.alloc(4 * length);
  const scratch = arena.alloc(scratchBytes);
  return {
    run() {
      for (const [i, source] of sources.entries()) floatsAt(engine, places[i], source.length).set(source);
      engine.kernels.fill_row_f32(1, length, 0, y);
      call(...places, y, scratch);
      return floatsAt(engine, y, length).slice();
    },
  };
}

/** A^T B with A [k, m] and B [k, n], or A B^T with A [m, k] and B [n, k]. */
async function product(m, k, n, first, { relaxed, peers }) {
  const [a, b] = [uniforms(m * k, 1), uniforms(k * n, 2)];
  const engine = freshEngine(relaxed);
  const { kernels } = engine;
  const ours = around(engine, [a, b], m * n, kernels.gemm_scratch_bytes(m, n, k), (pa, pb, y, scratch) =>
    first ? kernels.gemm_tn_f32(m, n, k, pa, pb, y, scratch) : kernels.gemm_nt_f32(m, n, k, pa, pb, y, scratch),
  );
  const job = first
    ? { a, aShape: [k, m], b, bShape: [k, n], turnA: true, turnB: false }
    : { a, aShape: [m, k], b, bShape: [n, k], turnA: false, turnB: true };
  return { unit, work: 2 * m * n * k, ours, peers: await peers.contestants("matmulTurned", job, { only }) };
}

/** dW [rows, cols] = dY X^T with dY [rows, n] and X [cols, n], on our side only where W is not zero. */
async function onSupport(rows, cols, n, sparsity, { relaxed, peers }) {
  const [dy, x] = [uniforms(rows * n, 1), uniforms(cols * n, 2)];
  const { rowPtr, col } = sparseWeight([rows, cols], uniforms(rows * cols, 3), sparsity, new Random(4));
  const engine = freshEngine(relaxed);
  const [starts, columns] = [place(engine, rowPtr), place(engine, col)];
  const ours = around(engine, [dy, x], col.length, 0, (pdy, px, y) =>
    engine.kernels.sddmm_csr_f32(rows, n, starts, columns, pdy, n, px, n, y),
  );
  const job = { a: dy, aShape: [rows, n], b: x, bShape: [cols, n], turnA: false, turnB: true };
  const found = await peers.contestants("matmulTurned", job, { only });
  for (const peer of Object.values(found)) {
    peer.result = (all) => {
      const row = (e) => rowPtr.findLastIndex((start) => start <= e);
      return Float32Array.from(col, (c, e) => all[row(e) * cols + c]);
    };
  }
  return { unit, work: 2 * col.length * n, ours, peers: found };
}

/** Gradient to x from dy and w, or to w from x and dy. */
async function convolution(layer, to, { relaxed, peers }) {
  const { c, h, w: width, o, kh, kw, stride, pad } = layer;
  const { outH, outW } = outputOf(layer);
  const r = c * kh * kw;
  const p = outH * outW;
  const [x, w, dy] = [uniforms(c * h * width, 1), uniforms(o * r, 2), uniforms(o * p, 3)];
  const sizes = [1, c, h, width, o, kh, kw, stride, stride, pad, pad, 1, 1, outH, outW, c * h * width, o * p];
  const engine = freshEngine(relaxed);
  const { kernels } = engine;
  const scratch = kernels.conv_grad_scratch_bytes(o, r, p);
  const ours =
    to === "x"
      ? around(engine, [dy, w], x.length, scratch, (...places) => kernels.conv_grad_x_f32(...sizes, ...places))
      : around(engine, [x, dy], w.length, scratch, (...places) => kernels.conv_grad_w_f32(...sizes, ...places));
  const job = { ...layer, outH, outW, x, weight: w, dy };
  const found = await peers.contestants(to === "x" ? "convGradX" : "convGradW", job, { only });
  return { unit, work: 2 * o * r * p, ours, peers: found, tolerance: 1e-4 };
}
