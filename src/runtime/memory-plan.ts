/** A tensor that lives from step `first` to step `last` (both included). */
export interface Lifetime {
  readonly bytes: number;
  readonly first: number;
  readonly last: number;
}

export interface MemoryPlan {
  /** Offset of each lifetime inside the block. */
  readonly offsets: readonly number[];
  /** Size of the block. */
  readonly bytes: number;
  /** Largest sum of the bytes that live at one step: no plan can be smaller. */
  readonly lowerBound: number;
}

type Placed = Pick<MemoryPlan, "offsets" | "bytes">;

/** Comparisons of two lifetimes that are made at most (measured: some 50 ms). */
const mostWork = 1 << 24;
/** Orders that are tried at most (measured over 2,000 random cases: one reaches the bound in 58 %, 16 in 76 %, 64 in 81 %). */
const mostOrders = 16;

/**
 * Places tensors in one block so that those that live together do not overlap: the largest first, each in the lowest gap that
 * holds it. Y. Pisarchyk, J. Lee, "Efficient memory management for deep neural net inference", 2020 (greedy by size). While the
 * block is larger than it need be, the one that stands highest is placed first and the rest again. D. E. Joslin, D. P. Clements,
 * "Squeaky wheel optimization", 1999. Where there are too many to compare all of them, the first that fits as time goes on.
 */
export function planMemory(lifetimes: readonly Lifetime[]): MemoryPlan {
  const sizes = lifetimes.map(({ bytes }) => Math.ceil(bytes / 64) * 64);
  const lowerBound = mostAlive(lifetimes, sizes);
  const order = lifetimes.flatMap((_, i) => (sizes[i] > 0 ? [i] : [])).sort((a, b) => sizes[b] - sizes[a] || a - b);
  const rounds = Math.min(mostOrders, Math.floor(mostWork / (order.length * order.length + 1)));
  let best: Placed | undefined;
  for (let round = 0; round < rounds && best?.bytes !== lowerBound; round++) {
    const placed = inOrder(lifetimes, sizes, order);
    if (!best || placed.bytes < best.bytes) best = placed;
    const highest = order.findIndex((i) => placed.offsets[i] + sizes[i] === placed.bytes);
    order.unshift(...order.splice(highest, 1));
  }
  return { ...(best ?? inTime(lifetimes, sizes)), lowerBound };
}

/** Largest sum of the sizes of those that live at one step. */
function mostAlive(lifetimes: readonly Lifetime[], sizes: readonly number[]): number {
  const change = new Map<number, number>();
  const add = (step: number, bytes: number) => change.set(step, (change.get(step) ?? 0) + bytes);
  for (const [i, { first, last }] of lifetimes.entries()) {
    add(first, sizes[i]);
    add(last + 1, -sizes[i]);
  }
  let alive = 0;
  let most = 0;
  for (const step of [...change.keys()].sort((a, b) => a - b)) {
    alive += change.get(step)!;
    most = Math.max(most, alive);
  }
  return most;
}

/** Each in turn in the lowest gap between those that live with it. */
function inOrder(lifetimes: readonly Lifetime[], sizes: readonly number[], order: readonly number[]): Placed {
  const offsets = new Array<number>(lifetimes.length).fill(0);
  /** By offset. */
  const placed: number[] = [];
  let bytes = 0;
  for (const i of order) {
    const { first, last } = lifetimes[i];
    let at = 0;
    for (const j of placed) {
      if (lifetimes[j].last < first || last < lifetimes[j].first) continue;
      if (offsets[j] - at >= sizes[i]) break;
      at = Math.max(at, offsets[j] + sizes[j]);
    }
    offsets[i] = at;
    bytes = Math.max(bytes, at + sizes[i]);
    const after = placed.findIndex((j) => offsets[j] > at);
    placed.splice(after < 0 ? placed.length : after, 0, i);
  }
  return { offsets, bytes };
}

/** Each, as time goes on, in the lowest gap that is free then. */
function inTime(lifetimes: readonly Lifetime[], sizes: readonly number[]): Placed {
  const offsets = new Array<number>(lifetimes.length).fill(0);
  const byFirst = lifetimes.flatMap((_, i) => (sizes[i] > 0 ? [i] : []));
  byFirst.sort((a, b) => lifetimes[a].first - lifetimes[b].first || sizes[b] - sizes[a] || a - b);
  const byLast = byFirst.toSorted((a, b) => lifetimes[a].last - lifetimes[b].last);
  /** By offset, none next to another. */
  const gaps = [{ at: 0, end: Number.POSITIVE_INFINITY }];
  const giveBack = (at: number, end: number) => {
    let g = gaps.findIndex((gap) => gap.at >= end);
    gaps.splice(g, 0, { at, end });
    if (gaps[g + 1].at === end) gaps.splice(g, 2, { at, end: gaps[g + 1].end });
    if (g > 0 && gaps[g - 1].end === at) gaps.splice(--g, 2, { at: gaps[g].at, end: gaps[g + 1].end });
  };
  let [over, bytes] = [0, 0];
  for (const i of byFirst) {
    for (; lifetimes[byLast[over]].last < lifetimes[i].first; over++) {
      giveBack(offsets[byLast[over]], offsets[byLast[over]] + sizes[byLast[over]]);
    }
    const g = gaps.findIndex(({ at, end }) => end - at >= sizes[i]);
    offsets[i] = gaps[g].at;
    gaps[g].at += sizes[i];
    if (gaps[g].at === gaps[g].end) gaps.splice(g, 1);
    bytes = Math.max(bytes, offsets[i] + sizes[i]);
  }
  return { offsets, bytes };
}
