// Layer shapes of real networks, from shapes/*.txt.
import { readFileSync } from "node:fs";

/** Layers of shapes/`network`.txt: { op: "conv", name, c, h, w, o, kh, kw, stride, pad } or { op: "gemm", name, out, in }. */
export function layersOf(network) {
  const text = readFileSync(new URL(`shapes/${network}.txt`, import.meta.url), "utf8");
  return text
    .split("\n")
    .filter((line) => line !== "" && !line.startsWith("#"))
    .map((line) => {
      const [op, name, ...sizes] = line.split(/\s+/);
      const keys = op === "conv" ? ["c", "h", "w", "o", "kh", "kw", "stride", "pad"] : ["out", "in"];
      return { op, name: `${network} ${name}`, ...Object.fromEntries(keys.map((key, i) => [key, Number(sizes[i])])) };
    });
}

/** Rows and columns of a layer's weight seen as a matrix. */
export function matrixOf(layer) {
  return layer.op === "conv"
    ? { rows: layer.o, cols: layer.c * layer.kh * layer.kw }
    : { rows: layer.out, cols: layer.in };
}

/** Height and width of a convolution's output. */
export function outputOf({ h, w, kh, kw, stride, pad }) {
  return {
    outH: Math.floor((h + 2 * pad - kh) / stride) + 1,
    outW: Math.floor((w + 2 * pad - kw) / stride) + 1,
  };
}
