import { isFloat } from "../dtype.js";
import { expected, UnsupportedError } from "../errors.js";
import type { FullEngine } from "../kernels/engine.js";
import { gradientFor } from "../ops/grad/index.js";
import type { Launch } from "../ops/op.js";
import type { Plan, PlannedStep } from "../runtime/plan.js";
import { sizeOf } from "../tensor.js";
import type { Place } from "./parameter.js";

/** The way back through a planned network. */
export interface Backward {
  /** Address of the gradient of the first output, to be filled by the loss after `clear`; 0 where no parameter leads to it. */
  readonly output: number;
  /** Zeroes every gradient. */
  clear(): void;
  /** Adds the gradients of all parameters, from the outputs' gradients. */
  run(): void;
}

/**
 * Plans the gradient of every value that depends on a parameter and that the network's first output depends on. Operators add into
 * their inputs' gradients, so a value that is used twice needs no special case; a value in another shape shares that of the first.
 * @throws UnsupportedError naming a node on the way that has no gradient
 */
export function createBackward(
  engine: FullEngine,
  plan: Plan,
  dense: (weight: string) => number,
  parameters: ReadonlyMap<string, Place>,
): Backward {
  const { kernels, arena } = engine;
  const rootOf = (name: string) => plan.aliases.get(name) ?? name;
  const steps = leadingTo(rootOf(plan.outputs[0]), plan.steps, rootOf);
  const gradients = new Map<string, number>();
  const gradientOf = (name: string) => parameters.get(rootOf(name))?.gradient ?? gradients.get(rootOf(name)) ?? 0;
  const begin = arena.mark();
  for (const { inputs, outputs, io } of steps) {
    if (!inputs.some((input) => gradientOf(input) !== 0)) continue;
    for (const [i, output] of outputs.entries()) {
      const slot = output === "" ? undefined : io.outputs[i];
      if (slot && isFloat(slot.dtype)) gradients.set(output, arena.alloc(4 * sizeOf(slot.shape)));
    }
  }
  const words = (arena.mark() - begin) / 4;
  const launches: Launch[] = [];
  for (const { node, inputs, outputs, io } of steps.toReversed()) {
    if (!outputs.some((output) => gradients.has(output))) continue;
    const grad = gradientFor(node);
    if (!grad) throw new UnsupportedError(expected(`fit: node ${node.name}`, "an operator with a gradient", node.op));
    launches.push(
      grad({ node, kernels })({
        // A weight that does not change may have been placed for the node alone.
        inputs: io.inputs.map((slot, i) => slot && (slot.pointer ? slot : { ...slot, pointer: dense(inputs[i]) })),
        outputs: io.outputs,
        dInputs: inputs.map(gradientOf),
        dOutputs: outputs.map((name) => gradients.get(name) ?? 0),
      }),
    );
  }
  const scratch = arena.alloc(Math.max(0, ...launches.map((launch) => launch.scratch)));
  return {
    output: gradientOf(plan.outputs[0]),
    clear() {
      kernels.fill_row_f32(1, words, 0, begin);
      for (const { gradient, live } of parameters.values()) kernels.fill_row_f32(1, live.rows * live.cols, 0, gradient);
    },
    run() {
      for (const launch of launches) launch.run(scratch);
    },
  };
}

/** The steps that a value comes of. */
function leadingTo(output: string, steps: readonly PlannedStep[], rootOf: (name: string) => string): PlannedStep[] {
  const wanted = new Set([output]);
  const kept: PlannedStep[] = [];
  for (const step of steps.toReversed()) {
    if (!step.outputs.some((name) => wanted.has(name))) continue;
    kept.push(step);
    for (const name of step.inputs) wanted.add(rootOf(name));
  }
  return kept.reverse();
}
