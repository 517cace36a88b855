// ONNX Runtime's WebAssembly build (SIMD), one thread.
import { versionOf } from "./index.mjs";
import { onnxJobs } from "./onnxruntime.mjs";

export async function open() {
  const ort = await import("onnxruntime-web");
  ort.env.wasm.numThreads = 1;
  return { version: versionOf("onnxruntime-web"), jobs: onnxJobs(ort, { executionProviders: ["wasm"] }) };
}
