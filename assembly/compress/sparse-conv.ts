/**
 * Convolution with a weight in compressed sparse rows, [o, c kh kw]: every entry points straight into the laid-out image
 * (see ops/planes.ts), so there is no im2col (J. Park and others, "Faster CNNs with Direct Sparse Convolutions and Guided
 * Pruning", 2017).
 *   y[o, q] = bias[o] + sum over entries e of row o of values[e] cols[col[e], q]
 * in the order of the entries, whatever the batch and the size of the image; zero values are not there, so that 0 times
 * infinity does not arise.
 */
import { is_pointwise, lay_out, list_taps, phases, plane_pitch, plane_side, planes_bytes } from "../ops/planes";
import { panel_bytes, store_entry, strip_bytes, sweep, sweep_lines, width } from "../ops/strip";
import { four } from "./spmv";

/** Bytes of scratch of sparse_conv_{f32,i8} for a weight of so many entries. */
export function sparse_conv_scratch_bytes(
  c: i32, w: i32, o: i32, entries: i32, kh: i32, kw: i32, strideH: i32, strideW: i32, padLeft: i32,
  dilationH: i32, dilationW: i32, outH: i32, outW: i32,
): f64 {
  const rows = plane_side(kh, strideH, dilationH, outH);
  const pitch = plane_pitch(kw, strideW, dilationW, outW, w, padLeft);
  const channel = phases(kh, strideH, dilationH) * phases(kw, strideW, dilationW) * rows * pitch;
  return <f64>strip_bytes(o) + <f64>entries * 8 + between(c, kh * kw) + planes_bytes(c, channel);
}

/** Bytes from the end of the entries to the planes: the panel of sweep_lines, or where each column of the weight stands. */
// @ts-ignore: decorator
@inline
function between(c: i32, taps: i32): f64 {
  return taps == 1 ? panel_bytes(c) : <f64>max(c, 1) * <f64>taps * 4;
}

/**
 * x: f32 [batch, c, h, w], images xImage elements apart; rowPtr: u32 [o + 1], col: u32 [entries], values: f32 [entries],
 * counted from the start of both, so that a group is a slice of rowPtr; bias: f32 [o], or 0 for none; limits: f32 [3], see
 * `clamp`, or 0; y: f32 [batch, o, outH, outW], images yImage elements apart, written in full, apart from all others;
 * scratch: sparse_conv_scratch_bytes.
 */
export function sparse_conv_f32(
  batch: i32, c: i32, h: i32, w: i32, o: i32, kh: i32, kw: i32, strideH: i32, strideW: i32, padTop: i32, padLeft: i32,
  dilationH: i32, dilationW: i32, outH: i32, outW: i32, xImage: i32, yImage: i32,
  x: usize, rowPtr: usize, col: usize, values: usize, bias: usize, limits: usize, y: usize,
  scratch: usize,
): void {
  convolve<f32>(
    batch, c, h, w, o, kh, kw, strideH, strideW, padTop, padLeft, dilationH, dilationW, outH, outW, xImage, yImage,
    x, rowPtr, col, values, 0, bias, limits, y, scratch,
  );
}

/** As sparse_conv_f32 with values: int8 [entries] and scale: f32 [o]; the sum is scaled before the bias is added. */
export function sparse_conv_i8(
  batch: i32, c: i32, h: i32, w: i32, o: i32, kh: i32, kw: i32, strideH: i32, strideW: i32, padTop: i32, padLeft: i32,
  dilationH: i32, dilationW: i32, outH: i32, outW: i32, xImage: i32, yImage: i32,
  x: usize, rowPtr: usize, col: usize, values: usize, scale: usize, bias: usize, limits: usize, y: usize,
  scratch: usize,
): void {
  convolve<i8>(
    batch, c, h, w, o, kh, kw, strideH, strideW, padTop, padLeft, dilationH, dilationW, outH, outW, xImage, yImage,
    x, rowPtr, col, values, scale, bias, limits, y, scratch,
  );
}

// @ts-ignore: decorator
@inline
function convolve<V>(
  batch: i32, c: i32, h: i32, w: i32, o: i32, kh: i32, kw: i32, strideH: i32, strideW: i32, padTop: i32, padLeft: i32,
  dilationH: i32, dilationW: i32, outH: i32, outW: i32, xImage: i32, yImage: i32,
  x: usize, rowPtr: usize, col: usize, values: usize, scale: usize, bias: usize, limits: usize, y: usize,
  scratch: usize,
): void {
  assert(strideH > 0 && strideW > 0 && dilationH > 0 && dilationW > 0 && padTop >= 0 && padLeft >= 0);
  assert(((x | rowPtr | col | scale | bias | limits | y | scratch) & 3) == 0 && (values & (sizeof<V>() - 1)) == 0);
  if (o == 0 || outH * outW == 0) return;
  const rows = plane_side(kh, strideH, dilationH, outH);
  const pitch = plane_pitch(kw, strideW, dilationW, outW, w, padLeft);
  const phasesH = phases(kh, strideH, dilationH);
  const phasesW = phases(kw, strideW, dilationW);
  const taps = kh * kw;
  const first = load<u32>(rowPtr);
  const count = <i32>(load<u32>(rowPtr + (<usize>o << 2)) - first);
  const list = scratch + strip_bytes(o);
  const entries = list - (<usize>first << 3);
  const behind = list + (<usize>count << 3);
  const planes = behind + <usize>between(c, taps);
  const inPlace = is_pointwise(h, w, kh, kw, strideH, strideW, padTop, padLeft, outH, outW);
  if (taps == 1) {
    // One line: planes have no zeros between their rows then.
    outW *= outH;
    outH = 1;
  }
  const lines = taps == 1 && outW >= width;
  col += <usize>first << 2;
  values += <usize>first * sizeof<V>();
  if (lines) {
    list_channels<V>(c, count, col, values, list);
  } else {
    list_taps(kh, kw, strideH, strideW, dilationH, dilationW, rows, pitch, behind);
    const channel = <u32>(phasesH * phasesW * rows * pitch) << 2;
    for (let i = taps; i < c * taps; i++) {
      store<u32>(behind + (<usize>i << 2), load<u32>(behind + (<usize>(i - taps) << 2)) + channel);
    }
    for (let e: usize = 0; e < <usize>count; e++) {
      const at = load<u32>(col + (e << 2));
      assert(at < <u32>(c * taps));
      store_entry(list + (e << 3), load<u32>(behind + (<usize>at << 2)), value<V>(values + e * sizeof<V>()));
    }
  }
  for (; batch > 0; batch--) {
    if (!lines || !inPlace) {
      lay_out(c, h, w, strideH, strideW, padTop, padLeft, phasesH, phasesW, rows, pitch, x, planes);
    }
    if (lines) sweep_lines(c, outW, o, rowPtr, entries, scale, bias, limits, inPlace ? x : planes, y, behind);
    else sweep(o, outH, outW, taps == 1 ? outW : pitch, rowPtr, entries, scale, bias, limits, planes, y, scratch);
    x += <usize>xImage << 2;
    y += <usize>yImage << 2;
  }
}

// @ts-ignore: decorator
@inline
function value<V>(p: usize): f32 {
  return isFloat<V>() ? load<f32>(p) : <f32>load<i8>(p);
}

/** Entries of sweep_lines. */
function list_channels<V>(c: i32, count: i32, col: usize, values: usize, to: usize): void {
  for (; count >= 4; count -= 4, col += 16, values += 4 * sizeof<V>(), to += 32) {
    assert(i32x4.all_true(i32x4.lt_u(v128.load(col), i32x4.splat(c))));
    const offset = i32x4.mul(v128.load(col), i32x4.splat(4 * width));
    const weight = four<V>(values);
    v128.store(to, i32x4.shuffle(offset, weight, 0, 4, 1, 5));
    v128.store(to, i32x4.shuffle(offset, weight, 2, 6, 3, 7), 16);
  }
  for (; count > 0; count--, col += 4, values += sizeof<V>(), to += 8) {
    assert(load<u32>(col) < <u32>c);
    store_entry(to, load<u32>(col) * <u32>(4 * width), value<V>(values));
  }
}
