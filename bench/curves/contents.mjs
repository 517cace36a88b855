// Magika: the bytes of a file in, probabilities of 214 kinds of content out.
import { joined, jsonOf, spread } from "./data.mjs";

/** Calibrated on 256 of its `features_extraction_examples`, scored on the 129 files that come with labels. */
export const magika = {
  file: "magika/model.onnx",
  calibration: () => {
    const examples = jsonOf("magika", "features_extraction_examples.json.gz");
    return spread(256, examples.length).map((i) => feeds(examples[i].content_base64));
  },
  scored: (quick) => {
    const { target_labels_space: names } = jsonOf("magika", "config.min.json");
    // Those that are too short for the network are told by other means.
    const examples = jsonOf("magika", "standard_v3_3-inference_examples_by_content.json.gz")
      .filter(({ prediction }) => prediction.dl !== "undefined")
      .filter((_, i) => !quick || i % 4 === 0);
    return {
      form: "probabilities",
      classes: names.length,
      perExample: 1,
      labels: examples.map(({ prediction }) => names.indexOf(prediction.dl)),
      run: (model) => joined(examples.map(({ content_base64 }) => model.run(feeds(content_base64)).target_label.data)),
    };
  },
};

let sizes;

/** What it looks at: the first and the last bytes of a file without the blanks around them, padded to a fixed size. */
function feeds(base64) {
  sizes ??= jsonOf("magika", "config.min.json");
  const content = Buffer.from(base64, "base64");
  const blank = (value) => value === 32 || (value >= 9 && value <= 13);
  const first = content.subarray(0, sizes.block_size);
  const last = content.subarray(Math.max(0, content.length - sizes.block_size));
  let [start, stop] = [0, last.length];
  while (start < first.length && blank(first[start])) start++;
  while (stop > 0 && blank(last[stop - 1])) stop--;
  const begin = first.subarray(start, start + sizes.beg_size);
  const end = last.subarray(Math.max(0, stop - sizes.end_size), stop);
  const data = new Int32Array(sizes.beg_size + sizes.end_size).fill(sizes.padding_token);
  data.set(begin);
  data.set(end, data.length - end.length);
  return { bytes: { dtype: "int32", shape: [1, data.length], data } };
}
