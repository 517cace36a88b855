import { isFloat } from "../dtype.js";
import { type Graph, type GraphNode, isTensor } from "../graph/graph.js";
import { producers, readBy } from "../graph/order.js";
import { ownDomain } from "../ops/registry.js";
import { sizeOf, type Tensor } from "../tensor.js";
import { ranksOf } from "./ranks.js";

/**
 * Attention as exporters write it becomes one node: MatMul of Q and K^T, products with constants of either or of both, a mask that
 * is added or chosen by, Softmax over the last axis, MatMul with V. What lies between is read by nothing else; Q, K and V are
 * computed and matrices. For lowering alone: results differ by rounding, and what a mask closes with -Inf for all rows of a block
 * is not multiplied, so that NaN or an infinity among it goes nowhere.
 */
export function attend(graph: Graph): Graph {
  if (!graph.nodes.some(({ op }) => op === "Softmax")) return graph;
  const search = new Search(graph);
  /** What takes the place of nodes; nothing for those that go. */
  const replaced = new Map<GraphNode, readonly GraphNode[]>();
  for (const node of graph.nodes) {
    const found = node.op === "Softmax" ? search.around(node) : undefined;
    if (!found) continue;
    for (const gone of found.gone) replaced.set(gone, []);
    for (const [old, made] of found.instead) replaced.set(old, [made]);
  }
  if (replaced.size === 0) return graph;
  return { ...graph, nodes: graph.nodes.flatMap((node) => replaced.get(node) ?? node) };
}

/** A value without the products with constants that lead to it. */
interface Source {
  readonly value: string;
  readonly scales: readonly (readonly [constant: string, divided: number])[];
  readonly gone: readonly GraphNode[];
}

interface Masking {
  readonly scores: Source;
  readonly mask: string;
  readonly fill: string;
  readonly instead: Instead;
}

/** Nodes, and what takes the place of each. */
type Instead = readonly (readonly [old: GraphNode, made: GraphNode])[];

interface Found {
  readonly gone: readonly GraphNode[];
  readonly instead: Instead;
}

class Search {
  readonly #graph: Graph;
  readonly #made: ReadonlyMap<string, GraphNode>;
  readonly #readers = new Map<string, GraphNode[]>();
  readonly #ranks: ReadonlyMap<string, number>;
  readonly #outputs: ReadonlySet<string>;
  /** The other way round of a mask, by its name. */
  readonly #turned = new Map<string, string>();

  constructor(graph: Graph) {
    this.#graph = graph;
    this.#made = producers(graph);
    this.#ranks = ranksOf(graph);
    this.#outputs = new Set(graph.outputs.map(({ name }) => name));
    for (const node of graph.nodes) {
      for (const name of readBy(node)) {
        const readers = this.#readers.get(name);
        if (readers) readers.push(node);
        else this.#readers.set(name, [node]);
      }
    }
  }

  around(softmax: GraphNode): Found | undefined {
    const rank = this.#ranks.get(softmax.inputs[0]);
    const { axis = -1 } = softmax.attributes;
    if (axis !== -1 && (rank === undefined || axis !== rank - 1)) return undefined;
    const last = this.#readers.get(softmax.outputs[0])?.[0];
    if (last?.op !== "MatMul" || last.inputs[0] !== softmax.outputs[0] || !this.#only(softmax.outputs[0])) {
      return undefined;
    }
    const masking = this.#masked(softmax);
    if (!masking) return undefined;
    const { scores, mask, fill, instead } = masking;
    const product = this.#made.get(scores.value)!;
    const q = this.#unscaled(product.inputs[0]);
    let k = this.#unscaled(product.inputs[1]);
    const turn = this.#before(k.value, "Transpose");
    const turned = turn !== undefined && swapsLast(turn.attributes.perm);
    if (turned) {
      const inner = this.#unscaled(turn.inputs[0]);
      k = { value: inner.value, scales: [...k.scales, ...inner.scales], gone: [...k.gone, turn, ...inner.gone] };
    }
    const v = last.inputs[1];
    const matrices = [q.value, k.value, v].every((name) => {
      return (this.#ranks.get(name) ?? 0) >= 2 && !this.#graph.weights.has(name);
    });
    if (!matrices) return undefined;
    for (const [, not] of instead) this.#turned.set(not.inputs[0], not.outputs[0]);
    const scales = [...scores.scales, ...q.scales, ...k.scales];
    const attention: GraphNode = {
      name: softmax.name,
      op: "Attention",
      domain: ownDomain,
      inputs: [q.value, k.value, v, mask, fill, ...scales.map(([name]) => name)],
      outputs: last.outputs,
      attributes: { turned: turned ? 1 : 0, divided: scales.map(([, divided]) => divided) },
    };
    const gone = [softmax, product, ...scores.gone, ...q.gone, ...k.gone];
    return { gone, instead: [...instead, [last, attention]] };
  }

  /** What Softmax reads, apart from its mask. */
  #masked(softmax: GraphNode): Masking | undefined {
    const [value] = softmax.inputs;
    const plain = this.#scores(value);
    if (plain) return { scores: plain, mask: "", fill: "", instead: [] };
    const added = this.#before(value, "Add");
    for (const [a, b] of added ? [added.inputs, [...added.inputs].reverse()] : []) {
      const scores = this.#scores(a);
      if (scores) return { scores: { ...scores, gone: [...scores.gone, added!] }, mask: b, fill: "", instead: [] };
    }
    const where = this.#before(value, "Where");
    if (!where) return undefined;
    const [condition, yes, no] = where.inputs;
    const open = this.#isConstant(no);
    const scores = this.#scores(open ? yes : no);
    if (!scores || !(open || this.#isConstant(yes))) return undefined;
    const gone = [...scores.gone, where];
    if (open) return { scores: { ...scores, gone }, mask: condition, fill: no, instead: [] };
    const turned = this.#turned.get(condition);
    if (turned) return { scores: { ...scores, gone }, mask: turned, fill: yes, instead: [] };
    // The name of what goes is free, and stands before all that may come to use it.
    const [mask] = where.outputs;
    const not = { name: where.name, op: "Not", inputs: [condition], outputs: [mask], attributes: {} };
    return { scores: { ...scores, gone }, mask, fill: yes, instead: [[where, not]] };
  }

  /** The product of Q and K^T that a value is, but for constants. */
  #scores(value: string): Source | undefined {
    const source = this.#unscaled(value);
    return this.#before(source.value, "MatMul") ? source : undefined;
  }

  #unscaled(value: string): Source {
    const scales: [string, number][] = [];
    const gone: GraphNode[] = [];
    for (let at = value; ; ) {
      const mul = this.#before(at, "Mul");
      const div = this.#before(at, "Div");
      const [a, b] = (mul ?? div)?.inputs ?? [];
      if ((mul || div) && this.#isConstant(b)) {
        scales.push([b, div ? 1 : 0]);
        at = a;
      } else if (mul && this.#isConstant(a)) {
        scales.push([a, 0]);
        at = b;
      } else return { value: at, scales, gone };
      gone.push((mul ?? div)!);
    }
  }

  /** The node of an operator that makes a value which nothing else reads. */
  #before(value: string, op: string): GraphNode | undefined {
    const node = this.#made.get(value);
    return node?.op === op && !node.domain && this.#only(value) ? node : undefined;
  }

  /** Whether one node reads a value, once. */
  #only(value: string): boolean {
    return this.#readers.get(value)?.length === 1 && !this.#outputs.has(value);
  }

  /** Whether a value is one number that planning knows, of no more dimensions than a matrix. */
  #isConstant(value: string): boolean {
    const held = this.#weightOf(value) ?? this.#constantOf(value);
    return held !== undefined && isFloat(held.dtype) && sizeOf(held.shape) === 1 && held.shape.length <= 2;
  }

  #weightOf(value: string): Pick<Tensor, "dtype" | "shape"> | undefined {
    const weight = this.#graph.weights.get(value);
    const stored = weight?.kind === "coded" ? weight.storage : weight;
    return weight && stored?.kind === "dense" ? { dtype: stored.dtype, shape: weight.shape } : undefined;
  }

  /** What is not finite is no weight. */
  #constantOf(value: string): Pick<Tensor, "dtype" | "shape"> | undefined {
    const node = this.#made.get(value);
    if (node?.op !== "Constant" || node.domain) return undefined;
    const { value: tensor, value_float: number } = node.attributes;
    if (typeof number === "number") return { dtype: "float32", shape: [] };
    return tensor !== undefined && isTensor(tensor) ? tensor : undefined;
  }
}

/** Whether a permutation changes the places of the last two dimensions and of no others. */
function swapsLast(perm: GraphNode["attributes"][string] | undefined): boolean {
  if (!Array.isArray(perm) || perm.length < 2) return false;
  const rank = perm.length;
  return perm.every((axis, i) => axis === (i < rank - 2 ? i : 2 * rank - 3 - i));
}
