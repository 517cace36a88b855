import { checkStorage } from "../../codec/check.js";
import { Encoder } from "../../codec/range-coder.js";
import { encodeWeight } from "../../codec/weight.js";
import { checkGraph } from "../../graph/check.js";
import { type Attribute, bodiesOf, type Graph, type GraphNode, isBody } from "../../graph/graph.js";
import type { CodedWeight, Weight } from "../../graph/weight.js";
import { header } from "./header.js";
import { checksumOf, field, magic, section, version } from "./layout.js";
import { writeOpset } from "./opset.js";

/**
 * The container of a graph: the same graph gives the same bytes on every runtime. Coded weights pass through as they
 * are, others are coded here (masked ones as sparse).
 * @throws FormatError where the graph is not well made (a name twice, a value used before it is made, NaN in a weight);
 *   RangeError where it holds what a container cannot (a scale that is not positive, a number above 2^32 - 2, half a
 *   surrogate pair); ShapeError where a weight's arrays do not fit each other; TypeError where it is no graph
 */
export function writeContainer(graph: Graph): Uint8Array {
  checkGraph(graph);
  const coded = codedWeights(graph.weights);
  const opset = graph.opset && writeOpset(graph.opset);
  const encoder = new Encoder();
  header(encoder, Number.POSITIVE_INFINITY, {
    graph: { ...graph, nodes: graph.nodes.map(withCodedBodies) },
    weights: coded.map(([name, { shape, storage, bytes }]) => ({ name, shape, storage, byteLength: bytes.length })),
    extra: opset ? [{ kind: section.opset, byteLength: opset.length }] : [],
  });
  return frame(encoder.finish(), [...coded.map(([, weight]) => weight.bytes), ...(opset ? [opset] : [])]);
}

function codedWeights(weights: ReadonlyMap<string, Weight>): [string, CodedWeight][] {
  const coded: [string, CodedWeight][] = [];
  for (const [name, weight] of weights) {
    if (weight.kind === "coded") checkStorage(name, weight.shape, weight.storage, weight.bytes.length);
    coded.push([name, weight.kind === "coded" ? weight : encodeWeight(weight, name)]);
  }
  return coded;
}

/** The node with the weights of the graphs inside it coded. */
function withCodedBodies(node: GraphNode): GraphNode {
  if (bodiesOf(node).length === 0) return node;
  const entries = Object.entries(node.attributes).map(([name, value]): [string, Attribute] => {
    if (!isBody(value)) return [name, value];
    return [name, { ...value, nodes: value.nodes.map(withCodedBodies), weights: new Map(codedWeights(value.weights)) }];
  });
  return { ...node, attributes: Object.fromEntries(entries) };
}

/** Magic to checksum around a coded header and its sections. */
function frame(head: Uint8Array, sections: readonly Uint8Array[]): Uint8Array {
  const length = sections.reduce((sum, section) => sum + section.length, field.header + head.length);
  const file = new Uint8Array(length);
  const view = new DataView(file.buffer);
  file.set(magic);
  file[field.version] = version;
  view.setUint32(field.length, length % 0x100000000, true);
  view.setUint16(field.length + 4, Math.floor(length / 0x100000000), true);
  view.setUint32(field.headerLength, head.length, true);
  file.set(head, field.header);
  let start = field.header + head.length;
  for (const section of sections) {
    file.set(section, start);
    start += section.length;
  }
  view.setUint32(field.checksum, checksumOf(file), true);
  return file;
}
