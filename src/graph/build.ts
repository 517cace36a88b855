import type { DType, TypedArray } from "../dtype.js";
import { expected } from "../errors.js";
import type { Attribute, Dim, Graph, GraphNode, ValueInfo } from "./graph.js";
import type { Weight } from "./weight.js";

/**
 * Builds a graph in ONNX terms, node by node:
 *
 *     const b = new GraphBuilder("net");
 *     const x = b.input("image", ["N", 1, 28, 28]);
 *     const y = b.node("Relu", [b.node("Conv", [x, b.weight("w", [20, 1, 5, 5], values)], { kernel_shape: [5, 5] })]);
 *     b.output("logits", ["N", 10], y);
 *     const graph = b.build();
 */
export class GraphBuilder {
  readonly #name: string;
  readonly #inputs: ValueInfo[] = [];
  readonly #outputs: ValueInfo[] = [];
  readonly #nodes: GraphNode[] = [];
  readonly #weights = new Map<string, Weight>();

  constructor(name: string) {
    this.#name = name;
  }

  /** Declares a graph input and gives its value name. @throws RangeError where an input or weight has the name */
  input(name: string, shape: readonly Dim[], dtype: DType = "float32"): string {
    this.#checkName("graph input", name);
    this.#inputs.push({ name, dtype, shape });
    return name;
  }

  /** Adds a dense weight and gives its value name. @throws RangeError where an input or weight has the name */
  weight(name: string, shape: readonly number[], data: TypedArray, dtype: DType = "float32"): string {
    this.#checkName("weight", name);
    this.#weights.set(name, { kind: "dense", shape, dtype, data });
    return name;
  }

  /** Adds a node and gives the name of its (first) output. Without `name` the node is called by its operator and number. */
  node(
    op: string,
    inputs: readonly string[],
    attributes: Readonly<Record<string, Attribute>> = {},
    name = `${op.toLowerCase()}${this.#nodes.length + 1}`,
    outputs: readonly string[] = [name],
  ): string {
    this.#nodes.push({ name, op, inputs, outputs, attributes });
    return outputs[0];
  }

  /**
   * Declares the value `from` as the graph output `name`; the node that makes it gives it that name.
   * @throws RangeError where no node makes it under that name
   */
  output(name: string, shape: readonly Dim[], from: string, dtype: DType = "float32"): void {
    if (!this.#nodes.some((node) => node.outputs.includes(from))) {
      throw new RangeError(expected(`graph output ${name}`, "a value that a node makes", `"${from}"`));
    }
    const rename = (value: string) => (value === from ? name : value);
    for (const [i, node] of this.#nodes.entries()) {
      this.#nodes[i] = { ...node, inputs: node.inputs.map(rename), outputs: node.outputs.map(rename) };
    }
    this.#outputs.push({ name, dtype, shape });
  }

  build(): Graph {
    return {
      name: this.#name,
      inputs: [...this.#inputs],
      outputs: [...this.#outputs],
      nodes: [...this.#nodes],
      weights: new Map(this.#weights),
    };
  }

  #checkName(what: string, name: string): void {
    if (this.#weights.has(name) || this.#inputs.some((input) => input.name === name)) {
      throw new RangeError(expected(what, "a name of its own", `"${name}" twice`));
    }
  }
}
