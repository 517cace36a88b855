import { randomUUID } from "node:crypto";
import { join } from "node:path";
import { expected, StorageError } from "../errors.js";
import type { CheckpointStore } from "../train/keeper.js";
import { claimOf, isHeld } from "./lock.js";

/** The functions of node:fs/promises that are used. */
export type Files = Pick<
  typeof import("node:fs/promises"),
  "mkdir" | "open" | "readdir" | "readFile" | "rename" | "unlink"
>;

/** Checkpoints that are kept. */
const most = 2;
const named = /^\d{8,}\.checkpoint$/;
const unfinished = /^\d{8,}\.checkpoint\.[\da-f-]{36}\.tmp$/;

export function folderStore(path: string, files: Files): CheckpointStore {
  /** Ours while the store is open. */
  let claim: string | undefined;
  /** Names of those that may be good, the oldest first, and of those that are not. */
  let good: string[] = [];
  let bad: string[] = [];

  /** @throws StorageError for whatever the system refuses */
  const attempt = async <T>(what: string, name: string, work: () => Promise<T>): Promise<T> => {
    try {
      return await work();
    } catch (error) {
      throw error instanceof StorageError ? error : refusal(what, name ? join(path, name) : path, error);
    }
  };

  const writeDurably = async (temporary: string, bytes: Uint8Array) => {
    const file = await files.open(join(path, temporary), "wx");
    try {
      for (let at = 0; at < bytes.length; ) {
        const { bytesWritten } = await file.write(bytes, at, bytes.length - at);
        if (bytesWritten === 0) throw new Error("nothing more is taken");
        at += bytesWritten;
      }
      await file.sync();
    } finally {
      await file.close();
    }
  };

  /** A name is durable when its folder is. Windows opens no folders, and writes names by itself. */
  const syncFolder = async () => {
    if (process.platform === "win32") return;
    const folder = await files.open(path, "r");
    try {
      await folder.sync();
    } finally {
      await folder.close();
    }
  };

  const release = async () => {
    const held = claim;
    claim = undefined;
    // Where it stays, it counts until this process ends.
    if (held) await files.unlink(join(path, held)).catch(() => {});
  };

  /** Our claim is made before others are looked for: of two at once, at least one sees the other. No name comes twice, so the dead may go. */
  const take = async () => {
    await files.mkdir(path, { recursive: true });
    const ours = await claimOf(randomUUID());
    await (await files.open(join(path, ours), "wx")).close();
    claim = ours;
    const names = await files.readdir(path);
    const left = names.filter((name) => unfinished.test(name));
    for (const name of names) {
      const held = name !== ours && (await isHeld(name));
      if (held) throw locked(join(path, name), held);
      if (held === false && name !== ours) left.push(name);
    }
    for (const name of left) {
      await files.unlink(join(path, name)).catch((error) => {
        if (error.code !== "ENOENT") throw error;
      });
    }
    good = names.filter((name) => named.test(name)).sort((a, b) => numberOf(a) - numberOf(b));
    bad = [];
  };

  return {
    async open() {
      if (claim) throw locked(path, "this very store");
      try {
        await attempt("take", "", take);
      } catch (error) {
        await release();
        throw error;
      }
    },
    async *load() {
      for (const name of good.toReversed()) {
        yield await attempt("read", name, () => files.readFile(join(path, name)));
        good = good.filter((other) => other !== name);
        bad.push(name);
      }
    },
    async save(bytes) {
      const number = Math.max(0, ...[...good, ...bad].map(numberOf)) + 1;
      const name = `${String(number).padStart(8, "0")}.checkpoint`;
      const temporary = `${name}.${randomUUID()}.tmp`;
      await attempt("write", name, async () => {
        try {
          await writeDurably(temporary, bytes);
          await files.rename(join(path, temporary), join(path, name));
        } catch (error) {
          await files.unlink(join(path, temporary)).catch(() => {});
          throw error;
        }
        good.push(name);
        await syncFolder();
        for (const old of [...good.slice(0, -most), ...bad]) await files.unlink(join(path, old));
        good = good.slice(-most);
        bad = [];
      });
    },
    close: release,
  };
}

function numberOf(name: string): number {
  return Number.parseInt(name, 10);
}

function locked(where: string, holder: string): StorageError {
  return new StorageError(expected("checkpoints", "a folder that no other run has", `${where} of ${holder}`), "LOCKED");
}

const advice: Readonly<Record<string, string>> = {
  ENOSPC: "make room on the disk",
  EDQUOT: "make room in the quota",
  EACCES: "give this user the right to write there",
  EPERM: "give this user the right to write there",
  EROFS: "choose a folder that can be written to",
  EIO: "look after the disk",
};

function refusal(what: string, where: string, cause: unknown): StorageError {
  const { code = "UNKNOWN", message = String(cause) } = Object(cause) as { code?: string; message?: string };
  const help = advice[code] ? ` (${advice[code]}, and run again)` : "";
  return new StorageError(expected(`checkpoints: ${where}`, `to ${what} it`, `${message}${help}`), code, cause);
}
