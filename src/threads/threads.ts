import { expected } from "../errors.js";
import type { Parallel } from "../parallel.js";
import { Thread } from "./thread.js";

/** Worker threads, for the option `parallel` of `compress` and `fit`. */
export interface Threads {
  readonly parallel: Parallel;
  /** Ends the threads, and gives their memory back; what they are doing is rejected with a TypeError. */
  dispose(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}

/**
 * Threads that begin when there is work for them, at most `count`, and stay for more; they do not keep the process alive when they are
 * idle. Each keeps what it last started, and its memory. One that ends is replaced when there is more to do. Errors of jobs are those
 * that this thread would throw; a thread that ends before its job is done is a ThreadError, or an OutOfMemoryError.
 * @throws RangeError where `count` is no number of threads
 */
export function createThreads(count: number): Threads {
  if (!Number.isSafeInteger(count) || count < 1) {
    throw new RangeError(expected("threads", "a number of threads from 1", String(count)));
  }
  const gone = () => new TypeError(expected("threads", "live threads", "disposed ones"));
  const threads = new Set<Thread>();
  const idle = new Set<Thread>();
  const waiting: (() => void)[] = [];
  let made = 0;
  let isDisposed = false;

  /** A thread that is free: one that has the setup where there is one. */
  const take = async (setup: unknown): Promise<Thread> => {
    for (;;) {
      if (isDisposed) throw gone();
      for (const thread of threads) {
        if (thread.isAlive) continue;
        threads.delete(thread);
        idle.delete(thread);
      }
      const [other] = idle;
      const ready = [...idle].find((thread) => thread.has(setup)) ?? other;
      const thread = ready ?? (threads.size < count ? create() : undefined);
      if (thread) {
        idle.delete(thread);
        return thread;
      }
      await new Promise<void>((resolve) => waiting.push(resolve));
    }
  };

  const create = (): Thread => {
    const thread = new Thread(`thread ${++made}`);
    threads.add(thread);
    return thread;
  };

  const give = (thread: Thread): void => {
    idle.add(thread);
    waiting.shift()?.();
  };

  const parallel: Parallel = async (task, setup, jobs, onResult) => {
    type Result = Parameters<typeof onResult>[0];
    let next = 0;
    let failed = false;
    const lane = async () => {
      while (next < jobs.length && !failed) {
        const thread = await take(setup);
        const index = next++;
        let result: unknown;
        try {
          // While it waited, another lane may have failed, or begun the last job.
          if (failed || index >= jobs.length) return;
          result = await thread.run(task.name, setup, jobs[index]);
        } finally {
          give(thread);
        }
        if (!failed) await onResult(result as Result, index);
      }
    };
    const fail = (error: unknown) => {
      failed = true;
      throw error;
    };
    await Promise.all(Array.from({ length: Math.min(count, jobs.length) }, () => lane().catch(fail)));
  };

  const dispose = async () => {
    isDisposed = true;
    for (const resume of waiting.splice(0)) resume();
    await Promise.all([...threads].map((thread) => thread.end(gone())));
  };

  return { parallel, dispose, [Symbol.asyncDispose]: dispose };
}
