import type { TypedArray } from "../dtype.js";
import { expected, ShapeError } from "../errors.js";
import type { Graph } from "../graph/graph.js";
import { type FullEngine, floatsAt, put } from "../kernels/engine.js";
import { showShape } from "../tensor.js";
import type { Batch } from "./data.js";
import { inputOf, type Shapes } from "./inputs.js";
import type { Statistic } from "./norms.js";
import type { FitOptions } from "./options.js";
import type { Place } from "./parameter.js";
import { type ShardJob, type ShardResult, type ShardSetup, shard, startShard } from "./shard.js";

/** As `Pass`, of batches that are cut. */
export interface Shards {
  run(batch: Batch): Promise<number>;
  statistics(): readonly Statistic[];
  culprit(): string | undefined;
}

/**
 * A pass over batches that are cut into `count` equal shards along axis 0, each a job of `parallel`, or done in turn in `engine`. Loss,
 * gradients and statistics are the means of the shards', summed in their order whoever did them: the same bits on any number of threads.
 * @param places the trained weights in `engine`
 * @throws ShapeError for batches that cannot be cut so, and as createPass
 */
export function createShards(
  engine: FullEngine,
  module: WebAssembly.Module,
  graph: Graph,
  places: ReadonlyMap<string, Place>,
  whole: Shapes,
  { loss, norms, maxBytes, parallel, shards: count = 1 }: FitOptions,
): Shards {
  const { kernels, arena } = engine;
  const shapes = new Map(
    graph.inputs.map(({ name }) => [name, shapeOfShard(`fit: input ${name}`, whole.get(name)!, count)]),
  );
  const setup: ShardSetup = { graph, module, trained: [...places.keys()], shapes, loss, norms, maxBytes };
  const inTurn = parallel ? undefined : startShard(engine, setup);
  const sizes = [...places.values()].map(({ live }) => live.rows * live.cols);
  const length = sizes.reduce((sum, size) => sum + size, 0);
  const weights = shared(length) ?? new Float32Array(length);
  const rooms = Array.from({ length: count }, () => shared(length));
  const arrived = arena.alloc(4 * length);
  let statistics: readonly Statistic[] = [];
  let culprit: string | undefined;

  const gather = () => {
    let at = 0;
    for (const { live } of places.values()) {
      const size = live.rows * live.cols;
      weights.set(floatsAt(engine, live.values, size), at);
      at += size;
    }
  };

  const add = ({ gradients }: ShardResult) => {
    put(engine, arrived, gradients);
    let at = arrived;
    for (const { live, gradient } of places.values()) {
      const size = live.rows * live.cols;
      kernels.add_into_f32(size, at, gradient);
      at += 4 * size;
    }
  };

  const cut = (batch: Batch): Batch[] => {
    const { target, outputs } = batch;
    const tensors = graph.inputs.map((input) => ({ input, tensor: inputOf(batch, input, whole) }));
    return Array.from({ length: count }, (_, i) => {
      const part = <Values extends TypedArray>(where: string, values: Values) =>
        partOf(`fit: ${where}`, values, i, count);
      const inputs = tensors.map(({ input: { name }, tensor: { dtype, data } }) => {
        return [name, { dtype, shape: shapes.get(name)!, data: part(`input ${name}`, data) }] as const;
      });
      return {
        inputs: Object.fromEntries(inputs),
        target: target && part("target", target),
        outputs: outputs && part("batch.outputs", outputs),
      };
    });
  };

  return {
    async run(batch) {
      gather();
      const jobs = cut(batch).map((part, i): ShardJob => ({ weights, room: rooms[i], batch: part }));
      const results: ShardResult[] = [];
      if (inTurn) for (const [i, job] of jobs.entries()) results[i] = inTurn(job);
      await parallel?.(shard, setup, jobs, (result, i) => {
        results[i] = result;
      });
      for (const { live, gradient } of places.values()) kernels.fill_row_f32(1, live.rows * live.cols, 0, gradient);
      for (const result of results) add(result);
      for (const { live, gradient } of places.values()) kernels.scale_f32(live.rows * live.cols, gradient, 1 / count);
      culprit = results.find((result) => result.culprit)?.culprit;
      statistics = meanOf(results.map((result) => result.statistics));
      return results.reduce((sum, result) => sum + result.loss, 0) / count;
    },
    statistics: () => statistics,
    culprit: () => culprit,
  };
}

/** Memory that other threads see as well, and need no copy of: not every page has it. */
function shared(length: number): Float32Array | undefined {
  return typeof SharedArrayBuffer === "undefined" ? undefined : new Float32Array(new SharedArrayBuffer(4 * length));
}

/** @throws ShapeError where axis 0 cannot be cut in equal parts */
function shapeOfShard(where: string, shape: readonly number[], count: number): number[] {
  const [size, ...rest] = shape;
  if (size === undefined || size % count !== 0) {
    throw new ShapeError(expected(where, `a batch that ${count} shards have equal parts of`, showShape(shape)));
  }
  return [size / count, ...rest];
}

/** Part i of values, a copy: what another thread is given is all of the buffer below. @throws ShapeError where the parts are not equal */
function partOf<Values extends TypedArray>(where: string, values: Values, i: number, count: number): Values {
  const size = values.length / count;
  if (!Number.isInteger(size)) {
    throw new ShapeError(expected(where, `values that ${count} shards have equal parts of`, `${values.length}`));
  }
  return values.slice(i * size, (i + 1) * size) as Values;
}

function meanOf(shards: readonly (readonly Statistic[])[]): Statistic[] {
  return shards[0].map(({ weight, values }, s) => ({
    weight,
    values: values.map((_, c) => shards.reduce((sum, statistics) => sum + statistics[s].values[c], 0) / shards.length),
  }));
}
