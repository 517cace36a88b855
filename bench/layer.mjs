// Layer forward: matrix product and convolution, weights packed once as a session does it. Work: 2 operations a multiply-add.
import { floatsAt, place } from "../dist/kernels/engine.js";
import { freshEngine, normals } from "./memory.mjs";
import { conv, gemmNN, gemmNT } from "./plain/layer.mjs";
import { layersOf, outputOf, shapeOf } from "./shapes.mjs";

export function* layer({ relaxed }) {
  for (const size of [256, 512]) {
    const shape = `${size} x ${size} x ${size}`;
    yield { case: "matrix product (kernel)", shape, prepare: () => square(size, relaxed) };
  }
  for (const entry of [...layersOf("lenet5"), ...layersOf("resnet20")]) {
    if (entry.op === "conv") {
      yield { case: "convolution (kernel)", shape: shapeOf(entry), prepare: () => convolution(entry, relaxed) };
      continue;
    }
    for (const batch of [1, 64]) {
      const shape = `${entry.name}, ${entry.in} -> ${entry.out}, batch ${batch}`;
      yield { case: "dense layer (kernel)", shape, prepare: () => dense(entry, batch, relaxed) };
    }
  }
}

/** C = A B, nothing packed beforehand. */
function square(size, relaxed) {
  const a = normals(size * size, 1);
  const b = normals(size * size, 2);
  const engine = freshEngine(relaxed);
  const { kernels, arena } = engine;
  const [pa, pb] = [a, b].map((array) => place(engine, array));
  const y = arena.alloc(4 * size * size);
  const scratch = arena.alloc(kernels.gemm_scratch_bytes(size, size, size));
  const across = new Float32Array(size * size);
  const plainY = new Float32Array(size * size);
  const ours = {
    run: () => kernels.gemm_f32(size, size, size, pa, size, 1, pb, size, 1, 0, 0, y, scratch),
    result: () => floatsAt(engine, y, size * size),
  };
  const peers = {
    "plain JavaScript": { run: () => gemmNN(size, size, size, a, b, across, plainY), result: () => plainY },
  };
  return { unit: "GFLOP/s", work: 2 * size * size * size, ours, peers };
}

/** Y = X W^T + b, W [out, in]. */
function dense({ out, in: width }, batch, relaxed) {
  const x = normals(batch * width, 1);
  const weight = normals(out * width, 2);
  const bias = normals(out, 3);
  const engine = freshEngine(relaxed);
  const { kernels, arena } = engine;
  const [px, pw, pb] = [x, weight, bias].map((array) => place(engine, array));
  const panels = arena.alloc(kernels.gemm_panels_b_bytes(width, out));
  kernels.gemm_pack_b_f32(width, out, 1, width, pw, panels);
  const y = arena.alloc(4 * batch * out);
  const scratch = arena.alloc(kernels.gemm_ab_scratch_bytes(batch, width));
  const plainY = new Float32Array(batch * out);
  const ours = {
    run: () => kernels.gemm_ab_f32(batch, out, width, px, panels, pb, 0, y, scratch),
    result: () => floatsAt(engine, y, batch * out),
  };
  const peers = {
    "plain JavaScript": { run: () => gemmNT(batch, out, width, x, weight, bias, plainY), result: () => plainY },
  };
  return { unit: "GFLOP/s", work: 2 * batch * out * width, ours, peers };
}

/** One image. */
function convolution(entry, relaxed) {
  const { c, h, w, o, kh, kw, stride, pad } = entry;
  const shape = { ...entry, ...outputOf(entry) };
  const { outH, outW } = shape;
  const r = c * kh * kw;
  const x = normals(c * h * w, 1);
  const weight = normals(o * r, 2);
  const bias = normals(o, 3);
  const engine = freshEngine(relaxed);
  const { kernels, arena } = engine;
  const [px, pw, pb] = [x, weight, bias].map((array) => place(engine, array));
  const panels = arena.alloc(kernels.gemm_panels_a_bytes(o, r));
  kernels.gemm_pack_a_f32(o, r, r, 1, pw, panels);
  const y = arena.alloc(4 * o * outH * outW);
  const scratch = arena.alloc(kernels.conv_scratch_bytes(c, w, kh, kw, stride, stride, pad, 1, 1, outH, outW));
  const patches = new Float32Array(outH * outW * r);
  const plainY = new Float32Array(o * outH * outW);
  const ours = {
    run: () =>
      kernels.conv_f32(
        ...[1, c, h, w, o, kh, kw, stride, stride, pad, pad, 1, 1, outH, outW, c * h * w, o * outH * outW],
        ...[px, panels, pb, 0, y, scratch],
      ),
    result: () => floatsAt(engine, y, o * outH * outW),
  };
  const peers = {
    "plain JavaScript": { run: () => conv(shape, x, weight, bias, patches, plainY), result: () => plainY },
  };
  return { unit: "GFLOP/s", work: 2 * o * r * outH * outW, ours, peers };
}
