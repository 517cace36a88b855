// Times contestants side by side. Benchmark.js finds how often to repeat each and measures a cycle; a round gives every contestant
// one short cycle in turn, so that a slow phase of the machine falls on all of them, and what counts is the median over the
// rounds of the ratio inside a round. Milliseconds are those of the fastest round: the least disturbed one.
import Benchmark from "benchmark";

/**
 * @param match { name, unit, work, ours, plain, agree }: `ours` and `plain` do the same job, `agree` throws where their results
 * differ, `work` is the job's size in units of `unit` ("GFLOP/s": operations, "GB/s": bytes, "G/s": elements)
 * @param options { rounds, cycle }: number of rounds, seconds of a cycle
 * @returns { name, unit, ours: { ms, rate }, plain: { ms, rate }, ratio } with ratio = time of plain / time of ours
 */
export function contest(match, { rounds, cycle }) {
  const { name, unit, work, ours, plain, agree } = match;
  ours();
  plain();
  agree();
  const benches = [ours, plain].map((run) => new Benchmark({ fn: run, maxTime: 0, minSamples: 1, minTime: cycle }));
  const seconds = benches.map(() => []);
  // The first round warms up: engines compile what they see running.
  for (let round = 0; round <= rounds; round++) {
    const order = round % 2 ? [1, 0] : [0, 1];
    for (const i of order) {
      const bench = benches[i];
      bench.run({ async: false });
      if (bench.error) throw bench.error;
      bench.options.initCount = Math.max(1, Math.round(bench.count / 2));
      bench.initCount = bench.options.initCount;
      if (round > 0) seconds[i].push(bench.stats.mean);
    }
  }
  const [mine, theirs] = seconds.map((times) => {
    const time = Math.min(...times);
    return { ms: 1000 * time, rate: work / time / 1e9 };
  });
  return { name, unit, ours: mine, plain: theirs, ratio: median(seconds[1].map((time, r) => time / seconds[0][r])) };
}

function median(values) {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

/** Throws where two arrays differ in any bit. */
export function sameBits(what, a, b) {
  const [p, q] = [a, b].map((array) => new Uint8Array(array.buffer, array.byteOffset, array.byteLength));
  if (p.length !== q.length) throw new Error(`${what}: ${p.length} bytes against ${q.length}`);
  for (let i = 0; i < p.length; i++) {
    if (p[i] !== q[i]) throw new Error(`${what}: byte ${i} differs, ${p[i]} against ${q[i]}`);
  }
}

/** Throws where two arrays lie further apart than `tolerance` times the largest magnitude. */
export function near(what, a, b, tolerance = 1e-5) {
  let most = 0;
  let off = 0;
  for (let i = 0; i < b.length; i++) {
    most = Math.max(most, Math.abs(b[i]));
    off = Math.max(off, Math.abs(a[i] - b[i]));
  }
  if (a.length !== b.length || !(off <= tolerance * most)) {
    throw new Error(`${what}: off by ${off} where the largest value is ${most}`);
  }
}
