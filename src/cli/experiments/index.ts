import { expected } from "../../errors.js";
import { checkWritable, writeWhole } from "../write.js";
import { bytesExperiment } from "./bytes.js";
import { RunCache } from "./cache.js";
import { compare } from "./comparison.js";
import { linear, linearText } from "./linear.js";
import type { plans } from "./plans.js";
import { subjects } from "./subjects.js";
import { reportOf, text } from "./summary.js";

export type Part = "bytes" | "schedules";

/** What each experiment has, in the order in which it is done. */
export const experiments = {
  linear: ["schedules"],
  lenet300: ["bytes", "schedules"],
  lenet5: ["bytes", "schedules"],
  resnet8: ["schedules"],
  resnet20: ["schedules"],
} as const satisfies Record<string, readonly Part[]>;
export type Experiment = keyof typeof experiments;

export interface ExperimentOptions {
  readonly name: string;
  /** By default all that the experiment has. */
  readonly part?: string;
  /** By default those of each part. */
  readonly seeds?: readonly number[];
  /** Where trained networks may be found. */
  readonly data?: string;
  /** Where finished runs and images are kept. */
  readonly cache: string;
  readonly json?: string;
}

/**
 * Runs an experiment, prints its tables and writes its figures, an object with one field for each part.
 * @throws TypeError for a name or a part that there is not
 */
export async function experiment({ name, part, seeds, data, cache, json }: ExperimentOptions): Promise<void> {
  if (!isExperiment(name)) {
    throw new TypeError(expected("experiment", `one of ${Object.keys(experiments).join(", ")}`, name));
  }
  const parts: readonly Part[] = experiments[name];
  const chosen = part === undefined ? parts : parts.filter((each) => each === part);
  if (chosen.length === 0) {
    throw new TypeError(expected(`experiment ${name} --part`, `one of ${parts.join(", ")}`, `${part}`));
  }
  if (json !== undefined) await checkWritable(json);
  const figures: Partial<Record<Part, unknown>> = {};
  for (const each of chosen) {
    figures[each] =
      each === "bytes"
        ? await bytesOf(name, seeds)
        : await schedulesOf(name, seeds, { cache, data: data || undefined });
  }
  if (json !== undefined) await writeWhole(json, `${JSON.stringify(figures, null, 2)}\n`);
}

function isExperiment(name: string): name is Experiment {
  return Object.hasOwn(experiments, name);
}

async function bytesOf(name: Experiment, seeds: readonly number[] = [1]): Promise<unknown> {
  return bytesExperiment(name as keyof typeof plans, seeds);
}

async function schedulesOf(
  name: Experiment,
  given: readonly number[] | undefined,
  folders: { readonly cache: string; readonly data: string | undefined },
): Promise<unknown> {
  if (name === "linear") {
    const report = await linear(given ?? Array.from({ length: 20 }, (_, i) => i + 1));
    process.stdout.write(linearText(report));
    return report;
  }
  const { against, seeds, minutes, training, levels, begin } = subjects[name];
  const runs = await RunCache.open(folders.cache);
  process.stderr.write(`${name}: about ${minutes} minutes of runs; those in ${folders.cache} are not done again\n`);
  const beginning = await begin(folders);
  const results = await compare({ name, ...beginning, training, levels }, given ?? seeds, runs);
  const report = reportOf(results, against, beginning.data.test.labels.length);
  process.stdout.write(text(name, report, against));
  const { from, training: first } = beginning.start;
  return { network: name, from, first, training, against, levels: report };
}
