// What one core can do, in AssemblyScript: compiled by roofline.mjs when the benchmarks start.

// V8 schedules one of the first two well and not the other, which one depends on its version: the better counts.

/** f32 products and sums: `turns` times two links of six chains of each, 4 operations a link. */
export function chains(turns: i32, factor: f32, term: f32): f32 {
  const f = f32x4.splat(factor);
  const t = f32x4.splat(term);
  let a = t;
  let b = t;
  let c = t;
  let d = t;
  let e = t;
  let g = t;
  let h = t;
  let i = t;
  let j = t;
  let k = t;
  let l = t;
  let m = t;
  for (; turns > 0; turns--) {
    a = f32x4.mul(a, f);
    h = f32x4.add(h, t);
    b = f32x4.mul(b, f);
    i = f32x4.add(i, t);
    c = f32x4.mul(c, f);
    j = f32x4.add(j, t);
    d = f32x4.mul(d, f);
    k = f32x4.add(k, t);
    e = f32x4.mul(e, f);
    l = f32x4.add(l, t);
    g = f32x4.mul(g, f);
    m = f32x4.add(m, t);
    a = f32x4.mul(a, f);
    h = f32x4.add(h, t);
    b = f32x4.mul(b, f);
    i = f32x4.add(i, t);
    c = f32x4.mul(c, f);
    j = f32x4.add(j, t);
    d = f32x4.mul(d, f);
    k = f32x4.add(k, t);
    e = f32x4.mul(e, f);
    l = f32x4.add(l, t);
    g = f32x4.mul(g, f);
    m = f32x4.add(m, t);
  }
  a = f32x4.add(f32x4.add(f32x4.add(a, b), f32x4.add(c, d)), f32x4.add(f32x4.add(e, g), f32x4.add(h, i)));
  return f32x4.extract_lane(f32x4.add(f32x4.add(a, f32x4.add(j, k)), f32x4.add(l, m)), 0);
}

/** f32 products and sums: `turns` times ten products from memory, each added to a sum of its own, 8 operations each. */
export function loads(turns: i32, factor: f32, other: f32): f32 {
  const f = f32x4.splat(factor);
  const o = f32x4.splat(other);
  let a = f;
  let b = a;
  let c = a;
  let d = a;
  let e = a;
  let g = a;
  let h = a;
  let i = a;
  let j = a;
  let k = a;
  for (; turns > 0; turns--) {
    a = f32x4.add(a, f32x4.mul(v128.load(0), f));
    b = f32x4.add(b, f32x4.mul(v128.load(0), o));
    c = f32x4.add(c, f32x4.mul(v128.load(16), f));
    d = f32x4.add(d, f32x4.mul(v128.load(16), o));
    e = f32x4.add(e, f32x4.mul(v128.load(32), f));
    g = f32x4.add(g, f32x4.mul(v128.load(32), o));
    h = f32x4.add(h, f32x4.mul(v128.load(48), f));
    i = f32x4.add(i, f32x4.mul(v128.load(48), o));
    j = f32x4.add(j, f32x4.mul(v128.load(64), f));
    k = f32x4.add(k, f32x4.mul(v128.load(64), o));
  }
  a = f32x4.add(f32x4.add(f32x4.add(a, b), f32x4.add(c, d)), f32x4.add(f32x4.add(e, g), f32x4.add(h, i)));
  return f32x4.extract_lane(f32x4.add(a, f32x4.add(j, k)), 0);
}

/** Dot products of i16 pairs, summed in i32: `turns` times 12 chains, 16 operations each. */
export function dot(turns: i32, factor: i32, term: i32): i32 {
  const f = i16x8.splat(<i16>factor);
  const t = i32x4.splat(term);
  let a = t;
  let b = t;
  let c = t;
  let d = t;
  let e = t;
  let g = t;
  let h = t;
  let i = t;
  let j = t;
  let k = t;
  let l = t;
  let m = t;
  for (; turns > 0; turns--) {
    a = i32x4.add(i32x4.dot_i16x8_s(a, f), t);
    b = i32x4.add(i32x4.dot_i16x8_s(b, f), t);
    c = i32x4.add(i32x4.dot_i16x8_s(c, f), t);
    d = i32x4.add(i32x4.dot_i16x8_s(d, f), t);
    e = i32x4.add(i32x4.dot_i16x8_s(e, f), t);
    g = i32x4.add(i32x4.dot_i16x8_s(g, f), t);
    h = i32x4.add(i32x4.dot_i16x8_s(h, f), t);
    i = i32x4.add(i32x4.dot_i16x8_s(i, f), t);
    j = i32x4.add(i32x4.dot_i16x8_s(j, f), t);
    k = i32x4.add(i32x4.dot_i16x8_s(k, f), t);
    l = i32x4.add(i32x4.dot_i16x8_s(l, f), t);
    m = i32x4.add(i32x4.dot_i16x8_s(m, f), t);
  }
  a = i32x4.add(i32x4.add(i32x4.add(a, b), i32x4.add(c, d)), i32x4.add(i32x4.add(e, g), i32x4.add(h, i)));
  return i32x4.extract_lane(i32x4.add(i32x4.add(a, i32x4.add(j, k)), i32x4.add(l, m)), 0);
}

/** Reads `bytes` bytes, a multiple of 128, from the start of memory, `turns` times. */
export function read(bytes: usize, turns: i32): i32 {
  let a = i32x4.splat(0);
  let b = a;
  let c = a;
  let d = a;
  for (; turns > 0; turns--) {
    for (let p: usize = 0; p < bytes; p += 128) {
      a = v128.or(a, v128.load(p));
      b = v128.or(b, v128.load(p, 16));
      c = v128.or(c, v128.load(p, 32));
      d = v128.or(d, v128.load(p, 48));
      a = v128.or(a, v128.load(p, 64));
      b = v128.or(b, v128.load(p, 80));
      c = v128.or(c, v128.load(p, 96));
      d = v128.or(d, v128.load(p, 112));
    }
  }
  return i32x4.extract_lane(v128.or(v128.or(a, b), v128.or(c, d)), 0);
}
