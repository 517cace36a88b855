// One node run alone in a session's memory, which is looked at afterwards: where it wrote.
import { createArray, type DType, type TypedArray } from "../../src/dtype.js";
import { CoppiceError } from "../../src/errors.js";
import { checkGraph } from "../../src/graph/check.js";
import type { Graph } from "../../src/graph/graph.js";
import type { Weight } from "../../src/graph/weight.js";
import { createEngine } from "../../src/kernels/engine.js";
import { bytesOf, type Info } from "../../src/ops/op.js";
import { operatorOf } from "../../src/ops/registry.js";
import { DependsOnValue } from "../../src/passes/infer.js";
import { lowerGraph } from "../../src/runtime/lower.js";
import { bindPlan, enterPlan, type Plan } from "../../src/runtime/plan.js";
import { convertIn, elementsAt, knownOf } from "../../src/runtime/transfer.js";
import type { Seed } from "./operator-seeds.js";

export interface Case extends Seed {
  /** Places of the inputs that are weights. */
  readonly weights: readonly number[];
}

/** The network of one node; every output that it has. */
function graphOf({ op, inputs, attributes, weights }: Case, outputs: readonly DType[]): Graph {
  const given = inputs.flatMap((tensor, i) => (tensor ? [{ tensor, i }] : []));
  const isWeight = ({ i }: { i: number }) => weights.includes(i);
  return {
    name: op,
    inputs: given.filter((one) => !isWeight(one)).map(({ tensor, i }) => ({ name: `x${i}`, dtype: tensor.dtype })),
    outputs: outputs.map((dtype, i) => ({ name: `y${i}`, dtype })),
    nodes: [
      {
        name: "n",
        op,
        inputs: inputs.map((tensor, i) => (tensor ? `x${i}` : "")),
        outputs: outputs.map((_, i) => `y${i}`),
        attributes,
      },
    ],
    weights: new Map(
      given.filter(isWeight).map(({ tensor, i }): [string, Weight] => [`x${i}`, { kind: "dense", ...tensor }]),
    ),
  };
}

/** What the outputs are, as far as the shapes and the elements of the inputs tell. */
function outputsOf(one: Case): readonly Info[] {
  const node = graphOf(one, ["float32"]).nodes[0];
  const op = operatorOf(node);
  op.attrs(node);
  const known = one.inputs.map((tensor) => tensor && { ...tensor, known: knownOf(tensor.dtype, tensor.data) });
  return op.infer(node, known);
}

/**
 * Runs the node; "a result", or the name of the error where that is one of ours.
 * @throws Error where it wrote outside of its outputs and its scratch block, any other error as it comes
 */
export function outcomeOf(one: Case, module: WebAssembly.Module, maxBytes: number): string {
  try {
    const infos = outputsOf(one);
    const graph = graphOf(
      one,
      infos.map(({ dtype }) => dtype),
    );
    checkGraph(graph);
    const engine = createEngine(module, maxBytes);
    const lowered = lowerGraph(engine, graph);
    const pinned = new Set<string>();
    const feeds = new Map(graph.inputs.map(({ name }) => [name, one.inputs[Number(name.slice(1))]!]));
    const base = engine.arena.mark();
    let plan: Plan | undefined;
    while (!plan) {
      const inputs = [...feeds].map(([name, { dtype, shape, data }]): [string, Info] => [
        name,
        { dtype, shape, known: pinned.has(name) ? knownOf(dtype, data) : undefined },
      ]);
      try {
        plan = bindPlan(engine, graph, lowered, new Map(inputs), { base });
      } catch (error) {
        if (!(error instanceof DependsOnValue) || error.roots.every((name) => pinned.has(name))) throw error;
        for (const name of error.roots) pinned.add(name);
      }
    }
    enterPlan(engine, plan);
    for (const [name, { dtype, data }] of feeds) convertIn(dtype, data, elementsAt(engine, plan.slots.get(name)!));
    const { buffer } = engine.kernels.memory;
    // What kernels keep for themselves.
    const free = [{ at: 0, bytes: engine.kernels.heap_base() }];
    for (const { name } of graph.outputs) {
      const slot = plan.slots.get(name)!;
      free.push({ at: slot.pointer, bytes: bytesOf(slot) });
    }
    for (const { launch, scratch } of plan.steps) {
      const before = new Uint8Array(buffer.slice(0));
      launch.run(scratch);
      const after = new Uint8Array(buffer);
      for (const { at, bytes } of [...free, { at: scratch, bytes: launch.scratch }])
        before.set(after.subarray(at, at + bytes), at);
      if (Buffer.compare(before, after) !== 0) {
        const at = before.findIndex((byte, i) => byte !== after[i]);
        throw new Error(`wrote at ${at}, outside of ${JSON.stringify(free)}`);
      }
    }
    return "a result";
  } catch (error) {
    if (!(error instanceof CoppiceError)) throw error;
    if (!/: expected .+, got /s.test(error.message)) throw new Error(`no message: ${error.message}`);
    return error.name;
  }
}

/** A tensor of any type whose elements are made of what `value` gives. */
export function filled(dtype: DType, shape: readonly number[], value: (i: number) => number) {
  const data: TypedArray = createArray(
    dtype,
    shape.reduce((product, dim) => product * dim, 1),
  );
  for (let i = 0; i < data.length; i++) {
    const made = value(i);
    if (!dtype.endsWith("int64")) data[i] = made;
    else data[i] = BigInt(Number.isFinite(made) ? Math.trunc(made) : 0);
  }
  return { dtype, shape, data };
}
