import { expected } from "../errors.js";
import { type FullEngine, floatsAt } from "../kernels/engine.js";
import type { Trained } from "./parameter.js";

/** The learning rate is `fit`'s `rate`. */
export type Optimizer = Descent | Adam;

interface Shared {
  /** Weight decay, of matrices and kernels only; by default 0. */
  readonly decay?: number;
  /**
   * Whether decay is taken off the weights beside the step, and not added to the gradient. By default false for sgd and true for adam,
   * which is then AdamW (I. Loshchilov, F. Hutter, "Decoupled weight decay regularization", 2019).
   */
  readonly decoupled?: boolean;
  /**
   * Longest gradient, all weights and biases taken as one vector: a longer one is scaled to it (R. Pascanu, T. Mikolov, Y. Bengio, "On the
   * difficulty of training recurrent neural networks", 2013). By default none.
   */
  readonly clip?: number;
}

interface Descent extends Shared {
  readonly kind: "sgd";
  /** By default 0.9. */
  readonly momentum?: number;
  /** Steps by the gradient as it will be after the momentum; by default false. */
  readonly nesterov?: boolean;
}

interface Adam extends Shared {
  readonly kind: "adam";
  /** By default 0.9. */
  readonly beta1?: number;
  /** By default 0.999. */
  readonly beta2?: number;
  /** By default 1e-8. */
  readonly epsilon?: number;
}

const names: Readonly<Record<Optimizer["kind"], readonly string[]>> = {
  sgd: ["momentum"],
  adam: ["beta1", "beta2", "epsilon"],
};

/** @throws TypeError or RangeError naming the option */
export function checkOptimizer(optimizer: Optimizer): void {
  const kind = optimizer?.kind;
  if (!Object.hasOwn(names, String(kind))) {
    throw new TypeError(expected("fit: optimizer.kind", `one of ${Object.keys(names).join(", ")}`, String(kind)));
  }
  const numbers = ["decay", "clip", ...names[kind]];
  const flags = kind === "sgd" ? ["decoupled", "nesterov"] : ["decoupled"];
  for (const [key, value] of Object.entries(optimizer)) {
    const where = `fit: optimizer.${key}`;
    if (key === "kind" || value === undefined) continue;
    if (flags.includes(key)) {
      if (typeof value !== "boolean") throw new TypeError(expected(where, "true or false", String(value)));
    } else if (!numbers.includes(key)) {
      throw new TypeError(expected(where, `an option of ${kind}: ${[...numbers, ...flags].join(", ")}`, String(value)));
    } else if (!(Number.isFinite(value) && value >= 0)) {
      throw new RangeError(expected(where, "a number of 0 or more", String(value)));
    }
  }
}

export interface BoundOptimizer {
  /** Moves one step against the gradients; masked values stay and lose their moments. */
  step(rate: number): void;
  /** The moments of what `mask` leaves out become 0. */
  forget(tensor: Trained, mask: number): void;
  /** The moments, and how far their decay has come: valid until the next allocation. */
  state(): readonly ArrayBufferView[];
}

export function bindOptimizer(engine: FullEngine, optimizer: Optimizer, trained: readonly Trained[]): BoundOptimizer {
  const { kernels, arena } = engine;
  const { decay = 0, decoupled = optimizer.kind === "adam", clip } = optimizer;
  const count = optimizer.kind === "adam" ? 2 : 1;
  const moments = new Map<Trained, readonly number[]>();
  for (const tensor of trained) {
    const state = Array.from({ length: count }, () => arena.alloc(4 * tensor.size));
    for (const pointer of state) floatsAt(engine, pointer, tensor.size).fill(0);
    moments.set(tensor, state);
  }
  /** Of adam, beta1 and beta2 to the power of the steps done. */
  const powers = new Float64Array(2).fill(1);
  const decaysOf = ({ decays }: Trained): [l2: number, decay: number] =>
    !decays ? [0, 0] : decoupled ? [0, decay] : [decay, 0];
  const move = optimizer.kind === "sgd" ? sgd(optimizer) : adam(optimizer);

  function sgd({ momentum = 0.9, nesterov = false }: Descent) {
    return (rate: number) => {
      for (const [tensor, [velocity]] of moments) {
        const { size, values, gradient, mask } = tensor;
        const [l2, decay] = decaysOf(tensor);
        kernels.sgd_step_f32(size, values, gradient, velocity, mask, rate, momentum, nesterov ? 1 : 0, l2, decay);
      }
    };
  }

  function adam({ beta1 = 0.9, beta2 = 0.999, epsilon = 1e-8 }: Adam) {
    return (rate: number) => {
      powers[0] *= beta1;
      powers[1] *= beta2;
      const [c1, c2] = [1 / (1 - powers[0]), 1 / (1 - powers[1])];
      for (const [tensor, [m, v]] of moments) {
        const { size, values, gradient, mask } = tensor;
        const [l2, decay] = decaysOf(tensor);
        // biome-ignore format: as the kernel is declared
        kernels.adam_step_f32(
          size, values, gradient, m, v, mask, rate, beta1, beta2, epsilon, l2, decay, c1, c2,
        );
      }
    };
  }

  /** Gradients of masked values move nothing, so they do not count. */
  const shorten = (longest: number) => {
    let squares = 0;
    for (const { size, gradient, mask } of trained) squares += kernels.sum_squares_f32(size, gradient, mask);
    const norm = Math.sqrt(squares);
    if (norm > longest) for (const { size, gradient } of trained) kernels.scale_f32(size, gradient, longest / norm);
  };

  return {
    step(rate) {
      if (clip !== undefined) shorten(clip);
      move(rate);
    },
    forget(tensor, mask) {
      for (const pointer of moments.get(tensor) ?? []) kernels.mask_apply_f32(tensor.size, pointer, mask, pointer);
    },
    state: () => [
      powers,
      ...[...moments].flatMap(([{ size }, pointers]) => pointers.map((pointer) => floatsAt(engine, pointer, size))),
    ],
  };
}
