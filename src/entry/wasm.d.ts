/** At the edge a bundler turns an imported .wasm file into a compiled module. */
declare module "*.wasm" {
  const module: WebAssembly.Module;
  export default module;
}
