// The layer kernels' executable specification: naive loops in f64. What sums also tells the sum of the terms' sizes, from
// which a test derives the error that f32 may make.

/** Exact values, and for each the sum of |terms| behind it. */
export interface Sums {
  readonly value: Float64Array;
  readonly size: Float64Array;
}

/** C + A B with A[i, p] and B[p, j] read through functions, so that one twin serves every layout. */
export function product(m: number, n: number, k: number, a: Element, b: Element, c: Float32Array): Sums {
  const value = Float64Array.from(c);
  const size = value.map(Math.abs);
  for (let i = 0; i < m; i++) {
    for (let p = 0; p < k; p++) {
      const left = a(i, p);
      for (let j = 0; j < n; j++) {
        const term = left * b(p, j);
        value[i * n + j] += term;
        size[i * n + j] += Math.abs(term);
      }
    }
  }
  return { value, size };
}

/** The same in f32, rounded after each product and each sum, in rising p: what strict builds give, bit for bit. */
export function roundedProduct(m: number, n: number, k: number, a: Element, b: Element, c: Float32Array): Float32Array {
  const out = c.slice();
  for (let i = 0; i < m; i++) {
    for (let p = 0; p < k; p++) {
      const left = a(i, p);
      // Storing rounds the sum; the product is rounded before.
      for (let j = 0; j < n; j++) out[i * n + j] += Math.fround(left * b(p, j));
    }
  }
  return out;
}

type Element = (row: number, column: number) => number;

/** The geometry of one group of a convolution, in the order in which kernels take it. */
export interface Geometry {
  readonly c: number;
  readonly h: number;
  readonly w: number;
  readonly o: number;
  readonly kh: number;
  readonly kw: number;
  readonly strideH: number;
  readonly strideW: number;
  readonly padTop: number;
  readonly padLeft: number;
  readonly dilationH: number;
  readonly dilationW: number;
  readonly outH: number;
  readonly outW: number;
}

/** cols[(c, ky, kx), (oy, ox)] of one image: the index into x that is read there, or -1 outside the image. */
export function windowIndex(g: Geometry): Int32Array {
  const out = new Int32Array(g.c * g.kh * g.kw * g.outH * g.outW);
  let at = 0;
  for (let c = 0; c < g.c; c++) {
    for (let ky = 0; ky < g.kh; ky++) {
      for (let kx = 0; kx < g.kw; kx++) {
        for (let oy = 0; oy < g.outH; oy++) {
          for (let ox = 0; ox < g.outW; ox++) {
            const y = oy * g.strideH - g.padTop + ky * g.dilationH;
            const x = ox * g.strideW - g.padLeft + kx * g.dilationW;
            out[at++] = y >= 0 && y < g.h && x >= 0 && x < g.w ? (c * g.h + y) * g.w + x : -1;
          }
        }
      }
    }
  }
  return out;
}

/** im2col of one image. */
export function columns(g: Geometry, x: Float32Array): Float32Array {
  return Float32Array.from(windowIndex(g), (at) => (at < 0 ? 0 : x[at]));
}

/** Gradients of sum(dY Y) for one image, Y = W cols, added to zeros. */
export function convGradients(
  g: Geometry,
  x: Float32Array,
  weight: Float32Array,
  dy: Float32Array,
): { dw: Sums; dx: Sums } {
  const index = windowIndex(g);
  const p = g.outH * g.outW;
  const r = g.c * g.kh * g.kw;
  const dw = zeros(g.o * r);
  const dx = zeros(g.c * g.h * g.w);
  for (let o = 0; o < g.o; o++) {
    for (let i = 0; i < r; i++) {
      for (let q = 0; q < p; q++) {
        const at = index[i * p + q];
        if (at < 0) continue;
        add(dw, o * r + i, dy[o * p + q] * x[at]);
        add(dx, at, dy[o * p + q] * weight[o * r + i]);
      }
    }
  }
  return { dw, dx };
}

/** The geometry of pooling over planes. */
export interface Pool {
  readonly h: number;
  readonly w: number;
  readonly kh: number;
  readonly kw: number;
  readonly strideH: number;
  readonly strideW: number;
  readonly padTop: number;
  readonly padLeft: number;
  readonly outH: number;
  readonly outW: number;
}

/** The indices of x that each output of one plane looks at, in row order. */
export function poolWindows(g: Pool): number[][] {
  const out: number[][] = [];
  for (let oy = 0; oy < g.outH; oy++) {
    for (let ox = 0; ox < g.outW; ox++) {
      const window: number[] = [];
      for (let y = oy * g.strideH - g.padTop; y < oy * g.strideH - g.padTop + g.kh; y++) {
        for (let x = ox * g.strideW - g.padLeft; x < ox * g.strideW - g.padLeft + g.kw; x++) {
          if (y >= 0 && y < g.h && x >= 0 && x < g.w) window.push(y * g.w + x);
        }
      }
      out.push(window);
    }
  }
  return out;
}

/** Position of the first maximum, NaN counting as the largest; -1 of nothing. */
export function firstMaximum(values: ArrayLike<number>): number {
  let at = -1;
  for (let i = 0; i < values.length; i++) {
    if (at < 0 || values[i] > values[at] || (Number.isNaN(values[i]) && !Number.isNaN(values[at]))) at = i;
  }
  return at;
}

/** max(x, 0), +0 for -0, NaN for NaN. */
export function relu(x: number): number {
  return x > 0 ? x : Number.isNaN(x) ? x : 0;
}

/** x held within lo and hi, +0 for -0 where lo is 0, NaN for NaN. */
export function clip(x: number, lo: number, hi: number): number {
  if (Number.isNaN(x)) return x;
  const held = x < lo ? lo : x;
  return (held > hi ? hi : held) + (lo === 0 ? 0 : -0);
}

/** Sums held within lo and hi: what f32 may be off by does not grow. */
export function clipSums({ value, size }: Sums, [lo, hi]: readonly [number, number]): Sums {
  return { value: value.map((v) => clip(v, lo, hi)), size };
}

/** Softmax of one row. */
export function softmax(x: ArrayLike<number>): Float64Array {
  const highest = Math.max(...Array.from(x));
  const e = Float64Array.from(x, (v) => Math.exp(v - highest));
  const sum = e.reduce((a, b) => a + b, 0);
  return e.map((v) => v / sum);
}

/** Gradient of sum(dY softmax(x)) in terms of y = softmax(x), one row. */
export function softmaxGrad(y: ArrayLike<number>, dy: ArrayLike<number>): Sums {
  const out = zeros(y.length);
  let sum = 0;
  let size = 0;
  for (let i = 0; i < y.length; i++) {
    sum += y[i] * dy[i];
    size += Math.abs(y[i] * dy[i]);
  }
  for (let i = 0; i < y.length; i++) {
    out.value[i] = y[i] * (dy[i] - sum);
    out.size[i] = Math.abs(y[i]) * (Math.abs(dy[i]) + size);
  }
  return out;
}

function zeros(length: number): Sums {
  return { value: new Float64Array(length), size: new Float64Array(length) };
}

function add(sums: Sums, at: number, term: number): void {
  sums.value[at] += term;
  sums.size[at] += Math.abs(term);
}
