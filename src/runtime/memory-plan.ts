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

/**
 * Places tensors in one block so that those that live together do not overlap: the largest first, each in the lowest gap that
 * holds it. Y. Pisarchyk, J. Lee, "Efficient memory management for deep neural net inference", 2020 (greedy by size).
 */
export function planMemory(lifetimes: readonly Lifetime[]): MemoryPlan {
  const sizes = lifetimes.map(({ bytes }) => Math.ceil(bytes / 64) * 64);
  const order = lifetimes.map((_, i) => i).sort((a, b) => sizes[b] - sizes[a] || a - b);
  const offsets = new Array<number>(lifetimes.length).fill(0);
  const placed: number[] = [];
  let end = 0;
  for (const i of order) {
    const { first, last } = lifetimes[i];
    const rivals = placed
      .filter((j) => lifetimes[j].first <= last && first <= lifetimes[j].last)
      .sort((a, b) => offsets[a] - offsets[b]);
    let at = 0;
    for (const j of rivals) {
      if (offsets[j] - at >= sizes[i]) break;
      at = Math.max(at, offsets[j] + sizes[j]);
    }
    offsets[i] = at;
    end = Math.max(end, at + sizes[i]);
    placed.push(i);
  }
  let lowerBound = 0;
  for (const { first } of lifetimes) {
    const live = lifetimes.reduce((sum, l, i) => (l.first <= first && first <= l.last ? sum + sizes[i] : sum), 0);
    lowerBound = Math.max(lowerBound, live);
  }
  return { offsets, bytes: end, lowerBound };
}
