export { type CompressOptions, type CompressReport, compress, type WeightReport } from "./compress.js";
export type { Choice, Recipe, Target } from "./recipe.js";
export { shrink } from "./shrink.js";
