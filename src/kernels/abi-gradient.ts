type P = number;

/** Gradients, beside their forward kernels in assembly/ops: every one of them adds into its destination. */
export interface GradientKernels {
  conv_grad_w_f32(
    batch: number,
    c: number,
    h: number,
    w: number,
    o: number,
    kh: number,
    kw: number,
    strideH: number,
    strideW: number,
    padTop: number,
    padLeft: number,
    dilationH: number,
    dilationW: number,
    outH: number,
    outW: number,
    xImage: number,
    yImage: number,
    x: P,
    dy: P,
    dw: P,
    scratch: P,
  ): void;
  conv_grad_x_f32(
    batch: number,
    c: number,
    h: number,
    w: number,
    o: number,
    kh: number,
    kw: number,
    strideH: number,
    strideW: number,
    padTop: number,
    padLeft: number,
    dilationH: number,
    dilationW: number,
    outH: number,
    outW: number,
    xImage: number,
    yImage: number,
    dy: P,
    weight: P,
    dx: P,
    scratch: P,
  ): void;
  // biome-ignore format: sizes in lines
  depthwise_grad_w_f32(
    batch: number, c: number, h: number, w: number, m: number, kh: number, kw: number, strideH: number, strideW: number,
    padTop: number, padLeft: number, dilationH: number, dilationW: number, outH: number, outW: number, x: P,
    dy: P, dw: P, scratch: P,
  ): void;
  // biome-ignore format: sizes in lines
  depthwise_grad_x_f32(
    batch: number, c: number, h: number, w: number, m: number, kh: number, kw: number, strideH: number, strideW: number,
    padTop: number, padLeft: number, dilationH: number, dilationW: number, outH: number, outW: number, dy: P,
    weight: P, dx: P, scratch: P,
  ): void;
  // biome-ignore format: sizes in lines
  conv_grad_scratch_bytes(
    c: number, w: number, o: number, kh: number, kw: number, strideH: number, strideW: number, padLeft: number,
    dilationH: number, dilationW: number, outH: number, outW: number,
  ): number;
  max_pool_grad_f32(
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
    dy: P,
    dx: P,
  ): void;
  average_pool_grad_f32(
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
    dy: P,
    dx: P,
    countIncludePad: number,
  ): void;
  // biome-ignore format: sizes in lines
  pool_grad_f32(
    kind: number, p: number, planes: number, d: number, h: number, w: number, kd: number, kh: number, kw: number,
    sd: number, sh: number, sw: number, dd: number, dh: number, dw: number, pd: number, ph: number, pw: number,
    ed: number, eh: number, ew: number, od: number, oh: number, ow: number, x: P, y: P, dy: P, dx: P,
  ): void;
  // biome-ignore format: sizes in lines
  resample_grad_f32(
    outer: number, n: number, m: number, inner: number, taps: number, first: P, weights: P, dy: P, dx: P,
  ): void;
  relu_grad_f32(n: number, y: P, dy: P, dx: P): void;
  clip_grad_f32(n: number, x: P, dy: P, dx: P, lo: number, hi: number): void;
  softmax_grad_f32(rows: number, cols: number, y: P, dy: P, dx: P): void;
  sigmoid_grad_f32(n: number, y: P, dy: P, dx: P): void;
  tanh_grad_f32(n: number, y: P, dy: P, dx: P): void;
  erf_grad_f32(n: number, x: P, dy: P, dx: P): void;
  gelu_grad_f32(n: number, x: P, dy: P, dx: P): void;
  gelu_tanh_grad_f32(n: number, x: P, dy: P, dx: P): void;
  layer_norm_grad_f32(
    rows: number,
    cols: number,
    x: P,
    gamma: P,
    dy: P,
    dx: P,
    dgamma: P,
    dbeta: P,
    epsilon: number,
  ): void;
  add_into_f32(n: number, x: P, y: P): void;
  column_sum_f32(rows: number, cols: number, x: P, y: P): void;
  channel_sum_f32(batch: number, c: number, plane: number, x: P, y: P): void;
}
