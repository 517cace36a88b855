import module from "../wasm/full.wasm";

/** full.wasm for Cloudflare Workers and their like, where only an imported module may be instantiated. */
export async function load(_fast: boolean): Promise<WebAssembly.Module> {
  return module;
}
