// `npm run conformance -- DIR [--json FILE] [--all]`: runs every folder below DIR that is laid out like the ONNX backend test suites
// (model.onnx, test_data_set_N/{input,output}_N.pb) and compares at the tolerance of ONNX's own runner: |got - want| <= 1e-7 +
// 1e-3 |want|, integers exactly. A case whose operators or element types are not run here is unsupported; in every other case a
// result that differs, or any error, has failed. --json writes { total, supported, passed, failed: [{ name, reason }],
// unsupported: { WHAT: count } }; --all lists the unsupported cases too.
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { UnsupportedError } from "../dist/errors.js";
import { readOnnx, readTensor } from "../dist/formats/onnx/index.js";
import { bodiesOf } from "../dist/graph/graph.js";
import { loadModel } from "../dist/index.js";
import { controls, operators } from "../dist/ops/registry.js";
import { modernize } from "../dist/passes/modernize.js";

const relative = 1e-3;
const absolute = 1e-7;

/**
 * Elements of stored outputs of suite v1.21 that its next version mends: they wrap where QLinearMatMul saturates (onnx/onnx issue
 * 7835, pull request 7868). All of them are -128.
 */
const mended = new Map([
  ["test_qlinearmatmul_2D_int8_float16", [5]],
  ["test_qlinearmatmul_2D_int8_float32", [5]],
  ["test_qlinearmatmul_3D_int8_float16", [1, 2, 7, 8]],
  ["test_qlinearmatmul_3D_int8_float32", [1, 2, 7, 8]],
]);

const { folder, json, all } = parsed(process.argv.slice(2));
const cases = readdirSync(folder)
  .filter((name) => existsSync(join(folder, name, "model.onnx")))
  .sort();
const failed = [];
const unsupported = new Map();
let passed = 0;
for (const name of cases) {
  const outcome = await judge(join(folder, name));
  if (outcome === undefined) passed++;
  else if (outcome.unsupported) {
    unsupported.set(outcome.unsupported, (unsupported.get(outcome.unsupported) ?? 0) + 1);
    if (all) console.log(`${name}: ${outcome.reason}`);
  } else failed.push({ name, reason: outcome.reason });
}
const report = {
  total: cases.length,
  supported: passed + failed.length,
  passed,
  failed,
  unsupported: Object.fromEntries([...unsupported].sort((a, b) => b[1] - a[1])),
};
for (const { name, reason } of failed) console.log(`FAILED ${name}: ${reason}`);
console.log(`${report.total} cases, ${report.supported} supported, ${passed} passed, ${failed.length} failed`);
if (json) writeFileSync(json, `${JSON.stringify(report, null, 2)}\n`);
process.exit(failed.length ? 1 : 0);

function parsed(args) {
  const found = { folder: undefined, json: undefined, all: false };
  for (let i = 0; i < args.length; i++) {
    if (args[i] === "--json" && args[i + 1]) found.json = args[++i];
    else if (args[i] === "--all") found.all = true;
    else if (found.folder === undefined && !args[i].startsWith("--")) found.folder = args[i];
    else throw new Error(`conformance: expected DIR, --json FILE or --all, got ${args[i]}`);
  }
  if (found.folder === undefined) throw new Error("conformance: expected DIR, got none");
  return found;
}

/** Undefined where a case passes. */
async function judge(path) {
  let graph;
  try {
    graph = readOnnx(readFileSync(join(path, "model.onnx")));
    const missing = operatorsIn(modernize(graph)).find((op) => !operators.has(op) && !controls.has(op));
    if (missing) return { unsupported: missing, reason: `operator ${missing}` };
    const model = await loadModel(graph);
    for (const set of readdirSync(path).filter((name) => name.startsWith("test_data_set_"))) {
      const read = (kind, count) =>
        Array.from({ length: count }, (_, i) => join(path, set, `${kind}_${i}.pb`)).map((file) =>
          existsSync(file) ? readTensor(readFileSync(file)) : undefined,
        );
      const inputs = read("input", graph.inputs.length);
      const feeds = Object.fromEntries(graph.inputs.flatMap(({ name }, i) => (inputs[i] ? [[name, inputs[i]]] : [])));
      const results = model.run(feeds);
      for (const [i, want] of read("output", graph.outputs.length).entries()) {
        for (const at of mended.get(basename(path)) ?? []) want.data[at] = -128;
        const { name } = graph.outputs[i];
        const reason = want && difference(results[name], want);
        if (reason) return { reason: `${name}: ${reason}` };
      }
    }
    model.dispose();
    return undefined;
  } catch (error) {
    if (error instanceof UnsupportedError) return { unsupported: kindOf(error, graph), reason: error.message };
    return { reason: `${error.name}: ${error.message}` };
  }
}

/** What an UnsupportedError is counted under: the operator it names, else what was not expected. */
function kindOf(error, graph) {
  const [, op] = /^.*?\(([A-Za-z]+)\)/.exec(error.message) ?? [];
  if (op) return `${op}, an attribute, type or shape`;
  return graph
    ? `${error.message.replace(/^.*?: /, "")}`
    : `reading: ${error.message.replace(/^.*?expected /, "expected ")}`;
}

function operatorsIn(body) {
  return body.nodes.flatMap((node) => [
    node.domain ? `${node.domain}::${node.op}` : node.op,
    ...bodiesOf(node).flatMap(operatorsIn),
  ]);
}

function difference(got, want) {
  if (got === undefined) return "no output";
  if (got.dtype !== want.dtype) return `expected ${want.dtype}, got ${got.dtype}`;
  if (`${got.shape}` !== `${want.shape}`) return `expected shape [${want.shape}], got [${got.shape}]`;
  const [a, b] = [valuesOf(got), valuesOf(want)];
  const real = got.dtype.includes("float");
  for (let i = 0; i < b.length; i++) {
    if (a[i] === b[i] || (Number.isNaN(a[i]) && Number.isNaN(b[i]))) continue;
    if (real && Math.abs(a[i] - b[i]) <= absolute + relative * Math.abs(b[i])) continue;
    return `expected ${b[i]} at ${i}, got ${a[i]}`;
  }
  return undefined;
}

/** The values as numbers; 64-bit integers as they are. */
function valuesOf({ dtype, data }) {
  if (dtype === "bfloat16") {
    return new Float32Array(Uint32Array.from(data, (bits) => bits << 16).buffer);
  }
  if (dtype !== "float16") return data;
  return Float64Array.from(data, (bits) => {
    const sign = bits & 0x8000 ? -1 : 1;
    const exponent = (bits >> 10) & 31;
    const fraction = bits & 1023;
    if (exponent === 31) return fraction ? Number.NaN : sign * Number.POSITIVE_INFINITY;
    return sign * (exponent ? (1 + fraction / 1024) * 2 ** (exponent - 15) : fraction * 2 ** -24);
  });
}
