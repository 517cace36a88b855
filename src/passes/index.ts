import { checkStructure } from "../graph/check.js";
import type { Graph } from "../graph/graph.js";
import { attend } from "./attention.js";
import { foldConstants } from "./constants.js";
import { dequantize } from "./dequantize.js";
import { hoist } from "./hoist.js";
import type { Knowledge } from "./infer.js";
import { modernize } from "./modernize.js";
import { rewrite } from "./net.js";
import { patterns } from "./patterns/index.js";

/** A step from a graph as it was read to one that runs well. It says the same; the graph that it is given stays as it is. */
export interface Pass {
  readonly name: string;
  readonly run: (graph: Graph) => Graph;
}

/** A pass made a graph that does not hold together: a mistake of ours, whatever was in the file. */
export class PassError extends Error {
  override readonly name = "PassError";
  /** Name of the pass. */
  readonly pass: string;

  constructor(pass: string, cause: Error) {
    super(`pass ${pass}: ${cause.message}`, { cause });
    this.pass = pass;
  }
}

/** What a session does to a graph before it is lowered. `knowledgeOf`: what can be told of the elements of a graph's weights. */
export function passes(knowledgeOf: (graph: Graph) => Knowledge): readonly Pass[] {
  return [
    { name: "modernize", run: modernize },
    { name: "dequantize", run: dequantize },
    { name: "hoist", run: hoist },
    { name: "identity", run: dropIdentity },
    { name: "constants", run: (graph) => foldConstants(graph, knowledgeOf(graph)) },
    { name: "attention", run: attend },
    { name: "patterns", run: (graph) => rewrite(graph, patterns, knowledgeOf) },
  ];
}

/** One pass after another, each held to a graph that holds together. @throws PassError */
export function applyPasses(graph: Graph, list: readonly Pass[]): Graph {
  return list.reduce((before, { name, run }) => {
    const after = run(before);
    if (after !== before) checkAfter(name, after);
    return after;
  }, graph);
}

function checkAfter(pass: string, graph: Graph): void {
  try {
    checkStructure(graph);
  } catch (error) {
    throw new PassError(pass, error as Error);
  }
}

/** Before constants are folded, so that a weight that goes by two names stays one. */
function dropIdentity(graph: Graph): Graph {
  return graph.nodes.some((node) => node.op === "Identity") ? rewrite(graph, {}) : graph;
}
