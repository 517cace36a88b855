/** The general kernels over elements (src/kernels/abi.ts says how they are written); what they are told by number is in src/ops/codes.ts. */
type P = number;

export interface ElementKernels {
  // biome-ignore format: sizes in lines
  binary_f32(
    op: number, rows: number, cols: number, a: P, aRow: number, aCol: number, b: P, bRow: number, bCol: number, y: P,
    yRow: number, scratch: P,
  ): void;
  // biome-ignore format: sizes in lines
  binary_int(
    op: number, rows: number, cols: number, aType: number, a: P, aRow: number, aCol: number, bType: number, b: P,
    bRow: number, bCol: number, yType: number, y: P, yRow: number, scratch: P,
  ): void;
  unary_f32(op: number, n: number, x: P, y: P, scratch: P, p: number, q: number, r: number): void;
  reduce_f32(op: number, outer: number, k: number, inner: number, x: P, y: P, scratch: P): void;
  // biome-ignore format: sizes in lines
  where_x32(
    rows: number, cols: number, condition: P, conditionRow: number, conditionCol: number, a: P, aRow: number,
    aCol: number, b: P, bRow: number, bCol: number, y: P, scratch: P,
  ): void;
}
