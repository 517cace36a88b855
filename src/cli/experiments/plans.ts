import type { Graph } from "../../graph/graph.js";
import { lenet5, lenet300 } from "../lenet.js";

/** How a network is made small. Everything here was chosen on held-out images of the training set. */
export interface Plan {
  readonly create: (seed: number) => Graph;
  /** Layers in a row, with weights called `<layer>.weight`. */
  readonly layers: readonly string[];
  /** Steps of the first training, on images moved by a pixel. */
  readonly dense: number;
  /** Who teaches the rest; left out, the network as it was first trained. */
  readonly teacher?: { readonly create: (seed: number) => Graph; readonly dense: number };
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

/** As many steps of each, pruning and tuning, of every file. */
const steps = { prune: 10000, tune: 10000 };

export const plans = {
  lenet5: {
    create: lenet5,
    layers: ["conv1", "conv2", "fc1", "fc2"],
    dense: 4000,
    widths: [
      { widths: [12, 30, 150], settle: 1500, points: [] },
      { widths: [8, 16, 60], settle: 2000, points: [{ sparsity: 0.74, bits: 4, ...steps }] },
      { widths: [6, 12, 40], settle: 2000, points: [{ sparsity: 0.62, bits: 3, ...steps }] },
      { widths: [5, 10, 26], settle: 2000, points: [{ sparsity: 0.66, bits: 3, ...steps }] },
    ],
    minutes: 5,
  },
  // A convolutional network is the better teacher: what it knows, rows of pixels can learn from its outputs.
  lenet300: {
    create: lenet300,
    layers: ["fc1", "fc2", "fc3"],
    dense: 6000,
    teacher: { create: lenet5, dense: 4000 },
    widths: [
      {
        widths: [200, 80],
        settle: 2000,
        points: [
          { sparsity: 0.97, bits: 4, ...steps },
          { sparsity: 0.98, bits: 4, ...steps },
          { sparsity: 0.985, bits: 3, ...steps },
        ],
      },
    ],
    minutes: 4,
  },
} as const satisfies Record<string, Plan>;
