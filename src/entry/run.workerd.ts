import module from "../wasm/run.wasm";

/** run.wasm for Cloudflare Workers and their like, where only an imported module may be instantiated. */
export async function load(_fast: boolean): Promise<WebAssembly.Module> {
  return module;
}
