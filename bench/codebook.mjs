// CSR sparse x dense codebook product, W^T = Z^T C^T, both ways of running it. Work: multiply-adds, each two operations.
import { floatsAt, place } from "../dist/kernels/engine.js";
import { freshEngine, normals, sparseCodes } from "./memory.mjs";
import { factored, rebuild } from "./plain/codebook.mjs";
import { layersOf, matrixOf } from "./shapes.mjs";

const codebookScale = 1 / 512;

export function* codebook({ relaxed }) {
  for (const layer of [...layersOf("lenet5"), ...layersOf("resnet20")]) {
    const { rows, cols } = matrixOf(layer);
    if (rows * cols < 5000) continue;
    if (layer.op === "conv") {
      // Layout `kernel`: an atom is a kernel, as many atoms as it has values, a quarter of the coefficients not zero.
      const d = layer.kh * layer.kw;
      const code = () => made((rows * cols) / d, d, d, Math.round(d / 4));
      yield rebuilding(`${layer.name}, d ${d}, k ${d}`, code, relaxed);
    } else {
      // Layout `rows`: an atom is a column of the matrix, 64 atoms, a sixteenth of the coefficients not zero.
      const code = () => made(cols, rows, 64, 4);
      yield rebuilding(`${layer.name}, d ${rows}, k 64`, code, relaxed);
      for (const batch of [1, 16]) yield product(`${layer.name}, batch ${batch}`, code, batch, relaxed);
    }
  }
  const large = () => made(1024, 1024, 256, 16);
  yield rebuilding("1024 x 1024, k 256", large, relaxed);
  for (const batch of [1, 16]) yield product(`1024 x 1024, k 256, batch ${batch}`, large, batch, relaxed);
}

/** A weight of n columns of length d: Z^T [n, k] with `perRow` entries a row, C^T [k, d]. */
function made(n, d, k, perRow) {
  const { rowPtr, col, codes } = sparseCodes(n, k, perRow, 1);
  const codeScale = Float32Array.from({ length: k }, (_, a) => (1 + (a % 7) / 7) / 512);
  const values = normals(k * d, 2);
  const book = Int8Array.from(values, (value) => Math.max(-127, Math.min(127, Math.round(40 * value))));
  return { n, d, k, rowPtr, col, codes, codeScale, book };
}

function rebuilding(shape, create, relaxed) {
  return {
    case: "rebuild C Z (kernel)",
    shape,
    prepare() {
      const code = create();
      const { n, d, k, rowPtr, col, codes, codeScale, book } = code;
      const engine = freshEngine(relaxed);
      const [p, c, v, s, b] = [rowPtr, col, codes, codeScale, book].map((array) => place(engine, array));
      const y = engine.arena.alloc(4 * n * d);
      const scaled = Float32Array.from(book, (value) => value * codebookScale);
      const plainY = new Float32Array(n * d);
      const ours = {
        run: () => engine.kernels.codebook_rows_i8(n, d, k, p, c, v, s, b, y, codebookScale),
        result: () => floatsAt(engine, y, n * d),
      };
      const plain = { run: () => rebuild(n, d, code, scaled, plainY), result: () => plainY };
      return { unit: "GFLOP/s", work: 2 * codes.length * d, ours, peers: { "plain JavaScript": plain } };
    },
  };
}

/** y [batch, d] = x [batch, n] W^T without forming W, as src/ops/linear.ts does it. */
function product(shape, create, batch, relaxed) {
  return { case: "C (Z x) (kernel)", shape, prepare: () => twoSteps(create(), batch, relaxed) };
}

function twoSteps(code, batch, relaxed) {
  const { n, d, k, codeScale, book } = code;
  const z = turned(code);
  const atoms = Float32Array.from(book, (value, i) => value * codebookScale * codeScale[Math.floor(i / d)]);
  const x = normals(batch * n, 3);
  const engine = freshEngine(relaxed);
  const { kernels, arena } = engine;
  const [source, p, c, v, a] = [x, z.rowPtr, z.col, z.values, atoms].map((array) => place(engine, array));
  const panels = arena.alloc(kernels.gemm_panels_b_bytes(k, d));
  kernels.gemm_pack_b_f32(k, d, d, 1, a, panels);
  const bias = place(engine, new Float32Array(d));
  const across = arena.alloc(4 * batch * n);
  const mixed = arena.alloc(4 * batch * k);
  const t = arena.alloc(4 * batch * k);
  const y = arena.alloc(4 * batch * d);
  const scratch = arena.alloc(kernels.gemm_ab_scratch_bytes(batch, k));
  const bookRows = Float32Array.from({ length: d * k }, (_, i) => atoms[(i % k) * d + Math.floor(i / k)]);
  const plainT = new Float32Array(k);
  const plainY = new Float32Array(batch * d);
  const ours = {
    run() {
      kernels.transpose_f32(batch, n, source, across);
      kernels.spmm_csr_f32(k, batch, p, c, v, across, batch, mixed, batch);
      kernels.transpose_f32(k, batch, mixed, t);
      kernels.gemm_ab_f32(batch, d, k, t, panels, bias, 0, y, scratch);
    },
    result: () => floatsAt(engine, y, batch * d),
  };
  const plain = { run: () => factored(batch, n, d, k, z, bookRows, x, plainT, plainY), result: () => plainY };
  const work = 2 * batch * (z.values.length + d * k);
  return { unit: "GFLOP/s", work, ours, peers: { "plain JavaScript": plain } };
}

/** Z in CSR, k rows, from Z^T. */
function turned({ n, k, rowPtr, col, codes }) {
  const rows = Array.from({ length: k }, () => []);
  for (let j = 0; j < n; j++) for (let e = rowPtr[j]; e < rowPtr[j + 1]; e++) rows[col[e]].push([j, codes[e]]);
  const starts = new Uint32Array(k + 1);
  for (const [a, row] of rows.entries()) starts[a + 1] = starts[a] + row.length;
  const entries = rows.flat();
  return {
    rowPtr: starts,
    col: Uint32Array.from(entries, ([j]) => j),
    values: Float32Array.from(entries, ([, code]) => code),
  };
}
