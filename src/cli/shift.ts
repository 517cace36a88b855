import type { Random } from "../random.js";
import type { Batch } from "../train/index.js";

/** The same batches with each image moved by up to one pixel in each direction, zeros coming in; images are 28 x 28, moved in place. */
export function* shifted(batches: Iterable<Batch>, input: string, random: Random): Generator<Batch> {
  const copy = new Float32Array(size * size);
  for (const batch of batches) {
    const pixels = batch.inputs[input].data as Float32Array;
    for (let at = 0; at < pixels.length; at += copy.length) {
      const [down, right] = [(random.next() % 3) - 1, (random.next() % 3) - 1];
      copy.set(pixels.subarray(at, at + copy.length));
      for (let y = 0; y < size; y++) {
        for (let x = 0; x < size; x++) {
          const [fromY, fromX] = [y - down, x - right];
          const inside = fromY >= 0 && fromY < size && fromX >= 0 && fromX < size;
          pixels[at + y * size + x] = inside ? copy[fromY * size + fromX] : 0;
        }
      }
    }
    yield batch;
  }
}

const size = 28;
