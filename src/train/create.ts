import { plain } from "../graph/dense.js";
import type { Weight } from "../graph/weight.js";
import type { FullEngine } from "../kernels/engine.js";
import { factoredParameter } from "./factored.js";
import { denseParameter, maskedParameter } from "./float.js";
import type { Parameter } from "./parameter.js";
import { quantizedParameter } from "./quantized.js";

/**
 * A weight ready to train, by how it is stored: dense and masked values move as they are; int8, sparse and factored ones are tuned
 * straight through their quantization (Y. Bengio, N. Leonard, A. Courville, "Estimating or propagating gradients through
 * stochastic neurons", 2013): the forward pass uses the quantized values, the gradient moves the f32 ones behind them.
 * @param prunable whether a schedule changes which of its values are kept; of int8 weights all are, whatever it says
 */
export function createParameter(engine: FullEngine, name: string, weight: Weight, prunable: boolean): Parameter {
  const stored = plain(weight);
  switch (stored.kind) {
    case "dense":
    case "masked":
      return prunable || stored.kind === "masked"
        ? maskedParameter(engine, name, stored, prunable)
        : denseParameter(engine, name, stored);
    case "int8":
    case "sparse":
      return quantizedParameter(engine, name, stored, prunable);
    case "factored":
      return factoredParameter(engine, name, stored, prunable);
  }
}
