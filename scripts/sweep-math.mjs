// `node scripts/sweep-math.mjs [NAME ...]`: the functions of assembly/math.ts on all 2^32 floats, against the twins in f64. Prints the
// worst error of each, in ulp of the true value, and where it is; fails where it is past the stated bound. Takes minutes.
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import asc from "assemblyscript/asc";

const root = fileURLToPath(new URL("../", import.meta.url));
/** Floats to a block, and nodes of the polynomial that stands for a twin within one: a block is 1/128 of an octave. */
const [size, nodes] = [1 << 16, 10];
const [x, c] = [65536, 65536 + 4 * size];
/** Beyond the floats, where they end in infinity: twins go no further, so that they are constant from there. */
const end = 2 ** 129;

const { gelu, geluTanh, sigmoid, erf } = await twins();
/** Bound in ulp, twin, and whether it is for negative numbers only. */
const functions = {
  exp: [1, Math.exp],
  scaled_exp: [1.1, (v) => 2 ** 48 * Math.exp(Math.max(v, -104)), true],
  sigmoid: [2, sigmoid],
  tanh: [2, Math.tanh],
  erf: [2, erf],
  gelu: [4, gelu],
  gelu_tanh: [4, geluTanh],
};
const kernels = await compiled();
const memory = new Float32Array(kernels.memory.buffer);
const points = Float64Array.from({ length: nodes }, (_, i) => Math.cos((Math.PI * (i + 0.5)) / nodes));
const toCoefficients = inverse(Array.from(points, (t) => Array.from({ length: nodes }, (_, j) => t ** j)));

const word = new Uint32Array(1);
const asFloat = new Float32Array(word.buffer);

const wanted = process.argv.slice(2);
for (const name of wanted)
  if (!functions[name]) throw new Error(`sweep-math: expected ${Object.keys(functions)}, got ${name}`);
for (const [name, [bound, twin, negative]] of Object.entries(functions)) {
  if (wanted.length > 0 && !wanted.includes(name)) continue;
  kernels.reset();
  for (let first = negative ? 2 ** 31 : 0; first < 2 ** 32; first += size) block(name, twin, first);
  const worst = kernels.error();
  const holds = worst <= bound;
  console.log(
    `${holds ? "ok  " : "FAIL"} ${name}: ${worst.toFixed(3)} ulp at ${float(kernels.bits() >>> 0)}, bound ${bound}`,
  );
  if (!holds) process.exitCode = 1;
}

/** The floats whose bits are `first` and on. */
function block(name, twin, first) {
  kernels.fill(size, first, x);
  kernels[name](size, x);
  const [low, high] = [float(first), float(first + size - 1)];
  const [middle, half] = [(low + high) / 2, (high - low) / 2];
  const values = points.map((t) => Math.max(-end, Math.min(end, twin(middle + half * t))));
  const constant = values.every((value) => value === values[0]);
  // One by one where the twin leaves the numbers.
  if (!constant && !values.every((value) => Math.abs(value) < end)) {
    for (let i = 0; i < size; i++) one(twin(float(first + i)), memory[x / 4 + i], first + i);
    return;
  }
  new Float64Array(memory.buffer, c, nodes).set(
    toCoefficients.map((row, j) =>
      constant ? (j === 0 ? values[0] : 0) : row.reduce((s, v, i) => s + v * values[i], 0),
    ),
  );
  kernels.check(size, first, x, c, middle, 1 / half);
}

function one(truth, result, bits) {
  if (!(Number.isNaN(truth) && Number.isNaN(result))) kernels.compare(truth, result, bits);
}

function float(bits) {
  word[0] = bits;
  return asFloat[0];
}

function inverse(matrix) {
  const n = matrix.length;
  const rows = matrix.map((row, i) => [...row, ...row.map((_, j) => (i === j ? 1 : 0))]);
  for (let i = 0; i < n; i++) {
    const pivot = rows
      .slice(i)
      .reduce((best, row, k) => (Math.abs(row[i]) > Math.abs(rows[best][i]) ? i + k : best), i);
    [rows[i], rows[pivot]] = [rows[pivot], rows[i]];
    const unit = rows[i].map((v) => v / rows[i][i]);
    for (let k = 0; k < n; k++) rows[k] = k === i ? unit : rows[k].map((v, j) => v - rows[k][i] * unit[j]);
  }
  return rows.map((row) => row.slice(n));
}

/** test/reference/special.ts, compiled: Node 20 reads no TypeScript. */
async function twins() {
  const folder = mkdtempSync(join(tmpdir(), "twins-"));
  try {
    const args = ["--ignoreConfig", "--module", "nodenext", "--target", "es2022", "--outDir", folder];
    const tsc = join(root, "node_modules/typescript/bin/tsc");
    execFileSync(process.execPath, [tsc, ...args, join(root, "test/reference/special.ts")], { stdio: "inherit" });
    const source = readFileSync(join(folder, "special.js"), "utf8");
    return await import(`data:text/javascript,${encodeURIComponent(source)}`);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

async function compiled() {
  let binary;
  const { error, stderr } = await asc.main(
    ["scripts/sweep-math.ts", "--runtime", "stub", "--enable", "simd", "-O3", "--noAssert"].concat([
      "--initialMemory",
      "8",
      "--outFile",
      "sweep.wasm",
    ]),
    {
      readFile: (name) => {
        try {
          return readFileSync(join(root, name), "utf8");
        } catch {
          return null;
        }
      },
      writeFile: (name, contents) => {
        if (name === "sweep.wasm") binary = contents;
      },
      listFiles: () => [],
    },
  );
  if (error) throw new Error(`sweep-math: ${error.message}\n${stderr}`);
  return new WebAssembly.Instance(new WebAssembly.Module(binary)).exports;
}
