import type { Launch, Site, Slots } from "./op.js";

type Bind = (io: Slots) => Launch;

/**
 * Lowers a node whose input i is a bias of `size` floats, or absent, with the address of that: of a weight's values, or of room that a
 * computed bias is copied to before each run; 0 where there is none.
 */
export function withBias(site: Site, i: number, size: number, lower: (bias: number) => Bind): Bind {
  const { kernels, node } = site;
  if (!node.inputs[i] || site.weight(i)) return lower(site.dense(i));
  const bias = site.alloc(4 * size);
  const bind = lower(bias);
  return (io) => {
    const { pointer } = io.inputs[i]!;
    const { scratch, run } = bind(io);
    return {
      scratch,
      run(scratch) {
        kernels.copy_bytes(4 * size, pointer, bias);
        run(scratch);
      },
    };
  };
}
