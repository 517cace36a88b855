type P = number;

/** Kernels that move values: assembly/ops/movement, index, resample, grid-sample; a part of RunKernels. */
// biome-ignore format: sizes in lines
export interface MovementKernels {
  copy_bytes(n: number, x: P, y: P): void;
  transpose_f32(rows: number, cols: number, x: P, y: P): void;
  // three nested dimensions: their sizes, and the bytes from one element to the next in x and in y
  move_x8(
    n0: number, n1: number, n2: number, x0: number, x1: number, x2: number, y0: number, y1: number, y2: number, x: P, y: P,
  ): void;
  move_x16(
    n0: number, n1: number, n2: number, x0: number, x1: number, x2: number, y0: number, y1: number, y2: number, x: P, y: P,
  ): void;
  move_x32(
    n0: number, n1: number, n2: number, x0: number, x1: number, x2: number, y0: number, y1: number, y2: number, x: P, y: P,
  ): void;
  move_x64(
    n0: number, n1: number, n2: number, x0: number, x1: number, x2: number, y0: number, y1: number, y2: number, x: P, y: P,
  ): void;
  accumulate_f32(
    n0: number, n1: number, n2: number, x0: number, x1: number, x2: number, y0: number, y1: number, y2: number, x: P, y: P,
  ): void;
  lattice_x32(
    n0: number, n1: number, n2: number, x0: number, x1: number, x2: number, y0: number, y1: number, y2: number, x: P, y: P,
  ): void;

  // offsets in bytes; code: of src/ops/integer.ts
  index_offsets_int(
    n: number, code: number, step: number, limit: number, stride: number, index: P, offsets: P,
  ): number;
  gather_bytes(outer: number, n: number, run: number, step: number, x: P, offsets: P, y: P): void;
  scatter_bytes(n: number, run: number, x: P, offsets: P, y: P): void;
  scatter_f32(n: number, run: number, x: P, offsets: P, y: P, kind: number): void;
  scatter_int(n: number, run: number, code: number, x: P, offsets: P, y: P, kind: number): void;

  resample_f32(
    outer: number, n: number, m: number, inner: number, taps: number, first: P, weights: P, x: P, y: P,
  ): void;
  grid_sample_scratch_bytes(): number;
  grid_sample_f32(
    n: number, c: number, d: number, h: number, w: number, points: number, dims: number, x: P, grid: P, y: P, scratch: P,
    taps: number, padding: number, align: number,
  ): void;
}
