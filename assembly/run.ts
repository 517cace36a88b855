/** run.wasm: the kernels of inference. src/kernels/abi.ts is the same list with types. */
export {
  gemm_panels_a_bytes,
  gemm_panels_b_bytes,
  gemm_pack_a_f32,
  gemm_pack_b_f32,
  gemm_packed_f32,
  gemm_scratch_bytes,
  gemm_nn_f32,
  gemm_nt_f32,
  gemm_tn_f32,
  gemm_ab_f32,
} from "./ops/linear";
export { conv_scratch_bytes, conv_f32, im2col_f32 } from "./ops/conv";
export { max_pool_f32, average_pool_f32 } from "./ops/pool";
export { scale_shift_f32 } from "./ops/norm";
export { relu_f32, softmax_f32 } from "./ops/activation";
export { add_f32, add_row_f32, fill_row_f32 } from "./ops/elementwise";
export { copy_f32, transpose_f32 } from "./ops/movement";
export { dequantize_rows_i8 } from "./compress/int8";
export { spmm_csr_f32, spmm_csr_i8, csr_rows_f32, csr_rows_i8 } from "./compress/csr";
export { codebook_rows_i8 } from "./compress/codebook";
export {
  decode_scratch_bytes,
  decode_sparse,
  decode_int8,
  decode_bytes,
  decode_factored,
} from "./compress/entropy";

/** First free byte after the module's own data. */
export function heap_base(): usize {
  return __heap_base;
}
