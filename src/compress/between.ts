import { exp, log } from "../math.js";
import type { Offer } from "./sweep.js";

/** Parts into which sizes of steps cut the way from one that was tried to the next. */
const parts = 6;

/**
 * The offers, and more of them whose steps are of a size between two that were tried, so that bytes go where they are wanted and not
 * where the ladder has a rung: half a doubling of the steps of one large weight can be a tenth of a file. Bytes fall in a straight line with the logarithm of
 * the size, and so does the logarithm of the error.
 */
export function withBetween(offers: readonly Offer[]): Offer[] {
  const families = new Map<string, Offer[]>();
  for (const offer of offers) {
    if (sizeOf(offer) === undefined || !(offer.error > 0)) continue;
    // What differs in more than the size has nothing in between.
    const family = JSON.stringify({ ...offer.choice, size: 0 });
    families.set(family, [...(families.get(family) ?? []), offer]);
  }
  const more = [...families.values()].flatMap((members) => {
    members.sort((a, b) => sizeOf(a)! - sizeOf(b)!);
    return members.slice(1).flatMap((coarse, i) => {
      const fine = members[i];
      // Where the finer one is not better for its bytes, nothing between them is.
      if (!(fine.error < coarse.error && fine.bytes > coarse.bytes)) return [];
      return Array.from({ length: parts - 1 }, (_, j) => mixed(fine, coarse, (j + 1) / parts));
    });
  });
  return [...offers, ...more];
}

function mixed(a: Offer, b: Offer, part: number): Offer {
  const geometric = (x: number, y: number) => exp(log(x) + part * (log(y) - log(x)));
  const size = Number(geometric(sizeOf(a)!, sizeOf(b)!).toPrecision(4));
  return {
    choice: { ...a.choice, size } as Offer["choice"],
    seed: a.seed,
    bytes: Math.ceil(a.bytes + part * (b.bytes - a.bytes)),
    error: geometric(a.error, b.error),
  };
}

function sizeOf({ choice }: Offer): number | undefined {
  return choice && "size" in choice ? choice.size : undefined;
}
