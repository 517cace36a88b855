/** What it takes and what it loses. */
interface Priced {
  readonly bytes: number;
  readonly error: number;
}

/**
 * Picks one candidate for each weight so that the bytes stay within the budget and the summed error is small: the choice that
 * minimises error + lambda * bytes for the smallest lambda that fits (H. Everett, "Generalized Lagrange multiplier method", 1963),
 * which lies on the lower convex hull of what can be had; and where that leaves room, the one replacement that then helps most.
 * More budget never gives a larger error. Gives undefined where even the smallest candidates do not fit.
 */
export function allocate<T extends Priced>(
  candidates: readonly (readonly T[])[],
  budget: number,
): readonly T[] | undefined {
  const pick = (lambda: number) => candidates.map((list) => cheapest(list, (c) => c.error + lambda * c.bytes));
  const bytesOf = (picked: readonly T[]) => picked.reduce((sum, { bytes }) => sum + bytes, 0);
  const least = candidates.map((list) => cheapest(list, ({ bytes }) => bytes));
  if (bytesOf(least) > budget) return undefined;
  const free = pick(0);
  if (bytesOf(free) <= budget) return free;
  let best = least;
  let [low, high] = [0, 1];
  // An error may be larger than the bytes that it saves; with one that has no bound no price is high enough.
  while (high < Number.POSITIVE_INFINITY && bytesOf(pick(high)) > budget) [low, high] = [high, 2 * high];
  if (high === Number.POSITIVE_INFINITY) return improved(candidates, least, budget - bytesOf(least));
  // 100 halvings reach any ratio of error to bytes that a double holds apart.
  for (let step = 0; step < 100; step++) {
    const middle = (low + high) / 2;
    const picked = pick(middle);
    if (bytesOf(picked) <= budget) {
      best = picked;
      high = middle;
    } else {
      low = middle;
    }
  }
  return improved(candidates, best, budget - bytesOf(best));
}

/** Of equal cost the one with fewer bytes, and of those the first. */
export function cheapest<T extends Priced>(list: readonly T[], cost: (candidate: T) => number): T {
  return list.reduce((best, candidate) => {
    const more = cost(candidate) - cost(best) || candidate.bytes - best.bytes;
    return more < 0 ? candidate : best;
  });
}

/** Where one weight is most of the network, the corners of the hull lie far apart: half the budget can be left. */
function improved<T extends Priced>(
  candidates: readonly (readonly T[])[],
  picked: readonly T[],
  room: number,
): readonly T[] {
  let result = picked;
  let most = 0;
  for (const [i, list] of candidates.entries()) {
    for (const candidate of list) {
      const gain = picked[i].error - candidate.error;
      // The difference of two errors without bound is no number.
      if (candidate.bytes - picked[i].bytes > room || !(gain > most)) continue;
      most = gain;
      result = picked.map((item, j) => (j === i ? candidate : item));
    }
  }
  return result;
}
