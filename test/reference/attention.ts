// Attention and rotary embedding one number at a time, in f64.
import type { Elements } from "./movement.js";

interface Given {
  readonly q: Elements;
  readonly k: Elements;
  readonly v: Elements;
  /** A bool mask has `bool`. */
  readonly mask?: Elements & { readonly bool?: boolean };
  readonly pastKey?: Elements;
  readonly pastValue?: Elements;
  readonly lengths?: readonly number[];
}

interface Options {
  readonly q_num_heads?: number;
  readonly kv_num_heads?: number;
  readonly is_causal?: number;
  readonly scale?: number;
  readonly softcap?: number;
  readonly qk_matmul_output_mode?: number;
}

/** [batch, heads, rows, size], whichever way a tensor lies. */
interface Split {
  readonly sizes: readonly [batch: number, heads: number, rows: number, size: number];
  at(b: number, h: number, i: number, p: number): number;
}

function split({ shape, data }: Elements, count: number | undefined): Split {
  const [batch, heads, rows, size] = shape.length === 4 ? shape : [shape[0], count!, shape[1], shape[2] / count!];
  const at = (b: number, h: number, i: number, p: number) =>
    shape.length === 4 ? data[((b * heads + h) * rows + i) * size + p] : data[((b * rows + i) * heads + h) * size + p];
  return { sizes: [batch, heads, rows, size], at };
}

/** The past first, then the rest. */
function join(now: Split, past: Elements | undefined): Split {
  if (!past) return now;
  const [batch, heads, rows, size] = now.sizes;
  const before = split(past, undefined);
  const kept = before.sizes[2];
  return {
    sizes: [batch, heads, kept + rows, size],
    at: (b, h, i, p) => (i < kept ? before.at(b, h, i, p) : now.at(b, h, i - kept, p)),
  };
}

function flat({ sizes: [batch, heads, rows, size], at }: Split): Elements {
  const data: number[] = [];
  for (let b = 0; b < batch; b++)
    for (let h = 0; h < heads; h++)
      for (let i = 0; i < rows; i++) for (let p = 0; p < size; p++) data.push(at(b, h, i, p));
  return { shape: [batch, heads, rows, size], data };
}

/** What a mask adds at one place. */
function maskAt(mask: Given["mask"], b: number, h: number, i: number, j: number): number {
  if (!mask) return 0;
  const [batch, heads, rows, cols] = [1, 1, ...mask.shape].slice(-4);
  if (j >= cols) return Number.NEGATIVE_INFINITY;
  const place = (((batch > 1 ? b : 0) * heads + (heads > 1 ? h : 0)) * rows + (rows > 1 ? i : 0)) * cols + j;
  if (mask.bool) return mask.data[place] ? 0 : Number.NEGATIVE_INFINITY;
  return mask.data[place];
}

export function attention(given: Given, options: Options) {
  const q = split(given.q, options.q_num_heads);
  const k = join(split(given.k, options.kv_num_heads), given.pastKey);
  const v = join(split(given.v, options.kv_num_heads), given.pastValue);
  const [batch, heads, rows, d] = q.sizes;
  const [, shared, total] = k.sizes;
  const size = v.sizes[3];
  const { scale = 1 / Math.sqrt(d), softcap = 0, is_causal = 0, qk_matmul_output_mode: mode = 0 } = options;
  const y = new Float64Array(batch * heads * rows * size);
  const scores: number[] = [];
  for (let b = 0; b < batch; b++) {
    const length = given.lengths?.[b] ?? total;
    const offset = given.lengths ? length - rows : total - split(given.k, options.kv_num_heads).sizes[2];
    for (let h = 0; h < heads; h++) {
      const from = Math.floor(h / (heads / shared));
      for (let i = 0; i < rows; i++) {
        const raw = Array.from({ length: total }, (_, j) => {
          let sum = 0;
          for (let p = 0; p < d; p++) sum += q.at(b, h, i, p) * k.at(b, from, j, p);
          return sum * scale;
        });
        const masked = raw.map((value, j) => {
          const open = j < length && (!is_causal || j <= i + offset);
          return open ? value + maskAt(given.mask, b, h, i, j) : Number.NEGATIVE_INFINITY;
        });
        const capped = masked.map((value) => {
          return softcap > 0 && value !== Number.NEGATIVE_INFINITY ? softcap * Math.tanh(value / softcap) : value;
        });
        const most = Math.max(...capped);
        const powers = capped.map((value) => Math.exp(value - most));
        const sum = powers.reduce((a, c) => a + c, 0);
        const weights = powers.map((power) => power / sum);
        scores.push(...[raw, masked, capped, weights][mode]);
        if (most === Number.NEGATIVE_INFINITY) continue;
        for (let p = 0; p < size; p++) {
          let value = 0;
          for (let j = 0; j < total; j++) value += weights[j] === 0 ? 0 : weights[j] * v.at(b, from, j, p);
          const at = given.q.shape.length === 4 ? (b * heads + h) * rows + i : (b * rows + i) * heads + h;
          y[at * size + p] = value;
        }
      }
    }
  }
  return { y, keys: flat(k), values: flat(v), scores };
}

/** Pairs turned by angles whose cosines and sines are [batch, rows, pairs]. */
export function rotary(x: Elements, cos: Elements, sin: Elements, count: number | undefined, interleaved: boolean) {
  const { sizes, at } = split(x, count);
  const [batch, heads, rows, size] = sizes;
  const pairs = cos.shape[2];
  const y = Array.from(x.data);
  for (let b = 0; b < batch; b++) {
    for (let h = 0; h < heads; h++) {
      for (let i = 0; i < rows; i++) {
        const start = x.shape.length === 4 ? (b * heads + h) * rows + i : (b * rows + i) * heads + h;
        for (let p = 0; p < pairs; p++) {
          const [first, second] = interleaved ? [2 * p, 2 * p + 1] : [p, p + pairs];
          const [c, s] = [cos, sin].map(({ data }) => data[(b * rows + i) * pairs + p]);
          const [u, w] = [at(b, h, i, first), at(b, h, i, second)];
          y[start * size + first] = u * c - w * s;
          y[start * size + second] = u * s + w * c;
        }
      }
    }
  }
  return y;
}
