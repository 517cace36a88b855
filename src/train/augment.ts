import { expected, ShapeError } from "../errors.js";
import { Random } from "../random.js";
import { showShape, sizeOf } from "../tensor.js";

/** Random changes to images, drawn anew whenever one comes up; channels move together. */
export interface Augmentation {
  /** Most pixels that an image is moved up, down, left and right, zeros coming in: a random crop of the padded image. */
  readonly crop?: number;
  /** Whether every other image, by chance, is mirrored left to right. */
  readonly flip?: boolean;
}

/**
 * Copies one image of `shape` [..., height, width] from `source` to `target`, changed. Draws from a stream of its own, so that the order of
 * examples is the same with it and without.
 * @throws ShapeError where the shape has no height and width; RangeError where `crop` is no number of pixels
 */
export function createAugment(
  { crop = 0, flip = false }: Augmentation,
  shape: readonly number[],
  seed: number,
): (source: Float32Array, target: Float32Array) => void {
  if (shape.length < 2) {
    throw new ShapeError(expected("batches: augment", "images [.., height, width]", showShape(shape)));
  }
  if (!Number.isSafeInteger(crop) || crop < 0) {
    throw new RangeError(expected("batches: augment.crop", "a number of pixels", `${crop}`));
  }
  const random = new Random(seed ^ 0x61756721);
  const [height, width] = shape.slice(-2);
  const planes = sizeOf(shape.slice(0, -2));
  return (source, target) => {
    const down = random.integer(2 * crop + 1) - crop;
    const right = random.integer(2 * crop + 1) - crop;
    const mirrored = flip && random.integer(2) === 1;
    for (let plane = 0; plane < planes; plane++) {
      for (let y = 0; y < height; y++) {
        const to = (plane * height + y) * width;
        const from = (plane * height + y - down) * width;
        const inside = y - down >= 0 && y - down < height;
        for (let x = 0; x < width; x++) {
          const column = (mirrored ? width - 1 - x : x) - right;
          target[to + x] = inside && column >= 0 && column < width ? source[from + column] : 0;
        }
      }
    }
  };
}
