export type { Parallel, Task } from "../parallel.js";
export type { Cache } from "./cache.js";
export { type CompressOptions, type CompressProgress, compress } from "./compress.js";
export type { Choice, Recipe } from "./recipe.js";
export { type CompressReport, reportTable, type WeightReport } from "./report.js";
export { shrink } from "./shrink.js";
export type { Evaluate, Labelled, Target } from "./target.js";
