// What `inspect` says of files, as a user runs it. `npm test` builds it first.
import { spawn } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, describe, expect, test } from "vitest";
import type { Inspection } from "../../src/cli/inspect.js";
import { writeContainer } from "../../src/formats/container/index.js";
import { writeOnnx } from "../../src/formats/onnx/index.js";
import { writeSafetensors } from "../../src/formats/safetensors.js";
import { GraphBuilder } from "../../src/graph/build.js";
import { withWeights } from "../../src/graph/graph.js";
import type { Tensor } from "../../src/tensor.js";
import { normals } from "../support/kernels.js";
import { storages } from "../support/network.js";

const main = fileURLToPath(new URL("../../dist/cli/main.js", import.meta.url));
const folder = mkdtempSync(join(tmpdir(), "coppice-"));
afterAll(() => rmSync(folder, { recursive: true }));

function inspect(...args: readonly string[]): Promise<{ code: number | null; out: string; err: string }> {
  return new Promise((resolve) => {
    const child = spawn(process.execPath, [main, "inspect", ...args], { stdio: ["ignore", "pipe", "pipe"] });
    let [out, err] = ["", ""];
    child.stdout.on("data", (text) => (out += text));
    child.stderr.on("data", (text) => (err += text));
    child.on("close", (code) => resolve({ code, out, err }));
  });
}

function file(name: string, bytes: Uint8Array): string {
  writeFileSync(join(folder, name), bytes);
  return join(folder, name);
}

/** A line of two layers, the second of them compressed, and many small weights. */
function network() {
  const b = new GraphBuilder("two layers");
  let h = b.node("Relu", [
    b.node("Gemm", [b.input("x", ["N", 8]), b.weight("w0", [6, 8], new Float32Array(48))], { transB: 1 }),
  ]);
  h = b.node("Gemm", [h, b.weight("w1", [6, 6], normals(36, 1))], { transB: 1 });
  for (let i = 0; i < 45; i++) h = b.node("Add", [h, b.weight(`b${i}`, [6], normals(6, i))]);
  b.output("y", ["N", 6], h);
  const graph = b.build();
  const int8 = storages([6, 6]).find(([name]) => name === "int8 per row")![1];
  return withWeights(graph, [["w1", int8]]);
}

const container = file("net.coppice", writeContainer(network()));

describe("inspect", () => {
  test("tells inputs, outputs, nodes, weights and the memory that a run takes", async () => {
    const { code, out, err } = await inspect(container);
    expect([code, err]).toEqual([0, ""]);
    const lines = out.split("\n").map((line) => line.replace(/ +/g, " ").trim());
    expect(lines.slice(0, 5)).toEqual([
      "two layers",
      "input x float32 [N, 8]",
      "output y float32 [N, 6]",
      "48 nodes: Add 45, Gemm 2, Relu 1",
      `${48 + 36 + 45 * 6} parameters`,
    ]);
    expect(lines).toContainEqual(expect.stringMatching(/^w0 \[6, 8\] float32 coded dense \d+ 1\.000$/));
    expect(lines).toContainEqual(expect.stringMatching(/^w1 \[6, 6\] int8 coded int8 \d+ 0\.\d{3}$/));
    expect(lines).toContain("... 7 more (--all)");
    expect(lines).toContain("memory at run time, fed x [1, 8]");
    expect(lines).toContainEqual(expect.stringMatching(/^weights [\d,]+ bytes, stored as [\d,]+$/));
    expect(lines).toContainEqual(expect.stringMatching(/^block [\d,]+ bytes, 1\.\d{3} of the lower bound, [\d,]+$/));
    expect(out).not.toContain("in place");
  });

  test("--all lists every weight, --plan every step", async () => {
    const { out } = await inspect(container, "--all", "--plan", "--shape", "x=3,8");
    expect(out).toContain("b44");
    expect(out).not.toContain("more (--all)");
    const lines = out.split("\n").map((line) => line.replace(/ +/g, " ").trim());
    expect(lines).toContainEqual(expect.stringMatching(/^input x float32 \[3, 8\] [\d,]+ 96 0\.\.\d+$/));
    expect(lines).toContainEqual(expect.stringMatching(/^46 add48 Add y float32 \[3, 6\] in place, scratch 1,024 at /));
  });

  test("--json has it all", async () => {
    const { code, out } = await inspect(container, "--json", "--shape", "x=3,8");
    const found = JSON.parse(out) as Inspection;
    expect(code).toBe(0);
    expect(found.nodes).toEqual({ Add: 45, Gemm: 2, Relu: 1 });
    expect(found.weights).toHaveLength(47);
    expect(found.weights[0]).toMatchObject({ name: "w0", shape: [6, 8], dtype: "float32", sparsity: 1 });
    expect(found.shapes).toEqual({ x: [3, 8] });
    const { memory, steps, inputs } = found.plan!;
    expect(inputs[0]).toMatchObject({ name: "x", dtype: "float32", shape: [3, 8], bytes: 96, first: 0 });
    expect(steps[0]).toMatchObject({ op: "Gemm", inPlace: false });
    expect(memory.block).toBeLessThanOrEqual(1.25 * memory.lowerBound);
    expect(memory.peak % 65536).toBe(0);
  });

  test("reads .onnx, and why there is no plan", async () => {
    const { outputs, ...graph } = network();
    const odd = { name: "odd", op: "ImageDecoder", inputs: ["y"], outputs: ["z"], attributes: {} };
    const bytes = writeOnnx({ ...graph, nodes: [...graph.nodes, odd], outputs: [{ ...outputs[0], name: "z" }] });
    const path = file("net.onnx", bytes);
    const { code, out } = await inspect(path);
    expect(code).toBe(0);
    expect(out).toContain("49 nodes: Add 45, Gemm 2, ImageDecoder 1, Relu 1");
    expect(out).toContain(
      "no plan, fed x [1, 8]: node odd: expected an operator that runs here, got ImageDecoder of opset 21",
    );
    const asked = await inspect(path, "--plan");
    expect([asked.code, asked.err]).toEqual([
      1,
      "node odd: expected an operator that runs here, got ImageDecoder of opset 21\n",
    ]);
  });

  test("reads the weights of .safetensors", async () => {
    const a = { dtype: "float16", shape: [2, 2], data: Uint16Array.of(0, 0x3c00, 0, 0) } as const;
    const i = { dtype: "int64", shape: [2], data: BigInt64Array.of(1n, 0n) } as const;
    const { code, out } = await inspect(
      file(
        "w.safetensors",
        writeSafetensors(
          new Map<string, Tensor>([
            ["a", a],
            ["i", i],
          ]),
        ),
      ),
    );
    const lines = out.split("\n").map((line) => line.replace(/ +/g, " ").trim());
    expect(code).toBe(0);
    expect(lines.slice(0, 2)).toEqual(["w.safetensors", "4 parameters"]);
    expect(lines).toContain("a [2, 2] float16 dense 8 0.750");
    expect(lines).toContain("i [2] int64 dense 16");
    expect(out).not.toContain("memory");
  });

  test.each([
    [[], "inspect: expected one model file, got 0"],
    [["a.onnx", "b.onnx"], "inspect: expected one model file, got 2"],
    [["model.txt"], "inspect: expected a file that ends in .onnx, .coppice or .safetensors, got model.txt"],
    [[join(folder, "none.onnx")], "none.onnx"],
    [[container, "--fast"], "Unknown option '--fast'"],
    [[container, "--shape", "x"], '--shape: expected NAME=1,3,224,224, got "x"'],
    [[container, "--shape", "x=1,a"], '--shape: expected NAME=1,3,224,224, got "x=1,a"'],
    [[container, "--shape", "z=1"], "run: expected inputs among x, got z"],
    [[container, "--shape", "x=1,9"], "input x: expected [N, 8], got [1, 9]"],
    [[file("noise.coppice", Uint8Array.of(1, 2, 3))], "expected "],
    [[file("noise.onnx", Uint8Array.of(1, 2, 3))], "expected "],
  ])("%j is refused in one line", async (args, message) => {
    const { code, out, err } = await inspect(...args);
    expect([code, out]).toEqual([1, ""]);
    expect(err).toContain(message);
    expect(err.trim().split("\n")).toHaveLength(1);
  });
});
