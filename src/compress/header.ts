import {
  type Attribute,
  type Body,
  type BodyValue,
  type Dim,
  type Graph,
  type GraphNode,
  isBody,
  isTensor,
} from "../graph/graph.js";
import { byteLength } from "../graph/storage.js";
import type { Weight } from "../graph/weight.js";
import { sizeOf } from "../tensor.js";

/** Magic, version, lengths and checksum, and what ends a coded header. */
const frame = 24;

/**
 * Bytes that a container takes besides its coded weights, from above. (formats cannot be asked: see the import law. It codes texts by
 * guessing what followed the same bytes before, and numbers as adaptive Elias-gamma codes: here every guess that fails costs
 * much, and no number is cheaper than its plain code. Held by a test over random graphs; measured: 2 to 4 times a header.)
 */
export function headerBound(graph: Graph): number {
  const guesses = new Map<number, number>();
  let context = 0;
  const text = (value: string) => {
    let bits = 0;
    for (const byte of [...new TextEncoder().encode(value), 0xff]) {
      const guess = guesses.get(context);
      const literal = byte < 128 ? 8 : 11;
      bits += guess === byte ? 0.5 : guess === undefined ? literal : literal + 3;
      guesses.set(context, byte);
      context = (context << 8) | byte;
    }
    return bits;
  };
  const values = graph.inputs.length + graph.weights.size + sum(graph.nodes, ({ outputs }) => outputs.length);
  const reference = 2 * gamma(values);
  const shape = (dims: readonly Dim[] = ["..."]) =>
    gamma(dims.length) + sum(dims, (dim) => 1 + (typeof dim === "string" ? text(dim) : gamma(dim)));
  const attributes = (given: GraphNode["attributes"]) =>
    sum(Object.entries(given), ([name, value]) => text(name) + 8 + attribute(value));
  const attribute = (value: Attribute): number => {
    if (typeof value === "string") return text(value);
    if (typeof value === "number") return number(value);
    if (isTensor(value)) return 8 + shape(value.shape) + coded(value.data.byteLength);
    if (isBody(value)) return body(value);
    return gamma(value.length) + sum<string | number>(value, (x) => (typeof x === "string" ? text(x) : number(x)));
  };
  const body = ({ name, inputs, outputs, nodes, weights }: Body): number =>
    text(name) +
    sum<BodyValue>([...inputs, ...outputs], (value) => text(value.name) + 9 + shape(value.shape)) +
    sum(
      [...weights],
      ([key, weight]) => text(key) + shape(weight.shape) + storage(weight) + coded(byteLength(weight)),
    ) +
    sum(nodes, (inner) => node(inner) + sum(inner.inputs, text)) +
    4 * gamma(inputs.length + outputs.length + nodes.length + weights.size);
  const last = new Map<string, string>();
  const node = ({ name, op, domain = "", inputs, outputs, attributes: given }: GraphNode): number => {
    const said = JSON.stringify([domain, given], (_, value) =>
      ArrayBuffer.isView(value) ? [...(value as Uint8Array)].join() : value,
    );
    const same = last.get(op) === said && !Object.values(given).some(isBody);
    last.set(op, said);
    const counts = gamma(inputs.length) + gamma(outputs.length) + reference * inputs.length;
    const made = sum(outputs, (output) => 1 + (output === name ? 0 : text(output)));
    return 16 + text(op) + 16 + text(domain) + text(name) + counts + made + (same ? 8 : attributes(given));
  };
  const bits =
    text(graph.name) +
    sum(graph.inputs, (input) => text(input.name) + 8 + shape(input.shape)) +
    sum([...graph.weights], ([name, weight]) => text(name) + shape(weight.shape) + storage(weight)) +
    sum(graph.nodes, node) +
    sum(graph.outputs, (output) => reference + 8 + shape(output.shape)) +
    (graph.opset ? 32 + sum([...graph.opset], ([domain, version]) => text(domain) + gamma(version)) : 0) +
    5 * gamma(values);
  return frame + Math.ceil((1.25 * bits) / 8);
}

/** Kind, flags, counts and the bytes of the section, none of which passes the number of values by much. */
function storage(weight: Weight): number {
  const { kind } = weight.kind === "coded" ? weight.storage : weight;
  const counts = kind === "factored" ? 5 : kind === "sparse" || kind === "masked" ? 2 : 1;
  return 12 + counts * gamma(4 * sizeOf(weight.shape) + 16);
}

/** Bits of that many bytes that are coded as elements. */
function coded(bytes: number): number {
  return 64 + 9 * bytes;
}

function number(value: number): number {
  return value === (value | 0) ? gamma(2 * Math.abs(value)) : 72;
}

/** Bits of value + 1 in unary, then those below its first. */
function gamma(value: number): number {
  let bits = 0;
  for (let rest = value + 1; rest >= 2; rest /= 2) bits++;
  return 2 * bits + 1;
}

function sum<T>(items: readonly T[], bits: (item: T) => number): number {
  return items.reduce((total, item) => total + bits(item), 0);
}
