import { alternating, cyclical, gradual, oneShot, type Revival, type Schedule } from "../../train/index.js";

/** A way to a sparsity. */
export interface Way {
  readonly name: string;
  /** Without it nothing is pruned. */
  readonly schedule?: Schedule;
  readonly revival: Revival;
}

export const dense: Way = { name: "dense", revival: "keep" };

/** At once, and all steps for fine-tuning. */
export function atOnce(steps: number, sparsity: number): Way {
  return { name: "one-shot", revival: "keep", schedule: oneShot({ sparsity, hold: steps }) };
}

/** One ramp over seven tenths of the steps. */
export function gradually(steps: number, sparsity: number, revival: Revival = "keep"): Way {
  const ramp = Math.floor(0.7 * steps);
  return { name: "gradual", revival, schedule: gradual({ sparsity, ramp, hold: steps - ramp }) };
}

/** Dense and sparse in turns of a tenth of the steps, four times: the last fifth and more is sparse. */
export function inTurns(steps: number, sparsity: number): Way {
  const turn = Math.floor(steps / 10);
  return {
    name: "alternating",
    revival: "zero",
    schedule: alternating({ cycles: 4, sparsity, dense: turn, sparse: turn }),
  };
}

/**
 * Up and down in equal cycles over three fifths of the steps, each up to fewer weights than the one before: of four cycles to 4, 2, 4/3 and
 * 1 times as many as are kept in the end. Between them as many come back as make six times as many. The rest has frozen masks.
 */
export function inCycles(steps: number, sparsity: number, cycles: number, revival: Revival): Way {
  const period = Math.floor((0.6 * steps) / cycles);
  const [warm, hold] = [Math.floor(period / 10), Math.floor(period / 10)];
  const keeping = (times: number) => Math.max(0, 1 - times * (1 - sparsity));
  const targets = Array.from({ length: cycles }, (_, i) => (i + 1 === cycles ? sparsity : keeping(cycles / (i + 1))));
  return {
    name: `cyclical, ${cycles} cycles`,
    revival,
    schedule: cyclical({ cycles, targets, drop: keeping(6), warm, ramp: period - warm - hold, hold }),
  };
}
