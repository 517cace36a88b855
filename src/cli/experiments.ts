import type { Graph } from "../graph/graph.js";
import { lenet5, lenet300 } from "./lenet.js";

/** How a network is made small. Everything here was chosen on held-out images of the training set. */
export interface Plan {
  readonly create: (seed: number) => Graph;
  /** Layers in a row, with weights called `<layer>.weight`. */
  readonly layers: readonly string[];
  /** Steps of the first training. */
  readonly dense: number;
  /** From wide to narrow. */
  readonly widths: readonly Width[];
  /** Minutes a seed takes on one core of 2.5 GHz. */
  readonly minutes: number;
}

export interface Width {
  /** Channels left of each layer but the last. */
  readonly widths: readonly number[];
  /** Steps that the network is given to get used to it. */
  readonly settle: number;
  /** The files that are made of this width. */
  readonly points: readonly Point[];
}

export interface Point {
  /** Fraction of zeros that pruning leads to, 0..1. */
  readonly sparsity: number;
  /** Bits of what is kept. */
  readonly bits: number;
  /** Steps. */
  readonly prune: number;
  readonly tune: number;
}

export const plans = {
  lenet5: {
    create: lenet5,
    layers: ["conv1", "conv2", "fc1", "fc2"],
    dense: 6000,
    widths: [
      { widths: [12, 30, 150], settle: 2000, points: [] },
      { widths: [8, 20, 80], settle: 10000, points: [{ sparsity: 0.85, bits: 4, prune: 20000, tune: 20000 }] },
      { widths: [6, 12, 40], settle: 10000, points: [{ sparsity: 0.75, bits: 4, prune: 20000, tune: 20000 }] },
    ],
    minutes: 8,
  },
  lenet300: {
    create: lenet300,
    layers: ["fc1", "fc2", "fc3"],
    dense: 10000,
    widths: [{ widths: [300, 100], settle: 1, points: [{ sparsity: 0.98, bits: 4, prune: 20000, tune: 20000 }] }],
    minutes: 5,
  },
} as const satisfies Record<string, Plan>;
