import { readFile } from "node:fs/promises";

const compiled = new Map<boolean, Promise<WebAssembly.Module>>();

/** run.wasm for Node, Deno and Bun, read from beside this file and compiled once. */
export function load(fast: boolean): Promise<WebAssembly.Module> {
  let module = compiled.get(fast);
  if (!module) {
    module = compile(fast);
    compiled.set(fast, module);
  }
  return module;
}

async function compile(fast: boolean): Promise<WebAssembly.Module> {
  if (fast) {
    const relaxed = await readFile(new URL("../wasm/run.relaxed.wasm", import.meta.url));
    if (WebAssembly.validate(relaxed)) return WebAssembly.compile(relaxed);
  }
  return WebAssembly.compile(await readFile(new URL("../wasm/run.wasm", import.meta.url)));
}
