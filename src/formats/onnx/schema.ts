// The messages of ONNX that are read and written here, with their field numbers: https://github.com/onnx/onnx,
// onnx/onnx.proto (IR version 13). Fields that are not listed (documentation, metadata, training, devices) are skipped.

/**
 * What a field holds. `texts`, `ints`, `floats`, `blobs` and `messages` repeat. `data` is a repeated number of a tensor, left
 * as the bytes of its packed runs.
 */
export type Kind =
  | "int"
  | "float"
  | "text"
  | "blob"
  | "ints"
  | "floats"
  | "texts"
  | "blobs"
  | "data"
  | "message"
  | "messages";

export interface Field {
  readonly name: string;
  readonly kind: Kind;
  readonly message?: Message;
}

/** A message: its fields by number. */
export interface Message {
  readonly name: string;
  readonly fields: Map<number, Field>;
}

function message(name: string, fields: Record<number, readonly [string, Kind, Message?]>): Message {
  const entries = Object.entries(fields).map(([number, [field, kind, inner]]): [number, Field] => [
    Number(number),
    { name: field, kind, message: inner },
  ]);
  return { name, fields: new Map(entries) };
}

export interface EntryProto {
  readonly key?: string;
  readonly value?: string;
}

const entry = message("StringStringEntryProto", { 1: ["key", "text"], 2: ["value", "text"] });

export interface TensorProto {
  readonly dims?: readonly number[];
  readonly dataType?: number;
  readonly segment?: Uint8Array;
  readonly floatData?: readonly Uint8Array[];
  readonly int32Data?: readonly Uint8Array[];
  readonly stringData?: readonly Uint8Array[];
  readonly int64Data?: readonly Uint8Array[];
  readonly name?: string;
  readonly rawData?: Uint8Array;
  readonly doubleData?: readonly Uint8Array[];
  readonly uint64Data?: readonly Uint8Array[];
  readonly externalData?: readonly EntryProto[];
  readonly dataLocation?: number;
}

export const tensorProto = message("TensorProto", {
  1: ["dims", "ints"],
  2: ["dataType", "int"],
  3: ["segment", "blob"],
  4: ["floatData", "data"],
  5: ["int32Data", "data"],
  6: ["stringData", "blobs"],
  7: ["int64Data", "data"],
  8: ["name", "text"],
  9: ["rawData", "blob"],
  10: ["doubleData", "data"],
  11: ["uint64Data", "data"],
  13: ["externalData", "messages", entry],
  14: ["dataLocation", "int"],
});

export interface SparseTensorProto {
  readonly values?: TensorProto;
  readonly indices?: TensorProto;
  readonly dims?: readonly number[];
}

const sparseTensorProto = message("SparseTensorProto", {
  1: ["values", "message", tensorProto],
  2: ["indices", "message", tensorProto],
  3: ["dims", "ints"],
});

export interface DimensionProto {
  readonly dimValue?: number;
  readonly dimParam?: string;
}

/** Types that are no tensors are only told apart. */
export interface TypeProto {
  readonly tensorType?: { readonly elemType?: number; readonly shape?: { readonly dim?: readonly DimensionProto[] } };
  readonly sequenceType?: Uint8Array;
  readonly mapType?: Uint8Array;
  readonly opaqueType?: Uint8Array;
  readonly sparseTensorType?: Uint8Array;
  readonly optionalType?: Uint8Array;
}

const dimension = message("TensorShapeProto.Dimension", { 1: ["dimValue", "int"], 2: ["dimParam", "text"] });
const shape = message("TensorShapeProto", { 1: ["dim", "messages", dimension] });
const tensorType = message("TypeProto.Tensor", { 1: ["elemType", "int"], 2: ["shape", "message", shape] });
const typeProto = message("TypeProto", {
  1: ["tensorType", "message", tensorType],
  4: ["sequenceType", "blob"],
  5: ["mapType", "blob"],
  7: ["opaqueType", "blob"],
  8: ["sparseTensorType", "blob"],
  9: ["optionalType", "blob"],
});

export interface ValueInfoProto {
  readonly name?: string;
  readonly type?: TypeProto;
}

const valueInfoProto = message("ValueInfoProto", { 1: ["name", "text"], 2: ["type", "message", typeProto] });

export interface AttributeProto {
  readonly name?: string;
  readonly f?: number;
  readonly i?: number;
  readonly s?: Uint8Array;
  readonly t?: TensorProto;
  readonly g?: GraphProto;
  readonly floats?: readonly number[];
  readonly ints?: readonly number[];
  readonly strings?: readonly Uint8Array[];
  readonly type?: number;
  readonly refAttrName?: string;
  readonly sparseTensor?: SparseTensorProto;
}

/** The graph that an attribute holds (field 6) is added below: graphs and attributes hold each other. */
const attributeProto = message("AttributeProto", {
  1: ["name", "text"],
  2: ["f", "float"],
  3: ["i", "int"],
  4: ["s", "blob"],
  5: ["t", "message", tensorProto],
  7: ["floats", "floats"],
  8: ["ints", "ints"],
  9: ["strings", "blobs"],
  20: ["type", "int"],
  21: ["refAttrName", "text"],
  22: ["sparseTensor", "message", sparseTensorProto],
});

export interface NodeProto {
  readonly input?: readonly string[];
  readonly output?: readonly string[];
  readonly name?: string;
  readonly opType?: string;
  readonly attribute?: readonly AttributeProto[];
  readonly domain?: string;
  readonly overload?: string;
}

const nodeProto = message("NodeProto", {
  1: ["input", "texts"],
  2: ["output", "texts"],
  3: ["name", "text"],
  4: ["opType", "text"],
  5: ["attribute", "messages", attributeProto],
  7: ["domain", "text"],
  8: ["overload", "text"],
});

export interface GraphProto {
  readonly node?: readonly NodeProto[];
  readonly name?: string;
  readonly initializer?: readonly TensorProto[];
  readonly input?: readonly ValueInfoProto[];
  readonly output?: readonly ValueInfoProto[];
  readonly sparseInitializer?: readonly SparseTensorProto[];
}

export const graphProto = message("GraphProto", {
  1: ["node", "messages", nodeProto],
  2: ["name", "text"],
  5: ["initializer", "messages", tensorProto],
  11: ["input", "messages", valueInfoProto],
  12: ["output", "messages", valueInfoProto],
  15: ["sparseInitializer", "messages", sparseTensorProto],
});
attributeProto.fields.set(6, { name: "g", kind: "message", message: graphProto });

export interface OperatorSetProto {
  readonly domain?: string;
  readonly version?: number;
}

const operatorSetProto = message("OperatorSetIdProto", { 1: ["domain", "text"], 2: ["version", "int"] });

export interface FunctionProto {
  readonly name?: string;
  readonly input?: readonly string[];
  readonly output?: readonly string[];
  readonly attributeProto?: readonly AttributeProto[];
  readonly node?: readonly NodeProto[];
  readonly opsetImport?: readonly OperatorSetProto[];
  readonly domain?: string;
  readonly overload?: string;
}

const functionProto = message("FunctionProto", {
  1: ["name", "text"],
  4: ["input", "texts"],
  5: ["output", "texts"],
  7: ["node", "messages", nodeProto],
  9: ["opsetImport", "messages", operatorSetProto],
  10: ["domain", "text"],
  11: ["attributeProto", "messages", attributeProto],
  13: ["overload", "text"],
});

export interface ModelProto {
  readonly irVersion?: number;
  readonly producerName?: string;
  readonly graph?: GraphProto;
  readonly opsetImport?: readonly OperatorSetProto[];
  readonly functions?: readonly FunctionProto[];
}

export const modelProto = message("ModelProto", {
  1: ["irVersion", "int"],
  2: ["producerName", "text"],
  7: ["graph", "message", graphProto],
  8: ["opsetImport", "messages", operatorSetProto],
  25: ["functions", "messages", functionProto],
});
