import { expected, ShapeError } from "../errors.js";
import type { GraphNode } from "../graph/graph.js";
import { showShape } from "../tensor.js";

/** An equation of Einsum over given shapes: a label for each dimension; those of an ellipsis are "...0", "...1" and so on. */
export interface Equation {
  readonly terms: readonly (readonly string[])[];
  readonly output: readonly string[];
  readonly sizes: ReadonlyMap<string, number>;
}

const ellipsis = "...";

/**
 * Labels are letters; an ellipsis stands for as many dimensions in each term that has one. Without an arrow the output is the ellipsis
 * and then the labels that come once, in the order of the alphabet. A dimension of size 1 fits every other.
 * @throws ShapeError
 */
export function equationOf(node: GraphNode, shapes: readonly (readonly number[])[]): Equation {
  const { inputs, output } = parse(node);
  const where = `${node.name}.equation`;
  if (inputs.length !== shapes.length) {
    throw new ShapeError(expected(where, `${shapes.length} terms`, `${inputs.length}`));
  }
  const sizes = new Map<string, number>();
  let dots: number | undefined;
  const terms = inputs.map((labels, i) => {
    const shape = shapes[i];
    const open = labels.includes(ellipsis);
    const own = labels.length - (open ? 1 : 0);
    if (open ? shape.length < own : shape.length !== own) {
      const want = `${open ? "at least " : ""}${own} dimensions for ${labels.join("")}`;
      throw new ShapeError(expected(`${node.name} (Einsum) input ${i}`, want, showShape(shape)));
    }
    if (open) {
      dots ??= shape.length - own;
      if (dots !== shape.length - own) {
        const want = `${dots} dimensions for its ellipsis`;
        throw new ShapeError(expected(`${node.name} (Einsum) input ${i}`, want, `${shape.length - own}`));
      }
    }
    const term = labels.flatMap((label) => spread(label, dots ?? 0));
    for (const [d, label] of term.entries()) {
      const size = sizes.get(label) ?? 1;
      if (size !== 1 && shape[d] !== 1 && shape[d] !== size) {
        const want = `size ${size} or 1 for label ${label}`;
        throw new ShapeError(expected(`${node.name} (Einsum) input ${i}`, want, showShape(shape)));
      }
      sizes.set(label, size === 1 ? shape[d] : size);
    }
    return term;
  });
  if (output === undefined) return { terms, output: implied(terms), sizes };
  for (const [i, label] of output.entries()) {
    if (label === ellipsis ? dots === undefined : !sizes.has(label)) {
      throw new ShapeError(expected(where, "outputs that an input has", label));
    }
    if (output.indexOf(label) !== i) throw new ShapeError(expected(where, "each output once", `${label} twice`));
  }
  if ((dots ?? 0) > 0 && !output.includes(ellipsis)) {
    throw new ShapeError(expected(where, "the ellipsis of the inputs in the output", "none"));
  }
  return { terms, output: output.flatMap((label) => spread(label, dots ?? 0)), sizes };
}

/** Labels of each input, and of the output where there is an arrow. */
function parse(node: GraphNode): { inputs: string[][]; output?: string[] } {
  const text = node.attributes.equation;
  if (typeof text !== "string") throw new ShapeError(expected(`${node.name}.equation`, "a string", `${text}`));
  const inputs: string[][] = [[]];
  let output: string[] | undefined;
  for (let i = 0; i < text.length; i++) {
    const labels = output ?? inputs[inputs.length - 1];
    if (text[i] === " ") continue;
    if (/[A-Za-z]/.test(text[i])) labels.push(text[i]);
    else if (text.startsWith(ellipsis, i) && !labels.includes(ellipsis)) {
      labels.push(ellipsis);
      i += 2;
    } else if (text[i] === "," && !output) inputs.push([]);
    else if (text.startsWith("->", i) && !output) {
      output = [];
      i++;
    } else {
      const want = "letters, commas, an ellipsis in a term, and an arrow";
      throw new ShapeError(expected(`${node.name}.equation`, want, `${JSON.stringify(text[i])} at ${i}`));
    }
  }
  return output ? { inputs, output } : { inputs };
}

function spread(label: string, dots: number): string[] {
  return label === ellipsis ? Array.from({ length: dots }, (_, i) => `${ellipsis}${i}`) : [label];
}

function implied(terms: readonly (readonly string[])[]): string[] {
  const all = terms.flat();
  const dots = [...new Set(all.filter((label) => label.startsWith(ellipsis)))];
  const single = all.filter((label) => !dots.includes(label) && all.indexOf(label) === all.lastIndexOf(label));
  return [...dots, ...single.sort()];
}
