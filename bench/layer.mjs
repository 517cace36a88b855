// Layer forward: matrix product and convolution, weights packed once as a session does it. Work: 2 operations a multiply-add.
import { floatsAt, place } from "../dist/kernels/engine.js";
import { near } from "./contest.mjs";
import { freshEngine, normals } from "./memory.mjs";
import { conv, gemmNN, gemmNT } from "./plain/layer.mjs";
import { layersOf, outputOf } from "./shapes.mjs";

export function* layer(relaxed) {
  for (const size of [256, 512]) yield square(size, relaxed);
  for (const entry of [...layersOf("lenet5"), ...layersOf("resnet20")]) {
    if (entry.op === "conv") yield convolution(entry, relaxed);
    else for (const batch of [1, 64]) yield dense(entry, batch, relaxed);
  }
}

/** C = A B, nothing packed beforehand. */
function square(size, relaxed) {
  const a = normals(size * size, 1);
  const b = normals(size * size, 2);
  const engine = freshEngine(relaxed);
  const { kernels, arena } = engine;
  const [pa, pb, zero] = [a, b, new Float32Array(size)].map((array) => place(engine, array));
  const y = arena.alloc(4 * size * size);
  const scratch = arena.alloc(kernels.gemm_scratch_bytes(size, size, size));
  const across = new Float32Array(size * size);
  const plainY = new Float32Array(size * size);
  const name = `matrix product ${size} x ${size} x ${size}`;
  return {
    name,
    unit: "GFLOP/s",
    work: 2 * size * size * size,
    ours() {
      kernels.fill_row_f32(size, size, zero, y);
      kernels.gemm_nn_f32(size, size, size, pa, pb, y, scratch);
    },
    plain: () => gemmNN(size, size, size, a, b, across, plainY),
    agree: () => near(name, floatsAt(engine, y, size * size), plainY),
  };
}

/** Y = X W^T + b, W [out, in]. */
function dense({ name, out, in: width }, batch, relaxed) {
  const x = normals(batch * width, 1);
  const weight = normals(out * width, 2);
  const bias = normals(out, 3);
  const engine = freshEngine(relaxed);
  const { kernels, arena } = engine;
  const [px, pw, pb] = [x, weight, bias].map((array) => place(engine, array));
  const panels = arena.alloc(kernels.gemm_panels_b_bytes(width, out));
  kernels.gemm_pack_b_f32(width, out, 1, width, pw, panels);
  const y = arena.alloc(4 * batch * out);
  const scratch = arena.alloc(kernels.gemm_panels_a_bytes(batch, width));
  const plainY = new Float32Array(batch * out);
  const title = `${name} ${width} -> ${out}, batch ${batch}`;
  return {
    name: title,
    unit: "GFLOP/s",
    work: 2 * batch * out * width,
    ours() {
      kernels.fill_row_f32(batch, out, pb, y);
      kernels.gemm_ab_f32(batch, out, width, px, panels, y, scratch);
    },
    plain: () => gemmNT(batch, out, width, x, weight, bias, plainY),
    agree: () => near(title, floatsAt(engine, y, batch * out), plainY),
  };
}

/** One image. */
function convolution(entry, relaxed) {
  const { name, c, h, w, o, kh, kw, stride, pad } = entry;
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
  const scratch = arena.alloc(kernels.conv_scratch_bytes(r, outH * outW));
  const patches = new Float32Array(outH * outW * r);
  const plainY = new Float32Array(o * outH * outW);
  const title = `${name} ${c} x ${h} x ${w} -> ${o}, ${kh} x ${kw}${stride > 1 ? ` stride ${stride}` : ""}`;
  return {
    name: title,
    unit: "GFLOP/s",
    work: 2 * o * r * outH * outW,
    ours: () =>
      kernels.conv_f32(
        ...[1, c, h, w, o, kh, kw, stride, stride, pad, pad, 1, 1, outH, outW, c * h * w, o * outH * outW],
        ...[px, panels, pb, y, scratch],
      ),
    plain: () => conv(shape, x, weight, bias, patches, plainY),
    agree: () => near(title, floatsAt(engine, y, o * outH * outW), plainY),
  };
}
