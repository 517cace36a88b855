// ONNX files built field by field, so that they can be wrong in any way; no library in between.

export type Bytes = readonly number[];

/** A number as a varint: 7 bits a byte, the lowest first. Negative ones take 10 bytes. */
export function varint(value: number | bigint): number[] {
  let rest = BigInt.asUintN(64, BigInt(value));
  const bytes: number[] = [];
  for (; rest > 127n; rest >>= 7n) bytes.push(Number(rest & 127n) | 128);
  return [...bytes, Number(rest)];
}

const tag = (field: number, wireType: number) => varint(8 * field + wireType);

/** A whole number. */
export const int = (field: number, value: number | bigint): number[] => [...tag(field, 0), ...varint(value)];

/** A text, or any bytes. */
export function blob(field: number, value: string | Iterable<number>): number[] {
  const bytes = typeof value === "string" ? [...new TextEncoder().encode(value)] : [...value];
  return [...tag(field, 2), ...varint(bytes.length), ...bytes];
}

/** A message of the parts. */
export const message = (field: number, ...parts: readonly Bytes[]): number[] => blob(field, parts.flat());

export const float = (field: number, value: number): number[] => [...tag(field, 5), ...floats(value)];

export const floats = (...values: number[]): number[] => [...new Uint8Array(Float32Array.from(values).buffer)];

export const doubles = (...values: number[]): number[] => [...new Uint8Array(Float64Array.from(values).buffer)];

/** Packed varints. */
export const packed = (field: number, ...values: (number | bigint)[]): number[] => blob(field, values.flatMap(varint));

/** The inside of a TensorProto. @param type its number of the element type */
export const tensor = (name: string, type: number, dims: readonly (number | bigint)[], ...data: Bytes[]): number[] => [
  ...dims.flatMap((dim) => int(1, dim)),
  ...int(2, type),
  ...blob(8, name),
  ...data.flat(),
];

export const raw = (...bytes: number[]): number[] => blob(9, bytes);

/** A StringStringEntryProto among the external data of a tensor, and the number that says that they count. */
export const external = (entries: readonly (readonly [string, string])[]): number[] => [
  ...int(14, 1),
  ...entries.flatMap(([key, value]) => message(13, blob(1, key), blob(2, value))),
];

export const initializer = (...args: Parameters<typeof tensor>): number[] => message(5, tensor(...args));

/** A dimension by its size or name. */
export const dim = (value: number | string): number[] =>
  typeof value === "number" ? message(1, int(1, value)) : message(1, blob(2, value));

/** The inside of a ValueInfoProto; without `dims` the rank is open. */
export const value = (name: string, type = 1, dims?: readonly Bytes[]): number[] => [
  ...blob(1, name),
  ...message(2, message(1, int(1, type), ...(dims ? [message(2, ...dims)] : []))),
];

/** A node of a graph. */
export const node = (op: string, inputs: readonly string[], outputs: readonly string[], ...more: Bytes[]): number[] =>
  message(
    1,
    inputs.flatMap((name) => blob(1, name)),
    outputs.flatMap((name) => blob(2, name)),
    blob(4, op),
    ...more,
  );

/** An attribute of a node. @param type its number of the kind of attribute */
export const attribute = (name: string, type: number, ...parts: Bytes[]): number[] =>
  message(5, blob(1, name), int(20, type), ...parts);

export const opset = (version: number, domain = ""): number[] => message(8, blob(1, domain), int(2, version));

/** x [2] and w [2] go through one Add to y. */
export const sound = {
  input: message(11, value("x", 1, [dim(2)])),
  output: message(12, value("y", 1, [dim(2)])),
  weight: initializer("w", 1, [2], raw(...floats(1, 2))),
  add: node("Add", ["x", "w"], ["y"]),
} as const;

/** A model around the parts of a graph; all of it sound but what the parts make wrong. */
export function model(
  graph: readonly Bytes[] = Object.values(sound),
  head: readonly Bytes[] = [int(1, 10), opset(21)],
) {
  return Uint8Array.from([...head.flat(), ...message(7, blob(2, "g"), ...graph)]);
}

/** The sound model with other weights and more nodes. */
export const withWeights = (...weights: readonly Bytes[]): Uint8Array =>
  model([sound.input, sound.output, sound.add, sound.weight, ...weights]);

export const withNodes = (...nodes: readonly Bytes[]): Uint8Array => model([...Object.values(sound), ...nodes]);
