// The shapes that integer products are tried on.

/**
 * m, n, k around each edge of their tiles: 5 rows, panels of 8 columns (16 in int4), pairs and eights in k, 512 of k
 * widened at a time, blocks of 120 rows or of 512 KB, three rows that are multiplied straight from int8.
 */
export const integerProducts: readonly (readonly [m: number, n: number, k: number])[] = [
  ...[0, 1, 2, 3, 4, 5, 6, 11].flatMap((m) =>
    [0, 1, 3, 7, 8, 9, 17].flatMap((n) => [0, 1, 2, 3, 7, 8, 9, 16, 19].map((k) => [m, n, k] as const)),
  ),
  ...[15, 16, 31, 33, 63, 64, 65, 127, 129].map((size) => [size, size, size] as const),
  [1, 9, 255],
  [2, 8, 256],
  [4, 7, 257],
  [1, 31, 511],
  [7, 9, 511],
  [3, 16, 512],
  [5, 8, 512],
  [6, 7, 513],
  [4, 15, 1025],
  [119, 8, 9],
  [120, 9, 8],
  [121, 17, 5],
  [241, 3, 7],
  [61, 9, 4100],
  [31, 8, 4097],
  [64, 10, 500],
];
