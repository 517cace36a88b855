import { readdirSync, readFileSync } from "node:fs";
import { join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { code, importsOf, mostLines, roomOf, unlawful, unshapely, unspeakable } from "./support/law.js";

const root = new URL("../", import.meta.url);

function filesOf(...folders: string[]): Map<string, string> {
  const files = new Map<string, string>();
  for (const folder of folders) {
    for (const entry of readdirSync(new URL(`${folder}/`, root), { recursive: true, withFileTypes: true })) {
      if (!entry.isFile() || !entry.name.endsWith(".ts")) continue;
      const path = relative(fileURLToPath(root), join(entry.parentPath, entry.name));
      if (path.includes("node_modules")) continue;
      files.set(path.replaceAll("\\", "/"), readFileSync(new URL(path, root), "utf8"));
    }
  }
  return files;
}

describe("the house", () => {
  test("every import of src and assembly obeys the import law", () => {
    const files = filesOf("src", "assembly");
    expect(files.size).toBeGreaterThan(50);
    // The reading itself is alive: imports of every kind are seen.
    const seen = [...files.values()].flatMap(importsOf);
    expect(seen.length).toBeGreaterThan(150);
    expect(seen.some(({ typeOnly }) => typeOnly)).toBe(true);
    expect(unlawful(files)).toEqual([]);
  });

  test("nothing below the command line depends on the engine, the time or a console", () => {
    expect(unspeakable(filesOf("src"))).toEqual([]);
  });

  test(`no file is longer than ${mostLines} lines or named after nothing`, () => {
    expect(unshapely(filesOf("src", "assembly", "test"))).toEqual([]);
  });
});

describe("the law itself", () => {
  const judge = (path: string, text: string) => unlawful(new Map([[path, text]]));

  test.each([
    ["src/errors.ts", 'import { a } from "./dtype.js";'],
    ["src/codec/bits.ts", 'import type { Weight } from "../graph/weight.js";'],
    ["src/codec/bits.ts", 'import { type A, type B } from "../graph/weight.js";'],
    ["src/ops/conv.ts", 'import type { RunKernels } from "../kernels/abi.js";'],
    ["src/train/fit.ts", 'import { load } from "#kernels/full";'],
    ["src/formats/onnx/message.ts", 'import { BinaryReader } from "@bufbuild/protobuf/wire";'],
    ["src/index.ts", 'import { readContainer } from "./formats/container/read.js";'],
    ["src/index.ts", 'import { load } from "#kernels/run";'],
    ["src/cli/main.ts", 'import { parseArgs } from "node:util"; import bar from "cli-progress";'],
    ["src/entry/run.node.ts", 'import { readFile } from "node:fs/promises";'],
    ["src/entry/run.workerd.ts", 'import module from "../wasm/run.wasm";'],
    ["assembly/ops/conv.ts", 'import { gemm } from "./linear";'],
    ["src/ops/conv.ts", '// import { a } from "../runtime/plan.js";\nconst text = "import x from \'../cli/main.js\'";'],
  ])("lawful: %s: %s", (path, text) => expect(judge(path, text)).toEqual([]));

  test.each([
    ["src/errors.ts", 'import { a } from "./graph/graph.js";'],
    ["src/codec/bits.ts", 'import { checkWeight } from "../graph/weight.js";'],
    ["src/codec/bits.ts", 'import { type A, b } from "../graph/weight.js";'],
    ["src/codec/bits.ts", 'import type { Graph } from "../graph/graph.js";'],
    ["src/kernels/engine.ts", 'import { sizeOf } from "../tensor.js";'],
    ["src/ops/conv.ts", 'import { place } from "../kernels/engine.js";'],
    ["src/ops/conv.ts", 'import type { Plan } from "../runtime/plan.js";'],
    ["src/formats/onnx/read.ts", 'import type { Op } from "../../ops/op.js";'],
    ["src/formats/onnx/read.ts", 'export { operators } from "../../ops/registry.js";'],
    ["src/formats/onnx/read.ts", 'export * from "../../kernels/abi.js";'],
    ["src/runtime/plan.ts", 'import {\n  decodeWeight,\n  type Plain,\n} from "../codec/weight.js";'],
    ["src/runtime/plan.ts", 'const { fit } = await import("../train/fit.js");'],
    ["src/runtime/plan.ts", 'import "../train/fit.js";'],
    ["src/compress/compress.ts", 'import { fit } from "../train/fit.js";'],
    ["src/compress/compress.ts", 'import { load } from "#kernels/run";'],
    ["src/train/fit.ts", 'import { writeContainer } from "../formats/container/write.js";'],
    ["src/train/fit.ts", 'import { score } from "../cli/score.js";'],
    ["src/index.ts", 'import { compress } from "./compress/index.js";'],
    ["src/index.ts", 'import { load } from "#kernels/full";'],
    ["src/index.ts", 'import { GraphBuilder } from "./graph/build.js";'],
    ["src/graph/graph.ts", 'import { readFileSync } from "node:fs";'],
    ["src/graph/graph.ts", 'import protobuf from "protobufjs";'],
    ["src/formats/onnx/message.ts", 'import { fromBinary } from "@bufbuild/protobuf";'],
    ["assembly/ops/conv.ts", 'import { expected } from "../../src/errors";'],
    ["src/helpful/thing.ts", ""],
    ["src/stray.ts", ""],
  ])("unlawful: %s: %s", (path, text) => expect(judge(path, text)).toHaveLength(1));

  test("a sentence names the file, the import and the law", () => {
    expect(judge("src/kernels/engine.ts", 'import { Graph } from "../graph/graph.js";')).toEqual([
      "src/kernels/engine.ts imports ../graph/graph.js: kernels (the wasm boundary: knows errors and nothing of networks) " +
        "may import errors, kernels",
    ]);
  });

  test("rooms of files", () => {
    expect(
      ["src/math.ts", "src/index.ts", "src/ops/op.ts", "assembly/run.ts", "src/base/x.ts", "src/x.ts"].map(roomOf),
    ).toEqual(["base", "index", "ops", "assembly", undefined, undefined]);
  });

  test.each([
    "Math.exp(1)",
    "Math.log2(8)",
    "Math.tanh(x)",
    "Math.atan2(y, x)",
    "Math.pow(2, 3)",
    "Math.random()",
    "2 ** 3",
    "x **= 2",
    "const { exp } = Math;",
    "console.log(1)",
    "new Date()",
    "Date.now()",
    "performance.now()",
    "`${Math.exp(1)}`",
    "`${`${2 ** 3}`}`",
  ])("may not be said: %s", (text) => {
    expect(unspeakable(new Map([["src/graph/x.ts", `const a = 1;\n${text}`]]))).toEqual([
      expect.stringContaining("src/graph/x.ts:2 says "),
    ]);
  });

  test("a clock is read by the profile alone, and no date", () => {
    const judge = (path: string, text: string) => unspeakable(new Map([[path, text]]));
    expect(judge("src/runtime/profile.ts", "performance.now()")).toEqual([]);
    expect(judge("src/runtime/profile.ts", "Date.now()")).toHaveLength(1);
    expect(judge("src/runtime/session.ts", "performance.now()")).toHaveLength(1);
  });

  test.each([
    "Math.sqrt(2) + Math.max(1, 2) + Math.imul(3, 4) + Math.fround(1)",
    "// Math.exp(1), 2 ** 3",
    "/** console.log */",
    '"Math.exp(1) ** Date"',
    "`says Math.exp ${1} ** console`",
    "const update = 1; const updated = consoleLike;",
  ])("may be said: %s", (text) => expect(unspeakable(new Map([["src/graph/x.ts", text]]))).toEqual([]));

  test("the command line may say anything", () => {
    expect(unspeakable(new Map([["src/cli/x.ts", "console.log(Date.now() ** 2)"]]))).toEqual([]);
  });

  test("long files and names that say nothing", () => {
    const lines = (n: number) => "x\n".repeat(n);
    expect(
      unshapely(
        new Map([
          ["src/a.ts", lines(mostLines)],
          ["src/b.ts", lines(mostLines + 1)],
          ["src/utils.ts", ""],
          ["src/helpers/x.ts", ""],
          ["test/manager.test.ts", ""],
          ["src/types.ts", ""],
          ["src/prototypes.ts", ""],
        ]),
      ).map((sentence) => sentence.split(" ")[0]),
    ).toEqual(["src/b.ts", "src/utils.ts", "src/helpers/x.ts", "test/manager.test.ts", "src/types.ts"]);
  });

  test("code keeps line numbers and what stands in ${}", () => {
    expect(code('a /* b\nc */ d // e\n"f" `g${h + `i${j}`}k`')).toBe('a     \n     d     \n" " ` ${h + ` ${j}`} `');
  });
});
