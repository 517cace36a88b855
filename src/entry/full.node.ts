import { readFileSync } from "node:fs";

const compiled = new Map<boolean, WebAssembly.Module>();

/** full.wasm for Node, Deno and Bun, read from beside this file and compiled once. */
export async function load(fast: boolean): Promise<WebAssembly.Module> {
  let module = compiled.get(fast);
  if (!module) {
    module = compile(fast);
    compiled.set(fast, module);
  }
  return module;
}

/** Not in the background: V8 then leaves each function until it is called (measured on Node 20: 0.4 instead of 4.6 ms). */
function compile(fast: boolean): WebAssembly.Module {
  if (fast) {
    const relaxed = readFileSync(new URL("../wasm/full.relaxed.wasm", import.meta.url));
    if (WebAssembly.validate(relaxed)) return new WebAssembly.Module(relaxed);
  }
  return new WebAssembly.Module(readFileSync(new URL("../wasm/full.wasm", import.meta.url)));
}
