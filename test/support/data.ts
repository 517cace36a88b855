// The folder of real networks that COPPICE_DATA names, and the file formats in it.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { gunzipSync, inflateRawSync } from "node:zlib";
import { describe, expect } from "vitest";
import { readOnnx } from "../../src/formats/onnx/index.js";
import type { Graph } from "../../src/graph/graph.js";

const folder = process.env.COPPICE_DATA;

/** A group of tests that need the data folder: without it they are skipped, and their title says so. */
export function describeWithData(title: string, body: () => void): void {
  describe.skipIf(!folder)(folder ? title : `${title} (skipped: COPPICE_DATA is not set)`, body);
}

/** The bytes of a file of the data folder, in memory of their own. */
export function bytesOf(...path: string[]): Uint8Array<ArrayBuffer> {
  return new Uint8Array(readFileSync(join(folder ?? "", ...path)));
}

export function floatsOf(...path: string[]): Float32Array<ArrayBuffer> {
  return new Float32Array(bytesOf(...path).buffer);
}

/** What a .json or .json.gz file says. */
export function jsonOf(...path: string[]) {
  const bytes = bytesOf(...path);
  return JSON.parse(Buffer.from(path[path.length - 1].endsWith(".gz") ? gunzipSync(bytes) : bytes).toString());
}

export function graphOf(...path: string[]): Graph {
  return readOnnx(bytesOf(...path));
}

/** The samples of a .wav file of 16-bit integers and one channel, as -1..1, and how many there are in a second. */
export function samplesOf(...path: string[]): { rate: number; samples: Float32Array } {
  const bytes = bytesOf(...path);
  const view = new DataView(bytes.buffer);
  expect([view.getUint16(20, true), view.getUint16(22, true), view.getUint16(34, true)]).toEqual([1, 1, 16]);
  const pcm = new Int16Array(bytes.buffer, 44, view.getUint32(40, true) / 2);
  return { rate: view.getUint32(24, true), samples: Float32Array.from(pcm, (value) => value / 32768) };
}

/** The .npy files of an .npz file, which is a zip archive, by name without the ending. */
export function arraysOf(...path: string[]): Map<string, Uint8Array<ArrayBuffer>> {
  const bytes = bytesOf(...path);
  const view = new DataView(bytes.buffer);
  const found = new Map<string, Uint8Array<ArrayBuffer>>();
  const end = bytes.length - 22; // The end record, where the archive has no comment.
  expect(view.getUint32(end, true)).toBe(0x06054b50);
  let at = view.getUint32(end + 16, true);
  for (let left = view.getUint16(end + 10, true); left > 0; left--) {
    const [name, extra, comment] = [28, 30, 32].map((field) => view.getUint16(at + field, true));
    const local = view.getUint32(at + 42, true);
    const start = local + 30 + view.getUint16(local + 26, true) + view.getUint16(local + 28, true);
    const stored = bytes.slice(start, start + view.getUint32(at + 20, true));
    const title = Buffer.from(bytes.subarray(at + 46, at + 46 + name)).toString();
    const data = view.getUint16(at + 10, true) === 8 ? new Uint8Array(inflateRawSync(stored)) : stored;
    found.set(title.replace(/\.npy$/, ""), data);
    at += 46 + name + extra + comment;
  }
  return found;
}

/** The elements of a .npy file, little-endian and in rows. */
export function elementsOf(npy: Uint8Array): Uint8Array<ArrayBuffer> {
  return npy.slice(10 + new DataView(npy.buffer, npy.byteOffset).getUint16(8, true));
}

/** The largest difference lies under `bound`. */
export function expectNear(got: ArrayLike<number>, want: ArrayLike<number>, bound: number): void {
  expect(got.length).toBe(want.length);
  let most = 0;
  for (let i = 0; i < want.length; i++) {
    const off = Math.abs(got[i] - want[i]);
    most = off <= most ? most : off; // NaN stays.
  }
  expect(most).toBeLessThan(bound);
}

/** Minus the logarithm of the part that softmax gives to one of `logits`. */
export function crossEntropy(logits: Float32Array, label: number): number {
  const most = logits.reduce((a, b) => Math.max(a, b), -Infinity);
  return Math.log(logits.reduce((sum, value) => sum + Math.exp(value - most), 0)) + most - logits[label];
}

/** How many of `logits` are larger than that of `label`, equal ones before it counted too: 0 is the first place. */
export function placeOf(logits: Float32Array, label: number): number {
  let place = 0;
  for (const [i, value] of logits.entries()) {
    if (value > logits[label] || (value === logits[label] && i < label)) place++;
  }
  return place;
}
