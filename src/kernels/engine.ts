import { expected } from "../errors.js";
import type { FullKernels, RunKernels } from "./abi.js";
import { Arena } from "./arena.js";

/** One wasm instance with its own memory: the unit that a session owns. */
export interface Engine<K extends RunKernels = RunKernels> {
  readonly kernels: K;
  readonly arena: Arena;
}

export type FullEngine = Engine<FullKernels>;

/**
 * A fresh instance of run.wasm or full.wasm. The memory never grows past `maxBytes`.
 * @throws OutOfMemoryError; TypeError where the module is another, RangeError where `maxBytes` is negative or NaN
 */
export function createEngine<K extends RunKernels = RunKernels>(
  module: WebAssembly.Module,
  maxBytes?: number,
): Engine<K> {
  if (maxBytes !== undefined && !(maxBytes >= 0)) {
    throw new RangeError(expected("maxBytes", "a number of bytes", `${maxBytes}`));
  }
  if (!isOurs(module)) throw new TypeError(expected("module", "run.wasm or full.wasm, compiled", "another value"));
  const kernels = new WebAssembly.Instance(module).exports as unknown as K;
  return { kernels, arena: new Arena(kernels.memory, kernels.heap_base(), maxBytes) };
}

/** Asked of the platform and not of the class: a module of another realm is one as well. */
function isOurs(module: WebAssembly.Module): boolean {
  try {
    return WebAssembly.Module.exports(module).some(({ name }) => name === "heap_base");
  } catch {
    return false;
  }
}

/** Copies `data` to `pointer`, byte for byte. */
export function put(engine: Engine, pointer: number, data: ArrayBufferView): void {
  bytesAt(engine, pointer, data.byteLength).set(new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
}

/** Allocates and fills. */
export function place(engine: Engine, data: ArrayBufferView): number {
  const pointer = engine.arena.alloc(data.byteLength);
  put(engine, pointer, data);
  return pointer;
}

/** Views of the session's memory: valid until the next allocation, never stored. */
export function bytesAt(engine: Engine, pointer: number, length: number): Uint8Array {
  return new Uint8Array(engine.kernels.memory.buffer, pointer, length);
}
export function floatsAt(engine: Engine, pointer: number, length: number): Float32Array {
  return new Float32Array(engine.kernels.memory.buffer, pointer, length);
}
export function doublesAt(engine: Engine, pointer: number, length: number): Float64Array {
  return new Float64Array(engine.kernels.memory.buffer, pointer, length);
}
export function wordsAt(engine: Engine, pointer: number, length: number): Uint32Array {
  return new Uint32Array(engine.kernels.memory.buffer, pointer, length);
}
export function codesAt(engine: Engine, pointer: number, length: number): Int8Array {
  return new Int8Array(engine.kernels.memory.buffer, pointer, length);
}
