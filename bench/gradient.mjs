// Backward: products with a turned side, and the gradients of a convolution, both sides unpacked as training has them. Our kernels,
// copies in and out included, against TensorFlow.js, and against our own forward of the same layer: the rate that a gradient should
// have. Work: two operations a multiply-add.
import { floatsAt, place } from "../dist/kernels/engine.js";
import { Random } from "../dist/random.js";
import { freshEngine, uniforms } from "./memory.mjs";
import { sparseWeight } from "./session.mjs";
import { layersOf, outputOf, shapeOf } from "./shapes.mjs";

const unit = "GFLOP/s";
const only = ["tfjs-wasm", "tfjs-cpu"];
const itself = "our forward";

/** Layers whose gradients a training needs: the first has none to its input. */
const trained = ["resnet18 stage1", "resnet18 stage2.first", "resnet18 stage3", "lenet5 conv2"];

export function* gradient(options) {
  for (const [m, k, n] of [
    [256, 256, 256],
    [512, 512, 512],
    [64, 800, 500],
  ]) {
    const shape = `${m} x ${k} x ${n}`;
    yield { case: "dW of Gemm, A^T B", shape, prepare: () => product(n, k, m, true, options) };
    yield { case: "dX of MatMul, A B^T", shape, prepare: () => product(m, k, n, false, options) };
  }
  for (const [rows, cols, n] of [
    [384, 384, 128],
    [500, 800, 64],
    [1024, 1024, 64],
  ]) {
    for (const sparsity of [0.9, 0.95]) {
      yield {
        case: `dW of Gemm where a sparse W has values, ${100 * sparsity} %`,
        shape: `${rows} x ${cols}, ${n} rows`,
        prepare: () => onSupport(rows, cols, n, sparsity, options),
      };
    }
  }
  const layers = ["resnet18", "resnet20", "lenet5"].flatMap(layersOf).filter(({ op, name }) => {
    return op === "conv" && (trained.includes(name) || /^resnet20 stage/.test(name));
  });
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
  // The forward of the same layer: Y [rows, out] = X W^T.
  const [rows, cols, out] = first ? [k, n, m] : [m, k, n];
  const sizes = [rows, out, cols];
  const forward = around(
    engine,
    [uniforms(rows * cols, 3), uniforms(cols * out, 4)],
    rows * out,
    kernels.gemm_scratch_bytes(...sizes),
    (...places) => kernels.gemm_nt_f32(...sizes, ...places),
  );
  const job = first
    ? { a, aShape: [k, m], b, bShape: [k, n], turnA: true, turnB: false }
    : { a, aShape: [m, k], b, bShape: [n, k], turnA: false, turnB: true };
  const found = await peers.contestants("matmulTurned", job, { only });
  return { unit, work: 2 * m * n * k, ours, peers: { [itself]: { run: forward.run, result() {} }, ...found } };
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
  const dense = around(engine, [dy, x], rows * cols, engine.kernels.gemm_scratch_bytes(rows, cols, n), (...places) =>
    engine.kernels.gemm_nt_f32(rows, cols, n, ...places),
  );
  const job = { a: dy, aShape: [rows, n], b: x, bShape: [cols, n], turnA: false, turnB: true };
  const found = { "our dense dW": dense, ...(await peers.contestants("matmulTurned", job, { only })) };
  for (const peer of Object.values(found)) {
    peer.result = (all) => {
      const kept = new Float32Array(col.length);
      for (let r = 0; r < rows; r++) {
        for (let e = rowPtr[r]; e < rowPtr[r + 1]; e++) kept[e] = all[r * cols + col[e]];
      }
      return kept;
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
  const { kernels, arena } = engine;
  const scratch = kernels.conv_grad_scratch_bytes(c, width, o, kh, kw, stride, stride, pad, 1, 1, outH, outW);
  const ours =
    to === "x"
      ? around(engine, [dy, w], x.length, scratch, (...places) => kernels.conv_grad_x_f32(...sizes, ...places))
      : around(engine, [x, dy], w.length, scratch, (...places) => kernels.conv_grad_w_f32(...sizes, ...places));
  const panels = arena.alloc(kernels.gemm_panels_a_bytes(o, r));
  const forwardScratch = kernels.conv_scratch_bytes(c, width, kh, kw, stride, stride, pad, 1, 1, outH, outW);
  const forward = around(engine, [x, w], dy.length, forwardScratch, (px, pw, y, scratch) => {
    kernels.gemm_pack_a_f32(o, r, r, 1, pw, panels);
    kernels.conv_f32(...sizes, px, panels, 0, 0, y, scratch);
  });
  const job = { ...layer, outH, outW, x, weight: w, dy };
  // TensorFlow.js takes a transposed convolution without strides only in this form.
  const found = stride > 1 ? {} : await peers.contestants(to === "x" ? "convGradX" : "convGradW", job, { only });
  const others = { [itself]: { run: forward.run, result() {} }, ...found };
  return { unit, work: 2 * o * r * p, ours, peers: others, tolerance: 1e-4 };
}
