// Networks that look at bytes and tokens, against the outputs that are stored beside them.
import { expect, test } from "vitest";
import { loadModel } from "../../src/index.js";
import type { Model } from "../../src/runtime/session.js";
import {
  bytesOf,
  crossEntropy,
  describeWithData,
  expectNear,
  floatsOf,
  graphOf,
  jsonOf,
  placeOf,
} from "../support/data.js";

const pieces = 512;

function tokenFeed(tokens: BigInt64Array) {
  return { tokens: { dtype: "int64", shape: [1, tokens.length], data: tokens } as const };
}

function logitsOf(model: Model, tokens: BigInt64Array): Float32Array {
  return model.run(tokenFeed(tokens)).logits.data as Float32Array;
}

describeWithData("stories260k", () => {
  const file = (name: string) => ["onnx", "stories260k", name] as const;

  test("the logits of golden.json", async () => {
    const { cases, suggestedAbsTolerance } = jsonOf(...file("golden.json"));
    using model = await loadModel(graphOf(...file("model.onnx")));
    expect(cases.length).toBe(3);
    for (const { inputs, outputs } of cases) {
      const tokens = new BigInt64Array(bytesOf(...file(inputs[0].file)).buffer);
      expectNear(logitsOf(model, tokens), floatsOf(...file(outputs[0].file)), suggestedAbsTolerance.logits);
    }
  });

  test("writes the 200 tokens of its authors, each the likeliest after those before it", async () => {
    const want = new BigInt64Array(bytesOf(...file("golden-2-tokens.i64")).buffer);
    using model = await loadModel(graphOf(...file("model.onnx")));
    const written = new BigInt64Array(want.length + 1);
    written[0] = want[0];
    for (let t = 0; t < want.length; t++) {
      const last = logitsOf(model, written.subarray(0, t + 1)).subarray(t * pieces);
      written[t + 1] = BigInt(last.indexOf(last.reduce((a, b) => Math.max(a, b))));
    }
    expect([...written]).toEqual([...want, 358n]);
  });

  test.each([0, 1])("the cross-entropy of set %i of eval.json", async (set) => {
    const { file: name, shape, meanCrossEntropy, nextTokenTop1 } = jsonOf(...file("eval.json")).sets[set];
    const [rows, length] = shape;
    const tokens = BigInt64Array.from(new Uint16Array(bytesOf(...file(name)).buffer), BigInt);
    using model = await loadModel(graphOf(...file("model.onnx")));
    let [sum, first] = [0, 0];
    for (let row = 0; row < rows; row++) {
      const line = tokens.slice(row * length, (row + 1) * length);
      const logits = logitsOf(model, line);
      for (let t = 0; t + 1 < length; t++) {
        const at = logits.subarray(t * pieces, (t + 1) * pieces);
        sum += crossEntropy(at, Number(line[t + 1]));
        if (placeOf(at, Number(line[t + 1])) === 0) first++;
      }
    }
    const count = rows * (length - 1);
    expect(sum / count).toBeCloseTo(meanCrossEntropy, 4);
    expect(first).toBe(Math.round(nextTokenTop1 * count));
  });
});

interface Sizes {
  readonly beg_size: number;
  readonly end_size: number;
  readonly block_size: number;
  readonly padding_token: number;
}

/** What Magika looks at: the first and the last bytes without the blanks around them, padded to a fixed size. */
function featuresOf(content: Uint8Array, sizes: Sizes): { beg: number[]; end: number[] } {
  const blank = (value: number) => value === 32 || (value >= 9 && value <= 13);
  const first = content.subarray(0, sizes.block_size);
  const last = content.subarray(Math.max(0, content.length - sizes.block_size));
  let [start, stop] = [0, last.length];
  while (start < first.length && blank(first[start])) start++;
  while (stop > 0 && blank(last[stop - 1])) stop--;
  const beg = [...first.subarray(start, start + sizes.beg_size)];
  const end = [...last.subarray(Math.max(0, stop - sizes.end_size), stop)];
  const padding = (size: number) => new Array<number>(size).fill(sizes.padding_token);
  return {
    beg: [...beg, ...padding(sizes.beg_size - beg.length)],
    end: [...padding(sizes.end_size - end.length), ...end],
  };
}

describeWithData("magika", () => {
  const bytes = (base64: string) => new Uint8Array(Buffer.from(base64, "base64"));

  test("what it looks at, as its authors take it", () => {
    for (const { args, content_base64, features } of jsonOf("magika", "features_extraction_examples.json.gz")) {
      const { beg, end } = featuresOf(bytes(content_base64), args);
      if (`${beg}` !== `${features.beg}` || `${end}` !== `${features.end}`) {
        expect({ beg, end }).toEqual({ beg: features.beg, end: features.end });
      }
    }
  });

  test("129 of 129 labels", async () => {
    const config = jsonOf("magika", "config.min.json");
    const examples = jsonOf("magika", "standard_v3_3-inference_examples_by_content.json.gz");
    using model = await loadModel(graphOf("magika", "model.onnx"));
    const got: string[] = [];
    const want: string[] = [];
    for (const { content_base64, prediction } of examples) {
      if (prediction.dl === "undefined") continue; // Too short for the network: told by other means.
      const { beg, end } = featuresOf(bytes(content_base64), config);
      const feed = {
        dtype: "int32",
        shape: [1, beg.length + end.length],
        data: Int32Array.from([...beg, ...end]),
      } as const;
      const scores = model.run({ bytes: feed }).target_label.data as Float32Array;
      const best = scores.reduce((a, b) => Math.max(a, b));
      got.push(config.target_labels_space[scores.indexOf(best)]);
      want.push(prediction.dl);
      // Its norms take E[x^2] - E[x]^2 of values that hardly differ: what rounds an activation otherwise moves scores by 1.4e-3.
      expect(Math.abs(best - prediction.score)).toBeLessThan(5e-3);
    }
    expect(want.length).toBe(129);
    expect(got).toEqual(want);
  });
});
