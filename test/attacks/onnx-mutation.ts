// Mutations of ONNX files that keep their structure: a file as a tree of fields, changed somewhere, and put together again with
// every length right. Bytes are changed too.
import { type Message, modelProto } from "../../src/formats/onnx/schema.js";
import { varint } from "../formats/onnx-file.js";

/** A field: its number and wire type, and what it holds: the fields of a message, or bytes without their length. */
interface Field {
  number: number;
  wireType: number;
  value: Field[] | number[];
  message?: Message;
}

function parse(bytes: Uint8Array, message: Message): Field[] {
  const fields: Field[] = [];
  let at = 0;
  const number = () => {
    let value = 0;
    for (let scale = 1; ; scale *= 128) {
      value += (bytes[at] & 127) * scale;
      if (bytes[at++] < 128) return value;
    }
  };
  while (at < bytes.length) {
    const key = number();
    const wireType = key & 7;
    const start = at;
    const length = wireType === 2 ? number() : wireType === 0 ? 0 : wireType === 1 ? 8 : 4;
    if (wireType === 0) number();
    const inside = bytes.subarray(wireType === 2 ? at : start, wireType === 0 ? at : at + length);
    if (wireType !== 0) at += length;
    const inner = message.fields.get(key >> 3)?.message;
    fields.push({ number: key >> 3, wireType, value: inner ? parse(inside, inner) : [...inside], message: inner });
  }
  return fields;
}

/** Puts fields before `end`, the last first, so that every length is known; gives where they start. */
function put(fields: readonly Field[], out: Uint8Array, end: number): number {
  let at = end;
  const prepend = (bytes: readonly number[]) => {
    at -= bytes.length;
    out.set(bytes, at);
  };
  for (let i = fields.length - 1; i >= 0; i--) {
    const { number, wireType, value, message } = fields[i];
    const last = at;
    if (message) at = put(value as Field[], out, at);
    else prepend(value as number[]);
    if (wireType === 2) prepend(varint(last - at));
    prepend(varint(8 * number + wireType));
  }
  return at;
}

function copied({ value, message, ...rest }: Field): Field {
  return { ...rest, message, value: message ? (value as Field[]).map(copied) : [...(value as number[])] };
}

/** Every list of fields of a tree, with the message that it is. */
function levels(fields: Field[], message: Message): [Field[], Message][] {
  const inside = fields.flatMap((field) => (field.message ? levels(field.value as Field[], field.message) : []));
  return [[fields, message], ...inside];
}

/** Numbers that bite. */
const odd = [0, 1, 2, 7, 127, 128, 255, 2 ** 31 - 1, 2 ** 31, 2 ** 32, 2 ** 53, 2n ** 63n - 1n, -1, -2, -(2n ** 63n)];

/** @param random a whole number below n */
function mutate(fields: Field[], random: (n: number) => number, donors: readonly Field[]): void {
  const all = levels(fields, modelProto);
  const [list, message] = all[random(all.length)];
  if (list.length === 0) return;
  const at = random(list.length);
  const field = list[at];
  switch (random(9)) {
    case 0:
      list.splice(at, 1);
      return;
    case 1:
      list.splice(random(list.length), 0, copied(field));
      return;
    case 2: {
      const other = random(list.length);
      [list[at], list[other]] = [list[other], list[at]];
      return;
    }
    case 3:
      field.number = [...message.fields.keys(), random(40)][random(message.fields.size + 1)];
      return;
    case 4:
      field.wireType = random(6);
      return;
    case 5:
      list.splice(at, 0, copied(donors[random(donors.length)]));
      return;
    case 6:
      if (field.wireType === 0 && !field.message) field.value = varint(odd[random(odd.length)]);
      return;
    default: {
      if (field.message || field.value.length === 0) return;
      const bytes = field.value as number[];
      const place = random(bytes.length);
      // Taken out, put in, or changed.
      const edit = random(4);
      if (edit === 0) bytes.splice(place, 1);
      else if (edit === 1) bytes.splice(place, 0, random(256));
      else bytes[place] = random(256);
    }
  }
}

/**
 * Makes the mutants of some files, without end.
 * @param next uniform in 0..1
 */
export function* mutants(files: readonly Uint8Array[], next: () => number): Generator<Uint8Array, never> {
  const random = (n: number) => Math.floor(next() * n);
  const trees = files.map((file) => parse(file, modelProto));
  const donors = trees.flatMap((tree) => levels(tree, modelProto).flatMap(([list]) => list));
  const room = new Uint8Array(1 << 16);
  for (;;) {
    const tree = trees[random(trees.length)].map(copied);
    for (let edits = 1 + random(4); edits > 0; edits--) mutate(tree, random, donors);
    let bytes = room.slice(put(tree, room, room.length));
    if (random(4) === 0 && bytes.length > 0) bytes[random(bytes.length)] ^= 1 << random(8);
    if (random(20) === 0) bytes = bytes.slice(0, random(bytes.length));
    yield bytes;
  }
}
