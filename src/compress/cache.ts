import { writeContainer } from "../formats/container/write.js";
import { valuesOf } from "../runtime/feeds.js";
import { choicesOf, offerOf, type Setup, type Swept } from "./sweep.js";

/** What was measured, by a key of everything that it depends on: a Map, or files by name. It holds for one version of coppice. */
export interface Cache {
  get(key: string): string | undefined | Promise<string | undefined>;
  set(key: string, value: string): unknown;
}

/** Keys of what is measured of each weight, in hexadecimal. */
export async function keysOf(setup: Setup, names: readonly string[]): Promise<string[]> {
  const { graph, few, moments, seed, targeted } = setup;
  const inputs = few.flatMap((feeds) =>
    Object.entries(feeds).flatMap(([name, given]) => [
      JSON.stringify([name, ArrayBuffer.isView(given) ? null : given.shape]),
      valuesOf(given),
    ]),
  );
  const all = await digest([writeContainer(graph), ...(targeted ? inputs : [])]);
  return Promise.all(
    names.map((name) => {
      const met = moments?.get(name);
      const told = JSON.stringify([name, choicesOf(setup, name), seed, targeted, met !== undefined]);
      return digest([all, told, ...(met ? [met.square, met.gram ?? ""] : [])]);
    }),
  );
}

/** What is kept: bytes and errors. Which choices they belong to is known. */
export function store({ offers, ms }: Swept): string {
  return JSON.stringify({ offers: offers.map(({ bytes, error }) => [bytes, error]), ms });
}

/** What was stored, or undefined where it is not that. */
export function restore(setup: Setup, name: string, text: string | undefined): Swept | undefined {
  if (text === undefined) return undefined;
  try {
    const { offers, ms } = JSON.parse(text) as { offers: [number, number | null][]; ms: number };
    const choices = choicesOf(setup, name);
    if (offers.length !== Math.max(1, choices.length) || !Number.isFinite(ms)) return undefined;
    // JSON has no infinity.
    const read = offers.map(([bytes, error], i) =>
      offerOf(setup, choices[i], i, bytes, error ?? Number.POSITIVE_INFINITY),
    );
    const isWhole = read.every(
      ({ bytes, error }) => Number.isSafeInteger(bytes) && bytes >= 0 && typeof error === "number" && error >= 0,
    );
    return isWhole ? { offers: read, ms } : undefined;
  } catch {
    return undefined;
  }
}

/** SHA-256 of parts, each with its length before it. */
async function digest(parts: readonly (string | ArrayBufferView)[]): Promise<string> {
  const encoder = new TextEncoder();
  const chunks = parts.map((part) =>
    typeof part === "string" ? encoder.encode(part) : new Uint8Array(part.buffer, part.byteOffset, part.byteLength),
  );
  const whole = new Uint8Array(chunks.reduce((sum, { length }) => sum + 8 + length, 0));
  let at = 0;
  for (const chunk of chunks) {
    new DataView(whole.buffer).setFloat64(at, chunk.length);
    whole.set(chunk, at + 8);
    at += 8 + chunk.length;
  }
  const hash = new Uint8Array(await crypto.subtle.digest("SHA-256", whole));
  return [...hash].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}
