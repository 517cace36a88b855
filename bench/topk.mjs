// Exact magnitude top-k sparsification: threshold, mask, zeros. Work: elements.
import { bytesAt, floatsAt, place, wordsAt } from "../dist/kernels/engine.js";
import { freshEngine, normals, uniforms } from "./memory.mjs";
import { createSelection, sparsify, threshold } from "./plain/topk.mjs";
import { layersOf, matrixOf } from "./shapes.mjs";

const kept = 0.1;
const unit = "G elements/s";

export function* topk(options) {
  for (const network of ["lenet5", "resnet20"]) yield* bySize(`all of ${network}`, () => weightsOf(network), options);
  yield* bySize("1e6", () => uniforms(1e6, 1), options);
  yield* bySize("1e7", () => uniforms(1e7, 1), options);
  for (const [name, values] of Object.entries(hard)) {
    for (const n of [1e6, 1e7])
      yield kth("k-th magnitude of hard data (kernel)", `${n}, ${name}`, () => values(n), options);
  }
  for (const copied of [true, false]) {
    yield against("1e6", 1e6, copied, ["quickselect"], options);
    yield against("1.6e7", 1.6e7, copied, ["quickselect"], options);
  }
}

/** Data that are hard on a sample or on a quickselect. */
const hard = {
  sorted: (n) => uniforms(n, 1).sort(),
  constant: (n) => new Float32Array(n).fill(-0.5),
  "two values": (n) => uniforms(n, 1).map((value) => (value > 0.4 ? 1 : -2)),
  "few values": (n) => uniforms(n, 1).map((value) => Math.round(value * 40)),
  denormals: (n) => uniforms(n, 1).map((value) => value * 1e-38),
  "pruned to 90 %": (n) => uniforms(n, 1).map((value, i) => (i % 10 ? 0 : value)),
  "rows of one scale": (n) => {
    const scales = normals(n / 1000, 2);
    return uniforms(n, 1).map((value, i) => value * scales[Math.floor(i / 1000)]);
  },
};

/** After everything that is measured against plain JavaScript; see index.mjs. */
export function* selection(options) {
  yield against("1e6", 1e6, true, ["onnxruntime-web", "onnxruntime-node"], options);
}

function weightsOf(network) {
  const values = layersOf(network).flatMap((layer, i) => {
    const { rows, cols } = matrixOf(layer);
    return [...normals(rows * cols, i + 1).map((value) => value / Math.sqrt(cols))];
  });
  return Float32Array.from(values);
}

/** From an array to a number, as a caller from outside has it, or from what is in memory already, as compression has it. */
function against(name, n, copied, only, { relaxed, peers }) {
  return {
    case: copied ? "k-th magnitude, copied in" : "k-th magnitude, in memory (kernel)",
    shape: `${name}, ${only[0]}, k = n / 10`,
    async prepare() {
      const x = uniforms(n, 1);
      const k = Math.round(kept * n);
      const engine = freshEngine(relaxed);
      const { kernels, arena } = engine;
      const source = place(engine, x);
      const scratch = arena.alloc(kernels.topk_scratch_bytes(n));
      const ours = {
        run() {
          if (copied) floatsAt(engine, source, n).set(x);
          return kernels.topk_threshold_f32(n, source, k, scratch);
        },
        result: (bits) => new Float32Array(Uint32Array.of(bits).buffer),
      };
      return { unit, work: n, ours, peers: await peers.contestants("select", { x, k }, { only }), tolerance: 0 };
    },
  };
}

function* bySize(name, values, options) {
  yield kth("k-th magnitude (kernel)", `${name}, k = n / 10`, values, options);
  yield {
    case: "sparsify to 90 % (kernel)",
    shape: name,
    prepare() {
      const { n, k, engine, source, select, bits, selectPlain } = selectionOf(values(), options);
      const { kernels, arena } = engine;
      const mask = arena.alloc((n + 7) >> 3);
      const y = arena.alloc(4 * n);
      const plainMask = new Uint8Array((n + 7) >> 3);
      const plainY = new Uint32Array(n);
      const ours = {
        run() {
          const limit = select();
          const above = kernels.topk_mask_f32(n, source, mask, limit, 0) + kernels.mask_count(n, mask);
          kernels.topk_mask_f32(n, source, mask, limit, k - above);
          kernels.mask_apply_f32(n, source, mask, y);
        },
        result: () => joined(bytesAt(engine, mask, plainMask.length), wordsAt(engine, y, n)),
      };
      const plain = {
        run() {
          const found = selectPlain();
          sparsify(bits, found.bits, found.ties, plainMask, plainY);
        },
        result: () => joined(plainMask, plainY),
      };
      return { unit, work: n, ours, peers: { "plain JavaScript": plain }, tolerance: 0 };
    },
  };
}

function kth(title, shape, values, options) {
  return {
    case: title,
    shape,
    prepare() {
      const { n, select, selectPlain } = selectionOf(values(), options);
      const ours = { run: select, result: (limit) => Uint32Array.of(limit) };
      const plain = { run: selectPlain, result: (found) => Uint32Array.of(found.bits) };
      return { unit, work: n, ours, peers: { "plain JavaScript": plain }, tolerance: 0 };
    },
  };
}

function selectionOf(x, { relaxed }) {
  const n = x.length;
  const k = Math.round(kept * n);
  const engine = freshEngine(relaxed);
  const { kernels, arena } = engine;
  const source = place(engine, x);
  const scratch = arena.alloc(kernels.topk_scratch_bytes(n));
  const select = () => kernels.topk_threshold_f32(n, source, k, scratch) >>> 0;
  const bits = new Uint32Array(x.buffer);
  const buffers = createSelection(n);
  return { n, k, engine, source, select, bits, selectPlain: () => threshold(bits, k, buffers) };
}

/** Mask and values, to be compared. */
function joined(mask, values) {
  const all = new Uint8Array(mask.byteLength + values.byteLength);
  all.set(mask);
  all.set(new Uint8Array(values.buffer, values.byteOffset, values.byteLength), mask.byteLength);
  return all;
}
