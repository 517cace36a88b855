import { bytesPerElement, type DType, inMemory, isFloat } from "../dtype.js";
import { sizeOf } from "../tensor.js";
import { only } from "./attributes.js";
import { checkTypes } from "./elementwise.js";
import { type Equation, equationOf } from "./equation.js";
import { inputOf, sized } from "./known.js";
import { copying, steps } from "./move.js";
import type { Op } from "./op.js";
import {
  accumulate,
  combine,
  fold,
  launchOf,
  type Operand,
  type Place,
  type Recipe,
  recipeOf,
  reshaped,
  room,
  standing,
  zero,
} from "./recipe.js";

/**
 * Sums of products over the labels that the output lacks: numpy's einsum without its options. Operands are taken in from the left, two at a
 * time, what only one of them has summed first; of floats each pair is one matrix product for each index that both keep.
 */
export const einsum: Op = {
  attrs: (node) => only(node, ["equation"]),
  infer(node, inputs) {
    const given = node.inputs.map((_, i) => inputOf(node, inputs, i));
    const [{ dtype }] = checkTypes(node, given, "numbers");
    const { output, sizes } = equationOf(
      node,
      given.map(({ shape }) => shape),
    );
    return [sized(node, dtype, sizesOf(output, sizes))];
  },
  lower:
    ({ kernels, node }) =>
    ({ inputs, outputs }) => {
      const recipe = recipeOf(kernels);
      const equation = equationOf(
        node,
        inputs.map((slot) => slot!.shape),
      );
      const pending: Pending = { recipe, equation, dtype: outputs[0].dtype, y: standing(outputs[0]) };
      const views = inputs.map((slot, i) => viewOf(pending, standing(slot!), i));
      let result = views[0];
      for (let i = 1; i < views.length; i++)
        result = multiplied(pending, result, views[i], equation.terms.slice(i + 1));
      finish(pending, result);
      return launchOf(recipe);
    },
};

function sizesOf(labels: readonly string[], sizes: ReadonlyMap<string, number>): number[] {
  return labels.map((label) => sizes.get(label)!);
}

interface Pending {
  readonly recipe: Recipe;
  readonly equation: Equation;
  readonly dtype: DType;
  readonly y: Operand;
}

/** Values by label: bytes from one to the next along each; 0 where a dimension of size 1 is repeated. */
interface View {
  readonly at: Place;
  readonly labels: readonly string[];
  readonly steps: ReadonlyMap<string, number>;
}

const widthOf = ({ dtype }: Pending) => bytesPerElement(inMemory(dtype));

/** Operand i; along a label that it has more than once it is its diagonal. */
function viewOf(pending: Pending, { at, shape }: Operand, i: number): View {
  const { terms, sizes } = pending.equation;
  const along = new Map<string, number>();
  for (const [d, step] of steps(shape, widthOf(pending)).entries()) {
    const label = terms[i][d];
    const repeats = shape[d] === 1 && sizes.get(label) !== 1;
    along.set(label, (along.get(label) ?? 0) + (repeats ? 0 : step));
  }
  return { at, labels: [...along.keys()], steps: along };
}

/** The values of a place where they lie one behind the other. */
function wholeView(pending: Pending, at: Place, labels: readonly string[]): View {
  const list = steps(sizesOf(labels, pending.equation.sizes), widthOf(pending));
  return { at, labels, steps: new Map(labels.map((label, i) => [label, list[i]])) };
}

/** A view's values one behind the other in an order of its labels: in place where they are, else in `to` or in scratch. */
function laid(pending: Pending, view: View, labels: readonly string[], to?: Operand): Operand {
  const { recipe, dtype, equation } = pending;
  const shape = sizesOf(labels, equation.sizes);
  const width = widthOf(pending);
  const own = steps(shape, width);
  const inPlace = labels.every((label, i) => shape[i] === 1 || view.steps.get(label) === own[i]);
  if (inPlace && !to) return { at: view.at, shape, dtype };
  const made = to ?? room(recipe, shape, dtype);
  const dims = labels.map((label, i) => ({ size: shape[i], from: view.steps.get(label)!, to: own[i] }));
  const copy = copying(recipe.kernels, width, dims);
  recipe.steps.push((scratch) => copy(view.at(scratch), made.at(scratch)));
  return { ...made, shape };
}

/** y = the sums of x over its last dimensions. */
function sum({ recipe, dtype }: Pending, x: Operand, kept: number, y: Operand): void {
  const axes = x.shape.map((_, i) => i).slice(kept);
  if (isFloat(dtype)) fold(recipe, "sum", x, axes, y);
  else accumulate(recipe, "add", x, axes, y, () => zero(recipe, dtype));
}

/** Without the labels that are not wanted: summed over them. */
function summed(pending: Pending, view: View, wanted: (label: string) => boolean): View {
  const kept = view.labels.filter(wanted);
  if (kept.length === view.labels.length) return view;
  const x = laid(pending, view, [...kept, ...view.labels.filter((label) => !wanted(label))]);
  const y = room(pending.recipe, x.shape.slice(0, kept.length), pending.dtype);
  sum(pending, x, kept.length, y);
  return wholeView(pending, y.at, kept);
}

/** The last values in the order of the output. */
function finish(pending: Pending, view: View): void {
  const { y, equation } = pending;
  const { output } = equation;
  if (view.at === y.at) return;
  const rest = view.labels.filter((label) => !output.includes(label));
  if (rest.length === 0) laid(pending, view, output, y);
  else sum(pending, laid(pending, view, [...output, ...rest]), output.length, y);
}

/** What two views give: the labels of both, kept or summed over, and those of one alone. */
function multiplied(pending: Pending, first: View, second: View, rest: Equation["terms"]): View {
  const { recipe, equation, y, dtype } = pending;
  const wanted = new Set([...equation.output, ...rest.flat()]);
  const keeps = (other: View) => (label: string) => wanted.has(label) || other.steps.has(label);
  let [a, b] = [summed(pending, first, keeps(second)), summed(pending, second, keeps(first))];
  const rank = (label: string | undefined) => {
    const at = label === undefined ? -1 : equation.output.indexOf(label);
    return at < 0 ? equation.output.length : at;
  };
  const inOrder = (labels: readonly string[]) => [...labels].sort((p, q) => rank(p) - rank(q));
  const alone = (view: View, other: View) => inOrder(view.labels.filter((label) => !other.steps.has(label)));
  if (rank(alone(b, a)[0]) < rank(alone(a, b)[0])) [a, b] = [b, a];
  const [left, right] = [alone(a, b), alone(b, a)];
  const shared = a.labels.filter((label) => b.steps.has(label));
  const batch = inOrder(shared.filter((label) => wanted.has(label)));
  const inner = shared.filter((label) => !wanted.has(label));
  const labels = [...batch, ...left, ...right];
  const to =
    rest.length === 0 && `${labels}` === `${equation.output}`
      ? y
      : room(recipe, sizesOf(labels, equation.sizes), dtype);
  if (isFloat(dtype) && inner.length > 0) products(pending, a, b, { batch, left, right, inner }, to);
  else {
    const side = (view: View, missing: readonly string[]) => {
      const order = [...labels, ...inner].filter((label) => view.steps.has(label));
      const { at } = laid(pending, view, order);
      const shape = [...labels, ...inner].map((label) => (missing.includes(label) ? 1 : equation.sizes.get(label)!));
      return { at, shape, dtype };
    };
    const all = sizesOf([...labels, ...inner], equation.sizes);
    const made = inner.length > 0 ? room(recipe, all, dtype) : reshaped(to, all);
    combine(recipe, "mul", side(a, right), side(b, left), made);
    if (inner.length > 0) sum(pending, made, labels.length, to);
  }
  return wholeView(pending, to.at, labels);
}

interface Parts {
  readonly batch: readonly string[];
  readonly left: readonly string[];
  readonly right: readonly string[];
  readonly inner: readonly string[];
}

/** to [batch, left, right] = a [batch, left, inner] b [batch, inner, right], for each of the batch. */
function products(pending: Pending, a: View, b: View, { batch, left, right, inner }: Parts, to: Operand): void {
  const { recipe, equation } = pending;
  const { sizes } = equation;
  // Packing takes any step along rows and along columns: only what needs more than one is laid out anew.
  const ready = (view: View, rows: readonly string[], columns: readonly string[]) => {
    if (stepOver(view, rows, sizes) !== undefined && stepOver(view, columns, sizes) !== undefined) return view;
    const order = [...batch, ...rows, ...columns];
    return wholeView(pending, laid(pending, view, order).at, order);
  };
  const [x, w] = [ready(a, left, inner), ready(b, inner, right)];
  const [m, k, n] = [left, inner, right].map((labels) => sizeOf(sizesOf(labels, sizes)));
  const floats = (view: View, labels: readonly string[]) => stepOver(view, labels, sizes)! / 4;
  const [xRow, xCol, wRow, wCol] = [floats(x, left), floats(x, inner), floats(w, inner), floats(w, right)];
  const dims = batch.map((label) => ({ size: sizes.get(label)!, x: x.steps.get(label)!, w: w.steps.get(label)! }));
  const count = dims.reduce((product, { size }) => product * size, 1);
  const counts = new Int32Array(dims.length);
  const { kernels } = recipe;
  const block = room(recipe, [kernels.gemm_scratch_bytes(m, n, k) / 4]);
  recipe.steps.push((scratch) => {
    let [from, by, at] = [x.at(scratch), w.at(scratch), to.at(scratch)];
    const own = block.at(scratch);
    counts.fill(0);
    for (let i = 0; i < count; i++, at += 4 * m * n) {
      kernels.gemm_f32(m, n, k, from, xRow, xCol, by, wRow, wCol, 0, 0, at, own);
      for (let d = dims.length - 1; d >= 0; d--) {
        const dim = dims[d];
        from += dim.x;
        by += dim.w;
        if (++counts[d] < dim.size) break;
        from -= dim.x * dim.size;
        by -= dim.w * dim.size;
        counts[d] = 0;
      }
    }
  });
}

/** Bytes from one to the next along some labels as one dimension; undefined where they do not continue each other or repeat. */
function stepOver(view: View, labels: readonly string[], sizes: ReadonlyMap<string, number>): number | undefined {
  let [step, next] = [4, -1];
  for (const label of [...labels].reverse()) {
    const size = sizes.get(label)!;
    if (size === 1) continue;
    const own = view.steps.get(label)!;
    if (own === 0 || (next >= 0 && own !== next)) return undefined;
    if (next < 0) step = own;
    next = own * size;
  }
  return step;
}
