import { Worker } from "node:worker_threads";
import { expected, OutOfMemoryError, ThreadError } from "../errors.js";
import { hear, type Reply, type Request } from "./message.js";

/** A worker thread that does one job at a time. It keeps the process alive only as long as it works. */
export class Thread {
  readonly #worker: Worker;
  /** What it has started. */
  #setup: unknown;
  /** The job that it works on. */
  #open: { readonly resolve: (result: unknown) => void; readonly reject: (error: unknown) => void } | undefined;
  /** Why it can do no more. */
  #end: Error | undefined;

  /** @param name for messages */
  constructor(name: string) {
    // What Node was told on the command line is about the program, as --input-type.
    this.#worker = new Worker(new URL("./worker.js", import.meta.url), { execArgv: [] });
    this.#worker.unref();
    this.#worker.on("message", (reply: Reply) => {
      if ("error" in reply) this.#open?.reject(hear(reply.error));
      else this.#open?.resolve(reply.result);
    });
    this.#worker.on("messageerror", (error) => this.#open?.reject(error));
    this.#worker.on("error", (error: NodeJS.ErrnoException) => {
      const Class = error.code === "ERR_WORKER_OUT_OF_MEMORY" ? OutOfMemoryError : ThreadError;
      this.#fall(new Class(expected(name, "to finish its job", `${error.name}: ${error.message}`)));
    });
    this.#worker.on("exit", (code) => {
      this.#fall(new ThreadError(expected(name, "to finish its job", `the end of the thread, exit code ${code}`)));
    });
  }

  get isAlive(): boolean {
    return this.#end === undefined;
  }

  /** Whether a job of this setup can begin at once. */
  has(setup: unknown): boolean {
    return this.#setup === setup;
  }

  /** Does a job. @throws what the job does; ThreadError, or OutOfMemoryError, where the thread ends before it is done */
  async run(task: string, setup: unknown, job: unknown): Promise<unknown> {
    const start = this.has(setup) ? undefined : { task, setup };
    // Where anything goes wrong, what was started is in doubt.
    this.#setup = undefined;
    if (this.#end) throw this.#end;
    const done = new Promise((resolve, reject) => {
      this.#open = { resolve, reject };
    });
    this.#worker.ref();
    try {
      this.#worker.postMessage({ ...(start && { start }), job } satisfies Request);
      const result = await done;
      this.#setup = setup;
      return result;
    } finally {
      this.#open = undefined;
      // Whoever waits for its end keeps the process alive.
      if (this.isAlive) this.#worker.unref();
    }
  }

  /** Ends it, whatever it is doing; its job is rejected with `reason`. */
  async end(reason: Error): Promise<void> {
    this.#fall(reason);
    await this.#worker.terminate();
  }

  #fall(reason: Error): void {
    this.#end ??= reason;
    this.#open?.reject(this.#end);
  }
}
