// stories260K: tokens in, the logits of the next one out.
import { Random } from "../../dist/random.js";
import { bytesOf, joined } from "./data.mjs";

const length = 256;
const pieces = 512;
/** The token that begins a story. */
const begin = 1n;

/**
 * Calibrated on 32 stories that the network tells itself (by a seed, at temperature 1), scored on the 32 of `eval-sampled`. Those are
 * half as long as these: every candidate that is measured runs all of them.
 */
export const stories = {
  file: "onnx/stories260k/model.onnx",
  calibration: (model) => told(model, 32, length / 2).map(feeds),
  scored: (quick) => {
    const tokens = BigInt64Array.from(
      new Uint16Array(bytesOf("onnx", "stories260k", "eval-sampled.u16").buffer),
      BigInt,
    );
    const rows = Array.from({ length: quick ? 8 : 32 }, (_, i) => tokens.slice(i * length, (i + 1) * length));
    return {
      form: "logits",
      classes: pieces,
      perExample: length - 1,
      labels: rows.flatMap((row) => [...row.subarray(1)].map(Number)),
      // What follows the last token is not known.
      run: (model) => joined(rows.map((row) => model.run(feeds(row)).logits.data.subarray(0, (length - 1) * pieces))),
    };
  },
};

function feeds(tokens) {
  return { tokens: { dtype: "int64", shape: [1, tokens.length], data: tokens } };
}

/** Stories, each token drawn by the chance that the network gives it: all of them together, as a new length is a new plan. */
function told(model, count, size) {
  const random = new Random(1);
  const all = Array.from({ length: count }, () => new BigInt64Array(size).fill(begin));
  for (let t = 1; t < size; t++) {
    for (const tokens of all) {
      const logits = model.run(feeds(tokens.slice(0, t))).logits.data.subarray((t - 1) * pieces);
      const most = logits.reduce((a, b) => Math.max(a, b), Number.NEGATIVE_INFINITY);
      const chances = Array.from(logits, (x) => Math.exp(x - most));
      let rest = random.uniform() * chances.reduce((a, b) => a + b, 0);
      let next = -1;
      while (next + 1 < pieces && rest >= 0) rest -= chances[++next];
      tokens[t] = BigInt(next);
    }
  }
  return all;
}
