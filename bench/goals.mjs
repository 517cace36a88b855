// What is to be reached: the peer's time over ours, by a part of the case's name, a part of the shape's, and the peer's name.
// The two lines about f32 GEMM are each answered by their own build, the rest by both. What a line about networks asks for is asked of
// each of its cases, and not of their median.

const web = "onnxruntime-web";

/** [what, case, shape, peer, goal, stretch, "relaxed" or "each"] */
const table = [
  ["f32 GEMM, strict", /^(MatMul|Gemm)$/, /./, web, 1.4, 1.6],
  ["f32 GEMM, strict", /^(MatMul|Gemm)$/, /./, "tfjs-wasm", 1.2, 1.4],
  ["f32 GEMM, relaxed", /^(MatMul|Gemm)$/, /./, web, 1.75, 2, "relaxed"],
  ["f32 GEMM, relaxed", /^(MatMul|Gemm)$/, /./, "tfjs-wasm", 1.55, 2, "relaxed"],
  ["conv 3x3 stride 1, 32 channels or more", /^Conv 3x3/, /./, web, 3.5, 4.5],
  ["conv 3x3 stride 1, 32 channels or more", /^Conv 3x3/, /./, "onnxruntime-node", 0.9, 1.1],
  ["conv other than that", /^Conv other/, /./, web, 1.5, 1.7],
  ["conv 1x1", /^Conv 1x1/, /./, web, 1.35, 1.7],
  ["conv depthwise", /^Conv depthwise/, /./, web, 2.3, 4],
  ["sparse conv 3x3, 80 %", /^sparse Conv 3x3, 80/, /./, web, 4, 6],
  ["sparse conv 3x3, 90 %", /^sparse Conv 3x3, 90/, /./, web, 8, 11],
  ["sparse conv 3x3, 95 %", /^sparse Conv 3x3, 95/, /./, web, 14, 18],
  ["sparse conv 1x1, 80 %", /^sparse Conv 1x1, 80/, /./, web, 3.9, 6],
  ["sparse conv 1x1, 90 %", /^sparse Conv 1x1, 90/, /./, web, 6.8, 11],
  ["sparse conv 1x1, 95 %", /^sparse Conv 1x1, 95/, /./, web, 11, 19],
  ["sparse MatMul, 80 %", /^sparse Gemm, 80/, /./, web, 3.9, 6],
  ["sparse MatMul, 90 %", /^sparse Gemm, 90/, /./, web, 6.8, 11],
  ["sparse MatMul, 95 %", /^sparse Gemm, 95/, /./, web, 11, 19],
  ["SpMV 4096 x 4096, 90 %", /^sparse Gemm of one row, 90/, /4096/, web, 3.5, 4.3],
  ["SpMV 4096 x 4096, 95 %", /^sparse Gemm of one row, 95/, /4096/, web, 7, 8.8],
  ["int8 GEMM, s8 s8", /^int8 product to int32, s8/, /./, web, 15, undefined],
  ["int8 GEMM, u8 s8", /^int8 product to int32, u8/, /./, web, 1, 1.2],
  ["int8 GEMM, QLinearMatMul", /^int8 product to uint8/, /./, web, 1.3, undefined],
  ["int8 gemv 4096 x 4096, against int8", /^int8 product to int32 of one row/, /./, web, 10, 12],
  ["int8 gemv 4096 x 4096, against f32", /^int8 product of one row/, /./, web, 4, 4.4],
  ["int4 gemv 4096 x 4096", /^int4 product of one row/, /./, web, 40, 60],
  ["factored gemv 4096 x 4096, rank 512, 32 a column", /^factored Gemm of one row, rank/, /./, web, 10, 16],
  ["factored gemv 4096 x 4096, a bit a weight", /^factored Gemm of one row, pieces/, /./, web, 2.5, 4.5],
  ["factored GEMM, 16 and 64 rows, rank 512", /^factored Gemm, rank/, /./, web, 3, 5],
  ["factored GEMM, 16 and 64 rows, a bit a weight", /^factored Gemm, pieces/, /./, web, 3, 5],
  ["exact k-th magnitude of 1e6, copied in", /^k-th magnitude, copied/, /^1e6/, "quickselect", 9, 15],
  ["exact k-th magnitude of 1.6e7, copied in", /^k-th magnitude, copied/, /^1.6e7/, "quickselect", 14, 20],
  ["exact k-th magnitude of 1e6, in memory", /^k-th magnitude, in memory/, /^1e6/, "quickselect", 9, 15],
  ["exact k-th magnitude of 1.6e7, in memory", /^k-th magnitude, in memory/, /^1.6e7/, "quickselect", 14, 20],
  ["quantize 4e6", /^quantize, copied/, /./, web, 1.5, undefined],
  ["quantize 4e6", /^quantize, copied/, /./, "plain JavaScript, Math.round", 12, undefined],
  ["quantize 4e6", /^quantize, copied/, /./, "plain JavaScript", 12, undefined],
  ["dX, dW, turned products", /^d[XW] of [A-Za-z]+(,|$)/, /./, "tfjs-wasm", 12, 18],
  ["dX, dW at the rate of the forward", /^d[XW] of [A-Za-z]+(,|$)/, /./, "our forward", 0.8, 1],
  ["first result after import", /^first result after/, /^LeNet-5$/, web, 40, 100],
  ["first result after import, compressed", /^first result after/, /95 %/, web, 40, 100],
  ["each real network of convolutions", /^network of convolutions/, /./, web, 1.3, undefined, "each"],
  ["each other real network", /^network of other/, /./, web, 0.9, undefined, "each"],
  ["each real network, file to first result", /^network, file/, /./, web, 10, undefined, "each"],
];

/**
 * How far a run came.
 * @param run what `npm run bench -- --json` writes
 * @returns for each goal that the run can answer: { line, what, peer, goal, stretch, reached, least, most, cases }: the median
 * (or the least where that is asked for), least and largest ratio of the cases that belong to it
 */
export function reachedBy({ machine, rows }) {
  const relaxed = machine.build === "relaxed";
  const found = [];
  for (const [line, [what, title, shape, peer, goal, stretch, rule]] of table.entries()) {
    if ((rule === "relaxed") !== relaxed && /^f32 GEMM/.test(what)) continue;
    const ratios = rows
      .filter((row) => title.test(row.case) && shape.test(row.shape))
      .map((row) => row.peers[peer]?.ratio)
      .filter((ratio) => ratio !== undefined)
      .sort((a, b) => a - b);
    if (ratios.length === 0) continue;
    const middle = (ratios[(ratios.length - 1) >> 1] + ratios[ratios.length >> 1]) / 2;
    const [least, most] = [ratios[0], ratios[ratios.length - 1]];
    const reached = rule === "each" ? least : middle;
    found.push({ line, what, peer, goal, stretch, reached, least, most, cases: ratios.length });
  }
  return found;
}
