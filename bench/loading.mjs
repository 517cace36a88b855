// `npm run bench -- loading [FILTER ...]`: milliseconds to load a file of about 1 MB of each storage, and the worst files of up to
// 64 KiB that were found: sections that take as many steps as their bytes allow, and headers that unfold.
import { Encoder } from "../dist/codec/range-coder.js";
import { sparse as writeSparse } from "../dist/codec/sparse.js";
import { wide } from "../dist/compress/wide.js";
import { HeaderCoder } from "../dist/formats/container/header-coder.js";
import { writeContainer } from "../dist/formats/container/index.js";
import { checksumOf, field, magic, version } from "../dist/formats/container/layout.js";
import { loadModel } from "../dist/index.js";
import { Random } from "../dist/random.js";

const one = Float32Array.of(1);
const kib64 = 65536;
const random = new Random(1);

/** @param options { quick, filters } */
export async function loading({ quick, filters }) {
  const rounds = quick ? 3 : 9;
  const wanted = (name) => filters.length === 0 || filters.some((filter) => name.includes(filter));
  console.log(`${"file".padEnd(40)}bytes   ms, best of ${rounds}`);
  for (const [name, make] of [...Object.entries(honest), ...Object.entries(hostile)]) {
    if (!wanted(name)) continue;
    const file = make();
    let best = Number.POSITIVE_INFINITY;
    let outcome = "";
    for (let round = 0; round < rounds; round++) {
      const start = performance.now();
      try {
        (await loadModel(file)).dispose();
      } catch (error) {
        outcome = error.message;
      }
      best = Math.min(best, performance.now() - start);
    }
    console.log(`${name.padEnd(36)}${String(file.length).padStart(9)}${best.toFixed(1).padStart(8)}  ${outcome}`);
  }
}

/** A file of one weight, and an operator that reads it. */
function fileOf(weight) {
  const { shape } = weight;
  const conv = shape.length === 4;
  const [op, attributes] = conv ? ["Conv", {}] : ["Gemm", { transB: 1 }];
  const node = { name: "n", op, inputs: ["x", "w"], outputs: ["y"], attributes };
  const rest = conv ? ["h", "w"] : [];
  const x = { name: "x", dtype: "float32", shape: ["N", shape[1], ...rest] };
  const y = { name: "y", dtype: "float32", shape: ["N", shape[0], ...rest] };
  if (shape.length > 1) {
    return writeContainer({ name: "", inputs: [x], outputs: [y], nodes: [node], weights: new Map([["w", weight]]) });
  }
  const nodes = [{ name: "n", op: "Identity", inputs: ["w"], outputs: ["y"], attributes: {} }];
  const outputs = [{ name: "y", dtype: weight.dtype, shape }];
  return writeContainer({ name: "", inputs: [], outputs, nodes, weights: new Map([["w", weight]]) });
}

function normals(n, size, most) {
  return Int8Array.from({ length: n }, () => Math.max(-most, Math.min(most, Math.round(size * random.normal()))));
}

/** Integers beyond int8, with one step for all. */
function large(rows, cols, size) {
  const q = Int16Array.from({ length: rows * cols }, () =>
    Math.max(-2047, Math.min(2047, Math.round(size * random.normal()))),
  );
  return wide([rows, cols], q, 1);
}

function int8(rows, cols, size, most) {
  return {
    kind: "int8",
    shape: [rows, cols],
    q: normals(rows * cols, size, most),
    scale: new Float32Array(rows).fill(0.5),
  };
}

/** Entries of a chance, more of them in some columns than in others, of 1 to `most`, in any row. */
function sparse(rows, cols, density, most) {
  const rowPtr = new Uint32Array(rows + 1);
  const col = [];
  for (let r = 0; r < rows; r++) {
    for (let c = 0; c < cols; c++) if (random.uniform() < density * (0.25 + 1.5 * ((c % 97) / 96))) col.push(c);
    rowPtr[r + 1] = col.length;
  }
  const values = Int8Array.from(
    col,
    () => (random.uniform() < 0.5 ? -1 : 1) * (1 + Math.floor(random.uniform() * most)),
  );
  return {
    kind: "sparse",
    shape: [rows, cols],
    rowPtr,
    col: Uint32Array.from(col),
    values,
    scale: new Float32Array(rows).fill(0.5),
  };
}

function factored(out, channels) {
  const [k, n] = [9, out * channels];
  const rowPtr = new Uint32Array(n + 1);
  const col = [];
  const codes = [];
  for (let r = 0; r < n; r++) {
    for (let c = 0; c < k; c++) {
      const code = Math.round(random.normal() * (4 / (c + 1)));
      if (code === 0) continue;
      col.push(c);
      codes.push(code);
    }
    rowPtr[r + 1] = col.length;
  }
  return factors([out, channels, 3, 3], k, rowPtr, col, codes);
}

function factors(shape, k, rowPtr, col, codes) {
  return {
    ...{ kind: "factored", shape, layout: "kernel", d: 9, n: shape[0] * shape[1], k, rowPtr },
    ...{ col: Uint32Array.from(col), codes: Int8Array.from(codes), codeScale: new Float32Array(k).fill(0.5) },
    ...{ codebook: normals(9 * k, 6, 31), codebookScale: 0.25 },
  };
}

function floats(n, digits) {
  const data = Float32Array.from({ length: n }, () => Math.round(random.normal() * digits) / digits);
  return { kind: "dense", shape: [n / 1024, 1024], dtype: "float32", data };
}

const honest = {
  "int8, 8 bits": () => fileOf(int8(1140, 1024, 30, 127)),
  "int8, 4 bits": () => fileOf(int8(2600, 1024, 2, 7)),
  "sparse, 80 % zero, 4 bits": () => fileOf(sparse(4000, 1400, 0.2, 7)),
  "sparse, 95 % zero, 4 bits": () => fileOf(sparse(6000, 3000, 0.05, 7)),
  "sparse, 95 % zero, 8 bits": () => fileOf(sparse(5000, 2400, 0.05, 127)),
  "sparse, 99 % zero, 4 bits": () => fileOf(sparse(12000, 6000, 0.01, 7)),
  factored: () => fileOf(factored(700, 600)),
  "integers of 12 bits": () => fileOf(large(600, 1024, 500)),
  "float32, coded": () => fileOf(floats(900 * 1024, 64)),
  "float32, plain": () => fileOf(floats(256 * 1024, 2 ** 24)),
};

// The most of each that 64 KiB may ask for; the writer fills them up with zeros.
const steps = 64_900 * 128;
const alike = (n, code) => Int8Array.from({ length: n }, (_, i) => (i === 0 ? 1 : code));
const rowsOf = (n, code) => ({
  kind: "int8",
  shape: [512, Math.floor(n / 512)],
  q: alike(512 * Math.floor(n / 512), code),
  scale: one,
});
function regular(rows, cols, perRow, code) {
  const rowPtr = Uint32Array.from({ length: rows + 1 }, (_, r) => r * perRow);
  const col = Uint32Array.from({ length: rows * perRow }, (_, e) => (e % perRow) * Math.floor(cols / perRow));
  return { kind: "sparse", shape: [rows, cols], rowPtr, col, values: Int8Array.from(col, code), scale: one };
}
/** A matrix whose cells are told one by one, and of which one is not 0. */
function cells(rows, cols) {
  const encoder = new Encoder();
  const where = { rows, cols, nnz: 1, rowPtr: new Uint32Array(rows + 1).fill(1, 1), col: Uint32Array.of(3) };
  writeSparse(encoder, where, 1, Int8Array.of(1), one, "codes");
  const storage = { kind: "sparse", nnz: 1, values: "int8", scales: 1 };
  return { kind: "coded", shape: [rows, cols], storage, bytes: encoder.finish() };
}

function dense(dtype, perElement, type) {
  const size = Math.floor(steps / perElement);
  return { kind: "dense", shape: [size], dtype, data: new type(size) };
}

/** A header told step by step, cut at 64 KiB. */
function header(tell) {
  const encoder = new Encoder();
  tell(new HeaderCoder(encoder, Number.POSITIVE_INFINITY));
  const head = encoder.finish().subarray(0, kib64 - field.header);
  const file = new Uint8Array(field.header + head.length);
  const view = new DataView(file.buffer);
  file.set(magic);
  file[field.version] = version;
  view.setUint32(field.length, file.length, true);
  view.setUint32(field.headerLength, head.length, true);
  file.set(head, field.header);
  view.setUint32(field.checksum, checksumOf(file), true);
  return file;
}

function repeat(h, count, tell) {
  for (let i = 0; i < count; i++) tell(h, i);
}

const hostile = {
  "hostile: codes, all 0": () => fileOf(rowsOf(steps / 3, 0)),
  "hostile: codes, long": () => fileOf(rowsOf(steps / 41, 127)),
  "hostile: cells without entries": () => fileOf(cells(1000, Math.floor(steps / 2000) - 8)),
  "hostile: scales": () => {
    const n = Math.floor(steps / 35);
    return fileOf({ kind: "int8", shape: [n, 1], q: new Int8Array(n), scale: new Float32Array(n).fill(1) });
  },
  "hostile: rows without entries": () => fileOf(regular(Math.floor(steps / 16), 1, 0, () => 1)),
  "hostile: gaps of 8": () => fileOf(regular(500, 2048, 256, (_, e) => (e % 3 ? 127 : 0))),
  "hostile: gaps of 30,000": () => fileOf(regular(500, 2 ** 23, 256, (_, e) => (e % 3 ? 127 : 0))),
  "hostile: coefficients": () => {
    const z = regular(250 * 67, 9, 9, (_, e) => (e ? 127 : 1));
    return fileOf(factors([250, 67, 3, 3], 9, z.rowPtr, z.col, z.values));
  },
  "hostile: uint8": () => fileOf(dense("uint8", 8, Uint8Array)),
  "hostile: float16": () => fileOf(dense("float16", 16, Uint16Array)),
  "hostile: float32": () => fileOf(dense("float32", 22, Float32Array)),
  "hostile: int64": () => fileOf(dense("int64", 34, BigInt64Array)),
  "hostile header: dimensions": () =>
    header((h) => {
      h.text("");
      h.number("inputs", 1);
      h.text("x");
      h.number("dtype", 0);
      h.number("rank", 2 ** 31);
      repeat(h, 400_000, () => [h.flag("symbolic", false), h.number("dim", 2 ** 32 - 2)]);
    }),
  "hostile header: inputs": () =>
    header((h) => {
      h.text("");
      h.number("inputs", 2 ** 31);
      repeat(h, 60_000, (_, i) => [h.text(i.toString(36)), h.number("dtype", 0), h.number("rank", 0)]);
    }),
  "hostile header: a text": () => header((h) => h.text("a".repeat(3_000_000))),
  "hostile header: bytes of 255": () => {
    const file = header((h) => h.text("a".repeat(3_000_000))).slice();
    const long = new Uint8Array(kib64).fill(255);
    long.set(file.subarray(0, field.header));
    const view = new DataView(long.buffer);
    view.setUint32(field.length, long.length, true);
    view.setUint32(field.headerLength, long.length - field.header, true);
    view.setUint32(field.checksum, checksumOf(long), true);
    return long;
  },
};
