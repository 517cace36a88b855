import type { ElementKernels } from "./abi-elementwise.js";
import type { GradientKernels } from "./abi-gradient.js";
import type { IntegerKernels } from "./abi-integer.js";
import type { MovementKernels } from "./abi-movement.js";

/**
 * The kernels of the two WebAssembly modules, as TypeScript sees them. Names with an underscore take raw pointers (byte
 * offsets into the session's memory) and live behind this boundary only. Argument order: sizes (in elements), sources,
 * destination, scalars. test/abi.test.ts holds this page and the modules' exports equal. Contracts stand beside each kernel in
 * assembly/.
 */
type P = number;

/** run.wasm: what inference needs. */
export interface RunKernels extends MovementKernels, ElementKernels, IntegerKernels {
  readonly memory: WebAssembly.Memory;
  /** First free byte after the module's own data. */
  heap_base(): number;

  // ops/linear
  gemm_panels_a_bytes(m: number, k: number): number;
  gemm_panels_b_bytes(k: number, n: number): number;
  gemm_pack_a_f32(m: number, k: number, rowStride: number, colStride: number, a: P, panels: P): void;
  gemm_pack_b_f32(k: number, n: number, rowStride: number, colStride: number, b: P, panels: P): void;
  gemm_packed_f32(m: number, n: number, k: number, aPanels: P, bPanels: P, c: P, ldc: number): void;
  gemm_ab_scratch_bytes(m: number, k: number): number;
  gemm_scratch_bytes(m: number, n: number, k: number): number;
  // biome-ignore format: sizes in lines
  gemm_f32(
    m: number, n: number, k: number, a: P, aRow: number, aCol: number, b: P, bRow: number, bCol: number, bias: P,
    limits: P, c: P, scratch: P,
  ): void;
  gemm_nn_f32(m: number, n: number, k: number, a: P, b: P, c: P, scratch: P): void;
  gemm_nt_f32(m: number, n: number, k: number, a: P, b: P, c: P, scratch: P): void;
  gemm_tn_f32(m: number, n: number, k: number, a: P, b: P, c: P, scratch: P): void;
  // biome-ignore format: sizes in lines
  gemm_ab_f32(
    m: number, n: number, k: number, a: P, bPanels: P, bias: P, limits: P, c: P, scratch: P,
  ): void;

  // ops/widened: f32 by int8 weights, panels of gemm_pack_i8
  gemm_widened_scratch_bytes(m: number, k: number): number;
  // biome-ignore format: sizes in lines
  gemm_f32_i8(
    m: number, n: number, k: number, a: P, panels: P, scale: P, bias: P, limits: P, c: P, scratch: P,
  ): void;

  // ops/int4
  gemm_panels_i4_bytes(k: number, n: number, group: number): number;
  gemm_pack_i4(
    k: number,
    n: number,
    group: number,
    b: P,
    scale: P,
    panels: P,
    rowStride: number,
    groupStride: number,
  ): void;
  gemm_scratch_i4_bytes(k: number, group: number): number;
  gemm_i4(m: number, n: number, k: number, group: number, a: P, aScale: P, panels: P, bias: P, y: P, scratch: P): void;

  // ops/conv: one call does one group of one image or a whole batch; see assembly/ops/conv.ts
  // biome-ignore format: sizes in lines
  conv_scratch_bytes(
    c: number, w: number, kh: number, kw: number, strideH: number, strideW: number, padLeft: number,
    dilationH: number, dilationW: number, outH: number, outW: number,
  ): number;
  // biome-ignore format: sizes in lines
  conv_f32(
    batch: number, c: number, h: number, w: number, o: number, kh: number, kw: number, strideH: number,
    strideW: number, padTop: number, padLeft: number, dilationH: number, dilationW: number, outH: number,
    outW: number, xImage: number, yImage: number, x: P, wPanels: P, bias: P, limits: P, y: P, scratch: P,
  ): void;
  // ops/winograd: 3 x 3, stride 1
  winograd_panels_bytes(o: number, c: number): number;
  winograd_pack_scratch_bytes(c: number): number;
  winograd_pack_f32(o: number, c: number, weight: P, panels: P, scratch: P): void;
  winograd_scratch_bytes(c: number, o: number, outH: number, outW: number): number;
  // biome-ignore format: sizes in lines
  winograd_f32(
    batch: number, c: number, h: number, w: number, o: number, padTop: number, padLeft: number, outH: number,
    outW: number, xImage: number, yImage: number, x: P, panels: P, bias: P, limits: P, y: P, scratch: P,
  ): void;
  // ops/depthwise: m filters for each of c channels
  // biome-ignore format: sizes in lines
  depthwise_scratch_bytes(
    w: number, kh: number, kw: number, strideH: number, strideW: number, padLeft: number, dilationH: number,
    dilationW: number, outH: number, outW: number,
  ): number;
  // biome-ignore format: sizes in lines
  depthwise_f32(
    batch: number, c: number, h: number, w: number, m: number, kh: number, kw: number, strideH: number,
    strideW: number, padTop: number, padLeft: number, dilationH: number, dilationW: number, outH: number,
    outW: number, x: P, weight: P, bias: P, limits: P, y: P, scratch: P,
  ): void;
  // compress/sparse-conv: the weight in CSR
  // biome-ignore format: sizes in lines
  sparse_conv_scratch_bytes(
    c: number, w: number, o: number, entries: number, kh: number, kw: number, strideH: number, strideW: number,
    padLeft: number, dilationH: number, dilationW: number, outH: number, outW: number,
  ): number;
  // biome-ignore format: sizes in lines
  sparse_conv_f32(
    batch: number, c: number, h: number, w: number, o: number, kh: number, kw: number, strideH: number,
    strideW: number, padTop: number, padLeft: number, dilationH: number, dilationW: number, outH: number,
    outW: number, xImage: number, yImage: number, x: P, rowPtr: P, col: P, values: P, bias: P, limits: P, y: P,
    scratch: P,
  ): void;
  // biome-ignore format: sizes in lines
  sparse_conv_i8(
    batch: number, c: number, h: number, w: number, o: number, kh: number, kw: number, strideH: number,
    strideW: number, padTop: number, padLeft: number, dilationH: number, dilationW: number, outH: number,
    outW: number, xImage: number, yImage: number, x: P, rowPtr: P, col: P, values: P, scale: P, bias: P, limits: P,
    y: P, scratch: P,
  ): void;

  // ops/pool
  max_pool_f32(
    planes: number,
    h: number,
    w: number,
    kh: number,
    kw: number,
    strideH: number,
    strideW: number,
    padTop: number,
    padLeft: number,
    outH: number,
    outW: number,
    x: P,
    y: P,
  ): void;
  average_pool_f32(
    planes: number,
    h: number,
    w: number,
    kh: number,
    kw: number,
    strideH: number,
    strideW: number,
    padTop: number,
    padLeft: number,
    outH: number,
    outW: number,
    x: P,
    y: P,
    countIncludePad: number,
  ): void;

  // biome-ignore format: sizes in lines
  pool_f32(
    kind: number, p: number, planes: number, d: number, h: number, w: number, kd: number, kh: number, kw: number,
    sd: number, sh: number, sw: number, dd: number, dh: number, dw: number, pd: number, ph: number, pw: number,
    ed: number, eh: number, ew: number, od: number, oh: number, ow: number, x: P, y: P, at: P, columns: number,
  ): void;

  // ops/norm, activation, elementwise
  scale_shift_f32(n: number, c: number, plane: number, x: P, scale: P, shift: P, y: P): void;
  layer_norm_f32(rows: number, cols: number, x: P, gamma: P, beta: P, y: P, epsilon: number): void;
  relu_f32(n: number, x: P, y: P): void;
  sigmoid_f32(n: number, x: P, y: P): void;
  tanh_f32(n: number, x: P, y: P): void;
  erf_f32(n: number, x: P, y: P): void;
  gelu_f32(n: number, x: P, y: P): void;
  gelu_tanh_f32(n: number, x: P, y: P): void;
  softmax_f32(rows: number, cols: number, x: P, y: P): void;
  // ops/attention; kind: src/ops/attend.ts
  // biome-ignore format: sizes in lines
  score_rows_f32(
    rows: number, cols: number, mask: P, maskRow: number, maskCol: number, s: P, kind: number, scale: number, fill: number,
  ): void;
  open_cols_f32(rows: number, cols: number, mask: P, maskRow: number, kind: number, whole: number): number;
  softmax_seen_f32(rows: number, cols: number, s: P, seen: number, step: number): void;
  clip_f32(n: number, x: P, limits: P, y: P): void;
  add_clip_f32(n: number, a: P, b: P, limits: P, y: P): void;
  add_f32(n: number, a: P, b: P, y: P): void;
  multiply_add_f32(n: number, a: P, b: P, c: P, y: P): void;
  blend_f32(n: number, z: P, a: P, b: P, y: P): void;
  add_row_f32(rows: number, cols: number, row: P, y: P): void;
  fill_row_f32(rows: number, cols: number, row: P, y: P): void;

  // compress: running compressed weights
  dequantize_rows_i8(rows: number, cols: number, q: P, scale: P, y: P): void;
  spmm_csr_f32(m: number, n: number, rowPtr: P, col: P, values: P, x: P, ldx: number, y: P, ldy: number): void;
  spmm_csr_i8(m: number, n: number, rowPtr: P, col: P, values: P, scale: P, x: P, ldx: number, y: P, ldy: number): void;
  csr_rows_f32(rows: number, cols: number, rowPtr: P, col: P, values: P, y: P): void;
  csr_rows_i8(rows: number, cols: number, rowPtr: P, col: P, values: P, scale: P, y: P): void;
  codebook_rows_i8(
    rows: number,
    d: number,
    k: number,
    rowPtr: P,
    col: P,
    codes: P,
    codeScale: P,
    codebook: P,
    y: P,
    codebookScale: number,
  ): void;
  spmv_grouped_f32(groups: number, starts: P, col: P, values: P, order: P, x: P, y: P): void;
  spmv_grouped_i8(groups: number, starts: P, col: P, values: P, scale: P, order: P, x: P, y: P): void;

  // ops/factored
  factored_scratch_bytes(m: number, k: number): number;
  factored_pieces_i8(
    m: number,
    n: number,
    k: number,
    d: number,
    atoms: number,
    a: P,
    rowPtr: P,
    col: P,
    codes: P,
    codeScale: P,
    codebook: P,
    c: P,
    scratch: P,
    codebookScale: number,
  ): void;
  factored_columns_i8(
    m: number,
    n: number,
    k: number,
    atoms: number,
    a: P,
    rowPtr: P,
    col: P,
    codes: P,
    codeScale: P,
    codebook: P,
    c: P,
    scratch: P,
    codebookScale: number,
  ): void;

  // compress/entropy: decoders of src/codec; each gives 0, or the number of a fault (src/codec/fault.ts)
  decode_scratch_bytes(cols: number, srcBytes: number): number;
  decode_sparse(
    rows: number,
    cols: number,
    period: number,
    nnz: number,
    src: P,
    srcBytes: number,
    rowPtr: P,
    col: P,
    values: P,
    scale: P,
    scales: number,
    int8: number,
    scratch: P,
  ): number;
  decode_int8(
    rows: number,
    cols: number,
    period: number,
    src: P,
    srcBytes: number,
    q: P,
    scale: P,
    scales: number,
    scratch: P,
  ): number;
  decode_bytes(n: number, width: number, src: P, srcBytes: number, dst: P, finite: number, scratch: P): number;
  check_bytes(n: number, width: number, p: P): number;
  decode_factored(
    n: number,
    k: number,
    d: number,
    nnz: number,
    perRow: number,
    src: P,
    srcBytes: number,
    rowPtr: P,
    col: P,
    codes: P,
    codeScale: P,
    codebook: P,
    codebookScale: P,
    scratch: P,
  ): number;
}

/** full.wasm: run.wasm and what compression and training need. */
export interface FullKernels extends RunKernels, GradientKernels {
  // compress/topk
  topk_scratch_bytes(n: number): number;
  topk_threshold_f32(n: number, x: P, k: number, scratch: P): number;

  // compress/mask
  topk_mask_f32(n: number, x: P, mask: P, threshold: number, ties: number): number;
  mask_apply_f32(n: number, x: P, mask: P, y: P): void;
  mask_count(n: number, mask: P): number;

  // compress/structure
  rows_mask_scratch_bytes(cols: number): number;
  rows_mask_f32(rows: number, cols: number, keep: number, x: P, mask: P, scratch: P): number;
  groups_mask_f32(rows: number, cols: number, group: number, keep: number, x: P, mask: P): number;
  block_norms_f32(rows: number, cols: number, high: number, wide: number, x: P, y: P): void;
  block_mask(rows: number, cols: number, high: number, wide: number, blocks: P, mask: P): void;

  // compress/sddmm
  sddmm_csr_f32(rows: number, n: number, rowPtr: P, col: P, dy: P, lddy: number, x: P, ldx: number, y: P): void;

  // compress/feedback
  inverse_factor_f64(n: number, h: P): number;
  // biome-ignore format: sizes in lines
  quantize_feedback_f64(
    rows: number, cols: number, w: P, u: P, step: P, lambda: P, tables: number, bits: P, levels: number, q: P,
    error: P,
  ): void;
  quadratic_rows_f64(rows: number, cols: number, e: P, h: P, error: P): void;

  // compress/factor
  cholesky_solve_f64(n: number, a: P, count: number, b: P): void;
  support_solve_f64(n: number, k: number, gram: P, match: P, z: P, scratch: P): void;
  nearest_atoms_f64(n: number, d: number, k: number, x: P, weight: P, c: P, index: P): void;
  // biome-ignore format: sizes in lines
  nearest_feedback_f64(
    rows: number, cols: number, d: number, k: number, w: P, u: P, c: P, index: P, scratch: P,
  ): void;
  // biome-ignore format: sizes in lines
  reround_rows_f64(
    n: number, k: number, gram: P, match: P, scale: P, support: P, levels: number, sweeps: number, q: P,
  ): void;
  // biome-ignore format: sizes in lines
  reround_columns_f64(
    rows: number, cols: number, groups: number, d: number, n: number, k: number, down: number, e: P, h: P, book: P,
    scale: P, support: P, levels: number, sweeps: number, q: P, scratch: P,
  ): void;

  // compress/int8
  absmax_rows_f32(rows: number, cols: number, x: P, y: P): void;
  quantize_rows_f32_i8(rows: number, cols: number, x: P, scale: P, q: P, levels: number): void;
  round_rows_f32(rows: number, cols: number, x: P, scale: P, y: P, levels: number): void;
  // biome-ignore format: sizes in lines
  round_rows_grad_f32(
    rows: number, cols: number, x: P, mask: P, scale: P, g: P, levels: number, factor: number, dscale: P,
  ): void;

  // compress/codebook: gradients through W^T = Z^T C^T
  codebook_dot_f32(rows: number, d: number, rowPtr: P, col: P, g: P, codebook: P, y: P): void;
  codebook_scatter_f32(rows: number, d: number, rowPtr: P, col: P, codes: P, g: P, codebook: P): void;
  codebook_rows_f32(rows: number, d: number, rowPtr: P, col: P, codes: P, codebook: P, y: P): void;

  // ops/factored with f32 factors
  // biome-ignore format: sizes in lines
  factored_pieces_f32(
    m: number, n: number, k: number, d: number, a: P, rowPtr: P, col: P, codes: P, codebook: P, c: P, scratch: P,
  ): void;
  // biome-ignore format: sizes in lines
  factored_columns_f32(
    m: number, n: number, k: number, a: P, rowPtr: P, col: P, codes: P, codebook: P, c: P, scratch: P,
  ): void;

  // train/loss, train/optim
  // biome-ignore format: sizes in lines
  cross_entropy_f32(
    rows: number, cols: number, logits: P, labels: P, smoothing: number, dlogits: P,
  ): number;
  divergence_f32(rows: number, cols: number, logits: P, wanted: P, temperature: number, dlogits: P): number;
  mean_squared_error_f32(n: number, y: P, target: P, dy: P): number;
  // biome-ignore format: sizes in lines
  sgd_step_f32(
    n: number, w: P, dw: P, velocity: P, mask: P, rate: number, momentum: number, nesterov: number, l2: number,
    decay: number,
  ): void;
  // biome-ignore format: sizes in lines
  adam_step_f32(
    n: number, w: P, dw: P, first: P, second: P, mask: P, rate: number, beta1: number, beta2: number,
    epsilon: number, l2: number, decay: number, correction1: number, correction2: number,
  ): void;
  sum_squares_f32(n: number, x: P, mask: P): number;
  scale_f32(n: number, x: P, factor: number): void;
}
