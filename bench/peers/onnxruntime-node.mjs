// ONNX Runtime's native build (AVX-512 where the machine has it), one thread.
import { versionOf } from "./index.mjs";
import { onnxJobs } from "./onnxruntime.mjs";

export async function open() {
  const { default: ort } = await import("onnxruntime-node");
  const options = { executionProviders: ["cpu"], intraOpNumThreads: 1, interOpNumThreads: 1 };
  return { version: versionOf("onnxruntime-node"), jobs: onnxJobs(ort, options) };
}
