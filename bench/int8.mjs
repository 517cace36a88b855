// int8 quantization and back. Work: bytes read and written.
import { codesAt, floatsAt, place } from "../dist/kernels/engine.js";
import { freshEngine, normals, uniforms } from "./memory.mjs";
import { dequantize, quantize, quantizeFlat, quantizeUsual } from "./plain/int8.mjs";
import { layersOf, matrixOf } from "./shapes.mjs";

const unit = "GB/s";

export function* int8(options) {
  for (const layer of [...layersOf("lenet5"), ...layersOf("resnet20")]) {
    const { rows, cols } = matrixOf(layer);
    if (rows * cols > 20000) yield* matrix(`${layer.name} ${rows} x ${cols}`, rows, cols, options);
  }
  yield* matrix("1000 x 4000", 1000, 4000, options);
  yield copied("quantize, copied in and out", "4e6, plain JavaScript", quantizing, [], options);
}

/** After everything that is measured against plain JavaScript; see index.mjs. */
export function* conversion(options) {
  const only = ["onnxruntime-web", "onnxruntime-node"];
  yield copied("quantize, copied in and out", "4e6, onnxruntime", quantizing, only, options);
  yield copied("dequantize, copied in and out", "4e6, onnxruntime", dequantizing, only, options);
}

function* matrix(name, rows, cols, { relaxed }) {
  const n = rows * cols;
  const setUp = () => {
    const x = uniforms(n, 1);
    const engine = freshEngine(relaxed);
    const { kernels, arena } = engine;
    const [source, scale, q, y] = [place(engine, x), arena.alloc(4 * rows), arena.alloc(n), arena.alloc(4 * n)];
    const plain = { scale: new Float32Array(rows), q: new Int8Array(n), y: new Float32Array(n) };
    const quantizeOurs = () => {
      kernels.absmax_rows_f32(rows, cols, source, scale);
      const scales = floatsAt(engine, scale, rows);
      for (let r = 0; r < rows; r++) scales[r] = scales[r] === 0 ? 1 : scales[r] / 127;
      kernels.quantize_rows_f32_i8(rows, cols, source, scale, q, 127);
    };
    const quantizePlain = () => quantize(rows, cols, x, plain.scale, plain.q);
    return { engine, kernels, scale, q, y, plain, quantizeOurs, quantizePlain };
  };
  yield {
    case: "quantize (kernel)",
    shape: name,
    prepare() {
      const { engine, q, plain, quantizeOurs, quantizePlain } = setUp();
      const ours = { run: quantizeOurs, result: () => codesAt(engine, q, n) };
      const peers = { "plain JavaScript": { run: quantizePlain, result: () => plain.q } };
      return { unit, work: 5 * n, ours, peers, tolerance: 0 };
    },
  };
  yield {
    case: "dequantize (kernel)",
    shape: name,
    prepare() {
      const { engine, kernels, scale, q, y, plain, quantizeOurs, quantizePlain } = setUp();
      quantizeOurs();
      quantizePlain();
      const ours = {
        run: () => kernels.dequantize_rows_i8(rows, cols, q, scale, y),
        result: () => floatsAt(engine, y, n),
      };
      const peers = {
        "plain JavaScript": {
          run: () => dequantize(rows, cols, plain.q, plain.scale, plain.y),
          result: () => plain.y,
        },
      };
      return { unit, work: 5 * n, ours, peers, tolerance: 0 };
    },
  };
}

/** One scale for all, from an array and to an array. */
function copied(title, shape, kernel, only, { relaxed, peers }) {
  return {
    case: title,
    shape,
    async prepare() {
      const n = 4e6;
      const step = 0.02;
      const x = normals(n, 1);
      // Within -127..127 steps: where they clamp beyond, kinds of int8 differ.
      for (let i = 0; i < n; i++) x[i] = Math.max(-2.5, Math.min(2.5, 0.8 * x[i]));
      const engine = freshEngine(relaxed);
      const { ours, plain, job } = kernel(engine, x, step);
      const found = only.length ? await peers.contestants(...job, { only }) : plain;
      // A step of 125: what lies half way between two codes may be rounded either way.
      return { unit, work: 5 * n, ours, peers: found, tolerance: 0.01 };
    },
  };
}

function quantizing(engine, x, step) {
  const n = x.length;
  const { kernels, arena } = engine;
  const [source, q] = [arena.alloc(4 * n), arena.alloc(n)];
  const scale = place(engine, Float32Array.of(step));
  const [codes, plainCodes] = [new Int8Array(n), new Int8Array(n)];
  const ours = {
    run() {
      floatsAt(engine, source, n).set(x);
      kernels.quantize_rows_f32_i8(1, n, source, scale, q, 127);
      codes.set(codesAt(engine, q, n));
    },
    result: () => codes,
  };
  const plain = {
    "plain JavaScript": { run: () => quantizeFlat(x, Math.fround(step), plainCodes), result: () => plainCodes },
    "plain JavaScript, Math.round": { run: () => quantizeUsual(x, 1 / step, plainCodes), result: () => plainCodes },
  };
  return { ours, plain, job: ["quantize", { x, scale: step }] };
}

function dequantizing(engine, x, step) {
  const n = x.length;
  const { kernels, arena } = engine;
  const codes = Int8Array.from(x, (value) => Math.max(-127, Math.min(127, Math.round(value / step))));
  const [q, y] = [arena.alloc(n), arena.alloc(4 * n)];
  const scale = place(engine, Float32Array.of(step));
  const values = new Float32Array(n);
  const ours = {
    run() {
      codesAt(engine, q, n).set(codes);
      kernels.dequantize_rows_i8(1, n, q, scale, y);
      values.set(floatsAt(engine, y, n));
    },
    result: () => values,
  };
  return { ours, job: ["dequantize", { q: codes, scale: step }] };
}
