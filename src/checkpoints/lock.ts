import { readFile } from "node:fs/promises";
import { hostname } from "node:os";

/**
 * A run that has a folder is a file in it, which says by its name alone who that is: process, the boot of the machine, when the process
 * started (both where the system tells them), a word that is never used again, machine.
 */
const pattern = /^lock\.(\d+)\.([\da-f]*)\.(\d*)\.([\da-f-]{36})\.(.*)$/;

/** The name for a run of this process. */
export async function claimOf(unique: string): Promise<string> {
  const started = await startOf(process.pid);
  return `lock.${process.pid}.${await boot()}.${started ?? ""}.${unique}.${here()}`;
}

/** Who has a folder by a file of this name: false where nobody does any more, undefined where it is no claim. */
export async function isHeld(name: string): Promise<string | false | undefined> {
  const [, id, wasBoot, wasStarted, , machine] = pattern.exec(name) ?? [];
  if (id === undefined) return undefined;
  const pid = Number(id);
  // Of another machine nothing is known.
  if (machine !== here()) return `process ${pid} on ${decodeURIComponent(machine)}; delete it where that has ended`;
  if (wasBoot !== (await boot()) || !isThere(pid)) return false;
  const started = await startOf(pid);
  // The number of a process that ended may have been given to another.
  return started === undefined || `${started}` === wasStarted ? `process ${pid}` : false;
}

function here(): string {
  return encodeURIComponent(hostname());
}

function isThere(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    // Whoever may not be asked is there.
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}

/** In ticks since the boot, 0 for one that has ended and waits to be looked at; undefined where the system does not tell. */
async function startOf(pid: number): Promise<number | undefined> {
  const text = await readFile(`/proc/${pid}/stat`, "latin1").catch(() => "");
  // The name, in parentheses, may hold anything.
  const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
  if (fields.length < 20) return undefined;
  return fields[0] === "Z" || fields[0] === "X" ? 0 : Number(fields[19]);
}

async function boot(): Promise<string> {
  const text = await readFile("/proc/sys/kernel/random/boot_id", "latin1").catch(() => "");
  return text.slice(0, 8);
}
