// Matrix product and convolution in plain JavaScript. Sums are f64, which is also what is fastest: rounding to f32 on the way
// (Math.fround) halves the speed (measured). A tile of 2 x 4 sums stays in registers; larger ones gain 3 % (measured).

/** c [m, n] = a [m, k] b^T + bias, b [n, k] (a layer's weights); bias [n] or undefined. */
export function gemmNT(m, n, k, a, b, bias, c) {
  const tall = m & ~1;
  const wide = n & ~3;
  for (let j = 0; j < wide; j += 4) {
    const b0 = j * k;
    const b1 = b0 + k;
    const b2 = b1 + k;
    const b3 = b2 + k;
    for (let i = 0; i < tall; i += 2) {
      const a0 = i * k;
      const a1 = a0 + k;
      let s00 = 0;
      let s01 = 0;
      let s02 = 0;
      let s03 = 0;
      let s10 = 0;
      let s11 = 0;
      let s12 = 0;
      let s13 = 0;
      for (let p = 0; p < k; p++) {
        const u = a[a0 + p];
        const v = a[a1 + p];
        const w0 = b[b0 + p];
        const w1 = b[b1 + p];
        const w2 = b[b2 + p];
        const w3 = b[b3 + p];
        s00 += u * w0;
        s01 += u * w1;
        s02 += u * w2;
        s03 += u * w3;
        s10 += v * w0;
        s11 += v * w1;
        s12 += v * w2;
        s13 += v * w3;
      }
      const at = i * n + j;
      c[at] = s00;
      c[at + 1] = s01;
      c[at + 2] = s02;
      c[at + 3] = s03;
      c[at + n] = s10;
      c[at + n + 1] = s11;
      c[at + n + 2] = s12;
      c[at + n + 3] = s13;
    }
    if (tall < m) row(tall, j, n, k, a, b, c);
  }
  for (let j = wide; j < n; j++) {
    for (let i = 0; i < m; i++) {
      let sum = 0;
      for (let p = 0; p < k; p++) sum += a[i * k + p] * b[j * k + p];
      c[i * n + j] = sum;
    }
  }
  if (bias) for (let i = 0; i < m; i++) for (let j = 0; j < n; j++) c[i * n + j] += bias[j];
}

/** Four sums of one row. */
function row(i, j, n, k, a, b, c) {
  const from = i * k;
  const b0 = j * k;
  const b1 = b0 + k;
  const b2 = b1 + k;
  const b3 = b2 + k;
  let s0 = 0;
  let s1 = 0;
  let s2 = 0;
  let s3 = 0;
  for (let p = 0; p < k; p++) {
    const u = a[from + p];
    s0 += u * b[b0 + p];
    s1 += u * b[b1 + p];
    s2 += u * b[b2 + p];
    s3 += u * b[b3 + p];
  }
  const at = i * n + j;
  c[at] = s0;
  c[at + 1] = s1;
  c[at + 2] = s2;
  c[at + 3] = s3;
}

/** c [m, n] = a [m, k] b [k, n]: b is turned first, which costs little beside the product. */
export function gemmNN(m, n, k, a, b, turned, c) {
  for (let p = 0; p < k; p++) for (let j = 0; j < n; j++) turned[j * k + p] = b[p * n + j];
  gemmNT(m, n, k, a, turned, undefined, c);
}

/** y [o, outH * outW] = weight [o, c * kh * kw] * patches^T + bias of one image x [c, h, w]; patches [outH * outW, c * kh * kw]. */
export function conv({ c, h, w, o, kh, kw, stride, pad, outH, outW }, x, weight, bias, patches, y) {
  let to = 0;
  for (let oy = 0; oy < outH; oy++) {
    for (let ox = 0; ox < outW; ox++) {
      for (let ch = 0; ch < c; ch++) {
        for (let ky = 0; ky < kh; ky++) {
          const iy = oy * stride + ky - pad;
          const from = (ch * h + iy) * w;
          for (let kx = 0; kx < kw; kx++) {
            const ix = ox * stride + kx - pad;
            patches[to++] = iy >= 0 && iy < h && ix >= 0 && ix < w ? x[from + ix] : 0;
          }
        }
      }
    }
  }
  const pixels = outH * outW;
  gemmNT(o, pixels, c * kh * kw, weight, patches, undefined, y);
  for (let ch = 0; ch < o; ch++) {
    const b = bias[ch];
    for (let p = ch * pixels, end = p + pixels; p < end; p++) y[p] += b;
  }
}
