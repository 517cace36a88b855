// int8 quantization with a scale per row, and back. Work: bytes read and written.
import { codesAt, floatsAt, place } from "../dist/kernels/engine.js";
import { sameBits } from "./contest.mjs";
import { freshEngine, uniforms } from "./memory.mjs";
import { dequantize, quantize } from "./plain/int8.mjs";
import { layersOf, matrixOf } from "./shapes.mjs";

export function* int8(relaxed) {
  for (const layer of [...layersOf("lenet5"), ...layersOf("resnet20")]) {
    const { rows, cols } = matrixOf(layer);
    if (rows * cols > 20000) yield* matrix(`${layer.name} ${rows} x ${cols}`, rows, cols, relaxed);
  }
  yield* matrix("1000 x 4000", 1000, 4000, relaxed);
}

function* matrix(name, rows, cols, relaxed) {
  const n = rows * cols;
  const x = uniforms(n, 1);
  const engine = freshEngine(relaxed);
  const { kernels, arena } = engine;
  const source = place(engine, x);
  const scale = arena.alloc(4 * rows);
  const q = arena.alloc(n);
  const y = arena.alloc(4 * n);
  const plainScale = new Float32Array(rows);
  const plainQ = new Int8Array(n);
  const plainY = new Float32Array(n);
  yield {
    name: `quantize, ${name}`,
    unit: "GB/s",
    work: 5 * n,
    ours() {
      kernels.absmax_rows_f32(rows, cols, source, scale);
      const scales = floatsAt(engine, scale, rows);
      for (let r = 0; r < rows; r++) scales[r] = scales[r] === 0 ? 1 : scales[r] / 127;
      kernels.quantize_rows_f32_i8(rows, cols, source, scale, q, 127);
    },
    plain: () => quantize(rows, cols, x, plainScale, plainQ),
    agree: () => sameBits(`codes of ${name}`, codesAt(engine, q, n), plainQ),
  };
  yield {
    name: `dequantize, ${name}`,
    unit: "GB/s",
    work: 5 * n,
    ours: () => kernels.dequantize_rows_i8(rows, cols, q, scale, y),
    plain: () => dequantize(rows, cols, plainQ, plainScale, plainY),
    agree: () => sameBits(`values of ${name}`, floatsAt(engine, y, n), plainY),
  };
}
