import { sweep } from "../compress/sweep.js";
import type { Task } from "../parallel.js";
import { shard } from "../train/shard.js";

/** What threads can do, by name. */
export const tasks: ReadonlyMap<string, Task<unknown, unknown, unknown>> = new Map(
  [sweep as Task<unknown, unknown, unknown>, shard as Task<unknown, unknown, unknown>].map((task) => [task.name, task]),
);
