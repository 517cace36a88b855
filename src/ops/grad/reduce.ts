import { expected, UnsupportedError } from "../../errors.js";
import type { GraphNode } from "../../graph/graph.js";
import { sizeOf } from "../../tensor.js";
import type { GradSite, GradSlots, Launch } from "../op.js";
import { keptShape, type Operand, passesOf, reshaped, room, rowByRow } from "../recipe.js";
import { axesIn } from "../reduce.js";
import { axisIn } from "../softmax.js";
import { type Chain, chained, float, type Gradient, give, line, made, mapped, signOf, summed, where } from "./chain.js";

/** What a reduction is given and makes, y and its gradient with a size of 1 in place of each reduced axis. */
interface Reduced {
  readonly x: Operand;
  readonly y: Operand;
  readonly dy: Operand;
  readonly axes: readonly number[];
}

function reduced(back: (chain: Chain, reduced: Reduced, node: GraphNode) => Operand): Gradient {
  return chained((chain, node: GraphNode) => {
    const axes = axesIn(node, chain.io.inputs);
    if (!axes) return give(chain, 0, chain.dy());
    const x = chain.x(0);
    const kept = keptShape(x.shape, axes);
    const [y, dy] = [chain.y(), chain.dy()].map((operand) => reshaped(operand, kept));
    give(chain, 0, back(chain, { x, y, dy, axes }, node));
  });
}

/** All that are the largest, or the smallest, share what comes. */
const extreme = reduced((chain, { x, y, dy, axes }) => {
  const chosen = where(chain, "equal", x, y, x.shape);
  return made(chain, "mul", chosen, made(chain, "div", dy, summed(chain, chosen, axes)));
});

/** y (dy - sum(y dy)). */
const softmax = chained((chain, node) => {
  const y = chain.y();
  const axis = axisIn(node, y.shape);
  const mean = summed(chain, made(chain, "mul", y, chain.dy()), [axis]);
  give(chain, 0, made(chain, "mul", made(chain, "sub", chain.dy(), mean), y));
});

/** The same along the last axis, by a kernel. */
function ofRows({ kernels }: GradSite, { outputs, dInputs, dOutputs }: GradSlots, cols: number): Launch {
  const [{ pointer, shape }] = outputs;
  const rows = cols === 0 ? 0 : sizeOf(shape) / cols;
  return { scratch: 0, run: () => kernels.softmax_grad_f32(rows, cols, pointer, dOutputs[0], dInputs[0]) };
}

export const reductions: Readonly<Record<string, Gradient>> = {
  ReduceSum: reduced((_, { dy }) => dy),
  ReduceMean: reduced((chain, { x, dy, axes }) => line(chain, dy, 1 / sizeOf(axes.map((axis) => x.shape[axis])))),
  ReduceMax: extreme,
  ReduceMin: extreme,
  /** Each value has the product of those before it and of those after it: zeros among them do no harm. */
  ReduceProd: reduced((chain, { x, dy, axes }, node) => {
    const passes = passesOf(x.shape, axes);
    if (passes.length === 0) return dy;
    if (passes.length > 1) {
      throw new UnsupportedError(expected(`${node.name} (ReduceProd)`, "a gradient over neighbouring axes", `${axes}`));
    }
    const { recipe } = chain;
    const [before, after] = [room(recipe, x.shape), room(recipe, x.shape)];
    const rows = { ...passes[0], move: true, exclusive: true };
    rowByRow(recipe, "mul", rows, x, before, float(chain, 1));
    rowByRow(recipe, "mul", { ...rows, reverse: true }, x, after, float(chain, 1));
    return made(chain, "mul", made(chain, "mul", before, after), dy);
  }),
  ReduceL1: reduced((chain, { x, dy }) => made(chain, "mul", signOf(chain, x), dy)),
  ReduceLogSum: reduced((chain, { x, dy, axes }) => made(chain, "div", dy, summed(chain, x, axes))),
  ReduceSumSquare: reduced((chain, { x, dy }) => made(chain, "mul", line(chain, x, 2), dy)),
  ReduceL2: reduced((chain, { x, y, dy }) => made(chain, "mul", x, made(chain, "div", dy, y))),
  ReduceLogSumExp: reduced((chain, { x, y, dy }) =>
    made(chain, "mul", mapped(chain, "exp", made(chain, "sub", x, y)), dy),
  ),
  Softmax: (site) => (io) => {
    const { shape } = io.outputs[0];
    const axis = axisIn(site.node, shape);
    return sizeOf(shape.slice(axis + 1)) === 1 ? ofRows(site, io, shape[axis] ?? 1) : softmax(site)(io);
  },
  /** dy - e^y sum(dy). */
  LogSoftmax: chained((chain, node) => {
    const y = chain.y();
    const sum = summed(chain, chain.dy(), [axisIn(node, y.shape)]);
    give(chain, 0, made(chain, "sub", chain.dy(), made(chain, "mul", mapped(chain, "exp", y), sum)));
  }),
};
