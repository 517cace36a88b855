import { BinaryReader, BinaryWriter, WireType } from "@bufbuild/protobuf/wire";
import { expected, FormatError } from "../../errors.js";
import { mostNesting } from "../../graph/graph.js";
import type { Budget } from "./budget.js";
import { type Field, graphProto, type Kind, type Message } from "./schema.js";

// Protocol buffers: https://protobuf.dev/programming-guides/encoding. The library gives the primitives. Its own decoder of
// messages is not used: it takes fields of any wire type, cuts lengths to 32 bits, lets a message reach past the end of the
// one around it, merges a singular message that stands twice, and makes an object of some 32 bytes of each packed integer.

const wireTypes: Readonly<Record<Kind, readonly WireType[]>> = {
  int: [WireType.Varint],
  float: [WireType.Bit32],
  text: [WireType.LengthDelimited],
  blob: [WireType.LengthDelimited],
  ints: [WireType.Varint, WireType.LengthDelimited],
  floats: [WireType.Bit32, WireType.LengthDelimited],
  texts: [WireType.LengthDelimited],
  blobs: [WireType.LengthDelimited],
  data: [WireType.Varint, WireType.Bit32, WireType.Bit64, WireType.LengthDelimited],
  message: [WireType.LengthDelimited],
  messages: [WireType.LengthDelimited],
};

/** About what the engine takes for each in memory (measured: 66 to 150 for a message, 106 for a view). */
const cost = { message: 96, field: 12, list: 32, text: 32, item: 8, view: 112 } as const;

/**
 * A message, whose singular fields stand at most once. Raw data are views of `bytes`.
 * @throws FormatError where the bytes are none, graphs are nested too deep, or the file unfolds to too much
 */
export function readMessage<T>(bytes: Uint8Array, message: Message, budget: Budget): T {
  const reader = new BinaryReader(bytes);
  try {
    return new MessageReader(bytes, reader, budget).message(message, bytes.length, 0) as T;
  } catch (error) {
    if (isLibraryError(error)) refuse(Math.min(reader.pos, bytes.length), "a field of a message", error.message);
    throw error;
  }
}

/** The library says what is wrong with bytes by plain errors: "premature EOF", "invalid varint", "illegal tag". */
function isLibraryError(error: unknown): error is Error {
  return error instanceof Error && (error.constructor === Error || error.constructor === RangeError);
}

/** The numbers of packed runs. @param read takes one @throws FormatError where a run ends inside a number */
export function readPacked(where: string, runs: readonly Uint8Array[], read: (reader: BinaryReader) => void): void {
  for (const run of runs) {
    const reader = new BinaryReader(run);
    try {
      while (reader.pos < run.length) read(reader);
    } catch (error) {
      if (!isLibraryError(error)) throw error;
      throw new FormatError(expected(where, "whole packed numbers", error.message));
    }
  }
}

class MessageReader {
  readonly #reader: BinaryReader;
  readonly #bytes: Uint8Array;
  readonly #budget: Budget;

  constructor(bytes: Uint8Array, reader: BinaryReader, budget: Budget) {
    this.#reader = reader;
    this.#bytes = bytes;
    this.#budget = budget;
  }

  message(message: Message, end: number, depth: number): Record<string, unknown> {
    const reader = this.#reader;
    this.#budget.charge(cost.message);
    const made: Record<string, unknown> = {};
    while (reader.pos < end) {
      const start = reader.pos;
      const [number, wireType] = reader.tag();
      if (wireType === WireType.StartGroup || wireType === WireType.EndGroup) refuse(start, "no groups", "one");
      const field = message.fields.get(number);
      if (!field) this.#value(wireType, end);
      else {
        const where = `${message.name}.${field.name}`;
        if (!wireTypes[field.kind].includes(wireType)) {
          refuse(start, `another wire type for ${where}`, `${WireType[wireType]}`);
        }
        this.#field(made, field, where, wireType, end, depth);
      }
      // The bytes inside messages were counted as their own fields.
      if (field?.name !== "rawData" && !field?.message) this.#budget.earn(reader.pos - start);
    }
    // An array that grew has room to spare, 17 places for its first element.
    for (const name in made) if (Array.isArray(made[name])) made[name] = made[name].slice();
    return made;
  }

  #field(
    made: Record<string, unknown>,
    field: Field,
    where: string,
    wireType: WireType,
    end: number,
    depth: number,
  ): void {
    const { name, kind } = field;
    const before = made[name];
    if (before === undefined) this.#budget.charge(cost.field);
    switch (kind) {
      case "int":
      case "float":
      case "text":
      case "blob":
      case "message":
        if (before !== undefined) refuse(this.#reader.pos, `${where} once`, "a second one");
        made[name] =
          kind === "int"
            ? this.#int(end)
            : kind === "float"
              ? this.#float(end)
              : kind === "text"
                ? this.#text(end)
                : kind === "blob"
                  ? this.#kept(this.#view(end))
                  : this.#message(field.message!, end, depth);
        return;
    }
    if (before === undefined) {
      this.#budget.charge(cost.list);
      made[name] = [];
    }
    const list = made[name] as unknown[];
    switch (kind) {
      case "texts":
        list.push(this.#text(end));
        return;
      case "blobs":
        list.push(this.#kept(this.#view(end)));
        return;
      case "messages":
        list.push(this.#message(field.message!, end, depth));
        return;
      case "data":
        list.push(this.#kept(this.#value(wireType, end)));
        return;
      case "ints":
      case "floats": {
        const packed = wireType === WireType.LengthDelimited;
        const last = packed ? this.#length(end) + this.#reader.pos : this.#reader.pos + 1;
        while (this.#reader.pos < last) {
          this.#budget.charge(cost.item);
          list.push(kind === "ints" ? this.#int(packed ? last : end) : this.#float(packed ? last : end));
        }
      }
    }
  }

  #message(message: Message, end: number, depth: number): Record<string, unknown> {
    const start = this.#reader.pos;
    const inner = message === graphProto ? depth + 1 : depth;
    // The graph of the model is nested in nothing.
    if (inner > mostNesting + 1) refuse(start, `nesting of at most ${mostNesting}`, "more");
    const length = this.#length(end);
    return this.message(message, this.#reader.pos + length, inner);
  }

  #int(end: number): number {
    const value = this.#short() ?? Number(this.#reader.int64());
    this.#checkInside(end);
    return value;
  }

  /** A number of one byte, as most are, without the library's detour over 64 bits; undefined where there are more. */
  #short(): number | undefined {
    const byte = this.#bytes[this.#reader.pos];
    if (byte > 127) return undefined;
    this.#reader.pos++;
    return byte;
  }

  #float(end: number): number {
    const value = this.#reader.float();
    this.#checkInside(end);
    return value;
  }

  #text(end: number): string {
    const start = this.#reader.pos;
    this.#budget.charge(cost.text + this.#length(end));
    // The library reads the length again, which is inside the message now.
    this.#reader.pos = start;
    try {
      return this.#reader.string(true);
    } catch {
      return refuse(start, "text in UTF-8", "other bytes");
    }
  }

  #view(end: number): Uint8Array {
    const length = this.#length(end);
    const start = this.#reader.pos;
    this.#reader.pos += length;
    return this.#bytes.subarray(start, start + length);
  }

  /** A length that ends inside the message. */
  #length(end: number): number {
    const start = this.#reader.pos;
    const length = this.#short() ?? Number(this.#reader.uint64());
    this.#checkInside(end);
    if (length > end - this.#reader.pos) {
      refuse(start, `a length of at most ${end - this.#reader.pos}`, `${length}`);
    }
    return length;
  }

  /** The bytes of a value of any wire type. */
  #value(wireType: WireType, end: number): Uint8Array {
    const start = this.#reader.pos;
    if (wireType === WireType.LengthDelimited) return this.#view(end);
    if (wireType === WireType.Varint) this.#reader.uint64();
    else this.#reader.pos += wireType === WireType.Bit64 ? 8 : 4;
    this.#checkInside(end);
    return this.#bytes.subarray(start, this.#reader.pos);
  }

  #kept(view: Uint8Array): Uint8Array {
    this.#budget.charge(cost.view);
    return view;
  }

  #checkInside(end: number): void {
    if (this.#reader.pos > end) refuse(end, "a field inside its message", "one that reaches past its end");
  }
}

function refuse(position: number, want: string, got: string): never {
  throw new FormatError(expected(`byte ${position}`, want, got));
}

/**
 * The bytes of a message: fields in the order of the schema, those that are undefined left out.
 * @throws RangeError where a text is not well-formed
 */
export function writeMessage(message: Message, value: object): Uint8Array {
  const writer = new BinaryWriter();
  writeFields(writer, message, value);
  return writer.finish();
}

function writeFields(writer: BinaryWriter, message: Message, value: object): void {
  for (const [number, { name, kind, message: inner }] of message.fields) {
    const given = (value as Record<string, unknown>)[name];
    if (given === undefined) continue;
    for (const item of Array.isArray(given) ? given : [given]) {
      writer.tag(number, wireTypes[kind][0]);
      switch (kind) {
        case "int":
        case "ints":
          writer.int64(wholeOf(item as number));
          break;
        case "float":
        case "floats":
          writer.float(Math.fround(item as number));
          break;
        case "text":
        case "texts":
          writer.string(wellFormed(item as string));
          break;
        case "blob":
        case "blobs":
          writer.bytes(item as Uint8Array);
          break;
        case "message":
        case "messages":
          writer.fork();
          writeFields(writer, inner!, item as object);
          writer.join();
          break;
        case "data":
          throw new TypeError(expected(`${message.name}.${name}`, "raw data", "a list"));
      }
    }
  }
}

/** @throws RangeError where the text has half a surrogate pair */
function wellFormed(text: string): string {
  if (/\p{Surrogate}/u.test(text)) throw new RangeError(expected("name", "a well-formed text", JSON.stringify(text)));
  return text;
}

/** 2^63 is how the largest of the 64-bit integers is read, which is rounded up. */
function wholeOf(value: number): bigint {
  return BigInt.asIntN(64, value >= 0x8000000000000000 ? 0x7fffffffffffffffn : BigInt(value));
}
