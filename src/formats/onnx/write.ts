import { bytesPerElement } from "../../dtype.js";
import { expected, UnsupportedError } from "../../errors.js";
import { checkGraph } from "../../graph/check.js";
import { plain } from "../../graph/dense.js";
import { type Body, bodiesOf, defaultOpset, type Graph, type GraphNode } from "../../graph/graph.js";
import { denseOf } from "../../graph/storage.js";
import type { PlainWeight, Weight } from "../../graph/weight.js";
import { sizeOf, type Tensor } from "../../tensor.js";
import { attributeProto } from "./attribute.js";
import { writeMessage } from "./message.js";
import { type GraphProto, type ModelProto, modelProto, type NodeProto, type TensorProto } from "./schema.js";
import { protoOf } from "./tensor.js";
import { valueProto } from "./value.js";

export interface WriteOptions {
  /**
   * Weights that are stored as int8, sparse or not, stay int8, each followed by a DequantizeLinear that gives the same values
   * bit for bit, where that is smaller and the operator set has it. Default: every weight is written dense.
   */
  readonly keepInt8?: boolean;
}

/** The IR version that came with each operator set of ONNX, from the oldest that has weights which are no inputs on. */
function irVersionOf(opset: number): number {
  if (opset <= 18) return 8;
  if (opset <= 20) return 9;
  if (opset <= 22) return 10;
  if (opset === 23) return 11;
  return opset === 24 ? 12 : 13;
}

/** About what a DequantizeLinear takes in the file besides its names. */
const nodeBytes = 64;
/** Messages of protocol buffers stay below 2 GiB. */
const mostBytes = 0x7fffffff;

/**
 * The ONNX model of a graph: float32, float16 and integer weights as they are, every other storage made dense float32. The same
 * graph gives the same bytes.
 * @throws FormatError where the graph is not well made, or coded weights are damaged; UnsupportedError where the file would pass
 *   2 GiB; TypeError where it is no graph
 */
export function writeOnnx(graph: Graph, options: WriteOptions = {}): Uint8Array {
  checkGraph(graph);
  const opset = graph.opset ?? defaultOpset;
  const version = opset.get("") ?? 0;
  const writer = new GraphWriter(graph, options.keepInt8 ? version : 0);
  const model: ModelProto = {
    irVersion: irVersionOf(version),
    producerName: "coppice",
    graph: writer.graph(graph),
    opsetImport: [...opset].map(([domain, imported]) => ({ domain, version: imported })),
  };
  return writeMessage(modelProto, model);
}

class GraphWriter {
  /** ONNX's operator set where int8 weights are kept, else 0. */
  readonly #quantizes: number;
  readonly #taken = new Set<string>();
  #bytes = 0;

  constructor(graph: Graph, quantizes: number) {
    this.#quantizes = quantizes;
    if (quantizes > 0) this.#take(graph);
  }

  graph(body: Body): GraphProto {
    const initializer: TensorProto[] = [];
    const node: NodeProto[] = [];
    for (const [name, stored] of body.weights) {
      this.#count(name, sizeOf(stored.shape) * widthOf(stored));
      const weight = plain(stored);
      const codes = this.#codes(weight);
      if (codes) {
        const [q, scale] = [this.#fresh(`${name}.codes`), this.#fresh(`${name}.scale`)];
        initializer.push(protoOf(q, codes.q), protoOf(scale, codes.scale));
        const attribute = codes.scale.shape.length > 0 ? [{ name: "axis", type: 2, i: 0 }] : [];
        node.push({ opType: "DequantizeLinear", input: [q, scale], output: [name], attribute });
      } else initializer.push(protoOf(name, denseTensor(weight)));
    }
    return {
      node: [...node, ...body.nodes.map((given) => this.#node(given))],
      name: body.name,
      initializer,
      input: body.inputs.map(valueProto),
      output: body.outputs.map(valueProto),
    };
  }

  /** Takes note of every name of a value in a graph and in those inside it. */
  #take({ inputs, weights, nodes }: Body): void {
    for (const name of [...inputs.map((input) => input.name), ...weights.keys()]) this.#taken.add(name);
    for (const node of nodes) {
      for (const output of node.outputs) this.#taken.add(output);
      for (const body of bodiesOf(node)) this.#take(body);
    }
  }

  #fresh(base: string): string {
    let name = base;
    for (let i = 2; this.#taken.has(name); i++) name = `${base}_${i}`;
    this.#taken.add(name);
    return name;
  }

  /** Counts what a weight takes, before it is made dense. */
  #count(name: string, bytes: number): void {
    this.#bytes += bytes;
    if (this.#bytes > mostBytes) throw new UnsupportedError(expected(`weight ${name}`, "a model below 2 GiB", "more"));
  }

  #node({ name, op, domain, inputs, outputs, attributes }: GraphNode): NodeProto {
    return {
      input: inputs,
      output: outputs,
      name,
      opType: op,
      attribute: Object.entries(attributes).map(([key, value]) =>
        attributeProto(op, key, value, (body) => this.graph(body)),
      ),
      domain,
    };
  }

  /** Codes and scale of a weight that DequantizeLinear gives exactly: q * scale, rounded once. */
  #codes(weight: PlainWeight): { q: Tensor; scale: Tensor } | undefined {
    const { shape } = weight;
    const size = sizeOf(shape);
    const scale = weight.kind === "int8" || weight.kind === "sparse" ? weight.scale : undefined;
    if (!scale) return undefined;
    const perRow = scale.length > 1;
    // Scales for each row came with operator set 13, DequantizeLinear with 10.
    if (this.#quantizes < (perRow ? 13 : 10) || size + scale.byteLength + nodeBytes >= 4 * size) return undefined;
    return {
      q: { dtype: "int8", shape, data: weight.kind === "int8" ? weight.q : codesOf(weight) },
      scale: { dtype: "float32", shape: perRow ? [scale.length] : [], data: scale },
    };
  }
}

/** The codes of a sparse weight, zeros among them. */
function codesOf(weight: PlainWeight): Int8Array {
  const unit = denseOf({ ...weight, ...(weight.kind === "sparse" && { scale: Float32Array.of(1) }) });
  return Int8Array.from(unit);
}

/** Bytes of an element in the file, from above. */
function widthOf(weight: Weight): number {
  const stored = weight.kind === "coded" ? weight.storage : weight;
  return stored.kind === "dense" ? bytesPerElement(stored.dtype) : 4;
}

function denseTensor(weight: PlainWeight): Tensor {
  if (weight.kind === "dense") return weight;
  return { dtype: "float32", shape: weight.shape, data: denseOf(weight) };
}
