import { fileURLToPath } from "node:url";
import { defineConfig } from "vitest/config";

const built = (path: string) => fileURLToPath(new URL(`./dist/${path}.js`, import.meta.url));

export default defineConfig({
  resolve: {
    alias: {
      "#kernels/run": built("entry/run.node"),
      "#kernels/full": built("entry/full.node"),
      // What threads run is built, so whoever talks with them is as well.
      "coppice/threads": built("threads/index"),
      "coppice/compress": built("compress/index"),
      "coppice/train": built("train/index"),
    },
  },
  test: { include: ["test/**/*.test.ts"], testTimeout: 60_000 },
});
