import { exp, log } from "../math.js";
import type { Candidate } from "./candidate.js";
import type { Judge } from "./judge.js";
import { familyOf } from "./ladder.js";

/** How a family's errors in the outputs follow from those in what the weight makes: high (error / at)^power. */
interface Law {
  readonly at: number;
  readonly high: number;
  readonly power: number;
}

/** A family of so few is measured once. */
const few = 4;

/** What moves no output by more than rounding is as if it were lossless, but a worse one is still worse. */
const least = 1e-12;

/** What makes outputs no numbers is as bad as can be, but a better one is still better. */
const most = 1e6;

/**
 * The candidates of a weight with errors in the network's outputs instead of in what the weight makes. Of the first family of more
 * than a few two are measured, a third and two thirds on from the best, each alone in an otherwise untouched network, and of each
 * other family one; the others follow by a power law through those.
 */
export function measured(judge: Judge, name: string, list: readonly Candidate[]): Candidate[] {
  const families = new Map<string, Candidate[]>();
  for (const candidate of list) {
    const family = candidate.choice ? familyOf(candidate.choice) : "";
    families.set(family, [...(families.get(family) ?? []), candidate]);
  }
  const laws = new Map<string, Law>();
  let power: number | undefined;
  for (const [family, members] of families) {
    const lossy = members.filter(({ error }) => error > 0).sort((a, b) => a.error - b.error);
    if (lossy.length === 0) continue;
    const probe = ({ weight }: Candidate) => Math.min(Math.max(judge.error(name, weight), least), most);
    const found = lawOf(probe, lossy, power);
    laws.set(family, found);
    if (lossy.length > few) power ??= found.power;
  }
  return list.map((candidate) => {
    const law = laws.get(candidate.choice ? familyOf(candidate.choice) : "");
    return { ...candidate, error: law && candidate.error > 0 ? by(law, candidate.error) : 0 };
  });
}

/** @param lossy from the best on */
function lawOf(probe: (candidate: Candidate) => number, lossy: readonly Candidate[], power: number | undefined): Law {
  const second = lossy[Math.floor((2 * lossy.length) / 3)];
  const high = probe(second);
  if (power !== undefined || lossy.length <= few) return { at: second.error, high, power: power ?? 1 };
  const first = lossy[Math.floor(lossy.length / 3)];
  const low = probe(first);
  if (!(high > low)) return { at: second.error, high: low, power: 1 };
  const steep = (log(high) - log(low)) / (log(second.error) - log(first.error));
  return { at: second.error, high, power: Math.min(Math.max(steep, 0.5), 2) };
}

function by({ at, high, power }: Law, error: number): number {
  return high * exp(power * (log(error) - log(at)));
}
