// quickselect (Floyd and Rivest's), the usual package for the k-th of an array.
import { versionOf } from "./index.mjs";

export async function open() {
  const { default: quickselect } = await import("quickselect");
  return {
    version: versionOf("quickselect"),
    jobs: {
      /** The k-th largest magnitude; it works in place, so a copy of the magnitudes is part of the job. */
      select({ x, k }) {
        const n = x.length;
        const magnitudes = new Float32Array(n);
        const order = (a, b) => a - b;
        return {
          run() {
            for (let i = 0; i < n; i++) magnitudes[i] = Math.abs(x[i]);
            quickselect(magnitudes, n - k, 0, n - 1, order);
          },
          result: () => magnitudes.slice(n - k, n - k + 1),
        };
      },
    },
  };
}
