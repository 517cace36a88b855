import { table } from "../../table.js";
import type { LevelResults, Outcome, Result } from "./comparison.js";
import { bitsOf } from "./examples.js";
import { differenceOf, type Estimate, estimateOf } from "./statistics.js";

/** One way to one sparsity, as it is reported; errors in percent, differences in points of percent. */
export interface Row {
  readonly way: string;
  readonly revival: string;
  readonly runs: readonly Omit<Outcome, "wrong">[];
  readonly error: Estimate;
  /** Error of this way less that of the one that all are compared with, over the seeds that both have. */
  readonly difference?: Estimate;
}

export interface LevelReport {
  readonly sparsity: number;
  readonly rows: readonly Row[];
}

/** @param against names the way that the others are compared with */
export function reportOf(levels: readonly LevelResults[], against: Against, examples: number): LevelReport[] {
  return levels.map(({ sparsity, results }) => {
    const best = results.find(({ way }) => way.name === against.name && way.revival === against.revival);
    return { sparsity, rows: results.flatMap((result) => rowOf(result, best, examples)) };
  });
}

export interface Against {
  readonly name: string;
  readonly revival: string;
}

function rowOf({ way, outcomes }: Result, best: Result | undefined, examples: number): Row[] {
  if (outcomes.length === 0) return [];
  const pairs = outcomes.flatMap((outcome) => {
    const other = best?.outcomes.find(({ seed }) => seed === outcome.seed);
    return other ? [[outcome, other]] : [];
  });
  const bits = (place: number) => pairs.map((pair) => bitsOf(pair[place].wrong, examples));
  return [
    {
      way: way.name,
      revival: way.schedule ? way.revival : "",
      runs: outcomes.map(({ wrong, ...rest }) => rest),
      error: estimateOf(outcomes.map(({ error }) => error)),
      ...(best && way !== best.way && pairs.length > 0 && { difference: differenceOf(bits(0), bits(1)) }),
    },
  ];
}

/** Test errors, and differences to the way compared with, a column for each sparsity. */
export function text(title: string, levels: readonly LevelReport[], against: Against): string {
  const names = [...new Set(levels.flatMap(({ rows }) => rows.map(({ way, revival }) => `${way}\n${revival}`)))];
  const head = levels.map(({ sparsity }) => `${Number((100 * sparsity).toFixed(2))} %`);
  const cells = (show: (row: Row) => string) =>
    names.map((name) => [
      ...name.split("\n"),
      ...levels.map(({ rows }) => {
        const row = rows.find(({ way, revival }) => `${way}\n${revival}` === name);
        return row ? show(row) : "";
      }),
    ]);
  const errors = cells(({ error }) => shown(error));
  const differences = cells(({ difference }) => (difference ? shown(difference, true) : ""));
  const seconds = levels.flatMap(({ rows }) => rows.flatMap(({ runs }) => runs.map((run) => run.seconds)));
  const total = seconds.reduce((sum, value) => sum + value, 0);
  return [
    "",
    `${title}: test error in percent, mean and standard error over seeds`,
    table(["", "pruned weights", ...head], errors, 2),
    "",
    `Error less that of ${against.name} (${against.revival}), in pairs, with its standard error`,
    table(
      ["", "pruned weights", ...head],
      differences.filter((row) => row.slice(2).some(Boolean)),
      2,
    ),
    "",
    `${seconds.length} runs of ${(total / 60).toFixed(1)} minutes together`,
    "",
  ].join("\n");
}

function shown({ mean, error }: Estimate, signed = false): string {
  const value = `${signed && mean >= 0 ? "+" : ""}${mean.toFixed(2)}`;
  return Number.isNaN(error) ? value : `${value} ± ${error.toFixed(2)}`;
}
