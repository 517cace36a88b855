// Naive twins of the operators that move values: over flat arrays of elements and shapes, one index at a time.

export interface Elements<T = number> {
  readonly shape: readonly number[];
  readonly data: readonly T[];
}

export const sizeOf = (shape: readonly number[]): number => shape.reduce((size, dim) => size * dim, 1);

/** Every index of a shape, in row-major order. */
export function* indicesOf(shape: readonly number[]): Generator<number[]> {
  const index = shape.map(() => 0);
  for (let i = 0; i < sizeOf(shape); i++) {
    yield [...index];
    for (let d = shape.length - 1; d >= 0; d--) {
      if (++index[d] < shape[d]) break;
      index[d] = 0;
    }
  }
}

export function placeOf(shape: readonly number[], index: readonly number[]): number {
  return index.reduce((place, at, d) => place * shape[d] + at, 0);
}

/** A tensor of `shape`, each element what `value` gives for its index. */
export function made<T>(shape: readonly number[], value: (index: readonly number[]) => T): Elements<T> {
  return { shape, data: [...indicesOf(shape)].map(value) };
}

export function at<T>(x: Elements<T>, index: readonly number[]): T {
  return x.data[placeOf(x.shape, index)];
}

export function transpose<T>(x: Elements<T>, perm = [...x.shape.keys()].reverse()): Elements<T> {
  return made(
    perm.map((axis) => x.shape[axis]),
    (index) => {
      const source = [...index];
      for (const [i, axis] of perm.entries()) source[axis] = index[i];
      return at(x, source);
    },
  );
}

/** x[start : end : step] along one axis, place by place as Python counts them. */
export function slice<T>(x: Elements<T>, axis: number, start: number, end: number, step: number): Elements<T> {
  const size = x.shape[axis];
  const wrap = (place: number) => (place < 0 ? place + size : place);
  const places: number[] = [];
  const [first, last] = [wrap(start), wrap(end)];
  if (step > 0) for (let i = Math.max(first, 0); i < Math.min(last, size); i += step) places.push(i);
  else for (let i = Math.min(first, size - 1); i > Math.max(last, -1); i += step) places.push(i);
  return made(x.shape.with(axis, places.length), (index) => at(x, index.with(axis, places[index[axis]])));
}

export function concat<T>(parts: readonly Elements<T>[], axis: number): Elements<T> {
  const places = parts.flatMap((part, p) => Array.from({ length: part.shape[axis] }, (_, i) => [p, i] as const));
  return made(parts[0].shape.with(axis, places.length), (index) => {
    const [p, i] = places[index[axis]];
    return at(parts[p], index.with(axis, i));
  });
}

export function expand<T>(x: Elements<T>, shape: readonly number[]): Elements<T> {
  const missing = shape.length - x.shape.length;
  return made(shape, (index) =>
    at(
      x,
      x.shape.map((size, d) => (size === 1 ? 0 : index[d + missing])),
    ),
  );
}

export function tile<T>(x: Elements<T>, repeats: readonly number[]): Elements<T> {
  return made(
    x.shape.map((size, d) => size * repeats[d]),
    (index) =>
      at(
        x,
        index.map((i, d) => i % x.shape[d]),
      ),
  );
}

/** Element `place` of a dimension of `size` that goes on in both directions: undefined is the constant. */
export function padded(mode: string, size: number, place: number): number | undefined {
  if (place >= 0 && place < size) return place;
  if (mode === "constant") return undefined;
  if (mode === "edge") return place < 0 ? 0 : size - 1;
  if (mode === "wrap") return ((place % size) + size) % size;
  if (size === 1) return 0;
  let i = place;
  while (i < 0 || i >= size) i = i < 0 ? -i : 2 * (size - 1) - i;
  return i;
}

export function pad<T>(
  x: Elements<T>,
  before: readonly number[],
  after: readonly number[],
  mode: string,
  value: T,
): Elements<T> {
  let cut = x;
  for (const [axis, size] of x.shape.entries()) {
    cut = slice(cut, axis, Math.max(0, -before[axis]), size + Math.min(0, after[axis]), 1);
  }
  const shape = x.shape.map((size, d) => size + before[d] + after[d]);
  return made(shape, (index) => {
    const source = index.map((i, d) => padded(mode, cut.shape[d], i - Math.max(0, before[d])));
    return source.includes(undefined) ? value : at(cut, source as number[]);
  });
}

export function trilu<T>(x: Elements<T>, k: number, upper: boolean, zero: T): Elements<T> {
  return made(x.shape, (index) => {
    const [row, col] = index.slice(-2);
    return (upper ? col - row >= k : col - row <= k) ? at(x, index) : zero;
  });
}

export function gather<T>(x: Elements<T>, indices: Elements, axis: number): Elements<T> {
  const rank = indices.shape.length;
  return made([...x.shape.slice(0, axis), ...indices.shape, ...x.shape.slice(axis + 1)], (index) => {
    const i = at(indices, index.slice(axis, axis + rank));
    return at(x, [...index.slice(0, axis), i < 0 ? i + x.shape[axis] : i, ...index.slice(axis + rank)]);
  });
}

export function gatherElements<T>(x: Elements<T>, indices: Elements, axis: number): Elements<T> {
  return made(indices.shape, (index) => {
    const i = at(indices, index);
    return at(x, index.with(axis, i < 0 ? i + x.shape[axis] : i));
  });
}

export function gatherND<T>(x: Elements<T>, indices: Elements, batch: number): Elements<T> {
  const tuple = indices.shape[indices.shape.length - 1];
  const outer = indices.shape.slice(0, -1);
  return made([...outer, ...x.shape.slice(batch + tuple)], (index) => {
    const lead = index.slice(0, outer.length);
    const place = Array.from({ length: tuple }, (_, k) => {
      const i = at(indices, [...lead, k]);
      return i < 0 ? i + x.shape[batch + k] : i;
    });
    return at(x, [...lead.slice(0, batch), ...place, ...index.slice(outer.length)]);
  });
}

type Join<T> = (there: T, comes: T) => T;

export function scatterElements<T>(
  x: Elements<T>,
  indices: Elements,
  updates: Elements<T>,
  axis: number,
  join: Join<T>,
): Elements<T> {
  const data = [...x.data];
  for (const index of indicesOf(indices.shape)) {
    const i = at(indices, index);
    const place = placeOf(x.shape, index.with(axis, i < 0 ? i + x.shape[axis] : i));
    data[place] = join(data[place], at(updates, index));
  }
  return { shape: x.shape, data };
}

export function scatterND<T>(x: Elements<T>, indices: Elements, updates: Elements<T>, join: Join<T>): Elements<T> {
  const data = [...x.data];
  const tuple = indices.shape[indices.shape.length - 1];
  const outer = indices.shape.slice(0, -1);
  for (const index of indicesOf(updates.shape)) {
    const lead = index.slice(0, outer.length);
    const target = Array.from({ length: tuple }, (_, k) => {
      const i = at(indices, [...lead, k]);
      return i < 0 ? i + x.shape[k] : i;
    });
    const place = placeOf(x.shape, [...target, ...index.slice(outer.length)]);
    data[place] = join(data[place], at(updates, index));
  }
  return { shape: x.shape, data };
}
