import { describe, expect, test } from "vitest";
import { FormatError, OutOfMemoryError } from "../src/errors.js";
import { writeContainer } from "../src/formats/container/index.js";
import { GraphBuilder } from "../src/graph/build.js";
import { type Graph, loadModel } from "../src/index.js";
import { normals } from "./support/kernels.js";

const b = new GraphBuilder("net");
b.output(
  "y",
  ["N", 3],
  b.node("Gemm", [b.input("x", ["N", 40]), b.weight("w", [3, 40], normals(120, 1))], { transB: 1 }),
);
const graph = b.build();
const file = writeContainer(graph);
const x = normals(40, 2);
const wanted = (await loadModel(graph)).run({ x }).y.data;

/** The file in chunks of `size` bytes. */
function stream(size: number, bytes: Uint8Array = file): ReadableStream<Uint8Array> {
  let at = 0;
  return new ReadableStream({
    pull(controller) {
      if (at >= bytes.length) return controller.close();
      controller.enqueue(bytes.subarray(at, (at += size)));
    },
  });
}

describe("loadModel takes", () => {
  test.each([
    ["a Uint8Array", () => file],
    ["a view of a larger pool, unaligned", () => Buffer.concat([Buffer.from([0]), file]).subarray(1)],
    ["an ArrayBuffer", () => file.slice().buffer],
    [
      "a SharedArrayBuffer",
      () => {
        const shared = new SharedArrayBuffer(file.length);
        new Uint8Array(shared).set(file);
        return shared;
      },
    ],
    ["a stream, byte by byte", () => stream(1)],
    ["a stream in one piece", () => stream(file.length)],
    ["a Response", () => new Response(file.slice())],
    ["a graph", () => graph],
  ])("%s", async (_, source) => {
    const model = await loadModel(source());
    expect(model.run({ x }).y.data).toEqual(wanted);
    expect([model.inputs, model.outputs]).toEqual([graph.inputs, graph.outputs]);
    model[Symbol.dispose]();
    expect(() => model.run({ x })).toThrow(TypeError);
  });

  test("`fast` where the runtime has relaxed SIMD or not: the same to rounding", async () => {
    const { data } = (await loadModel(file, { fast: true })).run({ x }).y;
    for (const [i, value] of data.entries()) expect(value).toBeCloseTo(wanted[i], 4);
  });
});

describe("loadModel tells", () => {
  test("how far it is", async () => {
    const seen: [number, number | undefined][] = [];
    await loadModel(stream(100), { onProgress: (...progress) => seen.push(progress) });
    expect(seen.map(([loaded]) => loaded)).toEqual(
      Array.from({ length: Math.ceil(file.length / 100) }, (_, i) => Math.min(100 * (i + 1), file.length)),
    );
    const response = new Response(file.slice(), { headers: { "content-length": `${file.length}` } });
    seen.length = 0;
    await loadModel(response, { onProgress: (...progress) => seen.push(progress) });
    expect(seen.at(-1)).toEqual([file.length, file.length]);
  });
});

describe("loadModel refuses", () => {
  test.each([
    ["nothing", undefined, "loadModel: expected bytes, a Response, a ReadableStream or a Graph, got undefined"],
    ["text", "net.coppice", "loadModel: expected bytes, a Response, a ReadableStream or a Graph, got String"],
    ["an object", {}, "loadModel: expected bytes, a Response, a ReadableStream or a Graph, got Object"],
    [
      "a response that failed",
      new Response("gone", { status: 404 }),
      "loadModel: expected a response with a body, got status 404",
    ],
  ])("%s", async (_, source, message) => {
    await expect(loadModel(source as Uint8Array)).rejects.toEqual(new TypeError(message));
  });

  test("a stream of text, and cancels it", async () => {
    let cancelled = false;
    const text = new ReadableStream({
      pull: (controller) => controller.enqueue("coppice"),
      cancel: () => {
        cancelled = true;
      },
    });
    await expect(loadModel(text)).rejects.toEqual(
      new TypeError("loadModel: expected a stream of Uint8Array, got a chunk that is String"),
    );
    expect(cancelled).toBe(true);
  });

  test("what is a graph in part", async () => {
    const parts = { nodes: [], weights: {} } as unknown as Graph;
    await expect(loadModel(parts)).rejects.toEqual(new TypeError("graph.inputs: expected an array, got undefined"));
    await expect(loadModel({ ...graph, weights: {} } as unknown as Graph)).rejects.toEqual(
      new TypeError("graph.weights: expected a Map, got Object"),
    );
  });

  test("another module, and maxBytes that is no number of bytes", async () => {
    const module = {} as WebAssembly.Module;
    await expect(loadModel(file, { module })).rejects.toEqual(
      new TypeError("module: expected run.wasm or full.wasm, compiled, got another value"),
    );
    for (const maxBytes of [Number.NaN, -1]) {
      for (const source of [file, stream(64)]) {
        await expect(loadModel(source, { maxBytes })).rejects.toEqual(
          new RangeError(`maxBytes: expected a number of bytes, got ${maxBytes}`),
        );
      }
    }
  });

  test("a stream that ends early", async () => {
    await expect(loadModel(stream(64, file.subarray(0, 100)))).rejects.toBeInstanceOf(FormatError);
  });

  test("a stream that fails, with its own error", async () => {
    const failing = new ReadableStream<Uint8Array>({
      pull: (controller) => controller.error(new Error("the line is cut")),
    });
    await expect(loadModel(failing)).rejects.toEqual(new Error("the line is cut"));
  });

  test("an endless stream at maxBytes, and cancels it", async () => {
    let cancelled = false;
    const endless = new ReadableStream<Uint8Array>({
      pull: (controller) => controller.enqueue(new Uint8Array(1000)),
      cancel: () => {
        cancelled = true;
      },
    });
    await expect(loadModel(endless, { maxBytes: 10_000 })).rejects.toBeInstanceOf(OutOfMemoryError);
    expect(cancelled).toBe(true);
  });

  test("a session that does not fit into maxBytes", async () => {
    await expect(loadModel(file, { maxBytes: 1000 })).rejects.toBeInstanceOf(OutOfMemoryError);
  });

  test("to go on once the signal says stop, before and in the middle", async () => {
    const reason = new Error("enough");
    await expect(loadModel(file, { signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
    const controller = new AbortController();
    let cancelled: unknown;
    const slow = new ReadableStream<Uint8Array>({
      pull: () => new Promise(() => controller.abort(reason)),
      cancel: (why) => {
        cancelled = why;
      },
    });
    await expect(loadModel(slow, { signal: controller.signal })).rejects.toBe(reason);
    expect(cancelled).toBe(reason);
  });
});
