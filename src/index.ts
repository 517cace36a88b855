import { load } from "#kernels/run";
import { expected, OutOfMemoryError } from "./errors.js";
import { readContainer } from "./formats/container/read.js";
import type { Graph } from "./graph/graph.js";
import { Model, type SessionOptions } from "./runtime/session.js";
import { nameOf } from "./tensor.js";

export type { DType, TypedArray } from "./dtype.js";
export {
  CoppiceError,
  DivergedError,
  type ErrorCode,
  FormatError,
  OutOfMemoryError,
  ResumeError,
  ShapeError,
  StorageError,
  TargetError,
  ThreadError,
  UnsupportedError,
} from "./errors.js";
export type { Dim, Graph, GraphNode, ValueInfo } from "./graph/graph.js";
export type { Feeds, Outputs } from "./runtime/feeds.js";
export type { ModelProfile, NodeProfile } from "./runtime/profile.js";
export type { ModelPlan, PlanMemory, PlanStep, PlanValue } from "./runtime/report.js";
export type { Model, SessionOptions } from "./runtime/session.js";
export type { Tensor } from "./tensor.js";

export interface LoadOptions extends SessionOptions {
  /** Stops a download; the promise rejects with the signal's reason. */
  readonly signal?: AbortSignal;
  /** Bytes received so far, and in all where that is known. */
  readonly onProgress?: (loaded: number, total: number | undefined) => void;
  /** run.wasm (or full.wasm), compiled; found by itself where it is left out. */
  readonly module?: WebAssembly.Module;
  /** Relaxed SIMD where the runtime has it: faster, and bits may differ between machines. */
  readonly fast?: boolean;
}

type Source = Uint8Array | ArrayBuffer | SharedArrayBuffer | Response | ReadableStream<Uint8Array> | Graph;

/**
 * Loads a network: the bytes of a .coppice file, a Response or stream of them, or a graph. Shared memory is copied.
 * @throws FormatError, UnsupportedError, OutOfMemoryError; TypeError for any other source or module, RangeError for `maxBytes`
 */
export async function loadModel(source: Source, options: LoadOptions = {}): Promise<Model> {
  if (options.maxBytes !== undefined && !(options.maxBytes >= 0)) {
    throw new RangeError(expected("maxBytes", "a number of bytes", `${options.maxBytes}`));
  }
  options.signal?.throwIfAborted();
  const graph = await graphOf(source, options);
  const module = options.module ?? (await load(options.fast ?? false));
  options.signal?.throwIfAborted();
  return new Model(graph, module, options);
}

async function graphOf(source: Source, options: LoadOptions): Promise<Graph> {
  if (source instanceof Uint8Array || source instanceof ArrayBuffer) return readContainer(source);
  // Not every page has the class.
  if (typeof SharedArrayBuffer !== "undefined" && source instanceof SharedArrayBuffer) {
    return readContainer(new Uint8Array(source));
  }
  // Before the classes of the web: Node makes them when they are first named, in some 20 ms.
  if (typeof source === "object" && source !== null && "nodes" in source && "weights" in source) return source;
  if (source instanceof ReadableStream) return readContainer(await collect(source, undefined, options));
  if (source instanceof Response) {
    if (!source.ok || !source.body) {
      throw new TypeError(expected("loadModel", "a response with a body", `status ${source.status}`));
    }
    const length = source.headers.get("content-length");
    return readContainer(await collect(source.body, length === null ? undefined : Number(length), options));
  }
  throw new TypeError(expected("loadModel", "bytes, a Response, a ReadableStream or a Graph", nameOf(source)));
}

/** All bytes of a stream, never more than `maxBytes`. */
async function collect(
  stream: ReadableStream<Uint8Array>,
  total: number | undefined,
  { signal, onProgress, maxBytes = Number.POSITIVE_INFINITY }: LoadOptions,
): Promise<Uint8Array> {
  const reader = stream.getReader();
  const abort = () => void reader.cancel(signal?.reason).catch(() => {});
  signal?.addEventListener("abort", abort, { once: true });
  const chunks: Uint8Array[] = [];
  let loaded = 0;
  try {
    for (;;) {
      const { done, value } = await reader.read();
      signal?.throwIfAborted();
      if (done) break;
      if (!(value instanceof Uint8Array)) {
        throw new TypeError(expected("loadModel", "a stream of Uint8Array", `a chunk that is ${nameOf(value)}`));
      }
      loaded += value.byteLength;
      if (loaded > maxBytes) throw new OutOfMemoryError(expected("loadModel", `at most ${maxBytes} bytes`, "more"));
      chunks.push(value);
      onProgress?.(loaded, total);
    }
  } catch (error) {
    abort();
    throw error;
  } finally {
    signal?.removeEventListener("abort", abort);
  }
  const bytes = new Uint8Array(loaded);
  let at = 0;
  for (const chunk of chunks) {
    bytes.set(chunk, at);
    at += chunk.byteLength;
  }
  return bytes;
}
