// Files that others wrote: the networks and the node tests of the data folder.
import { deepStrictEqual } from "node:assert";
import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { UnsupportedError } from "../../src/errors.js";
import { readContainer, writeContainer } from "../../src/formats/container/index.js";
import { readOnnx, readTensor, writeOnnx } from "../../src/formats/onnx/index.js";

const data = process.env.COPPICE_DATA ?? "";
/** Why a test of these files is skipped, or false. */
const without = (...files: string[]) => {
  if (data === "") return "COPPICE_DATA is not set";
  const missing = files.find((file) => !existsSync(join(data, file)));
  return missing ? `COPPICE_DATA has no ${missing}` : false;
};

describe("networks", () => {
  test.for<[string, number, number, number]>([
    ["onnx/cifar10-resnet20/model.onnx", 95, 97, 13],
    ["onnx/imagenet-mobilenetv1-025/model.onnx", 85, 140, 14],
    ["onnx/imagenet-squeezenet11/model.onnx", 66, 53, 13],
    ["onnx/mlperf-tiny-resnet8/model.onnx", 31, 48, 15],
    ["onnx/stories260k/model.onnx", 338, 66, 17],
    ["magika/model.onnx", 96, 35, 15],
    ["silero-vad/silero_vad_16k_op15.onnx", 121, 15, 15],
    ["silero-vad/silero_vad_half.onnx", 96, 15, 16],
    ["basic-pitch/nmp.onnx", 248, 102, 15],
    ["mnist-8-onnx/model.onnx", 12, 8, 8],
    ["super-resolution-10-onnx/model.onnx", 12, 8, 10],
  ])("%s", ([file, nodes, weights, opset], { skip }) => {
    const why = without(file);
    if (why) skip(why);
    const graph = readOnnx(readFileSync(join(data, file)));
    expect([graph.nodes.length, graph.weights.size, graph.opset!.get("")]).toEqual([nodes, weights, opset]);
    deepStrictEqual(readOnnx(writeOnnx(graph)), graph);
    expect(readContainer(writeContainer(graph)).nodes).toEqual(graph.nodes);
  });
});

test("the node tests of ONNX 1.21: every model and tensor is read, or refused for a reason that is known", ({
  skip,
}) => {
  const archive = "onnx-node-v1.21/data.tar.xz";
  const why = without(archive);
  if (why) skip(why);
  const folder = mkdtempSync(join(tmpdir(), "onnx-node-"));
  try {
    const { status } = spawnSync("tar", ["-xJf", join(data, archive), "-C", folder]);
    if (status !== 0) skip("tar and xz are not there");
    const root = join(folder, "node");
    const refused = new Map<string, number>();
    let [read, tensors] = [0, 0];
    for (const name of readdirSync(root)) {
      const bytes = readFileSync(join(root, name, "model.onnx"));
      let graph: ReturnType<typeof readOnnx>;
      try {
        graph = readOnnx(bytes);
        read++;
      } catch (error) {
        if (!(error instanceof UnsupportedError)) throw error;
        const reason = error.message.slice(error.message.lastIndexOf(", got ") + 6);
        refused.set(reason, (refused.get(reason) ?? 0) + 1);
        continue;
      }
      deepStrictEqual(readOnnx(writeOnnx(graph)), { ...graph, ...(graph.notices && { notices: undefined }) }, name);
      for (const set of readdirSync(join(root, name)).filter((entry) => entry.startsWith("test_data_set_"))) {
        for (const file of readdirSync(join(root, name, set))) {
          readTensor(readFileSync(join(root, name, set, file)));
          tensors++;
        }
      }
    }
    expect([read, tensors]).toEqual([1490, 5078]);
    expect(Object.fromEntries(refused)).toEqual({
      STRING: 26,
      FLOAT8E4M3FN: 22,
      "a sequence": 22,
      FLOAT8E5M2: 20,
      FLOAT8E4M3FNUZ: 18,
      FLOAT8E5M2FNUZ: 18,
      INT2: 17,
      UINT2: 17,
      FLOAT4E2M1: 14,
      "an optional value": 7,
      FLOAT8E8M0: 4,
      // Operator sets before 7.
      "1": 3,
    });
  } finally {
    rmSync(folder, { recursive: true });
  }
});
