export type { ExternalData } from "./external.js";
export { readOnnx } from "./read.js";
export { type ReadOptions, readTensor } from "./tensor.js";
export { type WriteOptions, writeOnnx } from "./write.js";
