// `npm run bench -- crossover`: where one way of computing overtakes another, beside the constants of src/ops that say where the
// operators change over. An edge is where the ratio of the two times passes 1, between the two settings around it.
import { readdirSync, readFileSync } from "node:fs";
import { floatsAt, place } from "../dist/kernels/engine.js";
import { rebuilt, stepwise, twoStepsBelow } from "../dist/ops/factored.js";
import { grouped, turned, turnedBytes } from "../dist/ops/sparse.js";
import { Random } from "../dist/random.js";
import { contest } from "./contest.mjs";
import { factors } from "./factored.mjs";
import { freshEngine, normals, uniforms } from "./memory.mjs";
import { sparseWeight } from "./session.mjs";

const sparsities = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95];

/** @param options { relaxed, quick, filters }: a filter is a part of an edge's title */
export async function crossover({ relaxed, quick, filters }) {
  const effort = quick ? { rounds: 3, cycle: 0.005 } : { rounds: 9, cycle: 0.01 };
  const found = constants();
  const edge = async (title, settings, prepare, said) => {
    if (filters.length > 0 && !filters.some((filter) => title.includes(filter))) return;
    const predicted = typeof said === "string" ? { name: said, value: found.get(said).value } : said;
    await measure(title, settings, prepare, effort, predicted);
  };
  const images = [
    [64, 56, 64],
    [128, 28, 128],
    [256, 14, 256],
  ];
  for (const [c, side, o] of images) {
    const shape = `${c} x ${side} x ${side} -> ${o}`;
    const at = (rival) => (sparsity) => sparseConv(c, side, o, 3, sparsity, rival, relaxed);
    await edge(`sparsity, CSR against GEMM, conv 3x3 ${shape}`, sparsities, at("gemm"), "sparseFrom");
    await edge(`sparsity, CSR against Winograd, conv 3x3 ${shape}`, sparsities, at("winograd"), "sparseFromWinograd");
  }
  for (const [c, side, o] of [
    [64, 56, 256],
    [256, 14, 1024],
  ]) {
    const at = (sparsity) => sparseConv(c, side, o, 1, sparsity, "gemm", relaxed);
    const title = `sparsity, CSR against GEMM, conv 1x1 ${c} x ${side} x ${side} -> ${o}`;
    await edge(title, sparsities, at, "sparseFrom");
  }
  for (const m of [1, 8, 28, 128]) {
    const at = (sparsity) => sparseGemm(m, 1024, 1024, sparsity, relaxed);
    await edge(`sparsity, CSR against GEMM, Gemm ${m} x 1024 x 1024`, sparsities, at, "sparseFrom");
  }
  for (const side of [8, 14, 28, 56]) {
    const at = (channels) => winograd(channels, side, relaxed);
    const title = `channels, Winograd against GEMM, ${side} x ${side}`;
    await edge(title, [4, 8, 12, 16, 24, 32, 64], at, "winogradFrom");
  }
  for (const stride of [1, 2]) {
    const at = (outputs) => depthwise(outputs, stride, relaxed);
    const title = `outputs a channel, GEMM against depthwise, 32 x 28 x 28, 3x3 stride ${stride}`;
    await edge(title, [1, 2, 3, 4, 6, 8, 12], at, "depthwiseUntil");
  }
  const sizes = [0.5, 1, 2, 4, 8, 16].map((size) => size * 2 ** 20);
  const title = "weights, int8 widened on the way against f32, one row";
  await edge(title, sizes, (size) => widened(size, relaxed), "widenedFrom");
  for (const [layout, rows, cols, d, k, perColumn] of [
    ["rows", 256, 256, 256, 384, 16],
    ["rows", 512, 512, 512, 1024, 16],
    ["rows", 500, 800, 500, 1000, 6],
    ["rows", 1024, 1024, 1024, 1536, 8],
    ["rows", 1024, 1024, 1024, 256, 64],
    ["kernel", 64, 1024, 16, 96, 2],
    ["kernel", 64, 800, 25, 128, 4],
    ["kernel", 128, 512, 32, 192, 3],
    ["kernel", 256, 256, 16, 320, 2],
  ]) {
    const made = factors([rows, cols], layout, d, (rows * cols) / d, k, perColumn);
    const value = twoStepsBelow({ ...made, rows, cols, nnz: made.col.length });
    const at = (batch) => rebuilding(made, batch, relaxed);
    const title = `batch, rebuilding against two steps, ${rows} x ${cols} by ${layout}, ${perColumn} of ${k} atoms of ${d}`;
    await edge(title, [4, 8, 12, 16, 24, 32, 48, 64, 96, 128], at, { name: "twoStepsBelow", value });
  }
  console.log("\nconstants of src/ops:");
  for (const [name, { value, file }] of found) console.log(`  ${name} = ${value} (src/ops/${file})`);
}

/** Prints the ratio at each setting (above 1: the first named is faster) and the edge, beside what the operators go by. */
async function measure(title, settings, prepare, effort, { name, value }) {
  const ratios = [];
  for (const setting of settings) {
    const { peers } = await contest(
      { case: title, shape: `${setting}`, unit: "", work: 0, ...prepare(setting) },
      effort,
    );
    ratios.push(peers.rival.ratio);
  }
  const last = ratios.findLastIndex((ratio) => ratio < 1);
  let found = `from ${settings[0]} on`;
  if (last === settings.length - 1) found = "nowhere here";
  else if (last >= 0) {
    const [low, high] = [Math.log(ratios[last]), Math.log(ratios[last + 1])];
    const between = settings[last] + ((settings[last + 1] - settings[last]) * -low) / (high - low);
    found = `from ${between.toPrecision(3)} on`;
  }
  console.log(`${title}: ${found} (${name}: ${Number(value.toPrecision(3))})`);
  console.log(`  ${settings.map((setting, i) => `${setting}: ${ratios[i].toFixed(2)}`).join("  ")}`);
}

/** Every named number of src/ops by its name, with its file. */
function constants() {
  const folder = new URL("../src/ops/", import.meta.url);
  const found = readdirSync(folder).flatMap((file) => {
    const text = readFileSync(new URL(file, folder), "utf8");
    return [...text.matchAll(/^(?:export )?const (\w+) = ([\d._]+(?: \* [\d._]+)*);/gm)].map(([, name, product]) => {
      const value = product.split(" * ").reduce((all, factor) => all * Number(factor.replaceAll("_", "")), 1);
      return [name, { value, file }];
    });
  });
  return new Map(found);
}

/** Everything of a convolution with padding that keeps the size. */
function image(c, side, o, kernel, stride, relaxed) {
  const out = Math.ceil(side / stride);
  const pad = kernel >> 1;
  const engine = freshEngine(relaxed);
  const x = place(engine, normals(c * side * side, 1));
  const sizes = [1, c, side, side, o, kernel, kernel, stride, stride, pad, pad, 1, 1, out, out];
  const laid = [kernel, kernel, stride, stride, pad, 1, 1, out, out];
  const output = () => engine.arena.alloc(4 * o * out * out);
  const values = (y) => () => floatsAt(engine, y, o * out * out);
  return { engine, x, sizes: [...sizes, c * side * side, o * out * out], laid, output, values, out, pad };
}

function gemmConv({ engine, x, sizes, laid, output, values }, weight) {
  const { kernels, arena } = engine;
  const [, c, , w, o, kh, kw] = sizes;
  const r = c * kh * kw;
  const panels = arena.alloc(kernels.gemm_panels_a_bytes(o, r));
  kernels.gemm_pack_a_f32(o, r, r, 1, weight, panels);
  const scratch = arena.alloc(kernels.conv_scratch_bytes(c, w, ...laid));
  const y = output();
  return { run: () => kernels.conv_f32(...sizes, x, panels, 0, 0, y, scratch), result: values(y) };
}

function winogradConv({ engine, x, sizes, output, values, out, pad }, weight) {
  const { kernels, arena } = engine;
  const [batch, c, h, w, o] = sizes;
  const panels = arena.alloc(kernels.winograd_panels_bytes(o, c));
  kernels.winograd_pack_f32(o, c, weight, panels, arena.alloc(kernels.winograd_pack_scratch_bytes(c)));
  const scratch = arena.alloc(kernels.winograd_scratch_bytes(c, o, out, out));
  const y = output();
  const all = [batch, c, h, w, o, pad, pad, out, out, c * h * w, o * out * out];
  return { run: () => kernels.winograd_f32(...all, x, panels, 0, 0, y, scratch), result: values(y) };
}

function sparseConv(c, side, o, kernel, sparsity, rival, relaxed) {
  const about = image(c, side, o, kernel, 1, relaxed);
  const { engine, x, sizes, laid, output, values } = about;
  const { kernels, arena } = engine;
  const shape = [o, c, kernel, kernel];
  const csr = sparseWeight(shape, normals(o * c * kernel * kernel, 2), sparsity, new Random(3));
  const [rowPtr, col, entries] = [csr.rowPtr, csr.col, csr.values].map((array) => place(engine, array));
  const scratch = arena.alloc(kernels.sparse_conv_scratch_bytes(c, side, o, csr.values.length, ...laid));
  const y = output();
  const ours = {
    run: () => kernels.sparse_conv_f32(...sizes, x, rowPtr, col, entries, 0, 0, y, scratch),
    result: values(y),
  };
  const weight = place(engine, csr.dense);
  return { ours, peers: { rival: (rival === "gemm" ? gemmConv : winogradConv)(about, weight) }, tolerance: 1e-4 };
}

function sparseGemm(m, k, n, sparsity, relaxed) {
  const engine = freshEngine(relaxed);
  const { kernels, arena } = engine;
  const csr = sparseWeight([n, k], normals(n * k, 2), sparsity, new Random(3));
  const [rowPtr, col, values] = [csr.rowPtr, csr.col, csr.values].map((array) => place(engine, array));
  const placed = { rows: n, cols: k, nnz: csr.values.length, rowPtr, col, values, scale: 0 };
  const site = { kernels, alloc: (bytes) => arena.alloc(bytes) };
  const ready = grouped(site, placed);
  const x = place(engine, normals(m * k, 1));
  const y = arena.alloc(4 * m * n);
  const turnedScratch = arena.alloc(turnedBytes(m, placed));
  const ours = {
    run: () => turned(kernels, m, ready, x, y, turnedScratch),
    result: () => floatsAt(engine, y, m * n),
  };
  return { ours, peers: { rival: denseGemm(engine, m, k, n, x, csr.dense) } };
}

/** Y = X W^T, W [n, k]. */
function denseGemm(engine, m, k, n, x, dense) {
  const { kernels, arena } = engine;
  const panels = arena.alloc(kernels.gemm_panels_b_bytes(k, n));
  kernels.gemm_pack_b_f32(k, n, 1, k, place(engine, dense), panels);
  const scratch = arena.alloc(kernels.gemm_ab_scratch_bytes(m, k));
  const y = arena.alloc(4 * m * n);
  return {
    run: () => kernels.gemm_ab_f32(m, n, k, x, panels, 0, 0, y, scratch),
    result: () => floatsAt(engine, y, m * n),
  };
}

function winograd(channels, side, relaxed) {
  const about = image(channels, side, channels, 3, 1, relaxed);
  const weight = place(about.engine, normals(9 * channels * channels, 2));
  return { ours: winogradConv(about, weight), peers: { rival: gemmConv(about, weight) }, tolerance: 1e-4 };
}

/** 32 groups of one channel and `outputs` outputs. */
function depthwise(outputs, stride, relaxed) {
  const [groups, side] = [32, 28];
  const about = image(1, side, outputs, 3, stride, relaxed);
  const { engine, out, laid } = about;
  const { kernels, arena } = engine;
  const [plane, result] = [side * side, outputs * out * out];
  const weights = normals(9 * outputs * groups, 2);
  const w = place(engine, weights);
  const x = place(engine, normals(groups * plane, 1));
  const [y, z] = [arena.alloc(4 * groups * result), arena.alloc(4 * groups * result)];
  const scratch = arena.alloc(kernels.depthwise_scratch_bytes(side, ...laid));
  const sizes = [1, groups, side, side, outputs, 3, 3, stride, stride, 1, 1, 1, 1, out, out];
  const panelBytes = kernels.gemm_panels_a_bytes(outputs, 9);
  const panels = arena.alloc(groups * panelBytes);
  for (let g = 0; g < groups; g++) {
    kernels.gemm_pack_a_f32(outputs, 9, 9, 1, w + 36 * outputs * g, panels + panelBytes * g);
  }
  const convScratch = arena.alloc(kernels.conv_scratch_bytes(1, side, ...laid));
  const ours = {
    run() {
      for (let g = 0; g < groups; g++) {
        const [from, to] = [x + 4 * plane * g, z + 4 * result * g];
        kernels.conv_f32(...about.sizes, from, panels + panelBytes * g, 0, 0, to, convScratch);
      }
    },
    result: () => floatsAt(engine, z, groups * result),
  };
  const rival = {
    run: () => kernels.depthwise_f32(...sizes, x, w, 0, 0, y, scratch),
    result: () => floatsAt(engine, y, groups * result),
  };
  return { ours, peers: { rival } };
}

/** One row times a square of `size` weights. */
function widened(size, relaxed) {
  const k = Math.sqrt(size) & ~7;
  const engine = freshEngine(relaxed);
  const { kernels, arena } = engine;
  const codes = Int8Array.from(uniforms(k * k, 2), (value) => Math.round(254 * value));
  const step = 1 / 1024;
  const panels = arena.alloc(kernels.gemm_panels_i8_bytes(k, k));
  const mark = arena.mark();
  kernels.gemm_pack_i8(k, k, 1, k, place(engine, codes), panels);
  arena.release(mark);
  const scale = place(engine, new Float32Array(k).fill(step));
  const x = place(engine, normals(k, 1));
  const y = arena.alloc(4 * k);
  const scratch = arena.alloc(kernels.gemm_widened_scratch_bytes(1, k));
  const ours = {
    run: () => kernels.gemm_f32_i8(1, k, k, x, panels, scale, 0, 0, y, scratch),
    result: () => floatsAt(engine, y, k),
  };
  const dense = Float32Array.from(codes, (value) => value * step);
  return { ours, peers: { rival: denseGemm(engine, 1, k, k, x, dense) } };
}

/** The two ways of the operator; see src/ops/factored.ts. */
function rebuilding(made, batch, relaxed) {
  const engine = freshEngine(relaxed);
  const { kernels, arena } = engine;
  const [rows, cols] = made.shape;
  const placed = { ...made, rows, cols, nnz: made.col.length };
  for (const part of ["rowPtr", "col", "codes", "codeScale", "codebook"]) placed[part] = place(engine, made[part]);
  const site = {
    kernels,
    exact: false,
    alloc: (bytes) => arena.alloc(bytes),
    temporary(bytes, use) {
      const mark = arena.mark();
      const result = use(arena.alloc(bytes));
      arena.release(mark);
      return result;
    },
  };
  const x = place(engine, normals(batch * cols, 1));
  const contestant = (way) => {
    const y = arena.alloc(4 * batch * rows);
    const bind = way(site, placed, 0);
    const inputs = [{ pointer: x, shape: [batch, cols] }];
    const launch = bind({ inputs, outputs: [{ pointer: y, shape: [batch, rows] }] });
    const scratch = arena.alloc(launch.scratch);
    return { run: () => launch.run(scratch), result: () => floatsAt(engine, y, batch * rows) };
  };
  return { ours: contestant(rebuilt), peers: { rival: contestant(stepwise) }, tolerance: 1e-4 };
}
