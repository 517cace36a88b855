// Compressing on any number of threads gives the same bytes.
import { compress } from "coppice/compress";
import { createThreads } from "coppice/threads";
import { afterAll, describe, expect, test } from "vitest";
import { writeContainer } from "../../src/formats/container/write.js";
import { small } from "../compress/networks.js";
import { fed, fullModule } from "../support/network.js";

const pools = [1, 2, 4].map((count) => [count, createThreads(count)] as const);
afterAll(() => Promise.all(pools.map(([, threads]) => threads.dispose())));

const calibration = [{ x: fed([20, 2, 8, 8], 4) }];
const options = { target: { ratio: 6 }, calibration, module: fullModule };

describe("compressing", () => {
  const here = compress(small(), options);
  test.each(pools)("is the same on %d threads", async (_, { parallel }) => {
    const wanted = await here;
    const seen: string[] = [];
    const { graph, report } = await compress(small(), {
      ...options,
      parallel,
      onProgress: ({ stage, weight, done }) => {
        if (stage !== "measure") return;
        seen.push(weight);
        expect(done).toBe(seen.length);
      },
    });
    expect(writeContainer(graph)).toEqual(writeContainer(wanted.graph));
    expect(report.bytes).toBe(wanted.report.bytes);
    expect(seen.sort()).toEqual([...graph.weights.keys()].sort());
  });

  test.each(pools)("is stopped by a signal, on %d threads", async (_, { parallel }) => {
    const controller = new AbortController();
    const reason = new Error("enough");
    let done = 0;
    const stopped = compress(small(), {
      ...options,
      parallel,
      signal: controller.signal,
      onProgress: () => {
        done++;
        controller.abort(reason);
      },
    });
    await expect(stopped).rejects.toBe(reason);
    expect(done).toBe(1);
  });
});
