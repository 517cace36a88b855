// TensorFlow.js on its plain JavaScript backend: only for what the WebAssembly backend lacks.
import { openTensorflow } from "./tfjs.mjs";

export async function open() {
  const { version, jobs } = await openTensorflow("cpu");
  return { version, jobs: { convGradW: jobs.convGradW } };
}
