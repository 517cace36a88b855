import type { Coder } from "../../codec/range-coder.js";
import type { Graph, GraphNode } from "../../graph/graph.js";
import { HeaderCoder } from "./header-coder.js";
import { node } from "./node.js";
import { References } from "./references.js";
import { valueInfo } from "./value.js";
import { type WeightEntry, weightEntry } from "./weight-entry.js";

/** A section that a reader may skip. */
export interface ExtraSection {
  readonly kind: number;
  readonly byteLength: number;
}

export interface Header {
  readonly graph: Pick<Graph, "name" | "inputs" | "outputs" | "nodes">;
  readonly weights: readonly WeightEntry[];
  readonly extra: readonly ExtraSection[];
}

/** The header: with an Encoder `given` is written, with a Decoder it is read. @throws FormatError, Fault */
export function header(coder: Coder, budget: number, given?: Header): Header {
  const h = new HeaderCoder(coder, budget);
  const graph = given?.graph;
  const name = h.text(graph?.name);
  const inputs = h.list("inputs", graph?.inputs, 128, (x) => valueInfo(h, h.text(x?.name), x));
  const weights = h.list("weights", given?.weights, 256, (x) => weightEntry(h, x));
  const names = new References(inputs, weights);
  const last = new Map<string, GraphNode>();
  const nodes = h.list("nodes", graph?.nodes, 256, (x) => node(h, names, last, x));
  const outputs = h.list("outputs", graph?.outputs, 128, (x) =>
    valueInfo(h, names.reference(h, "otherInput", x?.name), x),
  );
  const extra = h.list("extra", given?.extra, 64, (x) => ({
    kind: h.number("extraKind", x?.kind),
    byteLength: h.number("byteLength", x?.byteLength),
  }));
  return { graph: { name, inputs, outputs, nodes }, weights, extra };
}
