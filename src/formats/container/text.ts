import { type Coder, createContexts, learner } from "../../codec/range-coder.js";
import { expected, FormatError } from "../../errors.js";
import { primer } from "./names.js";

/** Ends a text: no byte of UTF-8. */
const end = 0xff;
/** Entries of a table of places. */
const places = 4096;

// Contexts: the guess is right (by which of the three guesses, how many were right before); then a tree of 8 bits.
const guesses = 3;
const runs = 4;
const literal = guesses * runs;
const count = literal + 256;

/** What a byte takes in memory, and the decisions of one that was not guessed. */
const perByte = 4;
const perLiteral = 8;

/**
 * Texts, byte by byte as UTF-8. Each byte is first guessed: what followed the last time that the same four bytes, or
 * else the same two, were seen (J. Cleary and W. Teahan, "Unbounded length contexts for PPM", 1997, cut down to one
 * guess). A wrong guess is followed by the byte itself. Names in a network resemble each other, so most bytes are
 * guessed.
 */
export class TextModel {
  readonly #contexts = createContexts(count);
  readonly #after4 = new Uint32Array(places);
  readonly #after2 = new Uint32Array(places);
  #history = new Uint8Array(4096);
  #length = 4;
  #run = 0;

  constructor() {
    const encoder = new TextEncoder();
    for (const text of primer) {
      for (const byte of encoder.encode(text)) this.#byte(learner, byte);
      this.#byte(learner, end);
    }
  }

  /**
   * @param charge is told what each byte takes, in bytes of memory or about as many decisions, before there is one more
   * @throws RangeError where an Encoder is given a text that is not well-formed; FormatError where a Decoder reads one
   */
  text(coder: Coder, value: string, charge: (units: number) => void = () => {}): string {
    const given = new TextEncoder().encode(value);
    const first = this.#length;
    for (let i = 0; ; i++) {
      const byte = this.#byte(coder, i < given.length ? given[i] : end);
      charge(this.#run > 0 ? perByte : perByte + perLiteral);
      if (byte === end) break;
    }
    const bytes = this.#history.subarray(first, this.#length - 1);
    let text: string;
    try {
      text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
    } catch {
      throw new FormatError(expected("header", "text in UTF-8", "other bytes"));
    }
    if (!coder.decodes && text !== value) {
      throw new RangeError(expected("name", "a well-formed text", JSON.stringify(value)));
    }
    return text;
  }

  #byte(coder: Coder, given: number): number {
    const history = this.#history;
    const n = this.#length;
    const pair = (history[n - 2] << 8) | history[n - 1];
    const slot2 = hash(pair);
    const slot4 = hash(pair | (history[n - 4] << 24) | (history[n - 3] << 16));
    const long = this.#after4[slot4];
    const short = this.#after2[slot2];
    const at = long > 0 ? long : short;
    let byte = given;
    let right = 0;
    if (at > 0) {
      const guess = history[at];
      const trust = long === 0 ? 0 : long === short ? 1 : 2;
      right = coder.bit(this.#contexts, trust * runs + this.#run, given === guess ? 1 : 0);
      byte = right ? guess : this.#literal(coder, given);
    } else byte = this.#literal(coder, given);
    this.#run = right ? Math.min(this.#run + 1, runs - 1) : 0;
    this.#after4[slot4] = n;
    this.#after2[slot2] = n;
    this.#push(byte);
    return byte;
  }

  #literal(coder: Coder, given: number): number {
    let node = 1;
    for (let i = 7; i >= 0; i--) node = 2 * node + coder.bit(this.#contexts, literal + node, (given >> i) & 1);
    return node - 256;
  }

  #push(byte: number): void {
    if (this.#length === this.#history.length) {
      const wider = new Uint8Array(2 * this.#length);
      wider.set(this.#history);
      this.#history = wider;
    }
    this.#history[this.#length++] = byte;
  }
}

function hash(bytes: number): number {
  return Math.imul(bytes, 0x9e3779b1) >>> 20;
}
