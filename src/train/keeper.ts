import { expected, FormatError, ResumeError } from "../errors.js";
import { nameOf } from "../tensor.js";
import { type Checkpoint, readCheckpoint, restore, type State, writeCheckpoint } from "./checkpoint.js";
import { difference, type Json } from "./job.js";

/** Where `fit` keeps its state. `coppice/checkpoints` has one in a folder. */
export interface CheckpointStore {
  /** Takes the store for one run. @throws StorageError where another has it */
  open(): Promise<void>;
  /** What was saved, the newest first. Whoever asks for the next finds the one before damaged. */
  load(): AsyncIterable<Uint8Array>;
  /** Keeps `bytes`, and at least one of those before. Where it throws, those before are as they were. */
  save(bytes: Uint8Array): Promise<void>;
  /** Gives the store back. */
  close(): Promise<void>;
}

export interface Checkpoints {
  readonly store: CheckpointStore;
  /** Steps from one to the next. By default so many that saving takes about a hundredth of the time. */
  readonly every?: number;
}

/** @throws TypeError or RangeError naming the option */
export function checkCheckpoints(checkpoints: Checkpoints): void {
  const { store, every } = Object(checkpoints) as Partial<Checkpoints>;
  for (const method of ["open", "load", "save", "close"] as const) {
    if (typeof store?.[method] !== "function") {
      throw new TypeError(expected("fit: checkpoints.store", "open, load, save and close", nameOf(store)));
    }
  }
  if (every !== undefined && !(Number.isSafeInteger(every) && every >= 1)) {
    throw new RangeError(expected("fit: checkpoints.every", "a number of steps from 1", String(every)));
  }
}

/** A training that can be left and taken up between two steps. */
export interface Resumable {
  /** Steps done. */
  readonly steps: number;
  /** Bytes of memory that a step goes over. */
  readonly bytes: number;
  state(): State;
  /** Whether every weight is a number: there is no going on from others. */
  isFinite(): boolean;
  /** Goes on after `steps`: the state has been put back. */
  resumed(steps: number): void;
}

/**
 * Bytes that steps go over while a checkpoint is made durable (some 20 ms), and while a byte of it is copied, summed and written. LeNet-5 and
 * ResNet-20 go over some 1.6 GB/s of their memory (bench/checkpoints.mjs).
 */
const cost = { once: 1 << 25, each: 8 };
/** Saving takes one part in so many of the time. */
const share = 100;

/** Takes a training up where a store has it, and keeps it there as it goes on. */
export class Keeper {
  readonly #store: CheckpointStore;
  readonly #training: Resumable;
  readonly #job: Json;
  readonly #every: number;
  /** Steps done in the newest checkpoint that is good. */
  last: number | undefined;

  private constructor({ store, every }: Checkpoints, training: Resumable, job: Json) {
    this.#store = store;
    this.#training = training;
    this.#job = job;
    const bytes = [...training.state().values()].reduce((sum, { byteLength }) => sum + byteLength, 0);
    this.#every = every ?? Math.max(1, Math.ceil((share * (cost.once + cost.each * bytes)) / training.bytes));
  }

  /**
   * @param checkpoints of which the store is open
   * @throws ResumeError where the newest checkpoint is of another job; FormatError where there are some and all are damaged
   */
  static async start(checkpoints: Checkpoints, training: Resumable, job: Json): Promise<Keeper> {
    const keeper = new Keeper(checkpoints, training, job);
    const found = await newest(checkpoints.store);
    if (!found) return keeper;
    const differs = difference(found.job, job);
    if (differs) {
      const { where, kept, wanted } = differs;
      throw new ResumeError(
        expected("checkpoint", `this job, of which ${where} is ${wanted}`, `one of which it is ${kept}`),
      );
    }
    restore(training.state(), found.sections);
    training.resumed(found.step);
    keeper.last = found.step;
    return keeper;
  }

  /** Saves where it is time. @throws StorageError */
  async stepped(): Promise<void> {
    if (this.#training.steps % this.#every === 0) await this.save();
  }

  /** Saves where a step was made since that may be gone on from. @throws StorageError */
  async save(): Promise<void> {
    const { steps } = this.#training;
    if (this.last === steps || !this.#training.isFinite()) return;
    await this.#store.save(await writeCheckpoint(steps, this.#job, this.#training.state()));
    this.last = steps;
  }
}

/** @throws FormatError of the newest where there are some and all are damaged */
async function newest(store: CheckpointStore): Promise<Checkpoint | undefined> {
  let damage: FormatError | undefined;
  for await (const bytes of store.load()) {
    try {
      return await readCheckpoint(bytes);
    } catch (error) {
      if (!(error instanceof FormatError)) throw error;
      damage ??= error;
    }
  }
  if (damage) throw damage;
  return undefined;
}
