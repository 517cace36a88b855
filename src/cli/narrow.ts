import { shrink } from "../compress/index.js";
import { toDense } from "../graph/dense.js";
import { type Graph, withWeights } from "../graph/graph.js";
import { matrixOf } from "../graph/storage.js";
import type { Weight } from "../graph/weight.js";

/**
 * Structured pruning: of each layer but the last, only so many channels stay, and the graph shrinks. A channel counts as much as
 * the norm of what makes it times the norm of what reads it.
 * @param layers names of Conv or Gemm nodes in a row, with weights called `<layer>.weight` of shape [out, in, ...]
 * @param widths channels that stay of each layer but the last
 */
export function narrow(graph: Graph, layers: readonly string[], widths: readonly number[]): Graph {
  return widths.reduce((g, width, i) => narrowLayer(g, `${layers[i]}.weight`, `${layers[i + 1]}.weight`, width), graph);
}

function narrowLayer(graph: Graph, name: string, readerName: string, width: number): Graph {
  const makers = toDense(graph.weights.get(name)!);
  const reader = graph.weights.get(readerName)!;
  const readers = toDense(reader);
  const count = graph.weights.get(name)!.shape[0];
  const { rows, cols } = matrixOf(reader.shape);
  const each = cols / count;
  const columnsOf = (channel: number) => ({ from: channel * each, to: (channel + 1) * each });
  const importance = (channel: number) => {
    const size = makers.length / count;
    let made = 0;
    for (let i = channel * size; i < (channel + 1) * size; i++) made += makers[i] * makers[i];
    let read = 0;
    const { from, to } = columnsOf(channel);
    for (let r = 0; r < rows; r++)
      for (let c = from; c < to; c++) read += readers[r * cols + c] * readers[r * cols + c];
    return made * read;
  };
  const order = Array.from({ length: count }, (_, channel) => ({ channel, score: importance(channel) }));
  order.sort((a, b) => b.score - a.score || a.channel - b.channel);
  for (const { channel } of order.slice(width)) {
    const { from, to } = columnsOf(channel);
    for (let r = 0; r < rows; r++) readers.fill(0, r * cols + from, r * cols + to);
  }
  const cut: Weight = { kind: "dense", shape: reader.shape, dtype: "float32", data: readers };
  return shrink(withWeights(graph, [[readerName, cut]]));
}
