// Jobs in TensorFlow.js, for its WebAssembly and its plain JavaScript backend. Images are NHWC there: inputs are turned before
// anything is timed, results after it.
import { createRequire } from "node:module";
import { dirname } from "node:path";
import { versionOf } from "./index.mjs";

const require = createRequire(import.meta.url);

/** The package with both backends, made ready once. */
let shared;
function tensorflow() {
  shared ??= start();
  return shared;
}

async function start() {
  const tf = require("@tensorflow/tfjs-core");
  // Without its checks, and without its advice.
  tf.env().set("PROD", true);
  require("@tensorflow/tfjs-backend-cpu");
  const wasm = require("@tensorflow/tfjs-backend-wasm");
  wasm.setThreadsCount(1);
  wasm.setWasmPaths(`${dirname(require.resolve("@tensorflow/tfjs-backend-wasm"))}/`);
  await tf.setBackend("wasm");
  await tf.ready();
  return tf;
}

export async function openTensorflow(backend) {
  const tf = await tensorflow();

  /** inputs: typed arrays with shapes, copied at each run; weights: tensors; compute: tensors to a tensor. */
  async function job(inputs, weights, compute, result = (data) => data) {
    const here = () => tf.getBackend() === backend || tf.setBackend(backend);
    here();
    const kept = weights.map(([data, shape]) => tf.tensor(data, shape));
    return {
      run() {
        here();
        const tensors = inputs.map(([data, shape]) => tf.tensor(data, shape));
        const y = compute(...tensors, ...kept);
        const data = y.dataSync();
        tf.dispose([...tensors, y]);
        return data;
      },
      result,
      dispose: () => tf.dispose(kept),
    };
  }

  /** With a bias, a Relu follows, in one kernel. */
  function convolution({ c, h, w: width, o, kh, kw, stride, pad, group, outH, outW, x, weight: values }, bias) {
    const depthwise = group === c && group > 1;
    if ((group > 1 && !depthwise) || (depthwise && o !== c)) return undefined;
    const image = [turned(c, h * width, x), [1, h, width, c]];
    const kernel = turned(o, (c / group) * kh * kw, values);
    // [o, c, kh, kw] to [kh, kw, c, o]; depthwise [c, 1, kh, kw] to [kh, kw, c, 1].
    const weight = depthwise ? [kernel, [kh, kw, c, 1]] : [permuted(c, kh * kw, o, kernel), [kh, kw, c, o]];
    const padding = paddingOf(stride, pad);
    const result = (data) => turned(outH * outW, o, data);
    if (bias) {
      const fused = depthwise ? tf.fused.depthwiseConv2d : tf.fused.conv2d;
      const compute = (x, filter, bias) =>
        fused({ x, filter, strides: stride, pad: padding, bias, activation: "relu" });
      return job([image], [weight, [bias, [o]]], compute, result);
    }
    const compute = depthwise
      ? (x, w) => tf.depthwiseConv2d(x, w, stride, padding)
      : (x, w) => tf.conv2d(x, w, stride, padding);
    return job([image], [weight], compute, result);
  }

  const jobs = {
    matmul: ({ m, k, n, a, b }) => job([[a, [m, k]]], [[b, [k, n]]], (x, w) => tf.matMul(x, w)),
    linear: ({ m, k, n, x, w }) => job([[x, [m, k]]], [[turned(n, k, w), [k, n]]], (x, w) => tf.matMul(x, w)),
    linearRelu: ({ m, k, n, x, w, bias }) =>
      job(
        [[x, [m, k]]],
        [
          [turned(n, k, w), [k, n]],
          [bias, [n]],
        ],
        (a, b, bias) => tf.fused.matMul({ a, b, bias, activation: "relu" }),
      ),
    matmuls: ({ a, aShape, b, bShape }) =>
      job(
        [
          [a, aShape],
          [b, bShape],
        ],
        [],
        (x, y) => tf.matMul(x, y),
      ),
    conv: (layer) => convolution(layer),
    convRelu: (layer) => convolution(layer, layer.bias),

    rowwise({ op, shape, x }) {
      const compute = { Relu: tf.relu, Sigmoid: tf.sigmoid, Tanh: tf.tanh, Erf: tf.erf, Softmax: tf.softmax }[op];
      return compute && job([[x, shape]], [], (x) => compute(x));
    },
    /** a and b as they lie in memory; both change between runs. */
    matmulTurned: ({ a, aShape, b, bShape, turnA, turnB }) =>
      job(
        [
          [a, aShape],
          [b, bShape],
        ],
        [],
        (x, y) => tf.matMul(x, y, turnA, turnB),
      ),
    convGradX: ({ c, h, w: width, o, kh, kw, pad, outH, outW, dy, weight }) =>
      job(
        [
          [turned(o, outH * outW, dy), [1, outH, outW, o]],
          [permuted(c, kh * kw, o, turned(o, c * kh * kw, weight)), [kh, kw, c, o]],
        ],
        [],
        (dy, w) => tf.conv2dTranspose(dy, w, [1, h, width, c], 1, paddingOf(1, pad)),
        (data) => turned(h * width, c, data),
      ),
    /** The kernel of tf.conv2d's own gradient, which only the JavaScript backend has. */
    convGradW({ c, h, w: width, o, kh, kw, pad, outH, outW, x, dy }) {
      // It takes a hundred times as long as anything here: seconds where the image is large.
      if (backend === "wasm" || o * c * kh * kw * outH * outW > 1e7) return undefined;
      const attributes = { strides: 1, pad: paddingOf(1, pad), dataFormat: "NHWC", filterShape: [kh, kw, c, o] };
      return job(
        [
          [turned(c, h * width, x), [1, h, width, c]],
          [turned(o, outH * outW, dy), [1, outH, outW, o]],
        ],
        [],
        (x, dy) => tf.engine().runKernel("Conv2DBackpropFilter", { x, dy }, attributes),
        (data) => turned(kh * kw * c, o, permuted(kh * kw, c, o, data)),
      );
    },
  };
  return { version: versionOf("@tensorflow/tfjs-core"), jobs };
}

/** Padding on every side; TensorFlow's explicit padding is for NHWC. */
function paddingOf(stride, pad) {
  if (pad === 0) return "valid";
  // "same" is faster where it means the same: without strides.
  return stride === 1
    ? "same"
    : [
        [0, 0],
        [pad, pad],
        [pad, pad],
        [0, 0],
      ];
}

/** [rows, cols] to [cols, rows]. */
function turned(rows, cols, data) {
  const y = new Float32Array(rows * cols);
  for (let r = 0; r < rows; r++) for (let c = 0; c < cols; c++) y[c * rows + r] = data[r * cols + c];
  return y;
}

/** [a, b, inner] to [b, a, inner]. */
function permuted(a, b, inner, data) {
  const y = new Float32Array(a * b * inner);
  for (let i = 0; i < a; i++) {
    for (let j = 0; j < b; j++) {
      y.set(data.subarray((i * b + j) * inner, (i * b + j + 1) * inner), (j * a + i) * inner);
    }
  }
  return y;
}
