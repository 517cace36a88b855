import { expected } from "../../errors.js";
import type { ValueInfo } from "../../graph/graph.js";
import { type HeaderCoder, type NumberSet, unknown } from "./header-coder.js";
import type { WeightEntry } from "./weight-entry.js";

/** How the nodes of a graph name what they read. */
export interface Names {
  reference(h: HeaderCoder, set: NumberSet, given?: string): string;
  /** Takes note of a value that a node made. */
  add(name: string): void;
}

/** Names in full: nodes of a body, which may read from every graph around it. */
export const fullNames: Names = { reference: (h, _set, given) => h.text(given), add() {} };

/**
 * References to values. The frequent ones are single small numbers: 0 the value made last, 1 the weight after the one
 * used last, 2 an absent input, 3 another weight (how far back from there, around the end), 4 and more an earlier value
 * (how far back, less one).
 */
export class References implements Names {
  readonly #weights: readonly string[];
  readonly #weightAt = new Map<string, number>();
  readonly #values: string[] = [];
  readonly #valueAt = new Map<string, number>();
  #nextWeight = 0;

  constructor(inputs: readonly ValueInfo[], weights: readonly WeightEntry[]) {
    this.#weights = weights.map((weight) => weight.name);
    for (const [i, name] of this.#weights.entries()) this.#weightAt.set(name, i);
    for (const input of inputs) this.add(input.name);
  }

  add(value: string): void {
    if (value === "") return; // an output that nobody wants
    this.#valueAt.set(value, this.#values.length);
    this.#values.push(value);
  }

  reference(h: HeaderCoder, set: NumberSet, given?: string): string {
    const count = this.#weights.length;
    const value = given === undefined ? -1 : (this.#valueAt.get(given) ?? -1);
    const weight = given === undefined ? -1 : (this.#weightAt.get(given) ?? -1);
    let symbol = 0;
    if (given === "") symbol = 2;
    else if (value >= 0) symbol = value === this.#values.length - 1 ? 0 : 2 + this.#values.length - value;
    else if (weight >= 0) symbol = weight === this.#nextWeight ? 1 : 3;
    else if (given !== undefined) throw new RangeError(expected(given, "a value made before it is used", "none"));
    symbol = h.number(set, symbol);
    if (symbol === 2) return "";
    if (symbol === 1 || symbol === 3) {
      const back =
        symbol === 1 ? 0 : h.number("distance", weight < 0 ? 0 : (this.#nextWeight - 1 - weight + count) % count);
      const place = symbol === 1 ? this.#nextWeight : (this.#nextWeight - 1 - back + count) % count;
      if (back >= count || place >= count) throw unknown("weight", place);
      this.#nextWeight = place + 1;
      return this.#weights[place];
    }
    const place = symbol === 0 ? this.#values.length - 1 : 2 + this.#values.length - symbol;
    if (place < 0) throw unknown("value", place);
    return this.#values[place];
  }
}
