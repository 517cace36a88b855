// Jobs that are left and taken up: stores in memory, and what must be the same afterwards.
import type { Graph } from "../../src/graph/graph.js";
import { fit, type StepReport } from "../../src/train/fit.js";
import type { CheckpointStore } from "../../src/train/keeper.js";
import type { FitOptions } from "../../src/train/options.js";

/** A store that keeps everything in `saved`, the oldest first. */
export interface MemoryStore extends CheckpointStore {
  readonly saved: Uint8Array[];
}

/** @param given what it has from the start, the oldest first */
export function memoryStore(given: readonly Uint8Array[] = []): MemoryStore {
  const saved = [...given];
  let taken = false;
  return {
    saved,
    async open() {
      if (taken) throw new Error("the store is taken");
      taken = true;
    },
    async *load() {
      yield* saved.toReversed();
    },
    async save(bytes) {
      saved.push(bytes.slice());
    },
    async close() {
      taken = false;
    },
  };
}

/** Every array of every weight, so that two networks are the same to the bit. */
export function bitsOf(graph: Graph): string[] {
  return [...graph.weights].flatMap(([name, weight]) =>
    Object.entries(weight).map(([key, value]) => {
      if (!ArrayBuffer.isView(value)) return `${name} ${key} ${JSON.stringify(value)}`;
      return `${name} ${key} ${Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString("hex")}`;
    }),
  );
}

export interface Ended {
  readonly reports: readonly StepReport[];
  readonly bits: readonly string[];
}

/** Runs a job to its end, or until `steps` are done in this run. */
export async function run(graph: Graph, options: FitOptions, steps = Number.POSITIVE_INFINITY): Promise<Ended> {
  const training = fit(graph, options);
  const reports: StepReport[] = [];
  for await (const report of training) {
    reports.push(report);
    if (reports.length >= steps) break;
  }
  return { reports, bits: bitsOf(training.graph()) };
}
