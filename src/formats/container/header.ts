import type { Coder } from "../../codec/range-coder.js";
import { expected, FormatError } from "../../errors.js";
import type { Attribute, Dim, Graph, GraphNode, ValueInfo } from "../../graph/graph.js";
import type { CodedStorage } from "../../graph/weight.js";
import { attribute, sameAttributes } from "./attribute.js";
import { HeaderCoder, type NumberSet, unknown } from "./header-coder.js";
import { dtypeTable } from "./layout.js";
import { attributeNames, operators } from "./names.js";

/** A weight's line in the header: everything but its bytes. */
export interface WeightEntry {
  readonly name: string;
  readonly shape: readonly number[];
  readonly storage: CodedStorage;
  readonly byteLength: number;
}

/** A section that a reader may skip. */
export interface ExtraSection {
  readonly kind: number;
  readonly byteLength: number;
}

export interface Header {
  readonly graph: Omit<Graph, "weights">;
  readonly weights: readonly WeightEntry[];
  readonly extra: readonly ExtraSection[];
}

/** The header: with an Encoder `given` is written, with a Decoder it is read. @throws FormatError, Fault */
export function header(coder: Coder, budget: number, given?: Header): Header {
  const h = new HeaderCoder(coder, budget);
  const graph = given?.graph;
  const name = h.text(graph?.name);
  const inputs = h.list("inputs", graph?.inputs, 128, (x) => valueInfo(h, h.text(x?.name), x));
  const weights = h.list("weights", given?.weights, 256, (x) => weightEntry(h, x));
  const names = new Names(inputs, weights);
  const last = new Map<string, GraphNode>();
  const nodes = h.list("nodes", graph?.nodes, 256, (x) => node(h, names, last, x));
  const outputs = h.list("outputs", graph?.outputs, 128, (x) =>
    valueInfo(h, names.reference(h, "otherInput", x?.name), x),
  );
  const extra = h.list("extra", given?.extra, 64, (x) => ({
    kind: h.number("extraKind", x?.kind),
    byteLength: h.number("byteLength", x?.byteLength),
  }));
  return { graph: { name, inputs, outputs, nodes }, weights, extra };
}

function dtype(h: HeaderCoder, given: ValueInfo["dtype"] | undefined): ValueInfo["dtype"] {
  const place = h.number("dtype", given === undefined ? 0 : dtypeTable.indexOf(given));
  if (place >= dtypeTable.length) throw unknown("dtype", place);
  return dtypeTable[place];
}

function valueInfo(h: HeaderCoder, name: string, given?: ValueInfo): ValueInfo {
  const type = dtype(h, given?.dtype);
  const shape = h.list<Dim>("rank", given?.shape, 16, (dim) => {
    const symbolic = h.flag("symbolic", typeof dim === "string");
    return symbolic ? h.text(dim as string | undefined) : h.number("dim", dim as number | undefined);
  });
  return { name, dtype: type, shape };
}

function weightEntry(h: HeaderCoder, given?: WeightEntry): WeightEntry {
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
    case "factored rows": {
      const factored = given?.kind === "factored" ? given : undefined;
      const layout = kind === "factored rows" ? "rows" : "kernel";
      const [d, n, k, nnz] = [factored?.d, factored?.n, factored?.k, factored?.nnz].map((x) => h.number("size", x));
      return { kind: "factored", layout, d, n, k, nnz };
    }
    default:
      throw unknown("storage", place);
  }
}

function node(h: HeaderCoder, names: Names, last: Map<string, GraphNode>, given?: GraphNode): GraphNode {
  const op = h.named("operator", operators, given?.op);
  const name = h.text(given?.name);
  const like = last.get(op);
  const same =
    like !== undefined && h.flag("sameAttributes", given && sameAttributes(given.attributes, like.attributes));
  const attributes = same ? like.attributes : attributesOf(h, given?.attributes);
  let position = 0;
  const inputs = h.list("nodeInputs", given?.inputs, 16, (x) => {
    const set = position === 0 ? "firstInput" : position === 1 ? "secondInput" : "otherInput";
    position++;
    return names.reference(h, set, x);
  });
  const outputs = h.list("nodeOutputs", given?.outputs, 16, (x) =>
    h.flag("outputIsNode", x === name) ? name : h.text(x),
  );
  for (const value of outputs) names.add(value);
  const made = { name, op, inputs, outputs, attributes };
  last.set(op, made);
  return made;
}

function attributesOf(h: HeaderCoder, given?: Readonly<Record<string, Attribute>>): Record<string, Attribute> {
  const entries = h.list("attributes", given && Object.entries(given), 96, (x): [string, Attribute] => [
    h.named("attributeName", attributeNames, x?.[0]),
    attribute(h, x?.[1]),
  ]);
  const unique = new Set(entries.map(([key]) => key));
  if (unique.size !== entries.length) {
    throw new FormatError(expected("header", "attributes once each", "one that is repeated"));
  }
  // fromEntries defines own properties, whatever they are called; `__proto__` too.
  return Object.fromEntries(entries);
}

/**
 * References to values. The frequent ones are single small numbers: 0 the value made last, 1 the weight after the one
 * used last, 2 an absent input, 3 another weight (how far back from there, around the end), 4 and more an earlier value
 * (how far back, less one).
 */
class Names {
  readonly #weights: readonly string[];
  readonly #weightAt = new Map<string, number>();
  readonly #values: string[] = [];
  readonly #valueAt = new Map<string, number>();
  #nextWeight = 0;

  constructor(inputs: readonly ValueInfo[], weights: readonly WeightEntry[]) {
    this.#weights = weights.map((weight) => weight.name);
    for (const [i, name] of this.#weights.entries()) this.#weightAt.set(name, i);
    for (const input of inputs) this.add(input.name);
  }

  add(value: string): void {
    if (value === "") return; // an output that nobody wants
    this.#valueAt.set(value, this.#values.length);
    this.#values.push(value);
  }

  reference(h: HeaderCoder, set: NumberSet, given?: string): string {
    const count = this.#weights.length;
    const value = given === undefined ? -1 : (this.#valueAt.get(given) ?? -1);
    const weight = given === undefined ? -1 : (this.#weightAt.get(given) ?? -1);
    let symbol = 0;
    if (given === "") symbol = 2;
    else if (value >= 0) symbol = value === this.#values.length - 1 ? 0 : 2 + this.#values.length - value;
    else if (weight >= 0) symbol = weight === this.#nextWeight ? 1 : 3;
    else if (given !== undefined) throw new RangeError(expected(given, "a value made before it is used", "none"));
    symbol = h.number(set, symbol);
    if (symbol === 2) return "";
    if (symbol === 1 || symbol === 3) {
      const back =
        symbol === 1 ? 0 : h.number("distance", weight < 0 ? 0 : (this.#nextWeight - 1 - weight + count) % count);
      const place = symbol === 1 ? this.#nextWeight : (this.#nextWeight - 1 - back + count) % count;
      if (back >= count || place >= count) throw unknown("weight", place);
      this.#nextWeight = place + 1;
      return this.#weights[place];
    }
    const place = symbol === 0 ? this.#values.length - 1 : 2 + this.#values.length - symbol;
    if (place < 0) throw unknown("value", place);
    return this.#values[place];
  }
}
