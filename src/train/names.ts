import { expected } from "../errors.js";
import { nameOf } from "../tensor.js";

/** A name with `*` for any text and `?` for any one character, or a RegExp that is found in it; or several. */
export type Pattern = string | RegExp | readonly (string | RegExp)[];

/** Names: a function, those that patterns meet, or those that `in` meets (all, where it is left out) and `out` does not. */
export type Names = ((name: string) => boolean) | Pattern | { readonly in?: Pattern; readonly out?: Pattern };

/** @throws TypeError where it is none */
export function checkNames(where: string, names: Names): void {
  if (typeof names === "function") return;
  for (const pattern of patternsOf(names)) {
    if (typeof pattern !== "string" && !(pattern instanceof RegExp)) {
      throw new TypeError(expected(where, "a function, patterns, or { in, out } of patterns", nameOf(pattern)));
    }
  }
}

/** @throws RangeError for a pattern that meets none of `known`: a slip, most likely */
export function namesOf(where: string, names: Names, known: readonly string[]): (name: string) => boolean {
  if (typeof names === "function") return names;
  for (const pattern of patternsOf(names)) {
    if (!known.some((name) => meets(pattern, name))) {
      throw new RangeError(
        expected(where, `a pattern that meets one of ${known.slice(0, 20).join(", ")}`, `${pattern}`),
      );
    }
  }
  const { within, out } = split(names);
  return (name) => (within === undefined || within.some((p) => meets(p, name))) && !out.some((p) => meets(p, name));
}

function patternsOf(names: Exclude<Names, (name: string) => boolean>): (string | RegExp)[] {
  const { within = [], out } = split(names);
  return [...within, ...out];
}

function split(names: Exclude<Names, (name: string) => boolean>) {
  const list = (pattern: Pattern) => (Array.isArray(pattern) ? pattern : [pattern]) as (string | RegExp)[];
  if (Object.getPrototypeOf(Object(names)) === Object.prototype) {
    const { in: within, out = [] } = names as { in?: Pattern; out?: Pattern };
    return { within: within === undefined ? undefined : list(within), out: list(out) };
  }
  return { within: list(names as Pattern), out: [] };
}

function meets(pattern: string | RegExp, name: string): boolean {
  // `search` and not `test`, which a RegExp with the flag g answers differently each time.
  return typeof pattern === "string" ? globMeets(pattern, name) : name.search(pattern) >= 0;
}

/** Goes back to the last `*` only, so that time is the product of the lengths at most. */
function globMeets(glob: string, name: string): boolean {
  let [g, n] = [0, 0];
  let [star, from] = [-1, 0];
  while (n < name.length) {
    if (glob[g] === "*") {
      star = g++;
      from = n;
    } else if (g < glob.length && (glob[g] === "?" || glob[g] === name[n])) {
      g++;
      n++;
    } else if (star >= 0) {
      g = star + 1;
      n = ++from;
    } else return false;
  }
  while (glob[g] === "*") g++;
  return g === glob.length;
}
