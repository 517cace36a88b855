import { expected, UnsupportedError } from "../errors.js";
import type { Graph } from "../graph/graph.js";
import { nameOf } from "../tensor.js";
import type { Batch } from "./data.js";
import { type FitOptions, rateOf } from "./options.js";

export type Json = string | number | boolean | null | readonly Json[] | { readonly [key: string]: Json };

/**
 * Everything that decides what a training computes: its options, the network that it starts from, and the first batch, which stands for
 * the data and their order. Arrays of numbers are named by their SHA-256.
 * @param graph what is trained, after all passes
 * @param names those of the weights that are trained, and of those whose masks change
 */
export async function jobOf(
  options: FitOptions,
  graph: Graph,
  first: Batch,
  names: { readonly trained: readonly string[]; readonly pruned: readonly string[] },
): Promise<Json> {
  const { loss, optimizer, seed = 1, schedule, norms, shards = 1, scope, distribution, block, revival } = options;
  const rate = rateOf(options);
  const choices = { loss, optimizer, rate, seed, schedule, norms, shards, scope, distribution, block, revival };
  const { inputs, outputs, nodes, weights } = graph;
  return {
    options: await plain({ ...choices, ...names }),
    graph: await plain({ inputs, outputs, nodes, weights }),
    "first batch": await plain(first),
  };
}

/** Where two jobs differ first, and both sides. */
export interface Difference {
  readonly where: string;
  readonly kept: string;
  readonly wanted: string;
}

export function difference(kept: Json | undefined, wanted: Json | undefined, where = ""): Difference | undefined {
  if (isTree(kept) && isTree(wanted) && Array.isArray(kept) === Array.isArray(wanted)) {
    const [a, b] = [new Map(Object.entries(kept)), new Map(Object.entries(wanted))];
    for (const key of new Set([...b.keys(), ...a.keys()])) {
      const name = Array.isArray(kept) ? `${where}[${key}]` : where ? `${where}.${key}` : key;
      const found = difference(a.get(key), b.get(key), name);
      if (found) return found;
    }
    return undefined;
  }
  return kept === wanted ? undefined : { where, kept: show(kept), wanted: show(wanted) };
}

function isTree(value: Json | undefined): value is readonly Json[] | { readonly [key: string]: Json } {
  return typeof value === "object" && value !== null;
}

function show(value: Json | undefined): string {
  const text = value === undefined ? "left out" : JSON.stringify(value);
  return text.length > 80 ? `${text.slice(0, 77)}...` : text;
}

/** Plain data as JSON, keys in order: what is undefined is left out, a map becomes an object. */
async function plain(value: unknown): Promise<Json> {
  if (ArrayBuffer.isView(value)) {
    const sum = await sha256(new Uint8Array(value.buffer, value.byteOffset, value.byteLength));
    return `${nameOf(value)} ${[...sum].map((byte) => byte.toString(16).padStart(2, "0")).join("")}`;
  }
  if (Array.isArray(value)) {
    const items: Json[] = [];
    for (const item of value) items.push(await plain(item));
    return items;
  }
  if (typeof value === "object" && value !== null) {
    const entries: [string, Json][] = [];
    const given = value instanceof Map ? [...value] : Object.entries(value);
    for (const [key, item] of given.sort(([a], [b]) => (a < b ? -1 : 1))) {
      if (item !== undefined) entries.push([key, await plain(item)]);
    }
    return Object.fromEntries(entries);
  }
  return typeof value === "number" && !Number.isFinite(value) ? `${value}` : (value as Json);
}

/** @throws UnsupportedError where the runtime has no SHA-256, as a page that did not come by https */
export async function sha256(bytes: Uint8Array): Promise<Uint8Array> {
  const subtle = globalThis.crypto?.subtle;
  if (!subtle) throw new UnsupportedError(expected("checkpoint", "a runtime with crypto.subtle", "none"));
  // Shared memory is not taken.
  const own = bytes.buffer instanceof ArrayBuffer ? (bytes as Uint8Array<ArrayBuffer>) : bytes.slice();
  return new Uint8Array(await subtle.digest("SHA-256", own));
}
