// What this machine's core can do in WebAssembly: the figures that every rate is held against.
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

const largest = 256 * 2 ** 20;

/**
 * @returns { f32, int8, l2, memory }: GFLOP/s of f32 products and sums, Gop/s of dot products of i16 pairs (what int8 is
 * computed with), GB/s of reading 256 KB again and again, and of reading 256 MB
 */
export function roofline(quick) {
  // In a process of its own: the compiler's memory grows, and that makes plain JavaScript slower (index.mjs).
  const args = [fileURLToPath(import.meta.url), ...(quick ? ["quick"] : [])];
  return JSON.parse(execFileSync(process.execPath, args, { encoding: "utf8" }));
}

async function measured(quick) {
  const { chains, loads, dot, read, memory } = await compiled();
  // Pages that were never written are all one page of zeros, which stays in the cache.
  new Uint8Array(memory.buffer).fill(1);
  const turns = 200_000;
  const peaks = {
    f32: [() => chains(turns, 1, 1), turns * 24 * 4],
    f32Loaded: [() => loads(turns, 1, 2), turns * 10 * 8],
    int8: [() => dot(turns, 3, 1), turns * 12 * 16],
    l2: [() => read(256 * 1024, 64), 64 * 256 * 1024],
    memory: [() => read(largest, 1), largest],
  };
  for (const [probe] of Object.values(peaks)) probe();
  const best = Object.fromEntries(Object.keys(peaks).map((name) => [name, 0]));
  for (let round = 0; round < (quick ? 5 : 40); round++) {
    for (const [name, [probe, work]] of Object.entries(peaks)) {
      const start = performance.now();
      probe();
      best[name] = Math.max(best[name], work / (performance.now() - start) / 1e6);
    }
  }
  const { f32Loaded, ...rest } = best;
  return { ...rest, f32: Math.max(best.f32, f32Loaded) };
}

/** The part of the machine's peak that a rate in `unit` is; undefined for units that have none. Over 1: it stayed in the cache. */
export function shareOf({ rate, unit }, peaks) {
  if (unit === "GFLOP/s") return rate / peaks.f32;
  if (unit === "Gop/s") return rate / peaks.int8;
  if (unit === "GB/s") return rate / peaks.memory;
  if (unit === "G elements/s") return (4 * rate) / peaks.memory;
  return undefined;
}

async function compiled() {
  const { default: asc } = await import("assemblyscript/asc");
  const source = readFileSync(fileURLToPath(new URL("roofline.ts", import.meta.url)), "utf8");
  let binary;
  const { error, stderr } = await asc.main(
    ["roofline.ts", "--runtime", "stub", "--enable", "simd", "-O3", "--noAssert", "--outFile", "roofline.wasm"].concat([
      "--initialMemory",
      `${largest / 65536}`,
    ]),
    {
      readFile: (name) => (name === "roofline.ts" ? source : null),
      writeFile: (name, contents) => {
        if (name === "roofline.wasm") binary = contents;
      },
      listFiles: () => [],
    },
  );
  if (error) throw new Error(`roofline: ${error.message}\n${stderr}`);
  const { instance } = await WebAssembly.instantiate(binary, {});
  return instance.exports;
}

if (process.argv[1] === fileURLToPath(import.meta.url))
  console.log(JSON.stringify(await measured(process.argv[2] === "quick")));
