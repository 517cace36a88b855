// Exact magnitude top-k sparsification: threshold, mask, zeros. Work: elements.
import { bytesAt, place, wordsAt } from "../dist/kernels/engine.js";
import { sameBits } from "./contest.mjs";
import { freshEngine, normals, uniforms } from "./memory.mjs";
import { createSelection, sparsify, threshold } from "./plain/topk.mjs";
import { layersOf, matrixOf } from "./shapes.mjs";

const kept = 0.1;

export function* topk(relaxed) {
  for (const network of ["lenet5", "resnet20"]) {
    const weights = layersOf(network).flatMap((layer, i) => {
      const { rows, cols } = matrixOf(layer);
      return [...normals(rows * cols, i + 1).map((value) => value / Math.sqrt(cols))];
    });
    yield* bySize(`all of ${network}`, Float32Array.from(weights), relaxed);
  }
  yield* bySize("1e6", uniforms(1e6, 1), relaxed);
  yield* bySize("1e7", uniforms(1e7, 1), relaxed);
}

function* bySize(name, x, relaxed) {
  const n = x.length;
  const k = Math.round(kept * n);
  const engine = freshEngine(relaxed);
  const { kernels, arena } = engine;
  const source = place(engine, x);
  const mask = arena.alloc((n + 7) >> 3);
  const y = arena.alloc(4 * n);
  const scratch = arena.alloc(kernels.topk_scratch_bytes(n));
  const bits = new Uint32Array(x.buffer);
  const buffers = createSelection(n);
  const plainMask = new Uint8Array((n + 7) >> 3);
  const plainY = new Uint32Array(n);
  let limit = 0;
  let found = { bits: 0, ties: 0 };
  const select = () => {
    limit = kernels.topk_threshold_f32(n, source, k, scratch) >>> 0;
  };
  const selectPlain = () => {
    found = threshold(bits, k, buffers);
  };
  yield {
    name: `k-th magnitude, ${name}, k = n / 10`,
    unit: "G/s",
    work: n,
    ours: select,
    plain: selectPlain,
    agree() {
      if (limit !== found.bits) throw new Error(`threshold of ${name}: ${limit} against ${found.bits}`);
    },
  };
  yield {
    name: `sparsify to 90 %, ${name}`,
    unit: "G/s",
    work: n,
    ours() {
      select();
      const above = kernels.topk_mask_f32(n, source, mask, limit, 0) + kernels.mask_count(n, mask);
      kernels.topk_mask_f32(n, source, mask, limit, k - above);
      kernels.mask_apply_f32(n, source, mask, y);
    },
    plain() {
      selectPlain();
      sparsify(bits, found.bits, found.ties, plainMask, plainY);
    },
    agree() {
      sameBits(`mask of ${name}`, bytesAt(engine, mask, plainMask.length), plainMask);
      sameBits(`values of ${name}`, wordsAt(engine, y, n), plainY);
    },
  };
}
