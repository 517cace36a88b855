import { CoppiceError } from "../errors.js";
import type { Dim, Graph } from "../graph/graph.js";
import { readBy } from "../graph/order.js";
import type { Info } from "../ops/op.js";
import { hoist } from "./hoist.js";
import { type Knowledge, Names, walkOf } from "./infer.js";
import { modernize } from "./modernize.js";

/**
 * Open sizes are tried as multiples of these: small ones for networks that go no further than a table, large ones for those that halve
 * their images again and again.
 */
const steps = [1, 32];

/**
 * The shapes of values, open dimensions by the names that the graph's inputs give them ("N"): what can be told before anything runs.
 * A size that follows from open ones otherwise is "?1", "?2" ..., one name for those that change together. Shapes are inferred for two
 * sizes of each open dimension and compared; a value is missing where its shape follows from elements, or does not fit.
 * @param knowledgeOf what can be told of the elements of a graph's weights: without it, no shape that is computed in the graph is found
 */
export function inferShapes(
  given: Graph,
  knowledgeOf?: (graph: Graph) => Knowledge,
): ReadonlyMap<string, readonly Dim[]> {
  const graph = hoist(modernize(given));
  const knowledge = knowledgeOf?.(graph);
  const dims = graph.inputs.flatMap(({ shape = [] }) => shape.filter((dim) => typeof dim === "string"));
  const open = [...new Set(dims)];
  const made = graph.nodes.flatMap((node) => node.outputs);
  const count = new Set([...graph.inputs.map(({ name }) => name), ...graph.weights.keys(), ...made]).size;
  let best: ReadonlyMap<string, readonly Dim[]> = new Map();
  for (const step of steps) {
    // No sum or multiple of some sizes of the one kind is another in both.
    const first = new Map(open.map((name, i) => [name, step * (17 + ((i * 37) % 101))]));
    const second = new Map(open.map((name, i) => [name, step * (46 + ((i * 53) % 103))]));
    const found = compared(first, second, shapesAt(graph, first, knowledge), shapesAt(graph, second, knowledge));
    if (found.size > best.size) best = found;
    if (best.size === count) break;
  }
  return best;
}

type Sizes = ReadonlyMap<string, number>;
type Shapes = ReadonlyMap<string, readonly number[]>;

function compared(first: Sizes, second: Sizes, a: Shapes, b: Shapes): ReadonlyMap<string, readonly Dim[]> {
  const names = new Map([...first].map(([name, size]) => [`${size} ${second.get(name)}`, name]));
  let unnamed = 0;
  const dimOf = (x: number, y: number): Dim => {
    if (x === y) return x;
    const pair = `${x} ${y}`;
    const name = names.get(pair) ?? `?${++unnamed}`;
    names.set(pair, name);
    return name;
  };
  const shapes = new Map<string, readonly Dim[]>();
  for (const [value, shape] of a) {
    const other = b.get(value);
    if (other?.length === shape.length) {
      shapes.set(
        value,
        shape.map((size, i) => dimOf(size, other[i])),
      );
    }
  }
  return shapes;
}

/** Shapes of the values that can be told where open dimensions have these sizes. */
function shapesAt(graph: Graph, sizes: Sizes, knowledge: Knowledge | undefined): Shapes {
  const inputs = new Map<string, Info>();
  for (const { name, dtype, shape } of graph.inputs) {
    if (shape)
      inputs.set(name, { dtype, shape: shape.map((dim) => (typeof dim === "number" ? dim : sizes.get(dim)!)) });
  }
  const walk = walkOf(graph, inputs, sizes, knowledge);
  const names = new Names();
  const infoOf = (name: string) => walk.infos.get(names.of(name));
  for (const node of graph.nodes) {
    if (!readBy(node).every((name) => name === "" || infoOf(name))) continue;
    try {
      walk.nodes([node], names);
    } catch (error) {
      if (!(error instanceof CoppiceError)) throw error;
    }
  }
  const values = [...inputs.keys(), ...graph.weights.keys(), ...graph.nodes.flatMap((node) => node.outputs)];
  return new Map(values.filter((name) => infoOf(name)).map((name) => [name, infoOf(name)!.shape]));
}
