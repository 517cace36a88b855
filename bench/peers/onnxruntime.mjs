// Jobs as ONNX models of one or two nodes, for both builds of ONNX Runtime.
import { joined, tensorsOf } from "../networks.mjs";
import { onnxModel } from "../onnx.mjs";

/** No warnings, of which real files cause many: errors only. */
export const quiet = { logSeverityLevel: 3 };

/** @param ort the package; @param options of its sessions */
export function onnxJobs(ort, options) {
  /** One node (or several); feeds are { name, dtype, shape, data }; the first output is the result. */
  async function model(nodes, feeds, outputs, weights) {
    const session = await ort.InferenceSession.create(onnxModel({ nodes, inputs: feeds, outputs, weights }), options);
    const tensors = tensorsOf(ort, Object.fromEntries(feeds.map((feed) => [feed.name, feed])));
    const { name } = outputs[0];
    return {
      waits: true,
      run: () => session.run(tensors),
      result: (found) => found[name].data,
      dispose: () => session.release(),
    };
  }
  const value = (name, shape, data, dtype = "float32") => ({ name, dtype, shape, data });

  const relu = { op: "Relu", inputs: ["h"], outputs: ["y"] };

  function convModel(
    { c, h, w, o, kh, kw, stride, pad, group, outH, outW, x, weight },
    inputs,
    output,
    then = [],
    rest = [],
  ) {
    const attributes = { kernel_shape: [kh, kw], strides: [stride, stride], pads: [pad, pad, pad, pad], group };
    return model(
      [{ op: "Conv", inputs, outputs: [output], attributes }, ...then],
      [value("x", [1, c, h, w], x)],
      [value("y", [1, o, outH, outW])],
      [value("w", [o, c / group, kh, kw], weight), ...rest],
    );
  }

  return {
    /** A whole file; the result is all outputs, one after the other. */
    async file({ bytes, feeds }) {
      const session = await ort.InferenceSession.create(bytes, { ...options, ...quiet });
      const tensors = tensorsOf(ort, feeds);
      return { waits: true, run: () => session.run(tensors), result: joined, dispose: () => session.release() };
    },
    matmul: ({ m, k, n, a, b }) =>
      model(
        [{ op: "MatMul", inputs: ["x", "w"], outputs: ["y"] }],
        [value("x", [m, k], a)],
        [value("y", [m, n])],
        [value("w", [k, n], b)],
      ),
    linear: ({ m, k, n, x, w }) =>
      model(
        [{ op: "Gemm", inputs: ["x", "w"], outputs: ["y"], attributes: { transB: 1 } }],
        [value("x", [m, k], x)],
        [value("y", [m, n])],
        [value("w", [n, k], w)],
      ),
    linearRelu: ({ m, k, n, x, w, bias }) =>
      model(
        [{ op: "Gemm", inputs: ["x", "w", "b"], outputs: ["h"], attributes: { transB: 1 } }, relu],
        [value("x", [m, k], x)],
        [value("y", [m, n])],
        [value("w", [n, k], w), value("b", [n], bias)],
      ),
    matmuls: ({ a, aShape, b, bShape, yShape }) =>
      model(
        [{ op: "MatMul", inputs: ["a", "b"], outputs: ["y"] }],
        [value("a", aShape, a), value("b", bShape, b)],
        [value("y", yShape)],
        [],
      ),
    conv: (layer) => convModel(layer, ["x", "w"], "y"),
    convRelu: (layer) => convModel(layer, ["x", "w", "b"], "h", [relu], [value("b", [layer.o], layer.bias)]),
    /** One node over x and weights of one dimension. */
    rowwise: ({ op, shape, x, weights }) =>
      model(
        [{ op, inputs: ["x", ...Object.keys(weights)], outputs: ["y"] }],
        [value("x", shape, x)],
        [value("y", shape)],
        Object.entries(weights).map(([name, data]) => value(name, [data.length], data)),
      ),
    /** a is int8 or uint8 with zero point 0, b is int8. */
    matmulInteger: ({ m, k, n, a, b }) =>
      model(
        [{ op: "MatMulInteger", inputs: ["x", "w"], outputs: ["y"] }],
        [value("x", [m, k], a, a instanceof Uint8Array ? "uint8" : "int8")],
        [value("y", [m, n], undefined, "int32")],
        [value("w", [k, n], b, "int8")],
      ),
    qlinearMatmul: ({ m, k, n, a, b, aScale, aZero, bScale, yScale, yZero }) =>
      model(
        [{ op: "QLinearMatMul", inputs: ["x", "as", "az", "w", "bs", "bz", "ys", "yz"], outputs: ["y"] }],
        [value("x", [m, k], a, "uint8")],
        [value("y", [m, n], undefined, "uint8")],
        [
          value("w", [k, n], b, "int8"),
          ...[
            ["as", aScale],
            ["bs", bScale],
            ["ys", yScale],
          ].map(([name, scale]) => value(name, [], Float32Array.of(scale))),
          ...[
            ["az", aZero],
            ["yz", yZero],
          ].map(([name, zero]) => value(name, [], Uint8Array.of(zero), "uint8")),
          value("bz", [], Int8Array.of(0), "int8"),
        ],
      ),
    /** codes int8 [n, k], each -8..7, scale [n, k / group]; activations are quantized to int8 inside. */
    matmulInt4({ m, k, n, group, x, codes, scale }) {
      const packed = new Uint8Array((n * k) / 2);
      for (let i = 0; i < packed.length; i++) packed[i] = (codes[2 * i] + 8) | ((codes[2 * i + 1] + 8) << 4);
      const attributes = { K: k, N: n, bits: 4, block_size: group, accuracy_level: 4 };
      return model(
        [{ op: "MatMulNBits", inputs: ["x", "w", "s"], outputs: ["y"], attributes, domain: "com.microsoft" }],
        [value("x", [m, k], x)],
        [value("y", [m, n])],
        [value("w", [n, k / group, group / 2], packed, "uint8"), value("s", [(n * k) / group], scale)],
      );
    },
    /** The k-th largest magnitude. */
    async select({ x, k }) {
      const n = x.length;
      const contestant = await model(
        [
          { op: "Abs", inputs: ["x"], outputs: ["a"] },
          { op: "TopK", inputs: ["a", "k"], outputs: ["y", "i"], attributes: { sorted: 0, axis: 0 } },
        ],
        [value("x", [n], x)],
        [value("y", [k]), value("i", [k], undefined, "int64")],
        [value("k", [1], BigInt64Array.of(BigInt(k)), "int64")],
      );
      const { result } = contestant;
      return { ...contestant, result: (found) => Float32Array.of(result(found).reduce((a, b) => Math.min(a, b))) };
    },
    quantize: ({ x, scale }) =>
      model(
        [{ op: "QuantizeLinear", inputs: ["x", "s", "z"], outputs: ["y"] }],
        [value("x", [x.length], x)],
        [value("y", [x.length], undefined, "int8")],
        [value("s", [], Float32Array.of(scale)), value("z", [], Int8Array.of(0), "int8")],
      ),
    dequantize: ({ q, scale }) =>
      model(
        [{ op: "DequantizeLinear", inputs: ["x", "s", "z"], outputs: ["y"] }],
        [value("x", [q.length], q, "int8")],
        [value("y", [q.length])],
        [value("s", [], Float32Array.of(scale)), value("z", [], Int8Array.of(0), "int8")],
      ),
  };
}
