import { bytesPerElement, inMemory, isFloat, viewOf } from "../dtype.js";
import { expected, FormatError } from "../errors.js";
import { matrixOf, widen } from "../graph/storage.js";
import type { CodedWeight, PlainWeight, Weight } from "../graph/weight.js";
import { type Engine, floatsAt, place, put } from "../kernels/engine.js";
import type { PlacedWeight, StoredWeight } from "../ops/op.js";
import { columnsPerRow, sizeOf } from "../tensor.js";

/** What the decoders found, by the number they return (src/codec/fault.ts, assembly/compress/entropy.ts). */
const faults = [
  "none",
  "bytes that end early",
  "trailing or altered bytes",
  "counts that do not add up",
  "an entry outside its row",
  "a value that is not finite or a scale that is not positive",
  "more work than the bytes allow",
] as const;

/** What is known of a weight before it takes memory. */
export function storedAs(weight: Weight): StoredWeight {
  const { shape } = weight;
  const size = { shape, ...matrixOf(shape) };
  const storage = weight.kind === "coded" ? weight.storage : weight;
  switch (storage.kind) {
    case "dense":
    case "masked":
      return { ...size, kind: "dense" };
    case "int8":
      return { ...size, kind: "int8" };
    case "sparse":
      return { ...size, kind: "sparse", nnz: "nnz" in storage ? storage.nnz : storage.col.length };
    case "factored": {
      const { layout, d, n, k } = storage;
      return { ...size, kind: "factored", layout, d, n, k, nnz: "nnz" in storage ? storage.nnz : storage.col.length };
    }
  }
}

/** Puts a weight into the session's memory as it is stored; coded weights are decoded there by the wasm decoders. */
export function placeWeight(engine: Engine, name: string, weight: Weight): PlacedWeight {
  return weight.kind === "coded" ? placeCoded(engine, name, weight) : placePlain(engine, weight);
}

function placePlain(engine: Engine, weight: PlainWeight): PlacedWeight {
  const { shape } = weight;
  const { rows, cols } = matrixOf(shape);
  switch (weight.kind) {
    case "dense":
      // Every other floating-point number is a float32 in memory.
      if (isFloat(weight.dtype) && weight.dtype !== "float32") {
        const values = engine.arena.alloc(4 * rows * cols);
        widen(weight.dtype, weight.data, floatsAt(engine, values, rows * cols));
        return { kind: "dense", shape, rows, cols, values };
      }
      return { kind: "dense", shape, rows, cols, values: place(engine, weight.data) };
    case "masked": {
      const values = place(engine, weight.data);
      const floats = floatsAt(engine, values, rows * cols);
      for (let i = 0; i < floats.length; i++) if (!((weight.mask[i >> 3] >> (i & 7)) & 1)) floats[i] = 0;
      return { kind: "dense", shape, rows, cols, values };
    }
    case "int8":
      return {
        kind: "int8",
        shape,
        rows,
        cols,
        q: place(engine, weight.q),
        scale: placeScales(engine, rows, weight.scale),
      };
    case "sparse":
      return {
        kind: "sparse",
        shape,
        rows,
        cols,
        nnz: weight.col.length,
        rowPtr: place(engine, weight.rowPtr),
        col: place(engine, weight.col),
        values: place(engine, weight.values),
        scale: weight.scale ? placeScales(engine, rows, weight.scale) : 0,
      };
    case "factored": {
      const { layout, d, n, k, codebookScale } = weight;
      return {
        kind: "factored",
        shape,
        rows,
        cols,
        layout,
        d,
        n,
        k,
        nnz: weight.col.length,
        rowPtr: place(engine, weight.rowPtr),
        col: place(engine, weight.col),
        codes: place(engine, weight.codes),
        codeScale: place(engine, weight.codeScale),
        codebook: place(engine, weight.codebook),
        codebookScale,
      };
    }
  }
}

/** One scale per row, however many are stored. */
function placeScales(engine: Engine, rows: number, scale: Float32Array): number {
  if (scale.length === rows) return place(engine, scale);
  const pointer = engine.arena.alloc(4 * rows);
  floatsAt(engine, pointer, rows).fill(scale[0]);
  return pointer;
}

/** Decodes the bytes of a container straight into the arrays that the kernels use. */
function placeCoded(engine: Engine, name: string, weight: CodedWeight): PlacedWeight {
  const { shape, storage, bytes } = weight;
  const { rows, cols } = matrixOf(shape);
  const size = rows * cols;
  const period = sizeOf(shape.slice(2));
  const { arena, kernels } = engine;
  const check = (fault: number) => {
    if (fault) throw new FormatError(expected(`weight ${name}`, "sound coded bytes", faults[fault]));
  };
  const decode = (call: (source: number, scratch: number) => number, width = 0) => {
    const mark = arena.mark();
    try {
      const source = place(engine, bytes);
      check(call(source, arena.alloc(kernels.decode_scratch_bytes(width, bytes.length))));
    } finally {
      arena.release(mark);
    }
  };
  const scalesOf = (stored: number) => {
    const pointer = arena.alloc(4 * Math.max(rows, stored));
    return {
      pointer,
      spread: () => stored === 1 && floatsAt(engine, pointer, rows).fill(floatsAt(engine, pointer, 1)[0]),
    };
  };
  switch (storage.kind) {
    case "dense": {
      const { dtype, plain } = storage;
      const width = bytesPerElement(dtype);
      const values = arena.alloc(size * bytesPerElement(inMemory(dtype)));
      arena.scope(() => {
        const data = dtype === inMemory(dtype) ? values : arena.alloc(size * width);
        const finite = dtype.startsWith("float");
        if (plain) {
          put(engine, data, bytes);
          check(finite ? kernels.check_bytes(size, width, data) : 0);
        } else {
          decode((source, scratch) => kernels.decode_bytes(size, width, source, bytes.length, data, +finite, scratch));
        }
        if (isFloat(dtype) && dtype !== "float32") {
          const stored = viewOf(dtype, kernels.memory.buffer, data, size);
          widen(dtype, stored, floatsAt(engine, values, size));
          if (dtype === "bfloat16") check(kernels.check_bytes(size, 4, values));
        }
      });
      return { kind: "dense", shape, rows, cols, values };
    }
    case "int8": {
      const q = arena.alloc(size);
      const scale = scalesOf(storage.scales);
      decode(
        (source, scratch) =>
          kernels.decode_int8(rows, cols, period, source, bytes.length, q, scale.pointer, storage.scales, scratch),
        cols,
      );
      scale.spread();
      return { kind: "int8", shape, rows, cols, q, scale: scale.pointer };
    }
    case "sparse": {
      const { nnz, scales } = storage;
      const int8 = storage.values === "int8";
      const rowPtr = arena.alloc(4 * (rows + 1));
      const col = arena.alloc(4 * nnz);
      const values = arena.alloc(int8 ? nnz : 4 * nnz);
      const scale = scalesOf(scales);
      decode(
        (source, scratch) =>
          kernels.decode_sparse(
            rows,
            cols,
            period,
            nnz,
            source,
            bytes.length,
            rowPtr,
            col,
            values,
            scale.pointer,
            scales,
            int8 ? 1 : 0,
            scratch,
          ),
        cols,
      );
      scale.spread();
      return { kind: "sparse", shape, rows, cols, nnz, rowPtr, col, values, scale: int8 ? scale.pointer : 0 };
    }
    case "factored": {
      const { layout, d, n, k, nnz } = storage;
      const rowPtr = arena.alloc(4 * (n + 1));
      const col = arena.alloc(4 * nnz);
      const codes = arena.alloc(nnz);
      const codeScale = arena.alloc(4 * k);
      const codebook = arena.alloc(k * d);
      const scale = arena.alloc(4);
      const perRow = layout === "kernel" ? columnsPerRow(rows, n) : 1;
      decode(
        (source, scratch) =>
          kernels.decode_factored(
            n,
            k,
            d,
            nnz,
            perRow,
            source,
            bytes.length,
            rowPtr,
            col,
            codes,
            codeScale,
            codebook,
            scale,
            scratch,
          ),
        Math.max(k * perRow, d),
      );
      const codebookScale = floatsAt(engine, scale, 1)[0];
      return {
        kind: "factored",
        shape,
        rows,
        cols,
        layout,
        d,
        n,
        k,
        nnz,
        rowPtr,
        col,
        codes,
        codeScale,
        codebook,
        codebookScale,
      };
    }
  }
}
