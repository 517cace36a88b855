/** full.wasm: run.wasm and the kernels of compression and training. */
export * from "./run";
export { conv_grad_w_f32, conv_grad_x_f32, conv_grad_scratch_bytes } from "./ops/conv";
export { depthwise_grad_w_f32, depthwise_grad_x_f32 } from "./ops/depthwise";
export { max_pool_grad_f32, average_pool_grad_f32 } from "./ops/pool";
export { pool_grad_f32 } from "./ops/pool-grad";
export { resample_grad_f32 } from "./ops/resample";
export {
  relu_grad_f32,
  softmax_grad_f32,
  sigmoid_grad_f32,
  tanh_grad_f32,
  erf_grad_f32,
  gelu_grad_f32,
  gelu_tanh_grad_f32,
} from "./ops/activation";
export { clip_grad_f32 } from "./ops/clip";
export { layer_norm_grad_f32 } from "./ops/norm";
export { add_into_f32 } from "./ops/elementwise";
export { column_sum_f32, channel_sum_f32 } from "./ops/reduce";
export { topk_scratch_bytes, topk_threshold_f32 } from "./compress/topk";
export { sddmm_csr_f32 } from "./compress/sddmm";
export { topk_mask_f32, mask_apply_f32, mask_count } from "./compress/mask";
export { rows_mask_scratch_bytes, rows_mask_f32, groups_mask_f32, block_norms_f32, block_mask } from "./compress/structure";
export { inverse_factor_f64, quantize_feedback_f64, quadratic_rows_f64 } from "./compress/feedback";
export {
  cholesky_solve_f64,
  support_solve_f64,
  nearest_atoms_f64,
  nearest_feedback_f64,
  reround_rows_f64,
  reround_columns_f64,
} from "./compress/factor";
export { absmax_rows_f32, quantize_rows_f32_i8, round_rows_f32, round_rows_grad_f32 } from "./compress/int8";
export { factored_pieces_f32, factored_columns_f32 } from "./ops/factored";
export { codebook_dot_f32, codebook_scatter_f32, codebook_rows_f32 } from "./compress/codebook";
export { cross_entropy_f32, divergence_f32, mean_squared_error_f32 } from "./train/loss";
export { sgd_step_f32, adam_step_f32, sum_squares_f32, scale_f32 } from "./train/optim";
