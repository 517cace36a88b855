/**
 * Convolution with a weight in compressed sparse rows, [o, c kh kw]: every entry points straight into the laid-out image
 * (see ops/planes.ts), so there is no im2col (J. Park and others, "Faster CNNs with Direct Sparse Convolutions and Guided
 * Pruning", 2017).
 *   y[o, q] = bias[o] + sum over entries e of row o of values[e] cols[col[e], q]
 * in the order of the entries, whatever the batch and the size of the image; zero values are not there, so that 0 times
 * infinity does not arise.
 */
import { is_pointwise, lay_out, list_taps, phases, plane_pitch, plane_side, planes_bytes } from "../ops/planes";
import { strip_bytes, sweep } from "../ops/strip";

/** Bytes of scratch of sparse_conv_{f32,i8} for a weight of so many entries. */
export function sparse_conv_scratch_bytes(
  c: i32, w: i32, o: i32, entries: i32, kh: i32, kw: i32, strideH: i32, strideW: i32, padLeft: i32,
  dilationH: i32, dilationW: i32, outH: i32, outW: i32,
): f64 {
  const rows = plane_side(kh, strideH, dilationH, outH);
  const pitch = plane_pitch(kw, strideW, dilationW, outW, w, padLeft);
  const channel = phases(kh, strideH, dilationH) * phases(kw, strideW, dilationW) * rows * pitch;
  return <f64>strip_bytes(o) + (<f64>entries + <f64>max(c, 1) * <f64>(kh * kw)) * 4 + planes_bytes(c, channel);
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
  if (is_pointwise(h, w, kh, kw, strideH, strideW, padTop, padLeft, outH, outW)) {
    w = outW = h * w;
    h = outH = 1;
  }
  const rows = plane_side(kh, strideH, dilationH, outH);
  const pitch = plane_pitch(kw, strideW, dilationW, outW, w, padLeft);
  const phasesH = phases(kh, strideH, dilationH);
  const phasesW = phases(kw, strideW, dilationW);
  const first = load<u32>(rowPtr);
  const entries = load<u32>(rowPtr + (<usize>o << 2)) - first;
  const taps = kh * kw;
  const offsets = scratch + strip_bytes(o);
  const ofTaps = offsets + (<usize>entries << 2);
  const planes = ofTaps + (<usize>(max(c, 1) * taps) << 2);
  // Where each column of the weight stands in the planes, then each entry.
  list_taps(kh, kw, strideH, strideW, dilationH, dilationW, rows, pitch, ofTaps);
  const channel = <u32>(phasesH * phasesW * rows * pitch) << 2;
  for (let i = taps; i < c * taps; i++) {
    store<u32>(ofTaps + (<usize>i << 2), load<u32>(ofTaps + (<usize>(i - taps) << 2)) + channel);
  }
  for (let e: usize = 0, from = col + (<usize>first << 2); e < <usize>entries << 2; e += 4) {
    const at = load<u32>(from + e);
    assert(at < <u32>(c * taps));
    store<u32>(offsets + e, load<u32>(ofTaps + (<usize>at << 2)));
  }
  values += <usize>first * sizeof<V>();
  for (; batch > 0; batch--) {
    lay_out(c, h, w, strideH, strideW, padTop, padLeft, phasesH, phasesW, rows, pitch, x, planes);
    sweep<V>(o, outH, outW, pitch, rowPtr, offsets, values, scale, bias, limits, planes, y, scratch);
    x += <usize>xImage << 2;
    y += <usize>yImage << 2;
  }
}
