// node:fs/promises with faults: every operation, those on open files too, is counted and may be made to fail.
import * as real from "node:fs/promises";
import type { Files } from "../../src/checkpoints/folder.js";

/** What becomes of an operation: done, refused with a code, or of a write only some bytes. */
export type Fate = "done" | "short" | { readonly code: string };

/** @param fate asked before each operation, with its number from 0 and its name */
export function faulty(fate: (index: number, operation: string) => Fate): Files & { readonly operations: string[] } {
  const operations: string[] = [];
  const ask = (operation: string): Fate => {
    operations.push(operation);
    const found = fate(operations.length - 1, operation);
    if (typeof found === "object") {
      throw Object.assign(new Error(`${found.code}: as asked, ${operation}`), { code: found.code });
    }
    return found;
  };
  const handleOf = (handle: real.FileHandle): real.FileHandle =>
    new Proxy(handle, {
      get(target, key) {
        const value = Reflect.get(target, key);
        if (typeof value !== "function") return value;
        return async (...args: unknown[]) => {
          let found: Fate;
          try {
            found = ask(String(key));
          } catch (error) {
            // Descriptors are the host's: one that is refused to be closed is closed all the same.
            if (key === "close") await target.close();
            throw error;
          }
          if (key === "write" && found === "short") args[2] = Math.ceil((args[2] as number) / 3);
          return value.apply(target, args);
        };
      },
    });
  const wrapped = (work: (...args: never[]) => unknown) => {
    return async (...args: never[]) => {
      ask(work.name);
      return work(...args);
    };
  };
  return {
    operations,
    mkdir: wrapped(real.mkdir),
    readdir: wrapped(real.readdir),
    readFile: wrapped(real.readFile),
    rename: wrapped(real.rename),
    unlink: wrapped(real.unlink),
    open: async (...args: Parameters<typeof real.open>) => {
      ask("open");
      return handleOf(await real.open(...args));
    },
  } as unknown as Files & { readonly operations: string[] };
}
