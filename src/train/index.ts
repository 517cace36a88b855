export { DivergedError } from "../errors.js";
export {
  alternating,
  type Cycle,
  cyclical,
  denseSparseDense,
  gradual,
  oneShot,
  type Phase,
  phaseAt,
  type Rate,
  rateAt,
  type Schedule,
  sparsityAt,
} from "../schedule.js";
export { type Batch, type Batches, batches, type Target } from "./data.js";
export type { Distillation } from "./distill.js";
export { type CycleReport, type Fit, fit, type StepReport } from "./fit.js";
export type { Loss } from "./loss.js";
export type { Optimizer } from "./optim.js";
export type { FitOptions } from "./options.js";
export type { MaskChange, Revival, Scope } from "./prune.js";
