import type { CodedStorage, Layout } from "../../graph/weight.js";
import { type HeaderCoder, unknown } from "./header-coder.js";
import { dtype } from "./value.js";

/** A weight's line in the header: everything but its bytes. */
export interface WeightEntry {
  readonly name: string;
  readonly shape: readonly number[];
  readonly storage: CodedStorage;
  readonly byteLength: number;
}

export function weightEntry(h: HeaderCoder, given?: WeightEntry): WeightEntry {
  const name = h.text(given?.name);
  const shape = h.list<number>("rank", given?.shape, 16, (dim) => h.number("dim", dim));
  const storage = storageOf(h, shape, given?.storage);
  return { name, shape, storage, byteLength: h.number("byteLength", given?.byteLength) };
}

const storageKinds = [
  "dense",
  "sparse int8",
  "sparse float32",
  "int8",
  "factored kernel",
  "factored rows",
  "plain",
  "factored tile",
] as const;

function kindOf(storage: CodedStorage): (typeof storageKinds)[number] {
  if (storage.kind === "sparse") return `sparse ${storage.values}`;
  if (storage.kind === "dense") return storage.plain ? "plain" : "dense";
  return storage.kind === "factored" ? `factored ${storage.layout}` : storage.kind;
}

function storageOf(h: HeaderCoder, shape: readonly number[], given?: CodedStorage): CodedStorage {
  const place = h.number("storage", given && storageKinds.indexOf(kindOf(given)));
  const kind = storageKinds[place];
  const rows = shape.length < 2 ? 1 : shape[0];
  const scales = (count?: number) => (h.flag("scalePerRow", count !== undefined && count !== 1) ? rows : 1);
  switch (kind) {
    case "dense":
    case "plain": {
      const dense = { kind: "dense", dtype: dtype(h, given?.kind === "dense" ? given.dtype : undefined) } as const;
      return kind === "plain" ? { ...dense, plain: true } : dense;
    }
    case "int8":
      return { kind, scales: scales(given?.kind === kind ? given.scales : undefined) };
    case "sparse int8":
    case "sparse float32": {
      const sparse = given?.kind === "sparse" ? given : undefined;
      const nnz = h.number("size", sparse?.nnz);
      if (kind === "sparse float32") return { kind: "sparse", nnz, values: "float32", scales: 0 };
      return { kind: "sparse", nnz, values: "int8", scales: scales(sparse?.scales) };
    }
    case "factored kernel":
    case "factored rows":
    case "factored tile": {
      const factored = given?.kind === "factored" ? given : undefined;
      const layout = kind.slice("factored ".length) as Layout;
      const [d, n, k, nnz] = [factored?.d, factored?.n, factored?.k, factored?.nnz].map((x) => h.number("size", x));
      return { kind: "factored", layout, d, n, k, nnz };
    }
    default:
      throw unknown("storage", place);
  }
}
