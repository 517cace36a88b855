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
export { type Batch, type CycleReport, type Fit, type FitOptions, fit, type StepReport } from "./fit.js";
export type { Loss, Target } from "./loss.js";
export type { Optimizer } from "./optim.js";
export type { MaskChange, Revival, Scope } from "./prune.js";
