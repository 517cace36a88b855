/** run.wasm: the kernels of inference. src/kernels/abi.ts is the same list with types. */
export {
  gemm_panels_a_bytes,
  gemm_panels_b_bytes,
  gemm_pack_a_f32,
  gemm_pack_b_f32,
  gemm_packed_f32,
  gemm_ab_scratch_bytes,
  gemm_scratch_bytes,
  gemm_f32,
  gemm_nn_f32,
  gemm_nt_f32,
  gemm_tn_f32,
  gemm_ab_f32,
} from "./ops/linear";
export { conv_scratch_bytes, conv_f32 } from "./ops/conv";
export {
  winograd_panels_bytes,
  winograd_pack_scratch_bytes,
  winograd_pack_f32,
  winograd_scratch_bytes,
  winograd_f32,
} from "./ops/winograd";
export { depthwise_scratch_bytes, depthwise_f32 } from "./ops/depthwise";
export { sparse_conv_scratch_bytes, sparse_conv_f32, sparse_conv_i8 } from "./compress/sparse-conv";
export {
  gemm_panels_i8_bytes,
  gemm_pack_i8,
  gemm_scratch_i8_bytes,
  gemm_i8,
  gemm_dequantize_i8,
  gemm_requantize_i8,
  quantize_dynamic_i8,
} from "./ops/int8";
export { requantize_i8, subtract_zeros_i8 } from "./ops/int8-zeros";
export { columns_x8, depthwise_i8, transpose_x8 } from "./ops/int8-conv";
export { quantize_int, dequantize_int, dynamic_range_f32 } from "./ops/quantize";
export { gemm_widened_scratch_bytes, gemm_f32_i8 } from "./ops/widened";
export { gemm_panels_i4_bytes, gemm_pack_i4, gemm_scratch_i4_bytes, gemm_i4 } from "./ops/int4";
export { max_pool_f32, average_pool_f32 } from "./ops/pool";
export { scale_shift_f32, layer_norm_f32 } from "./ops/norm";
export {
  relu_f32,
  softmax_f32,
  sigmoid_f32,
  tanh_f32,
  erf_f32,
  gelu_f32,
  gelu_tanh_f32,
} from "./ops/activation";
export { open_cols_f32, score_rows_f32, softmax_seen_f32 } from "./ops/attention";
export { pool_f32 } from "./ops/pool-general";
export { add_f32, add_row_f32, blend_f32, fill_row_f32, multiply_add_f32 } from "./ops/elementwise";
export {
  copy_bytes,
  transpose_f32,
  move_x8,
  move_x16,
  move_x32,
  move_x64,
  accumulate_f32,
  lattice_x32,
} from "./ops/movement";
export { index_offsets_int, gather_bytes, scatter_bytes, scatter_f32, scatter_int } from "./ops/index";
export { resample_f32 } from "./ops/resample";
export { grid_sample_scratch_bytes, grid_sample_f32 } from "./ops/grid-sample";
export { add_clip_f32, clip_f32 } from "./ops/clip";
export { binary_f32 } from "./ops/binary";
export { unary_f32 } from "./ops/unary";
export { binary_int } from "./ops/integer";
export { where_x32 } from "./ops/select";
export { reduce_f32 } from "./ops/reduce";
export { dequantize_rows_i8 } from "./compress/int8";
export { spmm_csr_f32, spmm_csr_i8, csr_rows_f32, csr_rows_i8 } from "./compress/csr";
export { codebook_rows_i8 } from "./compress/codebook";
export { spmv_grouped_f32, spmv_grouped_i8 } from "./compress/spmv";
export { factored_scratch_bytes, factored_pieces_i8, factored_columns_i8 } from "./ops/factored";
export {
  decode_scratch_bytes,
  decode_sparse,
  decode_int8,
  decode_bytes,
  check_bytes,
  decode_factored,
} from "./compress/entropy";

/** First free byte after the module's own data. */
export function heap_base(): usize {
  return __heap_base;
}
