// TensorFlow.js on its WebAssembly backend (XNNPACK, SIMD), one thread.
import { openTensorflow } from "./tfjs.mjs";

export const open = () => openTensorflow("wasm");
