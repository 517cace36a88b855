import { expected, UnsupportedError } from "../errors.js";
import type { Graph } from "../graph/graph.js";
import type { FullEngine } from "../kernels/engine.js";
import type { Launch, Slot } from "../ops/op.js";
import { operatorOf } from "../ops/registry.js";
import type { Plan } from "../runtime/plan.js";
import { sizeOf } from "../tensor.js";
import type { Parameter } from "./parameter.js";

/** The way back through a planned network. */
export interface Backward {
  /** Address of the gradient of an output, to be filled by the loss after `clear`. */
  readonly outputs: ReadonlyMap<string, number>;
  /** Zeroes every gradient. */
  clear(): void;
  /** Adds the gradients of all parameters, from the outputs' gradients. */
  run(): void;
}

/**
 * Plans the gradient of every value that depends on a parameter. Operators add into their inputs' gradients, so a value that
 * is used twice needs no special case.
 * @throws UnsupportedError naming a node on the way that has no gradient
 */
export function createBackward(
  engine: FullEngine,
  graph: Graph,
  plan: Plan,
  parameters: ReadonlyMap<string, Parameter>,
): Backward {
  const { kernels, arena } = engine;
  const gradients = new Map<string, number>();
  const begin = arena.mark();
  for (const node of graph.nodes) {
    if (!node.inputs.some((input) => gradients.has(input) || parameters.has(input))) continue;
    for (const output of node.outputs) gradients.set(output, arena.alloc(4 * sizeOf(plan.slots.get(output)!.shape)));
  }
  const words = (arena.mark() - begin) / 4;
  const slotOf = (name: string): Slot | undefined => {
    if (name === "") return undefined;
    const parameter = parameters.get(name);
    return parameter
      ? { pointer: parameter.live.values, shape: parameter.live.shape, dtype: "float32" }
      : plan.slots.get(name);
  };
  const launches: Launch[] = [];
  for (const node of [...graph.nodes].reverse()) {
    if (!node.outputs.some((output) => gradients.has(output))) continue;
    const op = operatorOf(node);
    if (!op.grad)
      throw new UnsupportedError(expected(`fit: node ${node.name}`, "an operator with a gradient", node.op));
    launches.push(
      op.grad({ node, kernels })({
        inputs: node.inputs.map(slotOf),
        outputs: node.outputs.map((name) => slotOf(name)!),
        dInputs: node.inputs.map((name) => parameters.get(name)?.gradient ?? gradients.get(name) ?? 0),
        dOutputs: node.outputs.map((name) => gradients.get(name)!),
      }),
    );
  }
  const scratch = arena.alloc(Math.max(0, ...launches.map((launch) => launch.scratch)));
  return {
    outputs: gradients,
    clear() {
      kernels.fill_row_f32(1, words, 0, begin);
      for (const { gradient, live } of parameters.values()) kernels.fill_row_f32(1, live.rows * live.cols, 0, gradient);
    },
    run() {
      for (const launch of launches) launch.run(scratch);
    },
  };
}
