import type { DType } from "../../dtype.js";
import { expected } from "../../errors.js";
import type { Dim, ValueInfo } from "../../graph/graph.js";
import { type HeaderCoder, unknown } from "./header-coder.js";
import { dtypeTable } from "./layout.js";

/** The one dimension of a shape whose rank is not known. */
const anyRank = "...";

export function dtype(h: HeaderCoder, given: DType | undefined): DType {
  const place = h.number("dtype", given === undefined ? 0 : dtypeTable.indexOf(given));
  if (place >= dtypeTable.length) throw unknown("dtype", place);
  return dtypeTable[place];
}

/**
 * The type of a named value.
 * @throws RangeError where an Encoder is given the shape that stands for no shape
 */
export function valueInfo(h: HeaderCoder, name: string, given?: ValueInfo): ValueInfo {
  if (given?.shape?.length === 1 && given.shape[0] === anyRank) {
    throw new RangeError(expected(name, "another name for a dimension", `"${anyRank}"`));
  }
  const type = dtype(h, given?.dtype);
  const shape = h.list<Dim>("rank", given && (given.shape ?? [anyRank]), 16, (dim) => {
    const symbolic = h.flag("symbolic", typeof dim === "string");
    return symbolic ? h.text(dim as string | undefined) : h.number("dim", dim as number | undefined);
  });
  return shape.length === 1 && shape[0] === anyRank ? { name, dtype: type } : { name, dtype: type, shape };
}
