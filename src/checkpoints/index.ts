import * as files from "node:fs/promises";
import type { CheckpointStore } from "../train/keeper.js";
import { folderStore } from "./folder.js";

export { ResumeError, StorageError } from "../errors.js";
export type { CheckpointStore, Checkpoints } from "../train/keeper.js";

/**
 * Checkpoints of one job in a folder of its own, which is made where it is not there: the newest two, each durable before the one before
 * it may go. One run at a time has the folder; a run that was killed gives it up.
 */
export function checkpointFolder(path: string): CheckpointStore {
  return folderStore(path, files);
}
