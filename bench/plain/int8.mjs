// int8 quantization in plain JavaScript.

/** Adding and taking away 1.5 * 2^52 rounds a number to the nearest integer, half to even: faster than any test. */
const magic = 6755399441055744;

/** scale[r] = max |x[r]| / 127 (1 for an all-zero row), q = clamp(round(x / scale)). */
export function quantize(rows, cols, x, scale, q) {
  for (let r = 0; r < rows; r++) {
    const start = r * cols;
    const end = start + cols;
    let most = 0;
    for (let i = start; i < end; i++) {
      most = Math.max(most, Math.abs(x[i]));
    }
    const step = most === 0 ? 1 : Math.fround(most / 127);
    scale[r] = step;
    for (let i = start; i < end; i++) {
      q[i] = Math.min(Math.max(Math.fround(x[i] / step) + magic - magic, -127), 127);
    }
  }
}

/** y = q * scale. */
export function dequantize(rows, cols, q, scale, y) {
  for (let r = 0; r < rows; r++) {
    const step = scale[r];
    for (let i = r * cols, end = i + cols; i < end; i++) y[i] = q[i] * step;
  }
}

/** q = clamp(round(x / step)). */
export function quantizeFlat(x, step, q) {
  for (let i = 0; i < x.length; i++) {
    q[i] = Math.min(Math.max(Math.fround(x[i] / step) + magic - magic, -127), 127);
  }
}

/** The same as it is usually written; what lies half way is rounded up. */
export function quantizeUsual(x, factor, q) {
  for (let i = 0; i < x.length; i++) {
    const value = Math.round(x[i] * factor);
    q[i] = value > 127 ? 127 : value < -127 ? -127 : value;
  }
}
