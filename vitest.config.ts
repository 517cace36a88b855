import { fileURLToPath } from "node:url";
import { defineConfig } from "vitest/config";

const entry = (name: string) => fileURLToPath(new URL(`./dist/entry/${name}.node.js`, import.meta.url));

export default defineConfig({
  resolve: { alias: { "#kernels/run": entry("run"), "#kernels/full": entry("full") } },
  test: { include: ["test/**/*.test.ts"], testTimeout: 60_000 },
});
