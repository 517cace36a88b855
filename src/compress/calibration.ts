import type { TypedArray } from "../dtype.js";
import type { Feeds } from "../runtime/feeds.js";

/** Examples that are kept, or a few more. */
const most = 256;

/** Examples in some feeds together. */
export function examplesIn(feeds: readonly Feeds[]): number {
  return feeds.reduce((sum, given) => {
    const [first] = Object.values(given ?? {});
    return sum + ((first && !ArrayBuffer.isView(first) && first.shape?.[0]) || 1);
  }, 0);
}

/** The inputs as they come; copies of the first of them go into `kept`, since a caller may fill the same arrays again and again. */
export function* keeping(calibration: Iterable<Feeds>, kept: Feeds[]): Generator<Feeds> {
  for (const feeds of calibration) {
    if (examplesIn(kept) < most) kept.push(copyOf(feeds));
    yield feeds;
  }
}

function copyOf(feeds: Feeds): Feeds {
  if (typeof feeds !== "object" || feeds === null) return feeds;
  return Object.fromEntries(
    Object.entries(feeds).map(([name, given]) => {
      if (ArrayBuffer.isView(given)) return [name, given.slice() as TypedArray];
      return [name, ArrayBuffer.isView(given?.data) ? { ...given, data: given.data.slice() as TypedArray } : given];
    }),
  );
}
