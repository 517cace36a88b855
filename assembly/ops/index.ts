import { load_int, shift_of, store_int } from "../integer";
import { copy_run } from "./movement";

/** An offset that leads nowhere. */
const nowhere: u32 = 0xffffffff;

/**
 * offsets[i] += index[i] stride: where indices along one dimension lead.
 * index: integers of `code` [n], `step` elements apart, counted from the end where negative; limit: size of the dimension; stride:
 * bytes; offsets: u32 [n], added into. An index outside leads nowhere. Returns how many there are of these.
 */
export function index_offsets_int(
  n: i32, code: i32, step: i32, limit: i32, stride: i32, index: usize, offsets: usize,
): i32 {
  assert(n >= 0 && limit >= 0 && (offsets & 3) == 0);
  const far = <usize>step << shift_of(code);
  let outside = 0;
  for (; n > 0; n--, index += far, offsets += 4) {
    let i = load_int(code, index);
    if (i < 0) i += limit;
    if (<u64>i >= <u64>limit) {
      store<u32>(offsets, nowhere);
      outside++;
      continue;
    }
    const before = load<u32>(offsets);
    if (before != nowhere) store<u32>(offsets, before + <u32>i * stride);
  }
  return outside;
}

/**
 * y[o, i] = the run of bytes at x + o step + offsets[i].
 * offsets: u32 [n]; y: u8 [outer, n, run], written in full, apart from x.
 */
export function gather_bytes(
  outer: i32, n: i32, run: i32, step: i32, x: usize, offsets: usize, y: usize,
): void {
  assert(outer >= 0 && n >= 0 && run >= 0);
  const end = offsets + (<usize>n << 2);
  for (; outer > 0; outer--, x += step) {
    if (run == 4) for (let p = offsets; p < end; p += 4, y += 4) store<u32>(y, load<u32>(x + load<u32>(p)));
    else for (let p = offsets; p < end; p += 4, y += run) copy_run(run, x + load<u32>(p), y);
  }
}

/** The run of bytes at y + offsets[i] = x[i], in the order of i; what leads nowhere is left out. x: u8 [n, run]; y: apart from x. */
export function scatter_bytes(n: i32, run: i32, x: usize, offsets: usize, y: usize): void {
  assert(n >= 0 && run >= 0);
  for (; n > 0; n--, offsets += 4, x += run) {
    const to = load<u32>(offsets);
    if (to != nowhere) copy_run(run, x, y + to);
  }
}

/**
 * The same where what stands there is joined with what comes: kind 0 added, 1 multiplied, 2 the larger, 3 the smaller (NaN where
 * one is). x: f32 [n, run]; offsets: bytes.
 */
export function scatter_f32(n: i32, run: i32, x: usize, offsets: usize, y: usize, kind: i32): void {
  for (; n > 0; n--, offsets += 4) {
    const to = load<u32>(offsets);
    for (let k = run; k > 0; k--, x += 4) {
      if (to == nowhere) continue;
      const p = y + to + (<usize>(run - k) << 2);
      const a = load<f32>(p), b = load<f32>(x);
      store<f32>(p, kind == 0 ? a + b : kind == 1 ? a * b : kind == 2 ? max(a, b) : min(a, b));
    }
  }
}

/** The same for integers of `code`; sums and products wrap. */
export function scatter_int(n: i32, run: i32, code: i32, x: usize, offsets: usize, y: usize, kind: i32): void {
  const shift = shift_of(code);
  for (; n > 0; n--, offsets += 4) {
    const to = load<u32>(offsets);
    for (let k = run; k > 0; k--, x += 1 << shift) {
      if (to == nowhere) continue;
      const p = y + to + (<usize>(run - k) << shift);
      const a = load_int(code, p), b = load_int(code, x);
      // Of 64 unsigned bits the first one is no sign.
      const less = code == 7 ? <u64>a < <u64>b : a < b;
      store_int(code, p, kind == 0 ? a + b : kind == 1 ? a * b : (kind == 2) == less ? b : a);
    }
  }
}
