import {
  DivergedError,
  FormatError,
  OutOfMemoryError,
  ShapeError,
  TargetError,
  ThreadError,
  UnsupportedError,
} from "../errors.js";

/** What a thread is asked: a job, and what to start before where that is not what it did last. */
export interface Request {
  readonly start?: { readonly task: string; readonly setup: unknown };
  readonly job: unknown;
}

/** What it answers. */
export type Reply = { readonly result: unknown } | { readonly error: unknown };

/** An error as plain data: copied between threads, one of ours would lose its class. */
interface Told {
  readonly name: string;
  readonly message: string;
  readonly stack?: string;
  readonly best?: number;
}

const classes = {
  DivergedError,
  FormatError,
  OutOfMemoryError,
  ShapeError,
  ThreadError,
  UnsupportedError,
  RangeError,
  TypeError,
};

/** What was thrown, as it goes to another thread. */
export function tell(error: unknown): unknown {
  if (!(error instanceof Error)) return error;
  const { name, message, stack } = error;
  return { name, message, stack, ...(error instanceof TargetError && { best: error.best }) } satisfies Told;
}

/** What was thrown in another thread: of the same class where that is one of ours or a mistake of the caller's, with its message and stack. */
export function hear(told: unknown): unknown {
  const { name, message, stack, best } = Object(told) as Told;
  if (typeof name !== "string" || typeof message !== "string") return told;
  const known = Object.hasOwn(classes, name) ? classes[name as keyof typeof classes] : Error;
  const error = name === "TargetError" ? new TargetError(message, best!) : new known(message);
  return Object.assign(error, { stack, ...(known === Error && { name }) });
}
