import type { RunKernels } from "../kernels/abi.js";
import { around } from "../ops/axis.js";
import { widthOf } from "../ops/move.js";
import type { Launch, Slots } from "../ops/op.js";
import type { Copies } from "../passes/infer.js";

/** Binds what Loop and Scan do themselves. It allocates nothing. */
export function copying(kernels: RunKernels, copies: Copies, { inputs, outputs }: Slots): Launch {
  const [y] = outputs;
  const stacks = "stack" in copies;
  const whole = stacks ? y : inputs[0]!;
  const { outer, k, inner } = around(whole.shape, stacks ? copies.stack : copies.slice);
  const run = inner * widthOf(whole);
  if (!stacks) {
    const from = whole.pointer + copies.at * run;
    return { scratch: 0, run: () => kernels.move_x8(1, outer, run, 0, k * run, 1, 0, run, 1, from, y.pointer) };
  }
  return {
    scratch: 0,
    run() {
      for (let i = 0; i < inputs.length; i++) {
        kernels.move_x8(1, outer, run, 0, run, 1, 0, k * run, 1, inputs[i]!.pointer, y.pointer + i * run);
      }
    },
  };
}
