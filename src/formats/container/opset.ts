import { Fault } from "../../codec/fault.js";
import { Decoder, Encoder } from "../../codec/range-coder.js";
import { expected, FormatError } from "../../errors.js";
import { HeaderCoder } from "./header-coder.js";

type Import = readonly [domain: string, version: number];

/** The section of operator sets: a list of domains and versions, one stream. */
export function writeOpset(opset: ReadonlyMap<string, number>): Uint8Array {
  const encoder = new Encoder();
  imports(new HeaderCoder(encoder, Number.POSITIVE_INFINITY), [...opset]);
  return encoder.finish();
}

/** @throws FormatError */
export function readOpset(bytes: Uint8Array): ReadonlyMap<string, number> {
  try {
    const decoder = new Decoder(bytes);
    const read = imports(new HeaderCoder(decoder, 16 * bytes.length + 0x10000));
    decoder.finish();
    const opset = new Map(read);
    if (opset.size !== read.length) throw new FormatError(expected("opset", "each domain once", "one twice"));
    return opset;
  } catch (error) {
    if (error instanceof Fault) throw new FormatError(`opset: expected ${error.message}`);
    throw error;
  }
}

function imports(h: HeaderCoder, given?: readonly Import[]): Import[] {
  return h.list<Import>("opset", given, 64, (x) => [h.text(x?.[0]), h.number("opset", x?.[1])]);
}
