// Times contestants side by side. Benchmark.js finds how often to repeat each and measures a cycle; a round gives every contestant
// one short cycle in turn, so that a slow phase of the machine falls on all of them, and what counts is the median over the
// rounds of the ratio inside a round. Milliseconds are those of the fastest round: the least disturbed one.
import Benchmark from "benchmark";

/**
 * A contestant is { run, result, waits, once, dispose }: `run` does the job (and returns a promise where `waits` is true), `result`
 * makes of what it returned the array that is compared, `dispose` gives memory back. Instead of `run`, `once` may do the job one
 * time and give the seconds that it measured itself.
 *
 * @param match { case, shape, unit, work, ours, peers, tolerance }: contestants doing the same job; `work` is the job's size in units
 * of `unit` ("GFLOP/s", "Gop/s": operations, "GB/s": bytes, "G elements/s": elements, "results/s": 1e-9); `tolerance` is how far
 * results may lie apart, as a part of the largest: 0 compares bits, undefined is the order of summing
 * @param options { rounds, cycle }: number of rounds, seconds of a cycle
 * @returns a row { case, shape, ours: { ms, rate, unit }, peers: { NAME: { ms, ratio } } } with ratio = the peer's time over ours
 */
export async function contest(match, { rounds, cycle }) {
  const { unit, work, ours, peers } = match;
  const names = Object.keys(peers);
  const contestants = [ours, ...names.map((name) => peers[name])];
  await agree(match, names, contestants);
  const clocks = contestants.map((contestant) => clockOf(contestant, cycle));
  const seconds = contestants.map(() => []);
  // The first round warms up: engines compile what they see running.
  for (let round = 0; round <= rounds; round++) {
    for (let turn = 0; turn < clocks.length; turn++) {
      const i = (turn + round) % clocks.length;
      const time = await clocks[i]();
      if (round > 0) seconds[i].push(time);
    }
  }
  const [fastest, ...others] = seconds.map((times) => Math.min(...times));
  return {
    case: match.case,
    shape: match.shape,
    ours: { ms: 1000 * fastest, rate: work / fastest / 1e9, unit },
    peers: Object.fromEntries(
      names.map((name, i) => {
        const ratios = seconds[i + 1].map((time, round) => time / seconds[0][round]);
        return [name, { ms: 1000 * others[i], ratio: median(ratios) }];
      }),
    ),
  };
}

/** Everybody does the job; nobody is timed whose result differs. */
async function agree({ case: title, shape, tolerance }, names, contestants) {
  const results = [];
  for (const contestant of contestants) {
    const returned = contestant.run ? await contestant.run() : undefined;
    const result = contestant.result ? contestant.result(returned) : returned;
    // A copy: the next one may write into the same memory.
    results.push(result?.slice());
  }
  for (const [i, name] of names.entries()) {
    const theirs = results[i + 1];
    if (!theirs || !results[0]) continue;
    const what = `${title} ${shape}, ${name}`;
    if (tolerance === 0) sameBits(what, results[0], theirs);
    else near(what, results[0], theirs, tolerance);
  }
}

/** A function that measures one cycle and gives the seconds of a run. */
function clockOf({ run, waits, once }, cycle) {
  if (once) return once;
  let settle;
  const fn = waits
    ? (deferred) =>
        run().then(
          () => deferred.resolve(),
          (error) => settle(error),
        )
    : run;
  const onComplete = () => settle();
  const bench = new Benchmark({ fn, defer: waits === true, maxTime: 0, minSamples: 1, minTime: cycle, onComplete });
  return () =>
    new Promise((resolve, reject) => {
      settle = (error = bench.error) => {
        if (error) return reject(error);
        bench.options.initCount = Math.max(1, Math.round(bench.count / 2));
        bench.initCount = bench.options.initCount;
        resolve(bench.stats.mean);
      };
      bench.run({ async: waits === true });
    });
}

export function median(values) {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

/** Throws where two arrays differ in any bit. */
function sameBits(what, a, b) {
  const [p, q] = [a, b].map((array) => new Uint8Array(array.buffer, array.byteOffset, array.byteLength));
  if (p.length !== q.length) throw new Error(`${what}: ${p.length} bytes against ${q.length}`);
  for (let i = 0; i < p.length; i++) {
    if (p[i] !== q[i]) throw new Error(`${what}: byte ${i} differs, ${p[i]} against ${q[i]}`);
  }
}

/** Throws where two arrays lie further apart than `tolerance` times the largest magnitude. */
function near(what, a, b, tolerance = 1e-5) {
  let most = 0;
  let off = 0;
  for (let i = 0; i < b.length; i++) {
    most = Math.max(most, Math.abs(b[i]));
    off = Math.max(off, Math.abs(a[i] - b[i]));
  }
  if (a.length !== b.length || !(off <= tolerance * most)) {
    throw new Error(`${what}: off by ${off} where the largest value is ${most} (${a.length} and ${b.length} values)`);
  }
}
