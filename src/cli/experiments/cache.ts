import { createHash } from "node:crypto";
import { readdir, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { readContainer, writeContainer } from "../../formats/container/index.js";
import type { Graph } from "../../graph/graph.js";
import { checkWritable, writeWhole } from "../write.js";

/** What a finished run left. */
export interface Kept<T> {
  readonly result: T;
  /** Seconds that it took when it was done. */
  readonly seconds: number;
  /** Whether it was done before. */
  readonly cached: boolean;
}

/**
 * Finished runs in a folder, one file each, named by what they are of: a run of the same configuration by the same build is not done
 * again. Files are whole or not there, so that a run that was stopped is done anew and no other.
 */
export class RunCache {
  readonly #folder: string;
  readonly #build: string;

  private constructor(folder: string, build: string) {
    this.#folder = folder;
    this.#build = build;
  }

  /** Makes the folder. @param build what the results depend on beside the configuration; by default `buildHash()` */
  static async open(folder: string, build?: string): Promise<RunCache> {
    await checkWritable(join(folder, "run"));
    return new RunCache(folder, build ?? (await buildHash()));
  }

  /** The name of a run. */
  keyOf(name: string, config: unknown): string {
    const text = JSON.stringify({ build: this.#build, config });
    return `${name}-${createHash("sha256").update(text).digest("hex").slice(0, 16)}`;
  }

  /** What the run left, or does it. `config` and what it gives are data that JSON holds. */
  async run<T>(name: string, config: unknown, work: () => Promise<T>): Promise<Kept<T>> {
    const path = join(this.#folder, `${this.keyOf(name, config)}.json`);
    const text = await readFile(path, "utf8").catch(absent);
    if (text !== undefined) return { ...JSON.parse(text).kept, cached: true };
    const start = performance.now();
    const result = await work();
    const kept = { result, seconds: Math.round((performance.now() - start) / 1000) };
    await writeWhole(path, `${JSON.stringify({ build: this.#build, config, kept })}\n`);
    return { ...kept, cached: false };
  }

  /** The same for a run that gives a network, which is read back to the bit. Its work has a folder to go on from. */
  async graph(name: string, config: unknown, work: (folder: string) => Promise<Graph>): Promise<Graph> {
    const folder = join(this.#folder, this.keyOf(name, config));
    const bytes = await readFile(`${folder}.coppice`).catch(absent);
    if (bytes) return readContainer(bytes);
    const graph = await work(folder);
    await writeWhole(`${folder}.coppice`, writeContainer(graph));
    await rm(folder, { recursive: true, force: true });
    return graph;
  }
}

/** Undefined for a file that is not there; any other failure stays one. */
export function absent(error: NodeJS.ErrnoException): undefined {
  if (error.code !== "ENOENT") throw error;
}

/** Files of the command line that make results. What else there is tells which, and that is the configuration. */
const makers = [
  "cli/lenet",
  "cli/mnist",
  ...["cifar", "comparison", "examples", "resnet"].map((n) => `cli/experiments/${n}`),
];

/** Of every script and module of the library, and of those of the command line that make results. */
export async function buildHash(): Promise<string> {
  const folder = fileURLToPath(new URL("../..", import.meta.url));
  const hash = createHash("sha256");
  for (const name of (await readdir(folder, { recursive: true })).map((name) => name.replaceAll("\\", "/")).sort()) {
    const [, stem] = /^(.*?)(?<!\.d)\.(?:js|ts|wasm)$/.exec(name) ?? [];
    if (stem === undefined || (stem.startsWith("cli/") && !makers.includes(stem))) continue;
    hash.update(name).update(await readFile(join(folder, name)));
  }
  return hash.digest("hex").slice(0, 16);
}
