// Layer shapes of real networks, from shapes/*.txt.
import { readFileSync } from "node:fs";

const keys = { conv: ["c", "h", "w", "o", "kh", "kw", "stride", "pad", "group"], gemm: ["out", "in", "rows"] };

/**
 * Layers of shapes/`network`.txt: { op: "conv", name, c, h, w, o, kh, kw, stride, pad, group } or { op: "gemm", name, out, in, rows },
 * rows and group 1 where the file has none.
 */
export function layersOf(network) {
  const text = readFileSync(new URL(`shapes/${network}.txt`, import.meta.url), "utf8");
  return text
    .split("\n")
    .filter((line) => line !== "" && !line.startsWith("#"))
    .map((line) => {
      const [op, name, ...sizes] = line.split(/\s+/);
      const entries = keys[op].map((key, i) => [key, Number(sizes[i] ?? 1)]);
      return { op, name: `${network} ${name}`, ...Object.fromEntries(entries) };
    });
}

/** Rows and columns of a layer's weight seen as a matrix. */
export function matrixOf(layer) {
  return layer.op === "conv"
    ? { rows: layer.o, cols: (layer.c / layer.group) * layer.kh * layer.kw }
    : { rows: layer.out, cols: layer.in };
}

/** Height and width of a convolution's output. */
export function outputOf({ h, w, kh, kw, stride, pad }) {
  return {
    outH: Math.floor((h + 2 * pad - kh) / stride) + 1,
    outW: Math.floor((w + 2 * pad - kw) / stride) + 1,
  };
}

/** What a convolution is, in words. */
export function shapeOf({ name, c, h, w, o, kh, kw, stride, group }) {
  const steps = stride > 1 ? ` stride ${stride}` : "";
  return `${name}, ${c} x ${h} x ${w} -> ${o}, ${kh} x ${kw}${steps}${group > 1 ? " depthwise" : ""}`;
}
