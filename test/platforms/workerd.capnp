# What a bundler for Cloudflare Workers makes: one module, and the .wasm files as modules of their own.
using Workerd = import "/workerd/workerd.capnp";

const config :Workerd.Config = (
  services = [(name = "main", worker = .smoke)],
  sockets = [(name = "http", address = "127.0.0.1:0", http = (), service = "main")],
);

const smoke :Workerd.Worker = (
  modules = [
    (name = "worker.js", esModule = embed "worker.js"),
    (name = "run.wasm", wasm = embed "run.wasm"),
    (name = "full.wasm", wasm = embed "full.wasm"),
  ],
  compatibilityDate = "2026-11-01",
);
