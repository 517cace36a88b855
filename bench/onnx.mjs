// Writes small models as ONNX files: as much of the format (a protocol buffer, onnx.proto) as the peers' benchmarks need.

const elementTypes = { float32: 1, uint8: 2, int8: 3, int32: 6, int64: 7 };

/**
 * @param graph { nodes, inputs, outputs, weights }: nodes { op, inputs, outputs, attributes, domain }, inputs and outputs
 * { name, dtype, shape }, weights { name, dtype, shape, data }
 * @returns the bytes of an ONNX file
 */
export function onnxModel({ nodes, inputs, outputs, weights }) {
  const graph = message(
    ...nodes.map((node) => field(1, nodeOf(node))),
    field(2, "bench"),
    ...weights.map((weight) => field(5, tensorOf(weight))),
    ...inputs.map((value) => field(11, typedValue(value))),
    ...outputs.map((value) => field(12, typedValue(value))),
  );
  const opsets = [message(field(1, ""), field(2, 21)), message(field(1, "com.microsoft"), field(2, 1))];
  return message(field(1, 10), field(7, graph), ...opsets.map((opset) => field(8, opset)));
}

function nodeOf({ op, inputs, outputs, attributes = {}, domain = "" }) {
  return message(
    ...inputs.map((name) => field(1, name)),
    ...outputs.map((name) => field(2, name)),
    field(4, op),
    ...Object.entries(attributes).map(([name, value]) => field(5, attributeOf(name, value))),
    field(7, domain),
  );
}

/** An integer or a list of integers. */
function attributeOf(name, value) {
  if (Array.isArray(value)) return message(field(1, name), ...value.map((item) => field(8, item)), field(20, 7));
  return message(field(1, name), field(3, value), field(20, 2));
}

function tensorOf({ name, dtype, shape, data }) {
  const raw = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
  return message(...shape.map((size) => field(1, size)), field(2, elementTypes[dtype]), field(8, name), field(9, raw));
}

function typedValue({ name, dtype, shape }) {
  const dims = message(...shape.map((size) => field(1, message(field(1, size)))));
  return message(field(1, name), field(2, message(field(1, message(field(1, elementTypes[dtype]), field(2, dims))))));
}

/** One field: numbers are varints, the rest has its length before it. */
function field(number, value) {
  if (typeof value === "number") return Buffer.from([...varint(number << 3), ...varint(value)]);
  const bytes = typeof value === "string" ? Buffer.from(value) : value;
  return Buffer.concat([Buffer.from([...varint((number << 3) | 2), ...varint(bytes.length)]), bytes]);
}

function message(...fields) {
  return Buffer.concat(fields);
}

function varint(value) {
  const bytes = [];
  for (; value > 127; value = Math.floor(value / 128)) bytes.push((value % 128) | 128);
  return [...bytes, value];
}
