/**
 * The closed set of errors that coppice raises about data. A caller's own mistake (a wrong argument) is a TypeError or a
 * RangeError of the platform. Every message reads `where: expected X, got Y`.
 */
export type ErrorCode =
  | "FORMAT"
  | "UNSUPPORTED"
  | "SHAPE"
  | "OUT_OF_MEMORY"
  | "DIVERGED"
  | "TARGET"
  | "THREAD"
  | "STORAGE"
  | "RESUME";

/** Base class: `code` is stable and meant for programs, `message` for people. */
export abstract class CoppiceError extends Error {
  abstract readonly code: ErrorCode;
}

/** These bytes are not a valid file. */
export class FormatError extends CoppiceError {
  override readonly name = "FormatError";
  readonly code = "FORMAT";
}

/** The file or graph is valid, but asks for something that is not done here. */
export class UnsupportedError extends CoppiceError {
  override readonly name = "UnsupportedError";
  readonly code = "UNSUPPORTED";
}

/** Tensor shapes or element types do not fit each other. */
export class ShapeError extends CoppiceError {
  override readonly name = "ShapeError";
  readonly code = "SHAPE";
}

/** The memory limit would be passed, or the host refused to give more. */
export class OutOfMemoryError extends CoppiceError {
  override readonly name = "OutOfMemoryError";
  readonly code = "OUT_OF_MEMORY";
}

/** The loss of a training run became NaN or infinite. */
export class DivergedError extends CoppiceError {
  override readonly name = "DivergedError";
  readonly code = "DIVERGED";
}

/** No way of storing the weights that is allowed reaches what was asked for. */
export class TargetError extends CoppiceError {
  override readonly name = "TargetError";
  readonly code = "TARGET";
  /** What can be had: bytes of the smallest file, or the smallest drop. */
  readonly best: number;

  constructor(message: string, best: number) {
    super(message);
    this.best = best;
  }
}

/** A thread ended before its work was done. */
export class ThreadError extends CoppiceError {
  override readonly name = "ThreadError";
  readonly code = "THREAD";
}

/** What should be kept could not be written or read; what was kept before is as it was. */
export class StorageError extends CoppiceError {
  override readonly name = "StorageError";
  readonly code = "STORAGE";
  /** As the system names it: ENOSPC, EIO, EACCES, EROFS, ..; LOCKED where another run has the place. */
  readonly reason: string;

  constructor(message: string, reason: string, cause?: unknown) {
    super(message, { cause });
    this.reason = reason;
  }
}

/** A checkpoint is of another job than the one that is to go on from it. */
export class ResumeError extends CoppiceError {
  override readonly name = "ResumeError";
  readonly code = "RESUME";
}

/** The one message shape: `where: expected X, got Y`. */
export function expected(where: string, want: string, got: string): string {
  return `${where}: expected ${want}, got ${got}`;
}
