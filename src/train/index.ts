export { DivergedError, ResumeError, StorageError } from "../errors.js";
export type { Parallel, Task } from "../parallel.js";
export { type CosineRate, periodsOf, type Rate, rateAt, type StepRate } from "../rate.js";
export {
  alternating,
  type Cycle,
  cyclical,
  denseSparseDense,
  gradual,
  levels,
  oneShot,
  type Phase,
  phaseAt,
  type Schedule,
  type Shape,
  sparsityAt,
} from "../schedule.js";
export type { Augmentation } from "./augment.js";
export { type Batch, type Batches, batches, type Target } from "./data.js";
export type { Distillation } from "./distill.js";
export { type CycleReport, type Fit, fit, type MaskReport, type StepReport } from "./fit.js";
export type { CheckpointStore, Checkpoints } from "./keeper.js";
export type { CrossEntropy, Loss, WeightedSum } from "./loss.js";
export type { Names, Pattern } from "./names.js";
export type { Optimizer } from "./optim.js";
export type { FitOptions } from "./options.js";
export type { MaskChange, Pruning, Revival, TensorMask } from "./prune.js";
export type { Block, Distribution, Scope } from "./scope.js";
export { estimateNorms } from "./statistics.js";
