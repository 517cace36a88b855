// What is asked of whole files, after training and with unlabelled inputs alone.
import { mean } from "./score.mjs";

const points = (most) => ({
  asked: `loses at most ${most.toFixed(1)} points of top-1`,
  got: ({ top1 }, dense) => 100 * (mean(dense.top1) - mean(top1)),
  text: (lost) => `${lost.toFixed(2)} points`,
  reached: (lost) => lost <= most + 1e-9,
});
const agreement = (least) => ({
  asked: `keeps the dense network's class on ${100 * least} %`,
  got: ({ agreement }) => mean(agreement),
  text: (kept) => `${(100 * kept).toFixed(2)} %`,
  reached: (kept) => kept >= least - 1e-9,
});
const labels = (least) => ({
  asked: `keeps ${least} labels of 129`,
  got: ({ top1 }) => Math.round(129 * mean(top1)),
  text: (kept) => `${kept}`,
  reached: (kept) => kept >= least,
});
const time = (most) => ({
  asked: `compressed within ${most} s on two cores`,
  got: ({ seconds, cpuSeconds }) => ({ seconds, cpuSeconds }),
  text: ({ seconds, cpuSeconds }) => `${seconds.toFixed(1)} s (${cpuSeconds.toFixed(1)} s of the processor)`,
  reached: ({ seconds }) => seconds < most,
});

/** By network, at its own ratio. */
const goals = {
  "ResNet-20": [points(1), time(30)],
  "MobileNetV1-0.25": [agreement(0.94), points(1.5)],
  "SqueezeNet 1.1": [agreement(0.94), points(1.5), time(150)],
  Magika: [labels(128)],
};

/** { network, asked, text, reached, result } of each goal whose network has been measured. */
export function reachedBy(results) {
  return Object.entries(goals).flatMap(([network, list]) => {
    const own = results.filter((result) => result.network === network);
    const dense = own.find(({ target }) => target === "dense");
    const result = own.find(({ target, kl }) => kl && target.endsWith("x"));
    if (!dense || !result) return [];
    return list.map(({ asked, got, text, reached }) => {
      const value = got(result, dense);
      return { network, asked, text: text(value), reached: reached(value), result };
    });
  });
}
