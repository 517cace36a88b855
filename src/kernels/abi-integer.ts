type P = number;

/** Kernels over integers with scales and zero points: assembly/ops/int8*, quantize; a part of RunKernels. Flags are 0 or 1. */
export interface IntegerKernels {
  // ops/int8: exact integer products; unsigned and yUnsigned are 0 or 1
  gemm_panels_i8_bytes(k: number, n: number): number;
  gemm_pack_i8(k: number, n: number, rowStride: number, colStride: number, b: P, panels: P): void;
  gemm_scratch_i8_bytes(m: number, k: number): number;
  gemm_i8(m: number, n: number, k: number, a: P, panels: P, c: P, scratch: P, zero: number, unsigned: number): void;
  gemm_dequantize_i8(
    m: number,
    n: number,
    k: number,
    a: P,
    panels: P,
    aScale: P,
    scale: P,
    bias: P,
    y: P,
    scratch: P,
    zero: number,
    unsigned: number,
  ): void;
  gemm_requantize_i8(
    m: number,
    n: number,
    k: number,
    a: P,
    panels: P,
    scale: P,
    bias: P,
    y: P,
    scratch: P,
    zero: number,
    unsigned: number,
    yZero: number,
    yUnsigned: number,
  ): void;
  quantize_dynamic_i8(rows: number, cols: number, x: P, scale: P, q: P): void;

  // ops/int8-zeros, int8-conv
  // biome-ignore format: sizes in lines
  subtract_zeros_i8(
    m: number, n: number, k: number, a: P, zeros: P, c: P, zero: number, unsigned: number,
  ): void;
  // biome-ignore format: sizes in lines
  requantize_i8(
    rows: number, cols: number, sums: P, scale: P, bias: P, y: P, yZero: number, yUnsigned: number,
  ): void;
  transpose_x8(rows: number, cols: number, x: P, y: P): void;
  // biome-ignore format: sizes in lines
  columns_x8(
    first: number, count: number, h: number, w: number, pixel: number, run: number, kh: number, kw: number,
    strideH: number, strideW: number, padTop: number, padLeft: number, dilationH: number, dilationW: number,
    outW: number, x: P, y: P, pad: number,
  ): void;
  // biome-ignore format: sizes in lines
  depthwise_i8(
    first: number, count: number, h: number, w: number, c: number, kh: number, kw: number, strideH: number,
    strideW: number, padTop: number, padLeft: number, dilationH: number, dilationW: number, outW: number, x: P,
    weight: P, y: P, zero: number, unsigned: number,
  ): void;

  // ops/quantize: row and col are the bytes from one scale to the next
  // biome-ignore format: sizes in lines
  quantize_int(
    rows: number, cols: number, x: P, scale: P, zero: P, row: number, col: number, q: P, low: number, high: number,
  ): void;
  // biome-ignore format: sizes in lines
  dequantize_int(
    rows: number, cols: number, type: number, q: P, scale: P, zero: P, row: number, col: number, y: P,
  ): void;
  dynamic_range_f32(n: number, x: P, scale: P, zero: P): void;
}
