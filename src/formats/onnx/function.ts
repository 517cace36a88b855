import { expected, FormatError, UnsupportedError } from "../../errors.js";
import { mostNesting } from "../../graph/graph.js";
import type { Budget } from "./budget.js";
import type { AttributeProto, FunctionProto, GraphProto, ModelProto, NodeProto, OperatorSetProto } from "./schema.js";

/** ONNX's own domain has two names. */
export function domainOf(domain = ""): string {
  return domain === "ai.onnx" ? "" : domain;
}

/** About what a node and a name take in memory. */
const cost = { node: 256, name: 48 } as const;

/**
 * The model's own functions, put in where they are called: ONNX's "local functions". A function names its values as it likes,
 * so what it makes is named anew for each call.
 */
export class Functions {
  readonly #functions = new Map<string, FunctionProto>();
  readonly #names = new Names();
  readonly #budget: Budget;
  /** Operator sets that the functions need, ones that the model does not name itself. */
  readonly imports: OperatorSetProto[] = [];

  /** @throws FormatError where a function stands twice; UnsupportedError where one means other operator sets than the model */
  constructor({ functions = [], opsetImport = [], graph }: ModelProto, budget: Budget) {
    this.#budget = budget;
    if (functions.length === 0) return;
    const versions = new Map(opsetImport.map(({ domain, version }) => [domainOf(domain), version]));
    for (const declared of functions) {
      const key = keyOf(declared.domain, declared.name, declared.overload);
      if (this.#functions.has(key)) throw new FormatError(expected(nameOf(declared), "one function", "a second one"));
      this.#functions.set(key, declared);
      for (const { domain, version } of declared.opsetImport ?? []) {
        const known = versions.get(domainOf(domain));
        if (known === undefined) {
          versions.set(domainOf(domain), version);
          this.imports.push({ domain, version });
        } else if (known !== version) {
          throw new UnsupportedError(
            expected(nameOf(declared), `the model's operator set ${known} of "${domainOf(domain)}"`, `${version}`),
          );
        }
      }
    }
    if (graph) this.#note(graph);
  }

  /** The nodes with every call of a function replaced by what it does. @throws FormatError where functions call themselves */
  inlined(nodes: readonly NodeProto[]): readonly NodeProto[] {
    return this.#functions.size === 0 ? nodes : nodes.flatMap((node) => this.#expand(node, []));
  }

  #expand(node: NodeProto, calls: readonly FunctionProto[]): NodeProto[] {
    const called = this.#functions.get(keyOf(node.domain, node.opType, node.overload));
    if (!called) return [this.#withBodies(node, calls)];
    if (calls.includes(called)) throw new FormatError(expected(nameOf(called), "no recursion", "one"));
    if (calls.length === mostNesting) {
      throw new FormatError(expected(nameOf(called), `calls nested at most ${mostNesting} deep`, "more"));
    }
    const call = new Call(node, called, this.#names, this.#budget);
    const inside = [...calls, called];
    const body = (called.node ?? []).flatMap((inner) => this.#expand(call.node(inner), inside));
    return [...body, ...call.passed];
  }

  /** Calls inside the bodies of a node. */
  #withBodies(node: NodeProto, calls: readonly FunctionProto[]): NodeProto {
    if (calls.length === 0 || !node.attribute?.some(({ g }) => g)) return node;
    const attribute = node.attribute.map((given) => {
      if (!given.g) return given;
      return { ...given, g: { ...given.g, node: given.g.node?.flatMap((inner) => this.#expand(inner, calls)) } };
    });
    return { ...node, attribute };
  }

  /** Every name of a value in a graph and the graphs inside it, so that none is given twice. */
  #note(graph: GraphProto): void {
    for (const { name } of [...(graph.input ?? []), ...(graph.initializer ?? [])]) if (name) this.#names.add(name);
    for (const { values } of graph.sparseInitializer ?? []) if (values?.name) this.#names.add(values.name);
    for (const node of graph.node ?? []) {
      for (const name of node.output ?? []) this.#names.add(name);
      for (const { g } of node.attribute ?? []) if (g) this.#note(g);
    }
  }
}

/** Names that are taken. */
class Names {
  readonly #taken = new Set<string>();
  readonly #next = new Map<string, number>();

  add(name: string): void {
    this.#taken.add(name);
  }

  fresh(base: string): string {
    let name = base;
    let count = this.#next.get(base) ?? 2;
    while (this.#taken.has(name)) name = `${base}_${count++}`;
    this.#next.set(base, count);
    this.#taken.add(name);
    return name;
  }
}

/** One call of a function: what its names and attributes stand for. */
class Call {
  readonly #prefix: string;
  readonly #names: Names;
  readonly #budget: Budget;
  readonly #values = new Map<string, string>();
  readonly #attributes = new Map<string, AttributeProto>();
  /** What gives the call's outputs their names where the function only hands a value through. */
  readonly passed: NodeProto[] = [];

  constructor(node: NodeProto, called: FunctionProto, names: Names, budget: Budget) {
    this.#prefix = node.name || node.output?.find((name) => name !== "") || called.name || "";
    this.#names = names;
    this.#budget = budget;
    for (const [i, formal] of (called.input ?? []).entries()) this.#values.set(formal, node.input?.[i] ?? "");
    for (const [i, formal] of (called.output ?? []).entries()) {
      const actual = node.output?.[i] ?? "";
      if (actual === "") continue;
      const source = this.#values.get(formal);
      if (source === undefined) this.#values.set(formal, actual);
      else this.passed.push({ opType: "Identity", input: [source], output: [actual] });
    }
    for (const attribute of [...(called.attributeProto ?? []), ...(node.attribute ?? [])]) {
      this.#attributes.set(attribute.name ?? "", attribute);
    }
  }

  node(inner: NodeProto): NodeProto {
    const { input = [], output = [], attribute = [] } = inner;
    this.#budget.charge(cost.node + cost.name * (input.length + output.length + attribute.length));
    return {
      ...inner,
      name: `${this.#prefix}/${inner.name ?? ""}`,
      input: input.map((name) => this.#value(name)),
      output: output.map((name) => this.#value(name)),
      attribute: attribute.flatMap((given) => this.#attribute(given)),
    };
  }

  #value(name: string): string {
    if (name === "") return "";
    const known = this.#values.get(name);
    if (known !== undefined) return known;
    const made = this.#names.fresh(`${this.#prefix}/${name}`);
    this.#values.set(name, made);
    return made;
  }

  /** A reference becomes what the call gives, or goes where the call gives nothing. */
  #attribute(given: AttributeProto): AttributeProto[] {
    if (given.refAttrName) {
      const actual = this.#attributes.get(given.refAttrName);
      return actual ? [{ ...actual, name: given.name }] : [];
    }
    return [given.g ? { ...given, g: this.#graph(given.g) } : given];
  }

  /** A body inside the function: its names are the call's too. */
  #graph(graph: GraphProto): GraphProto {
    return {
      ...graph,
      input: graph.input?.map((info) => ({ ...info, name: this.#value(info.name ?? "") })),
      output: graph.output?.map((info) => ({ ...info, name: this.#value(info.name ?? "") })),
      initializer: graph.initializer?.map((tensor) => ({ ...tensor, name: this.#value(tensor.name ?? "") })),
      sparseInitializer: graph.sparseInitializer?.map((sparse) => ({
        ...sparse,
        values: sparse.values && { ...sparse.values, name: this.#value(sparse.values.name ?? "") },
      })),
      node: graph.node?.map((node) => this.node(node)),
    };
  }
}

function keyOf(domain = "", name = "", overload = ""): string {
  return `${domainOf(domain)}\0${name}\0${overload}`;
}

function nameOf({ domain, name }: FunctionProto): string {
  return `function ${domain ? `${domain}.` : ""}${name ?? ""}`;
}
