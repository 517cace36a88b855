import { randomBytes } from "node:crypto";
import { rmSync } from "node:fs";
import { mkdir, open, rename, rm } from "node:fs/promises";
import { dirname } from "node:path";

/** Temporary files that are being written. */
const unfinished = new Set<string>();

/** Takes away what a write that will not end has left. */
export function removeUnfinished(): void {
  for (const path of unfinished) rmSync(path, { force: true });
  unfinished.clear();
}

/** Makes sure that `path` can be written before hours of work are spent: makes its folder, and tries a file there. */
export async function checkWritable(path: string): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  const trial = `${path}.${randomBytes(6).toString("hex")}.tmp`;
  await (await open(trial, "wx")).close();
  await rm(trial);
}

/**
 * Writes a file whole or not at all: a temporary file in the same folder, of a name that no other writer has, synced, then
 * renamed over the old one.
 */
export async function writeWhole(path: string, data: Uint8Array | string): Promise<void> {
  const temporary = `${path}.${randomBytes(6).toString("hex")}.tmp`;
  const file = await open(temporary, "wx");
  unfinished.add(temporary);
  try {
    try {
      await file.writeFile(data);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  } finally {
    unfinished.delete(temporary);
  }
  // The rename itself reaches the disk with the folder; not every system can sync one.
  const folder = await open(dirname(path), "r").catch(() => undefined);
  await folder?.sync().catch(() => undefined);
  await folder?.close();
}
