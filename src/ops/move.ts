import type { RunKernels } from "../kernels/abi.js";
import { bytesOf, type Launch, type Slot } from "./op.js";

/** One dimension of a strided copy: its size, and the bytes from one element to the next in the source and the destination. */
export interface Dimension {
  readonly size: number;
  readonly from: number;
  readonly to: number;
}

/** Elements that go from x to y, over all of `dims`. */
export interface Move {
  readonly dims: readonly Dimension[];
  readonly x: number;
  readonly y: number;
}

/** A kernel over three nested dimensions; see assembly/ops/movement.ts. */
type Nest = RunKernels["move_x8"];

/** Bytes from one element to the next in each dimension of a row-major tensor. */
export function steps(shape: readonly number[], width: number): number[] {
  const list = new Array<number>(shape.length);
  let step = width;
  for (let i = shape.length - 1; i >= 0; i--) {
    list[i] = step;
    step *= shape[i];
  }
  return list;
}

/** Dimensions of a copy of a whole `shape` from one set of steps to another. */
export function between(shape: readonly number[], from: readonly number[], to: readonly number[]): Dimension[] {
  return shape.map((size, i) => ({ size, from: from[i], to: to[i] }));
}

/** What `moves` of elements of `width` bytes do, one after the other. The function returned allocates nothing. */
export function moving(kernels: RunKernels, width: number, moves: readonly Move[]): () => void {
  const runs = moves.map(({ dims, x, y }) => {
    const run = copying(kernels, width, dims);
    return () => run(x, y);
  });
  if (runs.length === 1) return runs[0];
  return () => {
    for (const run of runs) run();
  };
}

/** The gradient of copies of floats: what stands where each of them put it is added where it came from, the last copy first. */
export function undoing(kernels: RunKernels, moves: readonly Move[]): Launch {
  const runs = moves.toReversed().map(({ dims, x, y }) => {
    const back = dims.map(({ size, from, to }) => ({ size, from: to, to: from }));
    const run = over(kernels.accumulate_f32, 4, back);
    return () => run(y, x);
  });
  return {
    scratch: 0,
    run() {
      for (const run of runs) run();
    },
  };
}

/** The copy of elements of `width` bytes over some dimensions, from any place to any other. It allocates nothing. */
export function copying(
  kernels: RunKernels,
  width: number,
  dims: readonly Dimension[],
): (x: number, y: number) => void {
  const merged = arranged(dims, width);
  if (!merged) return () => {};
  const inner = merged[merged.length - 1];
  if (inner.from !== width || inner.to !== width) return nested(nestOf(kernels, width), merged);
  // Runs of whole elements are runs of bytes.
  const bytes = { size: inner.size * width, from: 1, to: 1 };
  return nested(kernels.move_x8, [...merged.slice(0, -1), bytes]);
}

/** A kernel of the same signature over dimensions of elements of `width` bytes in y. The function returned allocates nothing. */
export function over(kernel: Nest, width: number, dims: readonly Dimension[]): (x: number, y: number) => void {
  const merged = arranged(dims, width);
  return merged ? nested(kernel, merged) : () => {};
}

function nestOf(kernels: RunKernels, width: number): Nest {
  if (width === 8) return kernels.move_x64;
  if (width === 4) return kernels.move_x32;
  return width === 2 ? kernels.move_x16 : kernels.move_x8;
}

/**
 * The dimensions that are left when neighbours that continue each other are merged, for the kernels: innermost the one along which
 * the destination is contiguous, next the one along which the source is. At least one; undefined where nothing is to be moved.
 */
function arranged(dims: readonly Dimension[], width: number): Dimension[] | undefined {
  const merged: Dimension[] = [];
  for (const dim of dims) {
    if (dim.size === 0) return undefined;
    if (dim.size === 1) continue;
    const outer = merged[merged.length - 1];
    if (outer && outer.from === dim.size * dim.from && outer.to === dim.size * dim.to) {
      merged[merged.length - 1] = { ...dim, size: outer.size * dim.size };
    } else merged.push(dim);
  }
  if (merged.length === 0) return [{ size: 1, from: width, to: width }];
  const take = (wanted: (dim: Dimension) => boolean) => {
    const at = merged.findIndex(wanted);
    return at < 0 ? [] : merged.splice(at, 1);
  };
  const inner = take((dim) => dim.to === width);
  const next = take((dim) => dim.from === width);
  return [...merged, ...next, ...inner];
}

/** Calls of `kernel` over the last three dimensions, for all of those before them. */
function nested(kernel: Nest, dims: readonly Dimension[]): (x: number, y: number) => void {
  const one = { size: 1, from: 0, to: 0 };
  const [a, b, c] = [one, one, one, ...dims].slice(-3);
  const call = (x: number, y: number) => kernel(a.size, b.size, c.size, a.from, b.from, c.from, a.to, b.to, c.to, x, y);
  const outer = dims.slice(0, -3);
  if (outer.length === 0) return call;
  const counts = new Int32Array(outer.length);
  return (x, y) => {
    let px = x;
    let py = y;
    counts.fill(0);
    for (;;) {
      call(px, py);
      let d = outer.length - 1;
      for (; d >= 0; d--) {
        const { size, from, to } = outer[d];
        px += from;
        py += to;
        if (++counts[d] < size) break;
        px -= from * size;
        py -= to * size;
        counts[d] = 0;
      }
      if (d < 0) return;
    }
  };
}

/** Bytes of one element of a slot. */
export function widthOf({ dtype }: Pick<Slot, "dtype">): number {
  return bytesOf({ dtype, shape: [] });
}

/** y = x, where they are not one place. */
export function wholly(kernels: RunKernels, x: Slot, y: Slot): () => void {
  const bytes = bytesOf(x);
  return x.pointer === y.pointer ? () => {} : () => kernels.copy_bytes(bytes, x.pointer, y.pointer);
}
