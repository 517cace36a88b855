/**
 * y[o, j, i] = sum over t of weights[j, t] x[o, first[j] + t, i]: one dimension of an image in another size.
 * first: u32 [m], first[j] + taps <= n; weights: f32 [m, taps]; x: f32 [outer, n, inner]; y: f32 [outer, m, inner], written in full,
 * apart from x. Sums in the order of t.
 */
export function resample_f32(
  outer: i32, n: i32, m: i32, inner: i32, taps: i32, first: usize, weights: usize, x: usize, y: usize,
): void {
  assert(taps > 0 && taps <= n || m == 0 || outer == 0);
  const row = <usize>inner << 2;
  const plane = <usize>n * row;
  const pairs = inner == 1 && taps == 2;
  for (; outer > 0; outer--, x += plane) {
    let w = weights, f = first, j = m;
    if (pairs) {
      for (; j >= 4; j -= 4, f += 16, w += 32, y += 16) {
        let a = v128.load64_zero(x + (<usize>load<u32>(f) << 2));
        let b = v128.load64_zero(x + (<usize>load<u32>(f, 8) << 2));
        a = v128.load_lane<u64>(x + (<usize>load<u32>(f, 4) << 2), a, 1);
        b = v128.load_lane<u64>(x + (<usize>load<u32>(f, 12) << 2), b, 1);
        a = f32x4.mul(a, v128.load(w));
        b = f32x4.mul(b, v128.load(w, 16));
        v128.store(y, f32x4.add(i32x4.shuffle(a, b, 0, 2, 4, 6), i32x4.shuffle(a, b, 1, 3, 5, 7)));
      }
    }
    for (; j > 0; j--, f += 4, w += <usize>taps << 2) {
      let p = x + <usize>load<u32>(f) * row;
      let i = inner;
      for (; i >= 4; i -= 4, p += 16, y += 16) {
        let sum = f32x4.mul(v128.load(p), v128.load32_splat(w));
        let q = p;
        for (let t = 1; t < taps; t++) {
          q += row;
          sum = f32x4.add(sum, f32x4.mul(v128.load(q), v128.load32_splat(w + (<usize>t << 2))));
        }
        v128.store(y, sum);
      }
      for (; i > 0; i--, p += 4, y += 4) {
        let sum = load<f32>(p) * load<f32>(w);
        let q = p;
        for (let t = 1; t < taps; t++) {
          q += row;
          sum += load<f32>(q) * load<f32>(w + (<usize>t << 2));
        }
        store<f32>(y, sum);
      }
    }
  }
}

/**
 * dx[o, first[j] + t, i] += sum over j of weights[j, t] dy[o, j, i], in the order of j.
 * dy: f32 [outer, m, inner]; dx: f32 [outer, n, inner], added into, apart from dy; the rest as above.
 */
export function resample_grad_f32(
  outer: i32, n: i32, m: i32, inner: i32, taps: i32, first: usize, weights: usize, dy: usize, dx: usize,
): void {
  const row = <usize>inner << 2;
  for (; outer > 0; outer--, dx += <usize>n * row) {
    for (let j: usize = 0; j < <usize>m; j++, dy += row) {
      let to = dx + <usize>load<u32>(first + (j << 2)) * row;
      for (let t: usize = 0; t < <usize>taps; t++, to += row) {
        const weight = load<f32>(weights + ((j * <usize>taps + t) << 2));
        const w = f32x4.splat(weight);
        let i: usize = 0;
        for (; i + 16 <= row; i += 16) v128.store(to + i, f32x4.add(v128.load(to + i), f32x4.mul(w, v128.load(dy + i))));
        for (; i < row; i += 4) store<f32>(to + i, load<f32>(to + i) + weight * load<f32>(dy + i));
      }
    }
  }
}
