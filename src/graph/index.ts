export { GraphBuilder } from "./build.js";
export { checkGraph } from "./check.js";
export { sparsity, toDense } from "./dense.js";
export {
  type Attribute,
  type Body,
  type BodyValue,
  bodiesOf,
  type Dim,
  defaultOpset,
  type Graph,
  type GraphNode,
  isBody,
  isTensor,
  parameterCount,
  type ValueInfo,
  withWeights,
} from "./graph.js";
export { sorted } from "./order.js";
export { byteLength } from "./storage.js";
export type {
  CodedWeight,
  DenseWeight,
  FactoredWeight,
  Int8Weight,
  Layout,
  MaskedWeight,
  PlainWeight,
  SparseWeight,
  Weight,
} from "./weight.js";
