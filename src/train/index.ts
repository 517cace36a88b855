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
export { batches } from "./data.js";
export { type CycleReport, type Fit, fit, type StepReport } from "./fit.js";
export type { Loss, Target } from "./loss.js";
export type { Optimizer } from "./optim.js";
export type { Batch, Batches, FitOptions } from "./options.js";
export type { MaskChange, Revival, Scope } from "./prune.js";
