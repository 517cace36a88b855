// Networks that look at images: CIFAR-10 as bytes, ImageNet crops as bytes and as JPEG.
import { bytesOf, filesOfTar, joined, jsonOf, linesOf, spread } from "./data.mjs";

/** A network that is scored on `cifar10-test-0-4999`, labels and all, and calibrated on 256 images of `cifar10-train-2000`. */
export function cifar(name) {
  return {
    file: `onnx/${name}/model.onnx`,
    calibration: () => {
      const images = { bytes: bytesOf("onnx", "cifar10-train-2000", "images.u8"), side: 32 };
      return batches(spread(256, 2000), 32).map((chosen) => feeds(name, images, chosen));
    },
    scored: (quick) => {
      const images = { bytes: bytesOf("onnx", "cifar10-test-0-4999", "images.u8"), side: 32 };
      const labels = bytesOf("onnx", "cifar10-test-0-4999", "labels.u8");
      return imageSet(name, images, labels.subarray(0, quick ? 500 : labels.length), 50);
    },
  };
}

/**
 * A network that is calibrated on the 100 crops of `images-100.u8` and scored on the other 400, which are taken from the archive of
 * JPEG files.
 */
export function imagenet(name) {
  return {
    file: `onnx/${name}/model.onnx`,
    calibration: () => {
      const images = { bytes: bytesOf("onnx", "imagenet-224-even", "images-100.u8"), side: 224 };
      return batches(spread(100, 100), 4).map((chosen) => feeds(name, images, chosen));
    },
    scored: async (quick) => {
      const { images, labels } = await otherCrops();
      return imageSet(name, images, labels.subarray(0, quick ? 50 : labels.length), 4);
    },
  };
}

/** The crops that are not among the 100 of `images-100.u8`, with their classes. */
export async function otherCrops() {
  const taken = new Set(linesOf("onnx", "imagenet-224-even", "names-100.txt"));
  return crops((name) => !taken.has(name));
}

/** The crops of which `wanted` takes the name, in the order of the archive, as bytes in planes, and their classes. */
export async function crops(wanted) {
  // sharp (libjpeg-turbo, as the stored bytes were decoded with) is there in a checkout only.
  const { default: sharp } = await import("sharp");
  const side = 224;
  const classOf = new Map(
    linesOf("imagenet-224-even", "labels.txt").map((line) => line.split(" ").slice(0, 2).reverse()),
  );
  const files = filesOfTar("imagenet-224-even", "images.tar").filter(({ name }) => wanted(name));
  const bytes = new Uint8Array(files.length * 3 * side * side);
  const labels = new Uint16Array(files.length);
  for (const [i, file] of files.entries()) {
    const { data, info } = await sharp(file.bytes).raw().toBuffer({ resolveWithObject: true });
    if (info.width !== side || info.height !== side || info.channels !== 3) {
      throw new Error(`${file.name}: expected 224 x 224 x 3, got ${info.width} x ${info.height} x ${info.channels}`);
    }
    const plane = side * side;
    for (let p = 0; p < 3 * plane; p++) bytes[(3 * i + (p % 3)) * plane + Math.floor(p / 3)] = data[p];
    labels[i] = classOf.get(file.name.slice(5, 14));
  }
  return { images: { bytes, side }, labels };
}

function imageSet(name, images, labels, batch) {
  return {
    form: "logits",
    classes: images.side === 32 ? 10 : 1000,
    perExample: 1,
    labels,
    run: (model) => {
      const all = batches([...labels.keys()], batch).map(
        (chosen) => model.run(feeds(name, images, chosen)).logits.data,
      );
      return joined(all);
    },
  };
}

/** Images as eval.json says that the network takes them. */
function feeds(name, { bytes, side }, chosen) {
  const { input } = jsonOf("onnx", name, "eval.json");
  const plane = side * side;
  const data = new Float32Array(chosen.length * 3 * plane);
  for (const [i, image] of chosen.entries()) {
    for (let c = 0; c < 3; c++) {
      const from = (3 * image + (input.channelOrder === "BGR" ? 2 - c : c)) * plane;
      const to = (3 * i + c) * plane;
      for (let p = 0; p < plane; p++) data[to + p] = (bytes[from + p] / input.divide - input.mean[c]) / input.std[c];
    }
  }
  return { [input.name]: { dtype: "float32", shape: [chosen.length, 3, side, side], data } };
}

function batches(numbers, size) {
  const found = [];
  for (let at = 0; at < numbers.length; at += size) found.push(numbers.slice(at, at + size));
  return found;
}
