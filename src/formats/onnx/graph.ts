import { allFinite } from "../../dtype.js";
import { expected, FormatError, UnsupportedError } from "../../errors.js";
import { type Attribute, type Body, type BodyValue, type GraphNode, mostNesting } from "../../graph/graph.js";
import { widen } from "../../graph/storage.js";
import { isReal, type PlainWeight } from "../../graph/weight.js";
import type { Tensor } from "../../tensor.js";
import { attributeOf, type Inner } from "./attribute.js";
import type { Budget } from "./budget.js";
import type { ExternalFiles } from "./external.js";
import { domainOf, type Functions } from "./function.js";
import type { GraphProto, NodeProto, ValueInfoProto } from "./schema.js";
import { sparseTensor, sparseWeight } from "./sparse.js";
import { tensorOf } from "./tensor.js";
import { bodyValueOf } from "./value.js";

/** Makes graphs of their messages. */
export class GraphReader {
  readonly notices: string[] = [];
  readonly #opset: ReadonlyMap<string, number>;
  readonly #functions: Functions;
  readonly #external: ExternalFiles;
  readonly #budget: Budget;
  /** Names of sizes that look like those that are given here. */
  readonly #sizes = new Set<string>();
  #nameless = 0;

  constructor(opset: ReadonlyMap<string, number>, functions: Functions, external: ExternalFiles, budget: Budget) {
    this.#opset = opset;
    this.#functions = functions;
    this.#external = external;
    this.#budget = budget;
  }

  /** @param depth how many graphs this one is inside of @throws FormatError, UnsupportedError */
  graph(proto: GraphProto, depth: number): Body {
    const { name = "" } = proto;
    if (depth > mostNesting) {
      throw new FormatError(expected(`graph ${name}`, `nesting of at most ${mostNesting}`, "more"));
    }
    for (const { type } of [...(proto.input ?? []), ...(proto.output ?? [])]) {
      for (const { dimParam = "" } of type?.tensorType?.shape?.dim ?? [])
        if (dimParam[0] === "?") this.#sizes.add(dimParam);
    }
    const { weights, constants } = this.#initializers(proto);
    const names = new NodeNames();
    const fixed = [...constants].map(
      ([output, value]): GraphNode => ({
        name: names.of("", output),
        op: "Constant",
        inputs: [],
        outputs: [output],
        attributes: { value },
      }),
    );
    const nodes = this.#functions.inlined(proto.node ?? []).map((node) => this.#node(node, names, depth));
    // An initializer that older files list as an input too is no input.
    const isInput = ({ name: input }: BodyValue) => !weights.has(input) && !constants.has(input);
    return {
      name,
      inputs: this.#values("graph input", proto.input).filter(isInput),
      outputs: this.#values("graph output", proto.output),
      nodes: [...fixed, ...nodes],
      weights,
    };
  }

  #values(what: string, protos: readonly ValueInfoProto[] = []): BodyValue[] {
    return protos.map((proto) => bodyValueOf(what, proto, () => this.#size()));
  }

  /** A name for a size that has none, so that it is not taken for another. */
  #size(): string {
    let name: string;
    do name = `?${this.#nameless++}`;
    while (this.#sizes.has(name));
    return name;
  }

  #initializers(proto: GraphProto): { weights: Map<string, PlainWeight>; constants: Map<string, Tensor> } {
    const weights = new Map<string, PlainWeight>();
    const constants = new Map<string, Tensor>();
    const add = (name: string, weight: PlainWeight) => {
      if (name === "") throw new FormatError(expected("initializer", "a name", '""'));
      if (weights.has(name) || constants.has(name)) {
        throw new FormatError(expected("initializer", "a name of its own", `"${name}" twice`));
      }
      if (weight.kind !== "dense") weights.set(name, weight);
      else {
        const { dtype, shape, data } = this.#narrowed(name, weight);
        if (hasFiniteValues({ dtype, shape, data })) weights.set(name, { kind: "dense", shape, dtype, data });
        else constants.set(name, { dtype, shape, data });
      }
    };
    for (const tensor of proto.initializer ?? []) {
      const { name = "" } = tensor;
      add(name, { kind: "dense", ...tensorOf(`initializer ${name}`, tensor, this.#external) });
    }
    for (const sparse of proto.sparseInitializer ?? []) {
      const name = sparse.values?.name ?? "";
      add(name, sparseWeight(`initializer ${name}`, sparse, this.#external, this.#budget));
    }
    return { weights, constants };
  }

  #narrowed(name: string, tensor: Tensor): Tensor {
    if (tensor.dtype !== "float64") return tensor;
    this.notices.push(`initializer ${name}: float64 is narrowed to float32`);
    return { ...tensor, dtype: "float32", data: Float32Array.from(tensor.data as Float64Array) };
  }

  #node(proto: NodeProto, names: NodeNames, depth: number): GraphNode {
    const { opType: op = "", input: inputs = [], output: outputs = [] } = proto;
    const name = names.of(proto.name, outputs.find((output) => output !== "") ?? op);
    const where = `node ${name}`;
    if (op === "") throw new FormatError(expected(where, "an operator", "none"));
    const domain = domainOf(proto.domain);
    if (!this.#opset.has(domain)) {
      throw new FormatError(expected(`${where} (${op})`, `an operator set of "${domain}"`, "none"));
    }
    if (proto.overload) {
      throw new UnsupportedError(
        expected(`${where} (${op})`, "an operator or a function", `overload ${proto.overload}`),
      );
    }
    const attributes = this.#attributes(proto, where, depth);
    return { name, op, ...(domain !== "" && { domain }), inputs, outputs, attributes };
  }

  #attributes(proto: NodeProto, where: string, depth: number): Record<string, Attribute> {
    const inner: Inner = {
      tensor: (at, tensor) => tensorOf(at, tensor, this.#external),
      sparse: (at, sparse) => sparseTensor(at, sparse, this.#external, this.#budget),
      body: (_at, graph) => this.graph(graph, depth + 1),
    };
    const attributes = new Map<string, Attribute>();
    for (const given of proto.attribute ?? []) {
      const { name = "" } = given;
      // A Constant says by the name of its attribute that the value is sparse; here it is not any more.
      const key = given.sparseTensor && name === "sparse_value" ? "value" : name;
      if (attributes.has(key)) throw new FormatError(expected(where, "attributes once each", `"${key}" twice`));
      attributes.set(key, attributeOf(`${where} attribute ${name}`, given, inner));
    }
    // fromEntries defines own properties, whatever they are called; `__proto__` too.
    return Object.fromEntries(attributes);
  }
}

/** Nodes of a graph have a name each; ONNX leaves them out, or gives one twice. */
class NodeNames {
  readonly #taken = new Set<string>();
  readonly #next = new Map<string, number>();

  /** @param other what a node without a name of its own is called by */
  of(given = "", other: string): string {
    const base = given !== "" && !this.#taken.has(given) ? given : other;
    let name = base;
    let count = this.#next.get(base) ?? 2;
    while (this.#taken.has(name)) name = `${base}_${count++}`;
    this.#next.set(base, count);
    this.#taken.add(name);
    return name;
  }
}

function hasFiniteValues({ dtype, data }: Tensor): boolean {
  if (!isReal(dtype)) return true;
  let floats = data as Float32Array;
  if (dtype !== "float32") {
    floats = new Float32Array(data.length);
    widen(dtype, data, floats);
  }
  return allFinite(floats);
}
