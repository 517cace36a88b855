import { checkStorage } from "../codec/check.js";
import { allFinite, holds } from "../dtype.js";
import { expected, FormatError } from "../errors.js";
import { checkTensor, nameOf, showShape, sizeOf } from "../tensor.js";
import { type Attribute, type Body, type Graph, type GraphNode, isBody, isTensor, mostNesting } from "./graph.js";
import { columnsOf, matrixOf, widen } from "./storage.js";
import { isReal, type Weight } from "./weight.js";

/**
 * Checks the structure of a graph and of the bodies in it: names are unique, every value is made before it is used, storages fit
 * their shapes and hold finite numbers. Operators are judged when the graph is planned.
 * @throws FormatError; TypeError where it is no graph at all
 */
export function checkGraph(graph: Graph): void {
  if (typeof graph !== "object" || graph === null) throw new TypeError(expected("graph", "a Graph", nameOf(graph)));
  for (const key of ["inputs", "outputs", "nodes"] as const) {
    if (!Array.isArray(graph[key])) throw new TypeError(expected(`graph.${key}`, "an array", nameOf(graph[key])));
  }
  if (typeof graph.weights?.get !== "function") {
    throw new TypeError(expected("graph.weights", "a Map", nameOf(graph.weights)));
  }
  for (const [domain, version] of graph.opset ?? []) {
    if (!Number.isSafeInteger(version) || version < 1) {
      throw new FormatError(expected(`opset "${domain}"`, "a version from 1", `${version}`));
    }
  }
  checkNodes(graph, [], checkWeight);
}

/**
 * The same of all but the numbers in weights, of which only the count is looked at: what a step on the way to a session may break.
 * @throws FormatError
 */
export function checkStructure(graph: Graph): void {
  checkNodes(graph, [], checkCount);
}

/** @param around the names that each of the graphs around this one has given so far */
function checkNodes(graph: Body, around: readonly ReadonlySet<string>[], check: typeof checkWeight): void {
  if (around.length > mostNesting) {
    throw new FormatError(expected(`graph ${graph.name}`, `nesting of at most ${mostNesting}`, "more"));
  }
  const own = new Set<string>();
  const scopes = [...around, own];
  const isKnown = (name: string) => own.has(name) || around.some((names) => names.has(name));
  const add = (name: string, what: string, of = "") => {
    if (name === "") throw new FormatError(expected(`${what}${of}`, "a name", '""'));
    if (isKnown(name)) throw new FormatError(expected(`${what}${of}`, "a name of its own", `"${name}" twice`));
    own.add(name);
  };
  for (const input of graph.inputs) add(input.name, "graph input");
  for (const [name, weight] of graph.weights) {
    add(name, "weight");
    check(name, weight);
  }
  const nodeNames = new Set<string>();
  for (const node of graph.nodes) {
    if (nodeNames.has(node.name)) {
      throw new FormatError(expected(`node ${node.name}`, "a name of its own", "a second node of that name"));
    }
    nodeNames.add(node.name);
    for (const input of node.inputs) {
      if (input !== "" && !isKnown(input)) {
        throw new FormatError(expected(`node ${node.name}`, "inputs made before it", `"${input}"`));
      }
    }
    for (const [name, value] of Object.entries(node.attributes)) {
      checkAttribute(node, name, value);
      if (isBody(value)) checkNodes(value, scopes, check);
    }
    for (const output of node.outputs) if (output !== "") add(output, "output of node ", node.name);
  }
  for (const output of graph.outputs) {
    if (!isKnown(output.name)) {
      throw new FormatError(expected("graph output", "a value of the graph", `"${output.name}"`));
    }
  }
}

function checkAttribute(node: GraphNode, name: string, value: Attribute): void {
  const where = () => `node ${node.name} attribute ${name}`;
  if (name === "") throw new FormatError(expected(where(), "a name", '""'));
  if (!isTensor(value)) return;
  try {
    checkTensor(where(), value);
  } catch (error) {
    throw new FormatError((error as Error).message);
  }
}

/** Checks that as many values are there as the shape says, of a storage that holds one for each. @throws FormatError */
function checkCount(name: string, weight: Weight): void {
  const where = `weight ${name}`;
  const size = sizeIn(where, weight.shape);
  if (weight.kind === "dense" && !holds(weight.dtype, weight.data)) {
    throw new FormatError(expected(where, `data of ${weight.dtype}`, nameOf(weight.data)));
  }
  const values = weight.kind === "int8" ? weight.q : "data" in weight ? weight.data : undefined;
  if (!values || values.length === size) return;
  const what = weight.kind === "int8" ? "codes" : "values";
  throw new FormatError(expected(`${where} ${showShape(weight.shape)}`, `${size} ${what}`, `${values.length}`));
}

/** @throws FormatError naming the weight */
export function checkWeight(name: string, weight: Weight): void {
  checkCount(name, weight);
  const where = `weight ${name}`;
  const size = sizeOf(weight.shape);
  const { rows, cols } = matrixOf(weight.shape);
  const length = (what: string, got: number, want: number) => {
    if (got !== want)
      throw new FormatError(expected(`${where} ${showShape(weight.shape)}`, `${want} ${what}`, `${got}`));
  };
  const scales = (given: Float32Array) => {
    if (given.length !== 1) length("scales", given.length, rows);
    positive(where, given);
  };
  switch (weight.kind) {
    case "dense":
      if (weight.data instanceof Float32Array) finite(where, weight.data);
      else if (isReal(weight.dtype)) {
        const floats = new Float32Array(size);
        widen(weight.dtype, weight.data, floats);
        finite(where, floats);
      }
      return;
    case "masked":
      length("bytes of mask", weight.mask.length, Math.ceil(size / 8));
      finite(where, weight.data);
      return;
    case "int8":
      scales(weight.scale);
      return;
    case "sparse":
      checkRows(where, weight, rows, cols);
      length("values", weight.values.length, weight.col.length);
      if (weight.scale) scales(weight.scale);
      if (weight.values instanceof Float32Array) finite(where, weight.values);
      if (weight.values instanceof Float32Array !== (weight.scale === undefined)) {
        throw new FormatError(expected(where, "scales with int8 values and with no others", nameOf(weight.values)));
      }
      return;
    case "factored": {
      const { d, n, k } = weight;
      const want = columnsOf(weight.shape, weight.layout, d);
      if (!Number.isSafeInteger(d) || d < 1 || want.d !== d || want.n !== n) {
        throw new FormatError(
          expected(`${where} (${weight.layout})`, `${want.n} columns of ${want.d}`, `${n} of ${d}`),
        );
      }
      checkRows(where, weight, n, k);
      length("codes", weight.codes.length, weight.col.length);
      length("scales of atoms", weight.codeScale.length, k);
      length("values of the codebook", weight.codebook.length, k * d);
      positive(where, weight.codeScale);
      positive(where, [weight.codebookScale]);
      return;
    }
    case "coded":
      checkStorage(where, weight.shape, weight.storage, weight.bytes.length);
      return;
  }
}

function sizeIn(where: string, shape: readonly number[]): number {
  try {
    return sizeOf(shape);
  } catch (error) {
    throw new FormatError(`${where} ${(error as Error).message}`);
  }
}

function finite(where: string, values: Float32Array): void {
  if (allFinite(values)) return;
  for (let i = 0; i < values.length; i++) {
    if (!Number.isFinite(values[i])) throw new FormatError(expected(where, "finite numbers", `${values[i]} at ${i}`));
  }
}

/** A scale is a finite number above 0, also where all it scales is zero. */
function positive(where: string, scales: ArrayLike<number>): void {
  for (let i = 0; i < scales.length; i++) {
    if (!(scales[i] > 0 && scales[i] < Number.POSITIVE_INFINITY)) {
      throw new FormatError(expected(where, "scales above 0", `${scales[i]} at ${i}`));
    }
  }
}

/** Compressed rows: pointers monotone, columns rising inside each row and in range. */
function checkRows(
  where: string,
  { rowPtr, col }: { rowPtr: Uint32Array; col: Uint32Array },
  rows: number,
  cols: number,
): void {
  if (rowPtr.length !== rows + 1 || rowPtr[0] !== 0 || rowPtr[rows] !== col.length) {
    throw new FormatError(
      expected(
        `${where} row pointers`,
        `${rows + 1} from 0 to ${col.length}`,
        `${rowPtr.length} from ${rowPtr[0]} to ${rowPtr[rows]}`,
      ),
    );
  }
  for (let r = 0; r < rows; r++) {
    if (rowPtr[r] > rowPtr[r + 1])
      throw new FormatError(expected(`${where} row ${r}`, "rising row pointers", "a fall"));
    for (let e = rowPtr[r]; e < rowPtr[r + 1]; e++) {
      const least = e === rowPtr[r] ? 0 : col[e - 1] + 1;
      if (col[e] < least || col[e] >= cols) {
        throw new FormatError(expected(`${where} row ${r}`, `a column in ${least}..${cols - 1}`, `${col[e]}`));
      }
    }
  }
}
