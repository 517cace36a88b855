// Products with int8 and int4 weights: our kernels, copies in and out included, against the peers' sessions. Work: two operations a
// multiply-add.
import { bytesAt, floatsAt, place } from "../dist/kernels/engine.js";
import { Random } from "../dist/random.js";
import { freshEngine, uniforms } from "./memory.mjs";

const unit = "Gop/s";
const only = ["onnxruntime-web", "onnxruntime-node"];

export function* integer(options) {
  for (const [m, k, n] of [
    [256, 256, 256],
    [512, 512, 512],
    [1024, 1024, 1024],
    [196, 1024, 1024],
  ]) {
    const shape = `${m} x ${k} x ${n}`;
    yield { case: "int8 product to int32, s8 s8", shape, prepare: () => sums(m, k, n, false, options) };
    yield { case: "int8 product to int32, u8 s8", shape, prepare: () => sums(m, k, n, true, options) };
    yield { case: "int8 product to uint8, u8 s8", shape, prepare: () => requantized(m, k, n, options) };
  }
  const shape = "4096 x 4096";
  yield { case: "int8 product to int32 of one row, u8 s8", shape, prepare: () => sums(1, 4096, 4096, true, options) };
  yield { case: "int8 product of one row, f32 in and out", shape, prepare: () => dynamic(1, 4096, 4096, options) };
  yield { case: "int4 product of one row, f32 in and out", shape, prepare: () => int4(1, 4096, 4096, 32, options) };
}

/** Codes in low..high, low below 0 or 0. */
function integers(length, low, high, seed) {
  const random = new Random(seed);
  const codes = low < 0 ? new Int8Array(length) : new Uint8Array(length);
  for (let i = 0; i < length; i++) codes[i] = low + random.integer(high - low + 1);
  return codes;
}

/** B [k, n] in panels. */
function packed({ kernels, arena }, k, n, b) {
  const panels = arena.alloc(kernels.gemm_panels_i8_bytes(k, n));
  kernels.gemm_pack_i8(k, n, n, 1, b, panels);
  return panels;
}

async function sums(m, k, n, unsigned, { relaxed, peers }) {
  // At most 127, so that peers that add pairs in 16 bits do not saturate.
  const a = unsigned ? integers(m * k, 0, 127, 1) : integers(m * k, -127, 127, 1);
  const b = integers(k * n, -127, 127, 2);
  const engine = freshEngine(relaxed);
  const { kernels, arena } = engine;
  const panels = packed(engine, k, n, place(engine, b));
  const [pa, y] = [arena.alloc(m * k), arena.alloc(4 * m * n)];
  const scratch = arena.alloc(kernels.gemm_scratch_i8_bytes(m, k));
  const ours = {
    run() {
      bytesAt(engine, pa, m * k).set(a);
      kernels.gemm_i8(m, n, k, pa, panels, y, scratch, 0, unsigned ? 1 : 0);
      return new Int32Array(kernels.memory.buffer, y, m * n).slice();
    },
  };
  const found = await peers.contestants("matmulInteger", { m, k, n, a, b }, { only });
  return { unit, work: 2 * m * k * n, ours, peers: found, tolerance: 0 };
}

async function requantized(m, k, n, { relaxed, peers }) {
  const [a, b] = [integers(m * k, 0, 255, 1), integers(k * n, -63, 63, 2)];
  const [aScale, aZero, bScale, yScale, yZero] = [1 / 64, 128, 1 / 64, k / 256, 128];
  const engine = freshEngine(relaxed);
  const { kernels, arena } = engine;
  const panels = packed(engine, k, n, place(engine, b));
  const factor = Math.fround(aScale * bScale) / yScale;
  const scale = place(engine, new Float32Array(n).fill(factor));
  const [pa, y] = [arena.alloc(m * k), arena.alloc(m * n)];
  const scratch = arena.alloc(kernels.gemm_scratch_i8_bytes(m, k));
  const ours = {
    run() {
      bytesAt(engine, pa, m * k).set(a);
      kernels.gemm_requantize_i8(m, n, k, pa, panels, scale, 0, y, scratch, aZero, 1, yZero, 1);
      return bytesAt(engine, y, m * n).slice();
    },
  };
  const job = { m, k, n, a, b, aScale, aZero, bScale, yScale, yZero };
  return {
    unit,
    work: 2 * m * k * n,
    ours,
    peers: await peers.contestants("qlinearMatmul", job, { only }),
    tolerance: 0,
  };
}

/** x is quantized on the way in, y is f32; the peers compute the same in f32, or the bare int8 product. */
async function dynamic(m, k, n, { relaxed, peers }) {
  const [x, b] = [uniforms(m * k, 1), integers(k * n, -127, 127, 2)];
  const step = 1 / 512;
  const engine = freshEngine(relaxed);
  const { kernels, arena } = engine;
  const panels = packed(engine, k, n, place(engine, b));
  const scale = place(engine, new Float32Array(n).fill(step));
  const [px, rowScale, codes, y] = [4 * m * k, 4 * m, m * k, 4 * m * n].map((bytes) => arena.alloc(bytes));
  const scratch = arena.alloc(kernels.gemm_scratch_i8_bytes(m, k));
  const ours = {
    run() {
      floatsAt(engine, px, m * k).set(x);
      kernels.quantize_dynamic_i8(m, k, px, rowScale, codes);
      kernels.gemm_dequantize_i8(m, n, k, codes, panels, rowScale, scale, 0, y, scratch, 0, 0);
      return floatsAt(engine, y, m * n).slice();
    },
  };
  const floats = Float32Array.from(b, (value) => value * step);
  const a = integers(m * k, 0, 127, 3);
  // Other numbers in, so nothing to compare: `sums` compares them.
  const integers8 = await peers.contestants("matmulInteger", { m, k, n, a, b }, { only, suffix: " int8" });
  for (const peer of Object.values(integers8)) peer.result = () => undefined;
  const found = { ...(await peers.contestants("matmul", { m, k, n, a: x, b: floats }, { only })), ...integers8 };
  return { unit, work: 2 * m * k * n, ours, peers: found, tolerance: 0.02 };
}

async function int4(m, k, n, group, { relaxed, peers }) {
  const [x, codes] = [uniforms(m * k, 1), integers(n * k, -8, 7, 2)];
  const scale = Float32Array.from(integers((n * k) / group, 1, 100, 3), (value) => value / 1000);
  const engine = freshEngine(relaxed);
  const { kernels, arena } = engine;
  const panels = arena.alloc(kernels.gemm_panels_i4_bytes(k, n, group));
  const [pc, ps] = [place(engine, codes), place(engine, scale)];
  kernels.gemm_pack_i4(k, n, group, pc, ps, panels, k / group, 1);
  const [px, rowScale, q, y] = [4 * m * k, 4 * m, m * k, 4 * m * n].map((bytes) => arena.alloc(bytes));
  const scratch = arena.alloc(kernels.gemm_scratch_i4_bytes(k, group));
  const ours = {
    run() {
      floatsAt(engine, px, m * k).set(x);
      kernels.quantize_dynamic_i8(m, k, px, rowScale, q);
      kernels.gemm_i4(m, n, k, group, q, rowScale, panels, 0, y, scratch);
      return floatsAt(engine, y, m * n).slice();
    },
  };
  const found = await peers.contestants("matmulInt4", { m, k, n, group, x, codes, scale }, { only });
  return { unit, work: 2 * m * k * n, ours, peers: found, tolerance: 0.02 };
}
