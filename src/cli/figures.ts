import { grouped, table } from "../table.js";

/** What the demo reports; errors in percent, ratio = 4 x parameters / bytes of the whole file. */
export interface Figures {
  readonly seed: number;
  readonly dense: { readonly bytes: number; readonly error: number; readonly msPerImage: number };
  readonly pruned: {
    readonly sparsity: number;
    readonly error: number;
    readonly cycles: readonly {
      readonly from: number;
      readonly to: number;
      readonly revived: number;
      /** On the held-out images. */
      readonly error: number;
    }[];
  };
  readonly coppice: {
    readonly bytes: number;
    readonly ratio: number;
    readonly error: number;
    readonly msPerImage: number;
    readonly sha256: string;
  };
  readonly layers: readonly {
    readonly name: string;
    readonly storage: string;
    /** Coded bytes in the file, after tuning. */
    readonly bytes: number;
    /** Coded bytes of each form when the choice was made. */
    readonly bytesFactored: number;
    readonly bytesSparse: number;
  }[];
}

const percent = (value: number) => `${value.toFixed(2)} %`;

/** The tables that the demo ends with. */
export function summary(
  { dense, pruned, coppice, layers }: Figures,
  prunedFile: { readonly bytes: number; readonly error: number; readonly msPerImage: number },
  sparsity: number,
  difference: number,
  path: string,
): string {
  const row = (name: string, from: { bytes: number; error: number; msPerImage: number }, zeros: number) => [
    name,
    grouped(from.bytes),
    `${(dense.bytes / from.bytes).toFixed(1)}x`,
    percent(100 * zeros),
    percent(from.error),
    from.msPerImage.toFixed(3),
  ];
  const networks = table(
    ["", "bytes", "ratio", "sparsity", "test error", "ms per image"],
    [row("dense f32", dense, 0), row("pruned", prunedFile, pruned.sparsity), row("coppice", coppice, sparsity)],
  );
  const cycles = table(
    ["cycle", "from", "to", "revived weights", "held-out error"],
    pruned.cycles.map(({ from, to, revived, error }, i) => [
      String(i + 1),
      percent(100 * from),
      percent(100 * to),
      grouped(revived),
      percent(error),
    ]),
  );
  const storages = table(
    ["layer", "stored as", "bytes in file", "factored", "sparse"],
    layers.map(({ name, storage, bytes, bytesFactored, bytesSparse }) => [
      name,
      storage,
      bytes,
      bytesFactored,
      bytesSparse,
    ]),
  );
  const note = "Factored and sparse: bytes of each form when the choice was made, before tuning.";
  const ways = `Factored layers rebuilt or used in factored form: logits agree to ${difference.toExponential(1)} of the largest.`;
  return `\n${networks}\n\n${cycles}\n\n${storages}\n${note}\n\n${ways}\n${path}  sha256 ${coppice.sha256}\n`;
}
