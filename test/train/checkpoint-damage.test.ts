// Checkpoints that are damaged, forged, or of another job; and what is told where the loss is no number.
import { createHash } from "node:crypto";
import { describe, expect, test } from "vitest";
import { DivergedError, FormatError, ResumeError, UnsupportedError } from "../../src/errors.js";
import type { Graph } from "../../src/graph/graph.js";
import { cyclical } from "../../src/schedule.js";
import { readCheckpoint, writeCheckpoint } from "../../src/train/checkpoint.js";
import { type Batch, batches } from "../../src/train/data.js";
import { fit } from "../../src/train/fit.js";
import type { FitOptions } from "../../src/train/options.js";
import { memoryStore, run } from "../support/checkpoints.js";
import { normals, uniform } from "../support/kernels.js";
import { fullModule, withWeights } from "../support/network.js";
import { batchOf, small } from "../threads/networks.js";

const schedule = cyclical({ cycles: 2, sparsity: 0.5, ramp: 2, hold: 1 });
const data = [1, 2, 3, 4, 5, 6].map((seed) => batchOf(4, seed));
const options: FitOptions = {
  data,
  loss: "crossEntropy",
  optimizer: { kind: "sgd", momentum: 0.8 },
  rate: 0.05,
  schedule,
  module: fullModule,
};

/** The last two checkpoints of a job, and how it ends. */
async function job() {
  const store = memoryStore();
  const whole = await run(small(), { ...options, checkpoints: { store, every: 1 } });
  return { whole, older: store.saved[2], newer: store.saved[4] };
}

const resumed = (saved: readonly Uint8Array[], more: Partial<FitOptions> = {}, graph: Graph = small()) =>
  run(graph, { ...options, ...more, checkpoints: { store: memoryStore(saved) } });

const flipped = (bytes: Uint8Array, at: number, bit: number) => {
  const copy = bytes.slice();
  copy[at] ^= 1 << bit;
  return copy;
};

/** Bytes whose SHA-256 fits, whatever they say. */
const signed = (bytes: Uint8Array) => {
  const body = bytes.subarray(0, bytes.length - 32);
  return Uint8Array.from([...body, ...createHash("sha256").update(body).digest()]);
};

describe("a damaged checkpoint", () => {
  test("is seen: any bit, any length", async () => {
    const { newer } = await job();
    const next = uniform(5);
    const wrong: Uint8Array[] = [];
    for (let i = 0; i < 400; i++) wrong.push(flipped(newer, Math.floor(next() * newer.length), i % 8));
    for (let i = 0; i < 45; i++)
      wrong.push(flipped(newer, i, 0), newer.slice(0, i), newer.slice(0, newer.length - i - 1));
    for (let i = 0; i < 50; i++) wrong.push(newer.slice(0, Math.floor(next() * newer.length)));
    wrong.push(Uint8Array.from([...newer, 0]), new Uint8Array(newer.length));
    for (const bytes of wrong) await expect(readCheckpoint(bytes)).rejects.toThrow(FormatError);
  });

  test("in every section gives way to the one before; where both are damaged, the job says so", async () => {
    const { whole, older, newer } = await job();
    const { sections } = await readCheckpoint(newer);
    const places = [...sections.values()].map(({ byteOffset, length }) => byteOffset + (length >> 1));
    expect(places.length).toBeGreaterThan(20);
    for (const at of [0, 5, 9, 40, ...places, newer.length - 1]) {
      const damaged = flipped(newer, at, 3);
      const { reports, bits } = await resumed([older, damaged]);
      expect(reports).toEqual(whole.reports.slice(3));
      expect(bits).toEqual(whole.bits);
      await expect(resumed([damaged])).rejects.toThrow(FormatError);
    }
    await expect(resumed([flipped(older, 900, 1), newer.slice(0, 900)])).rejects.toThrow(
      "checkpoint: expected bytes that their SHA-256 fits, got damaged ones",
    );
    expect((await resumed([older.slice(0, 100), newer])).reports).toEqual(whole.reports.slice(5));
  });

  test("forged with a sum that fits is refused by what is wrong with it", async () => {
    const { newer } = await job();
    const { step, job: of, sections } = await readCheckpoint(newer);
    const length = new DataView(newer.buffer).getUint32(8, true);
    const withHead = (head: string) => {
      const text = new TextEncoder().encode(head);
      const size = new Uint8Array(Uint32Array.of(text.length).buffer);
      return signed(Uint8Array.from([...newer.subarray(0, 8), ...size, ...text, ...newer.subarray(12 + length)]));
    };
    const head = { step, job: of, sections: [...sections].map(([name, { length }]) => [name, length]) };
    const told = async (bytes: Uint8Array) =>
      resumed([bytes]).then(
        () => "none",
        (error) => `${error}`,
      );
    await expect(told(withHead(JSON.stringify(head)))).resolves.toBe("none");
    const version = signed(flipped(newer, 4, 1));
    await expect(resumed([version])).rejects.toEqual(new UnsupportedError("checkpoint: expected version 1, got 3"));
    const long = newer.slice();
    new DataView(long.buffer).setUint32(8, newer.length, true);
    for (const [bytes, message] of [
      [signed(long), "a head that ends inside"],
      [withHead("{"), "a head of JSON"],
      [withHead('"\\ud800'), "a head of JSON"],
      [withHead("null"), "a number of steps"],
      [withHead(JSON.stringify({ ...head, step: -1 })), "a number of steps"],
      [withHead(JSON.stringify({ ...head, step: 1.5 })), "a number of steps"],
      [withHead(JSON.stringify({ ...head, job: undefined })), "a job"],
      [withHead(JSON.stringify({ ...head, sections: {} })), "names and lengths of sections"],
      [withHead(JSON.stringify({ ...head, sections: [["a", -1]] })), "names and lengths of sections"],
      [withHead(JSON.stringify({ ...head, sections: [["a"]] })), "names and lengths of sections"],
      [withHead(JSON.stringify({ ...head, sections: [["a", 1e300]] })), "names and lengths of sections"],
      [withHead(JSON.stringify({ ...head, sections: head.sections.slice(1) })), "sections up to byte"],
      [await writeCheckpoint(step, of, new Map()), "sections, got 0"],
      [
        await writeCheckpoint(step, of, new Map([...sections].map(([name, s]) => [`${name}'`, s]))),
        "bytes of values 0",
      ],
      [
        await writeCheckpoint(step, of, new Map([...sections].map(([n, s]) => [n, s.subarray(1)]))),
        "bytes of values 0",
      ],
    ] as const) {
      const error = await told(bytes);
      expect(error).toContain("FormatError: checkpoint: expected ");
      expect(error).toContain(message);
    }
  });
});

describe("a checkpoint of another job is refused by the first thing that differs:", () => {
  const gamma = { kind: "dense", shape: [7], dtype: "float32", data: normals(7, 99) } as const;
  const renamed = { ...small(), nodes: small().nodes.map((node) => ({ ...node, name: `${node.name}'` })) };
  test.each<[string, Partial<FitOptions>, string, Graph?]>([
    [
      "optimizer",
      { optimizer: { kind: "sgd", momentum: 0.9 } },
      "options.optimizer.momentum is 0.9, got one of which it is 0.8",
    ],
    ["its kind", { optimizer: { kind: "adam" } }, 'options.optimizer.kind is "adam", got one of which it is "sgd"'],
    ["rate", { rate: 0.1 }, "options.rate is 0.1, got one of which it is 0.05"],
    ["seed", { seed: 2 }, "options.seed is 2, got one of which it is 1"],
    [
      "loss",
      { loss: { kind: "crossEntropy", smoothing: 0.1 } },
      'options.loss is {"kind":"crossEntropy","smoothing":0.1}',
    ],
    ["no schedule", { schedule: undefined }, "options.pruned[0] is left out"],
    [
      "schedule",
      { schedule: cyclical({ cycles: 2, sparsity: 0.6, ramp: 2, hold: 1 }) },
      "options.schedule.cycles[0].to is 0.6, got one of which it is 0.5",
    ],
    ["scope", { scope: "channel" }, 'options.scope is "channel", got one of which it is left out'],
    ["revival", { revival: "zero" }, "options.revival"],
    ["norms", { norms: "batch" }, "options.norms"],
    ["shards", { shards: 2 }, "options.shards is 2, got one of which it is 1"],
    ["what is trained", { trainable: (name) => name !== "bias" }, "options.trained[1]"],
    ["what is pruned", { prunable: "conv*" }, "options.pruned[2] is left out"],
    ["a weight", {}, "graph.weights.gamma.data", withWeights(small(), [["gamma", gamma]])],
    ["the network", {}, "graph.nodes[0].name", renamed],
    ["data", { data: data.toReversed() }, "first batch.inputs.x.data"],
    ["their size", { data: [1, 2, 3, 4, 5, 6].map((seed) => batchOf(5, seed)) }, "first batch.inputs.x.data"],
  ])("%s", async (_, changes, where, graph) => {
    const { older, newer } = await job();
    const error = await resumed([older, newer], changes, graph).catch((error) => error);
    expect(error).toBeInstanceOf(ResumeError);
    expect(error.code).toBe("RESUME");
    expect(error.message).toContain(`checkpoint: expected this job, of which ${where}`);
  });

  test("data that end before the steps done", async () => {
    const { newer } = await job();
    await expect(resumed([newer], { data: data.slice(0, 4) })).rejects.toEqual(
      new ResumeError("fit: data: expected the 5 batches of the steps done, got 4"),
    );
  });
});

describe("a loss that is no number", () => {
  const bad: Batch = { ...data[5], inputs: { x: { ...data[5].inputs.x, data: data[5].inputs.x.data.slice() } } };
  bad.inputs.x.data[17] = Number.NaN;
  const message = async (more: Partial<FitOptions>, graph = small()) => {
    const error = await run(graph, { ...options, ...more }).catch((error) => error);
    expect(error).toBeInstanceOf(DivergedError);
    return error.message;
  };

  test.each([1, 2])("comes with the step, the tensor and the last checkpoint, in %d shards", async (shards) => {
    const checkpoints = { store: memoryStore(), every: 3 };
    expect(await message({ data: [...data, bad], shards, checkpoints })).toBe(
      "fit: step 6: expected a finite loss, got NaN: the first tensor that is not finite is input x; the last good checkpoint is the one after 6 steps",
    );
    expect(await message({ data: [...data, bad], shards, checkpoints })).toContain("after 6 steps");
    expect(await message({ data: [bad], shards })).toBe(
      "fit: step 0: expected a finite loss, got NaN: the first tensor that is not finite is input x",
    );
  });

  test("may come from a value, or from the weights, which are then not kept", async () => {
    const large = { kind: "dense", shape: [5, 81], dtype: "float32", data: new Float32Array(405).fill(1e38) } as const;
    const overflow = withWeights(small(), [["fc", large]]);
    expect(await message({ schedule: undefined }, overflow)).toMatch(/is y of node /);
    const store = memoryStore();
    const wild = { schedule: undefined, rate: 1e38, loss: "crossEntropy", checkpoints: { store, every: 1 } } as const;
    const told = await message(wild);
    expect(told).toMatch(/the first tensor that is not finite is/);
    for (const bytes of store.saved) {
      const { sections } = await readCheckpoint(bytes);
      for (const [name, section] of sections) {
        if (!name.startsWith("values")) continue;
        expect(new Float32Array(section.slice().buffer).every(Number.isFinite)).toBe(true);
      }
    }
  });
});

test.each([
  [{ store: {} }, TypeError, /fit: checkpoints.store: expected open, load, save and close, got Object/],
  [{ store: memoryStore(), every: 0 }, RangeError, /fit: checkpoints.every: expected a number of steps from 1, got 0/],
  [{ store: memoryStore(), every: 1.5 }, RangeError, /got 1.5/],
  [null, TypeError, /got undefined/],
])("options of checkpoints are checked: %o", (checkpoints, Class, message) => {
  const given = { ...options, checkpoints } as FitOptions;
  expect(() => fit(small(), given)).toThrow(Class);
  expect(() => fit(small(), given)).toThrow(message);
});

test("a batch is one of a seed that a function is given", async () => {
  const examples = { input: "x", inputs: normals(20 * 72, 3), shape: [2, 6, 6], labels: new Uint8Array(20) };
  const seeded: FitOptions = { ...options, data: (seed) => batches(examples, { size: 5, epochs: 2, seed }) };
  const store = memoryStore();
  await run(small(), { ...seeded, checkpoints: { store, every: 2 } }, 3);
  const other = { ...seeded, data: () => batches(examples, { size: 5, epochs: 2, seed: 99 }), checkpoints: { store } };
  await expect(run(small(), other)).rejects.toThrow(/of which first batch.inputs.x.data is/);
});
