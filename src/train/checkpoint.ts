import { expected, FormatError, UnsupportedError } from "../errors.js";
import { type Json, sha256 } from "./job.js";

/** All that the steps to come depend on, by name, as it stands in memory: valid until the next allocation. */
export type State = ReadonlyMap<string, ArrayBufferView>;

/** A training between two steps, as bytes hold it; docs/checkpoints.md is the format in words. */
export interface Checkpoint {
  /** Steps done. */
  readonly step: number;
  /** What the training is of: see jobOf. */
  readonly job: Json;
  readonly sections: ReadonlyMap<string, Uint8Array>;
}

/** "COPC" */
const magic = [0x43, 0x4f, 0x50, 0x43] as const;
/** Of the format, and of what a step computes: whoever changes a bit of either counts on. */
const version = 1;
/** Magic, u32 version, u32 bytes of the head, little-endian. */
const start = 12;
/** SHA-256 of all before it, at the end. */
const digest = 32;

export async function writeCheckpoint(step: number, job: Json, state: State): Promise<Uint8Array<ArrayBuffer>> {
  const sections = [...state].map(([name, values]) => [name, bytesOf(values)] as const);
  const lengths = sections.map(([name, bytes]) => [name, bytes.length] as const);
  const head = new TextEncoder().encode(JSON.stringify({ step, job, sections: lengths }));
  const length = sections.reduce((sum, [, bytes]) => sum + bytes.length, start + head.length + digest);
  const file = new Uint8Array(length);
  const view = new DataView(file.buffer);
  file.set(magic);
  view.setUint32(4, version, true);
  view.setUint32(8, head.length, true);
  file.set(head, start);
  let at = start + head.length;
  for (const [, bytes] of sections) {
    file.set(bytes, at);
    at += bytes.length;
  }
  file.set(await sha256(file.subarray(0, at)), at);
  return file;
}

/** @throws FormatError where the bytes are not as they were written; UnsupportedError where another version wrote them */
export async function readCheckpoint(file: Uint8Array): Promise<Checkpoint> {
  if (magic.some((byte, i) => file[i] !== byte)) refuse('"COPC" at byte 0', "other bytes");
  const end = file.length - digest;
  if (end < start) refuse(`at least ${start + digest} bytes`, `${file.length}`);
  const sum = await sha256(file.subarray(0, end));
  if (sum.some((byte, i) => byte !== file[end + i])) refuse("bytes that their SHA-256 fits", "damaged ones");
  const view = new DataView(file.buffer, file.byteOffset, file.length);
  const found = view.getUint32(4, true);
  if (found !== version) throw new UnsupportedError(expected("checkpoint", `version ${version}`, `${found}`));
  const body = start + view.getUint32(8, true);
  if (body > end) refuse("a head that ends inside", `one of ${body - start} bytes`);
  const { step, job, sections: lengths } = headOf(file.subarray(start, body));
  const sections = new Map<string, Uint8Array>();
  let at = body;
  for (const [name, length] of lengths) {
    sections.set(name, file.subarray(at, at + length));
    at += length;
  }
  if (at !== end) refuse(`sections up to byte ${end}`, `up to ${at}`);
  return { step, job, sections };
}

/** Copies sections into a state that has the same ones. @throws FormatError where it has not */
export function restore(state: State, sections: ReadonlyMap<string, Uint8Array>): void {
  if (sections.size !== state.size) refuse(`${state.size} sections`, `${sections.size}`);
  for (const [name, values] of state) {
    const length = sections.get(name)?.length;
    if (length !== values.byteLength) refuse(`${values.byteLength} bytes of ${name}`, `${length ?? "none"}`);
  }
  for (const [name, values] of state) bytesOf(values).set(sections.get(name)!);
}

interface Head {
  readonly step: number;
  readonly job: Json;
  readonly sections: readonly (readonly [name: string, length: number])[];
}

/** Whoever can make a SHA-256 can write anything, so what is read is looked at. */
function headOf(bytes: Uint8Array): Head {
  const isCount = (value: unknown) => Number.isSafeInteger(value) && (value as number) >= 0;
  let head: Partial<Head>;
  try {
    head = Object(JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes)));
  } catch {
    return refuse("a head of JSON", "other text");
  }
  const { step, job, sections } = head;
  if (!isCount(step)) refuse("a number of steps", String(step));
  if (job === undefined) refuse("a job", "none");
  const isSection = (entry: unknown) => Array.isArray(entry) && typeof entry[0] === "string" && isCount(entry[1]);
  if (!Array.isArray(sections) || !sections.every(isSection)) refuse("names and lengths of sections", "others");
  return head as Head;
}

function bytesOf({ buffer, byteOffset, byteLength }: ArrayBufferView): Uint8Array {
  return new Uint8Array(buffer, byteOffset, byteLength);
}

function refuse(want: string, got: string): never {
  throw new FormatError(expected("checkpoint", want, got));
}
