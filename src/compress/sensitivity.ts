import { exp, log } from "../math.js";
import type { Candidate } from "./candidate.js";
import type { Judge } from "./judge.js";
import { familyOf } from "./ladder.js";

/**
 * The candidates of a weight with errors in the network's outputs instead of in what the weight makes. Of each family two are
 * measured, a third and two thirds on from the best, each alone in an otherwise untouched network; the others follow by a power law
 * through those.
 */
export function measured(judge: Judge, name: string, list: readonly Candidate[]): Candidate[] {
  const families = new Map<string, Candidate[]>();
  for (const candidate of list) {
    const family = candidate.choice ? familyOf(candidate.choice) : "";
    families.set(family, [...(families.get(family) ?? []), candidate]);
  }
  const lawOf = new Map([...families].map(([family, members]) => [family, law(judge, name, members)]));
  return list.map((candidate) => ({
    ...candidate,
    error: lawOf.get(candidate.choice ? familyOf(candidate.choice) : "")!(candidate.error),
  }));
}

function law(judge: Judge, name: string, members: readonly Candidate[]): (error: number) => number {
  const lossy = members.filter(({ error }) => error > 0).sort((a, b) => a.error - b.error);
  if (lossy.length === 0) return () => 0;
  const probe = (candidate: Candidate) => judge.error([[name, candidate.weight]]);
  const [first, second] = [lossy[Math.floor(lossy.length / 3)], lossy[Math.floor((2 * lossy.length) / 3)]];
  const [low, high] = [probe(first), first === second ? 0 : probe(second)];
  // What moves no output by more than rounding is as if it were lossless, but a worse one is still worse.
  const least = 1e-12;
  if (first === second || !(high > low)) {
    return (error) => (error === 0 ? 0 : (Math.max(low, high, least) * error) / second.error);
  }
  const power = Math.min(
    Math.max((log(high) - log(Math.max(low, least))) / (log(second.error) - log(first.error)), 0.5),
    2,
  );
  return (error) => (error === 0 ? 0 : high * exp(power * (log(error) - log(second.error))));
}
