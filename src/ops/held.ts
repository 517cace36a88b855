import { expected, UnsupportedError } from "../errors.js";
import type { GraphNode } from "../graph/graph.js";
import { sizeOf } from "../tensor.js";
import { number } from "./attributes.js";
import type { Launch, Site, Slots } from "./op.js";

/** lo and hi of an activation that holds values within them. `read` gives the value of an input. */
export function boundsOf(node: GraphNode, read: (i: number) => number): [lo: number, hi: number] {
  if (node.op === "Relu") return [0, Number.POSITIVE_INFINITY];
  const bound = (i: number, name: string, none: number) =>
    node.inputs[i] ? read(i) : Math.fround(number(node, name, none));
  return [bound(1, "min", Number.NEGATIVE_INFINITY), bound(2, "max", Number.POSITIVE_INFINITY)];
}

/** What makes +0 of -0 where lo is 0, and changes nothing elsewhere. */
export function zeroOf(lo: number): number {
  return lo === 0 ? 0 : -0;
}

/** Limits of an activation, as assembly/simd.ts takes them in `clamp`, in memory for the life of the session. */
export function limitsOf(site: Site): number {
  const { kernels, node } = site;
  const [lo, hi] = boundsOf(node, (i) => {
    if (!site.weight(i)) {
      throw new UnsupportedError(expected(`${node.name} (Clip) input ${i}`, "a weight", "a computed value"));
    }
    return new Float32Array(kernels.memory.buffer, site.dense(i), 1)[0];
  });
  const limits = site.alloc(12);
  new Float32Array(kernels.memory.buffer, limits, 3).set([lo, hi, zeroOf(lo)]);
  return limits;
}

/** Whether limits are those of a Relu, which integers know as well. */
export function isRelu(kernels: Site["kernels"], limits: number): boolean {
  const [lo, hi] = new Float32Array(kernels.memory.buffer, limits, 2);
  return lo === 0 && hi === Number.POSITIVE_INFINITY;
}

/** A launch whose kernel knows of no limits: what it makes is held within the site's afterwards, in place. */
export function heldAfter({ kernels, limits }: Site, bind: (io: Slots) => Launch): (io: Slots) => Launch {
  if (!limits) return bind;
  return (io) => {
    const { scratch, run } = bind(io);
    const { pointer, shape } = io.outputs[0];
    const size = sizeOf(shape);
    return {
      scratch,
      run(scratch) {
        run(scratch);
        kernels.clip_f32(size, pointer, limits, pointer);
      },
    };
  };
}
