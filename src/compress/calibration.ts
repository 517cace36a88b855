import type { TypedArray } from "../dtype.js";
import type { Graph } from "../graph/graph.js";
import type { Feeds } from "../runtime/feeds.js";

/** Examples that are kept, or a few more. */
const most = 256;

/** Examples in some feeds together, by the first dimension of the network's first input; of a bare array it follows from the others. */
export function examplesIn({ inputs }: Pick<Graph, "inputs">, feeds: readonly Feeds[]): number {
  const [{ name, shape = [] } = { name: "" }] = inputs;
  const [first, ...rest] = shape;
  const each = rest.reduce<number>((size, dim) => size * (typeof dim === "number" ? dim : Number.NaN), 1);
  return feeds.reduce((sum, given) => {
    const value = given?.[name];
    if (value === undefined) return sum + 1;
    if (!ArrayBuffer.isView(value)) return sum + (value.shape?.[0] || 1);
    return sum + (typeof first === "number" ? first : value.length / each || 1);
  }, 0);
}

/** The first feeds, with so many examples together, or a few more. */
export function fewOf(graph: Graph, feeds: readonly Feeds[], count: number): readonly Feeds[] {
  const few: Feeds[] = [];
  for (const given of feeds) if (examplesIn(graph, few) < count) few.push(given);
  return few;
}

/** The inputs as they come; copies of the first of them go into `kept`, since a caller may fill the same arrays again and again. */
export function* keeping(graph: Graph, calibration: Iterable<Feeds>, kept: Feeds[]): Generator<Feeds> {
  for (const feeds of calibration) {
    if (examplesIn(graph, kept) < most) kept.push(copyOf(feeds));
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
