// "ours" against the families of one storage each, at the same size.
import { baselines } from "./families.mjs";
import { mean, paired } from "./score.mjs";

/** How much of the best baseline's divergence ours must take away, by size; elsewhere a tie is enough. */
const goals = { "1 bit": 0.05, "2 bits": 0.05 };
/** At how many networks. */
export const enough = 3;

/**
 * For each size of one network: `best`, the baseline of least mean KL; `better`, by what part ours is below it; `difference`, ours
 * minus that one, with the half width `within` of its paired 95 % interval; `below`, the baselines that pass ours in some value by more
 * than its interval; `goal`, where there is one; `missing`, the baselines that were not run, without which `best` is not known to be that.
 * @param results of one network
 */
export function comparisons(results) {
  const done = results.filter(({ kl, target }) => kl && target !== "dense");
  return done
    .filter(({ family, target }) => family === "ours" && done.some((r) => r.target === target && r.family !== "ours"))
    .map((ours) => {
      const others = done.filter(({ target, family }) => target === ours.target && family !== "ours");
      const best = others.reduce((a, b) => (mean(b.kl) < mean(a.kl) ? b : a));
      const { mean: difference, within } = paired(ours.kl, best.kl);
      const below = others.filter((other) => passes(other, ours)).map(({ family }) => family);
      const better = 1 - mean(ours.kl) / mean(best.kl);
      const missing = baselines.filter(
        (name) => !results.some(({ target, family }) => target === ours.target && family === name),
      );
      return { missing, target: ours.target, ours, best, difference, within, better, below, goal: goals[ours.target] };
    });
}

function passes(other, ours) {
  const values = [
    [ours.kl, other.kl],
    [other.agreement, ours.agreement],
    ...(ours.top1 ? [[other.top1, ours.top1]] : []),
  ];
  return values.some(([larger, smaller]) => {
    const { mean: difference, within } = paired(larger, smaller);
    return difference > within;
  });
}
