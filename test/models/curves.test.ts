// What `npm run rate-distortion` scores: its readers of data, and how two results are compared.
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { loadModel } from "../../src/index.js";
import { bytesOf, describeWithData, graphOf } from "../support/data.js";

const part = (name: string) => import(fileURLToPath(new URL(`../../bench/curves/${name}.mjs`, import.meta.url)));

describeWithData("the networks of the curves", () => {
  test.each([
    // So many of the first 500 in reference-logits.f32.
    ["resnet20", true, 500, 455],
    ["resnet8", true, 500, 445],
    // Those that the READMEs count in all 500 crops, without those that eval.json counts in its 100.
    ["mobilenet", false, 400, 289 - 61],
    ["squeezenet", false, 400, 294 - 61],
    ["stories260k", false, 32, 0.6397058823529411 * 32],
    ["magika", false, 129, 129],
    ["silero", false, 50, undefined],
  ])("%s, quick: %s, has %i examples, and the dense network meets %s labels", async (id, quick, examples, met) => {
    const { networks } = await part("networks");
    const { score } = await part("score");
    const network = networks.find((each: { id: string }) => each.id === id);
    const set = await network.scored(quick);
    using model = await loadModel(graphOf(network.file));
    const dense = set.run(model);
    const { agreement, kl, top1 } = score(set, dense, dense);
    expect(agreement.length).toBe(examples);
    for (const value of agreement) expect(value).toBeCloseTo(1, 9);
    expect(kl).toEqual(new Array(examples).fill(0));
    if (met !== undefined) expect(top1.reduce((sum: number, value: number) => sum + value, 0)).toBeCloseTo(met, 6);
  });

  test("JPEG crops are the stored bytes, and none of those is scored", async () => {
    const { crops, otherCrops } = await part("images");
    const { linesOf } = await part("data");
    const names = linesOf("onnx", "imagenet-224-even", "names-100.txt");
    const { images, labels } = await crops((name: string) => names.includes(name));
    const want = bytesOf("onnx", "imagenet-224-even", "images-100.u8");
    let sum = 0;
    for (let i = 0; i < want.length; i++) sum += Math.abs(want[i] - images.bytes[i]);
    expect(images.bytes.length).toBe(want.length);
    // Another build of the decoder may round otherwise.
    expect(sum / want.length).toBeLessThan(0.5);
    expect([...labels]).toEqual([...new Uint16Array(bytesOf("onnx", "imagenet-224-even", "labels-100.u16").buffer)]);
    const others = await otherCrops();
    expect(others.labels.length).toBe(400);
    expect([...others.labels].some((label) => labels.includes(label))).toBe(false);
  });
});

describe("comparing results", () => {
  test("a row of logits, of probabilities, of one event", async () => {
    const { score } = await part("score");
    const [p, q] = [
      [0.5, 0.25, 0.25],
      [0.25, 0.5, 0.25],
    ];
    const want = 0.5 * Math.log(2) - 0.25 * Math.log(2);
    const set = { classes: 3, perExample: 1, labels: [0] };
    for (const [form, numbers] of [
      ["probabilities", (x: number) => x],
      ["logits", (x: number) => Math.log(x) + 7],
    ] as const) {
      const result = score({ ...set, form }, Float32Array.from(p, numbers), Float32Array.from(q, numbers));
      expect(result.kl[0]).toBeCloseTo(want, 6);
      expect(result).toMatchObject({ agreement: [0], top1: [0] });
    }
    const yes = score(
      { form: "yes", classes: 1, perExample: 2 },
      Float32Array.of(0.75, 0.5),
      Float32Array.of(0.25, 0.5),
    );
    expect(yes.kl[0]).toBeCloseTo((0.75 * Math.log(3) - 0.25 * Math.log(3)) / 2, 6);
    expect(yes.agreement).toEqual([0.5]);
  });

  test("differences in pairs, and the interval of their mean", async () => {
    const { paired } = await part("score");
    const { mean, within } = paired([3, 5, 7], [1, 1, 1]);
    expect(mean).toBe(4);
    expect(within).toBeCloseTo((1.96 * 2) / Math.sqrt(3), 12);
  });

  test("ours against the best of the others at each size, and those that pass it", async () => {
    const { comparisons } = await part("comparison");
    const spoiled = (kl: number[], agreement: number[]) => ({ kl, agreement });
    const results = [
      { target: "dense", family: "dense", ...spoiled([0, 0, 0], [1, 1, 1]) },
      { target: "1 bit", family: "ours", ...spoiled([0.4, 0.5, 0.6], [1, 0, 1]) },
      { target: "1 bit", family: "vq", ...spoiled([0.9, 1, 1.1], [1, 1, 1]) },
      { target: "1 bit", family: "svd", ...spoiled([0.35, 0.43, 0.54], [1, 0, 1]) },
      { target: "1 bit", family: "int8", cannot: "too small" },
      { target: "10x", family: "ours", ...spoiled([0, 0, 0], [1, 1, 1]) },
    ];
    const [only, ...more] = comparisons(results);
    expect(more).toEqual([]);
    expect(only).toMatchObject({ target: "1 bit", goal: 0.05, below: ["svd"], best: { family: "svd" } });
    expect(only.better).toBeCloseTo(1 - 0.5 / 0.44, 9);
    expect(only.difference).toBeCloseTo(0.06, 9);
  });

  test("what is asked of files, reached to the bit", async () => {
    const { reachedBy } = await part("goals");
    const of = (target: string, top1: number[], seconds: number) => {
      return {
        network: "ResNet-20",
        target,
        family: "ours",
        kl: [],
        agreement: top1,
        top1,
        seconds,
        cpuSeconds: seconds,
      };
    };
    const dense = of("dense", [1, 1, 1, 1], 0);
    const reached = (...results: object[]) => reachedBy(results).map((goal: { reached: boolean }) => goal.reached);
    expect(reached(dense, of("10x", [0.99, 0.99, 0.99, 0.99], 29))).toEqual([true, true]);
    expect(reached(dense, of("10x", [0.99, 0.99, 0.99, 0.98], 31))).toEqual([false, false]);
    expect(reached(dense, of("2 bits", [1, 1, 1, 1], 1))).toEqual([]);
  });

  test("numbers that are spread stay so from their start on, each once", async () => {
    const { spread } = await part("data");
    const all: number[] = spread(256, 2000);
    expect(new Set(all).size).toBe(256);
    const first = all.slice(0, 32).sort((a, b) => a - b);
    for (const [i, value] of first.slice(1).entries()) expect(value - first[i]).toBeLessThan(2 * (2000 / 32));
    expect(spread(5, 5).sort()).toEqual([0, 1, 2, 3, 4]);
  });
});
