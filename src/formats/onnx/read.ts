import { expected, FormatError, UnsupportedError } from "../../errors.js";
import { checkGraph } from "../../graph/check.js";
import type { Graph } from "../../graph/graph.js";
import { asBytes, type Source } from "../bytes.js";
import { Budget } from "./budget.js";
import { ExternalFiles } from "./external.js";
import { domainOf, Functions } from "./function.js";
import { GraphReader } from "./graph.js";
import { readMessage } from "./message.js";
import { type ModelProto, modelProto, type OperatorSetProto } from "./schema.js";
import type { ReadOptions } from "./tensor.js";
import { valueInfoOf } from "./value.js";

/** Versions that are read: of the file format, and of ONNX's own operator set. */
export const irVersions = { least: 3, most: 13 } as const;
export const opsets = { least: 7, most: 26 } as const;

/**
 * The graph of an ONNX model. Initializers become weights, also where older files list them as inputs; float64 ones are
 * narrowed to float32, which a notice of the graph says; one that holds NaN or an infinity becomes a Constant, because weights
 * are finite. The model's own functions are put in where they are called. Operators are judged when the graph is planned.
 *
 * Nothing is ever opened: tensors outside of the file come from `externalData`. Weights are copied.
 * @throws FormatError where the bytes are no sound model; UnsupportedError naming what is not done here: other versions, values
 *   that are no tensors, element types like strings and 8-bit floats; TypeError for what is no bytes, or a resolver that gives none
 */
export function readOnnx(bytes: Source, options: ReadOptions = {}): Graph {
  const file = asBytes("onnx", bytes);
  const budget = new Budget(file.length);
  const model = readMessage<ModelProto>(file, modelProto, budget);
  checkVersion(model);
  if (!model.graph) throw new FormatError(expected("model", "a graph", "none"));
  const functions = new Functions(model, budget);
  const opset = opsetOf([...(model.opsetImport ?? []), ...functions.imports]);
  const reader = new GraphReader(opset, functions, new ExternalFiles(options.externalData), budget);
  const { name, inputs, outputs, nodes, weights } = reader.graph(model.graph, 0);
  const { notices } = reader;
  const graph: Graph = {
    name,
    inputs: inputs.map((input) => valueInfoOf("graph input", input)),
    outputs: outputs.map((output) => valueInfoOf("graph output", output)),
    nodes,
    weights,
    opset,
    ...(notices.length > 0 && { notices }),
  };
  checkGraph(graph);
  return graph;
}

function checkVersion({ irVersion = 0 }: ModelProto): void {
  if (irVersion < 1) throw new FormatError(expected("model", "an IR version", `${irVersion}`));
  if (irVersion < irVersions.least || irVersion > irVersions.most) {
    const want = `an IR version in ${irVersions.least}..${irVersions.most}`;
    throw new UnsupportedError(expected("model", want, `${irVersion}`));
  }
}

/** @throws FormatError, UnsupportedError */
function opsetOf(imports: readonly OperatorSetProto[]): ReadonlyMap<string, number> {
  if (imports.length === 0) throw new FormatError(expected("model", "an operator set", "none"));
  const opset = new Map<string, number>();
  for (const { domain, version = 0 } of imports) {
    const key = domainOf(domain);
    const known = opset.get(key);
    if (known !== undefined && known !== version) {
      throw new FormatError(expected(`opset "${key}"`, "one version", `${known} and ${version}`));
    }
    if (!Number.isSafeInteger(version) || version < 1) {
      throw new FormatError(expected(`opset "${key}"`, "a version from 1", `${version}`));
    }
    if (key === "" && (version < opsets.least || version > opsets.most)) {
      throw new UnsupportedError(
        expected(`opset "${key}"`, `a version in ${opsets.least}..${opsets.most}`, `${version}`),
      );
    }
    opset.set(key, version);
  }
  return opset;
}
