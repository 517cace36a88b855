const compiled = new Map<boolean, Promise<WebAssembly.Module>>();

/** run.wasm for browsers, streamed from beside this file and compiled once. */
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
    const relaxed = await (await fetch(new URL("../wasm/run.relaxed.wasm", import.meta.url))).arrayBuffer();
    if (WebAssembly.validate(relaxed)) return WebAssembly.compile(relaxed);
  }
  return WebAssembly.compileStreaming(fetch(new URL("../wasm/run.wasm", import.meta.url)));
}
