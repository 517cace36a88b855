import { lengthContexts, mantissaContexts, number, stepsOfNumber } from "../../codec/number.js";
import { type Coder, createContexts } from "../../codec/range-coder.js";
import { expected, FormatError } from "../../errors.js";
import { TextModel } from "./text.js";

/** Sets of contexts for numbers; the order is part of the format only in that each set is its own. */
const sets = [
  "inputs",
  "outputs",
  "weights",
  "nodes",
  "extra",
  "extraKind",
  "rank",
  "dim",
  "dtype",
  "storage",
  "size",
  "byteLength",
  "operator",
  "attributes",
  "attributeName",
  "attributeKind",
  "integer",
  "listLength",
  "listInteger",
  "nodeInputs",
  "nodeOutputs",
  "firstInput",
  "secondInput",
  "otherInput",
  "distance",
  "opset",
] as const;
export type NumberSet = (typeof sets)[number];

const flags = ["symbolic", "scalePerRow", "sameAttributes", "outputIsNode", "typed"] as const;
export type Flag = (typeof flags)[number];

const perSet = lengthContexts + mantissaContexts;
const setStart = new Map<NumberSet, number>(sets.map((set, i) => [set, flags.length + i * perSet]));

/** Largest number that a header holds. */
const mostNumber = 0x100000000 - 2;

/**
 * The primitives of the header over a Coder in either direction. A Decoder charges what it reads to a budget, so that a
 * small file cannot ask for much memory or time: units are about bytes, or decisions.
 */
export class HeaderCoder {
  readonly coder: Coder;
  readonly #contexts = createContexts(flags.length + sets.length * perSet);
  readonly #texts = new TextModel();
  #budget: number;

  constructor(coder: Coder, budget: number) {
    this.coder = coder;
    this.#budget = budget;
  }

  number(set: NumberSet, value = 0): number {
    if (!this.coder.decodes && !(Number.isInteger(value) && value >= 0 && value <= mostNumber)) {
      throw new RangeError(expected(set, `a whole number of at most ${mostNumber}`, `${value}`));
    }
    const start = setStart.get(set)!;
    const told = number(this.coder, this.#contexts, start, start + lengthContexts, value);
    this.charge(stepsOfNumber(told));
    return told;
  }

  flag(flag: Flag, value = false): boolean {
    return this.coder.bit(this.#contexts, flags.indexOf(flag), value ? 1 : 0) === 1;
  }

  text(value = ""): string {
    this.charge(32);
    return this.#texts.text(this.coder, value, (units) => this.charge(units));
  }

  list<T>(set: NumberSet, given: readonly T[] | undefined, cost: number, item: (given?: T) => T): T[] {
    const length = this.number(set, given?.length);
    const list: T[] = [];
    for (let i = 0; i < length; i++) {
      this.charge(cost);
      list.push(item(given?.[i]));
    }
    return list;
  }

  /** The place of `value` in a table, or 0 and the text. */
  named(set: NumberSet, table: readonly string[], value = ""): string {
    const place = this.number(set, table.indexOf(value) + 1);
    if (place > table.length) throw unknown(set, place);
    return place === 0 ? this.text(value) : table[place - 1];
  }

  /** `length` bytes as they are. */
  plain(length: number, given?: Uint8Array): Uint8Array {
    this.charge(length);
    const bytes = new Uint8Array(length);
    for (let i = 0; i < length; i++) bytes[i] = this.coder.direct(8, given ? given[i] : 0);
    return bytes;
  }

  charge(units: number): void {
    this.#budget -= units;
    if (this.#budget < 0) throw new FormatError(expected("header", "content in proportion to the file", "more"));
  }
}

export function unknown(what: string, got: number): FormatError {
  return new FormatError(expected("header", `a known ${what}`, `number ${got}`));
}
