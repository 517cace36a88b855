import { type FullEngine, floatsAt } from "../kernels/engine.js";
import type { Trained } from "./parameter.js";

/** The learning rate is `fit`'s `rate`. `decay` is weight decay, of matrices and kernels only; Adam's is decoupled (AdamW). */
export type Optimizer =
  | { readonly kind: "sgd"; readonly momentum?: number; readonly decay?: number }
  | {
      readonly kind: "adam";
      readonly beta1?: number;
      readonly beta2?: number;
      readonly epsilon?: number;
      readonly decay?: number;
    };

export interface BoundOptimizer {
  /** Moves one step against the gradients; masked values stay and lose their moments. */
  step(rate: number): void;
}

export function bindOptimizer(engine: FullEngine, optimizer: Optimizer, trained: readonly Trained[]): BoundOptimizer {
  const { kernels, arena } = engine;
  const decay = optimizer.decay ?? 0;
  const state = (size: number): number => {
    const pointer = arena.alloc(4 * size);
    floatsAt(engine, pointer, size).fill(0);
    return pointer;
  };
  if (optimizer.kind === "sgd") {
    const momentum = optimizer.momentum ?? 0.9;
    const moved = trained.map((tensor) => ({ tensor, velocity: state(tensor.size) }));
    return {
      step(rate) {
        for (const { tensor, velocity } of moved) {
          const { size, values, gradient, mask, decays } = tensor;
          kernels.sgd_step_f32(size, values, gradient, velocity, mask, rate, momentum, decays ? decay : 0);
        }
      },
    };
  }
  const { beta1 = 0.9, beta2 = 0.999, epsilon = 1e-8 } = optimizer;
  const moved = trained.map((tensor) => ({ tensor, first: state(tensor.size), second: state(tensor.size) }));
  let power1 = 1;
  let power2 = 1;
  return {
    step(rate) {
      power1 *= beta1;
      power2 *= beta2;
      for (const { tensor, first, second } of moved) {
        const { size, values, gradient, mask, decays } = tensor;
        kernels.adam_step_f32(
          size,
          values,
          gradient,
          first,
          second,
          mask,
          rate,
          beta1,
          beta2,
          epsilon,
          decays ? decay : 0,
          1 / (1 - power1),
          1 / (1 - power2),
        );
      }
    },
  };
}
