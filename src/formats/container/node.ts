import { checkStorage } from "../../codec/check.js";
import { expected, FormatError } from "../../errors.js";
import { type Attribute, type Body, type BodyValue, bodiesOf, type GraphNode, mostNesting } from "../../graph/graph.js";
import type { CodedWeight, Weight } from "../../graph/weight.js";
import { attribute, sameAttributes } from "./attribute.js";
import type { HeaderCoder } from "./header-coder.js";
import { attributeNames, operators } from "./names.js";
import { fullNames, type Names } from "./references.js";
import { valueInfo } from "./value.js";
import { weightEntry } from "./weight-entry.js";

/** The attribute under which the domain of a node is told; no attribute of a node has this name. */
const domainName = "";

/**
 * A node.
 * @param last the node of each operator that was told last
 * @param depth how many bodies this node is inside of
 */
export function node(
  h: HeaderCoder,
  names: Names,
  last: Map<string, GraphNode>,
  given?: GraphNode,
  depth = 0,
): GraphNode {
  const op = h.named("operator", operators, given?.op);
  const name = h.text(given?.name);
  const like = last.get(op);
  // Bodies are told each time: a file may not unfold to more than its size allows.
  const repeatable = like !== undefined && bodiesOf(like).length === 0;
  const same = repeatable && h.flag("sameAttributes", given && sameMeaning(given, like));
  const { domain, attributes } = same ? like : meaning(h, depth, given);
  let position = 0;
  const inputs = h.list("nodeInputs", given?.inputs, 16, (x) => {
    const set = position === 0 ? "firstInput" : position === 1 ? "secondInput" : "otherInput";
    position++;
    return names.reference(h, set, x);
  });
  const outputs = h.list("nodeOutputs", given?.outputs, 16, (x) =>
    h.flag("outputIsNode", x === name) ? name : h.text(x),
  );
  for (const value of outputs) names.add(value);
  const made: GraphNode = { name, op, ...(domain === undefined ? {} : { domain }), inputs, outputs, attributes };
  last.set(op, made);
  return made;
}

type Meaning = Pick<GraphNode, "domain" | "attributes">;

function sameMeaning(a: Meaning, b: Meaning): boolean {
  return (a.domain ?? "") === (b.domain ?? "") && sameAttributes(a.attributes, b.attributes);
}

/** The attributes of a node and, among them under no name, its domain. */
function meaning(h: HeaderCoder, depth: number, given?: Meaning): Meaning {
  const told = given?.domain ? { ...given.attributes, [domainName]: given.domain } : given?.attributes;
  const read = attributesOf(h, depth, told);
  if (!Object.hasOwn(read, domainName)) return { attributes: read };
  const { [domainName]: domain, ...attributes } = read;
  if (typeof domain !== "string" || domain === "") {
    throw new FormatError(expected("header", "a text for a node's domain", "something else"));
  }
  return { domain, attributes };
}

function attributesOf(
  h: HeaderCoder,
  depth: number,
  given?: Readonly<Record<string, Attribute>>,
): Record<string, Attribute> {
  const entries = h.list("attributes", given && Object.entries(given), 96, (x): [string, Attribute] => [
    h.named("attributeName", attributeNames, x?.[0]),
    attribute(h, x?.[1], (value) => body(h, depth + 1, value)),
  ]);
  const unique = new Set(entries.map(([key]) => key));
  if (unique.size !== entries.length) {
    throw new FormatError(expected("header", "attributes once each", "one that is repeated"));
  }
  // fromEntries defines own properties, whatever they are called; `__proto__` too.
  return Object.fromEntries(entries);
}

/** A graph inside a node. Its weights stand here, coded, and not among the sections. */
function body(h: HeaderCoder, depth: number, given?: Body): Body {
  if (depth > mostNesting) throw new FormatError(expected("header", `nesting of at most ${mostNesting}`, "more"));
  const name = h.text(given?.name);
  const inputs = h.list("inputs", given?.inputs, 128, (x) => bodyValue(h, x));
  const weights = h.list<readonly [string, Weight]>("weights", given && [...given.weights], 256, (x) =>
    bodyWeight(h, x),
  );
  const last = new Map<string, GraphNode>();
  const nodes = h.list("nodes", given?.nodes, 256, (x) => node(h, fullNames, last, x, depth));
  const outputs = h.list("outputs", given?.outputs, 128, (x) => bodyValue(h, x));
  if (new Set(weights.map(([key]) => key)).size !== weights.length) {
    throw new FormatError(expected(`graph ${name}`, "weights once each", "one that is repeated"));
  }
  return { name, inputs, outputs, nodes, weights: new Map(weights) };
}

function bodyValue(h: HeaderCoder, given?: BodyValue): BodyValue {
  const name = h.text(given?.name);
  const typed = h.flag("typed", given?.dtype !== undefined);
  return typed ? valueInfo(h, name, given?.dtype === undefined ? undefined : given) : { name };
}

/** @param given a weight that is coded */
function bodyWeight(h: HeaderCoder, given?: readonly [string, Weight]): readonly [string, CodedWeight] {
  const coded = given?.[1] as CodedWeight | undefined;
  const entry = coded && { ...coded, name: given![0], byteLength: coded.bytes.length };
  const { name, shape, storage, byteLength } = weightEntry(h, entry);
  checkStorage(`weight ${name}`, shape, storage, byteLength);
  return [name, { kind: "coded", shape, storage, bytes: h.plain(byteLength, coded?.bytes) }];
}
