import { existsSync, readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { code } from "./support/law.js";

const root = new URL("../", import.meta.url);

/** Names and parameter counts of an interface's methods, from the text of a file. */
function methodsOf(text: string, name: string): Map<string, number> {
  const source = code(text);
  const start = new RegExp(`interface ${name}\\b[^{]*\\{`).exec(source);
  if (!start) throw new Error(`no interface ${name}`);
  const begin = start.index + start[0].length;
  const body = source.slice(begin, source.indexOf("\n}", begin));
  const methods = new Map<string, number>();
  for (const [, method, parameters] of body.matchAll(/(\w+)\(([^)]*)\)\s*:/g)) {
    methods.set(method, parameters.split(",").filter((parameter) => parameter.trim() !== "").length);
  }
  return methods;
}

const abi = readFileSync(new URL("src/kernels/abi.ts", root), "utf8");
const part = (name: string) => readFileSync(new URL(`src/kernels/abi-${name}.ts`, root), "utf8");
const parts = [
  ...methodsOf(part("movement"), "MovementKernels"),
  ...methodsOf(part("elementwise"), "ElementKernels"),
  ...methodsOf(part("integer"), "IntegerKernels"),
];
const run = new Map([...parts, ...methodsOf(abi, "RunKernels")]);
const full = new Map([...run, ...methodsOf(part("gradient"), "GradientKernels"), ...methodsOf(abi, "FullKernels")]);

/** Functions of a module and their parameter counts. */
function exportsOf(path: string): Map<string, number> {
  const { exports } = new WebAssembly.Instance(new WebAssembly.Module(readFileSync(new URL(path, root))));
  const functions = Object.entries(exports).filter(
    (entry): entry is [string, () => void] => typeof entry[1] === "function",
  );
  return new Map(functions.map(([name, kernel]) => [name, kernel.length]));
}

const byName = (methods: ReadonlyMap<string, number>) => [...methods].sort(([a], [b]) => (a < b ? -1 : 1));

describe("the kernel table of abi.ts", () => {
  test("is read from its text", () => {
    expect(run.get("heap_base")).toBe(0);
    expect(run.get("gemm_pack_a_f32")).toBe(6);
    expect(run.get("conv_f32")).toBe(23);
    expect(run.has("conv_grad_w_f32")).toBe(false);
    expect(full.get("adam_step_f32")).toBe(14);
    const made = "interface A {\n  // f(x: P): void\n  g(a: P, b: P,\n    c: P): void;\n  h(): number;\n}\n";
    expect([...methodsOf(made, "A")]).toEqual([
      ["g", 3],
      ["h", 0],
    ]);
  });

  test("names are snake_case and end in what they work on", () => {
    const border = /_(f32|f64|i8|i4|x8|x16|x32|x64|int|bytes)$/;
    // Sizes, counts and decoders of a whole storage have no one element type.
    const others = [
      "heap_base",
      "mask_count",
      "block_mask",
      "decode_sparse",
      "decode_int8",
      "decode_bytes",
      "check_bytes",
      "decode_factored",
    ];
    for (const name of full.keys()) {
      expect(name).toMatch(/^[a-z][a-z0-9]*(_[a-z0-9]+)+$/);
      expect(border.test(name) || others.includes(name), name).toBe(true);
    }
  });

  test.each([
    ["dist/wasm/run.wasm", run],
    ["dist/wasm/full.wasm", full],
  ])("%s exports exactly it", (path, methods) => {
    expect(byName(exportsOf(path))).toEqual(byName(methods));
  });

  test.each([
    ["dist/wasm/run.relaxed.wasm", run],
    ["dist/wasm/full.relaxed.wasm", full],
  ])("%s exports exactly it, where the runtime takes relaxed SIMD", (path, methods) => {
    if (!WebAssembly.validate(readFileSync(new URL(path, root)))) return;
    expect(byName(exportsOf(path))).toEqual(byName(methods));
  });

  test.each(["run.wasm", "full.wasm", "run.relaxed.wasm", "full.relaxed.wasm"])("%s imports nothing", (name) => {
    const path = new URL(`dist/wasm/${name}`, root);
    expect(existsSync(path)).toBe(true);
    const bytes = readFileSync(path);
    if (!WebAssembly.validate(bytes)) return;
    const module = new WebAssembly.Module(bytes);
    expect(WebAssembly.Module.imports(module)).toEqual([]);
    const others = WebAssembly.Module.exports(module).filter(({ kind }) => kind !== "function");
    expect(others).toEqual([expect.objectContaining({ name: "memory", kind: "memory" })]);
  });
});
