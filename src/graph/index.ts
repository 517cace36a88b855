export { GraphBuilder } from "./build.js";
export { checkGraph } from "./check.js";
export { sparsity, toDense } from "./dense.js";
export {
  type Attribute,
  type Dim,
  type Graph,
  type GraphNode,
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
