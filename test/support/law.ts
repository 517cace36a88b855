// The import law of docs/architecture.md as data, and what reads a file against it. Texts in, sentences out.

/** What a room may import. A name that ends in `:types` allows type-only imports. */
interface Room {
  readonly what: string;
  readonly from: readonly string[];
  /** Specifiers that are no path: entries of package.json `imports`, built-ins, packages. */
  readonly outside?: readonly RegExp[];
}

const base = ["errors", "dtype", "tensor", "math", "random", "schedule", "rate", "parallel", "table"];

export const law: Readonly<Record<string, Room>> = {
  base: { what: "imports nothing but itself", from: ["base"] },
  codec: { what: "symbols <-> bits in plain TypeScript, no wasm", from: ["base", "codec", "graph/weight:types"] },
  graph: { what: "what a network is", from: ["base", "codec", "graph"] },
  kernels: { what: "the wasm boundary: knows errors and nothing of networks", from: ["errors", "kernels"] },
  ops: { what: "what each operator means", from: ["base", "graph", "ops", "kernels:types"] },
  formats: {
    what: "bytes <-> graph, never kernels, never ops",
    from: ["base", "codec", "graph", "formats"],
    outside: [/^@bufbuild\/protobuf\/wire$/],
  },
  passes: { what: "fold, infer, check", from: ["base", "graph", "ops", "kernels", "passes"] },
  runtime: {
    what: "graph -> plan -> run, never codec, formats, compress, train",
    from: ["base", "graph", "ops", "passes", "kernels", "runtime"],
  },
  compress: {
    what: "graph -> smaller graph, never train; of formats the container's writer alone, to know sizes",
    from: ["base", "codec", "graph", "passes", "kernels", "runtime", "ops", "formats/container/write", "compress"],
    outside: [/^#kernels\/full$/],
  },
  train: {
    what: "fit, prune, tune: everything above but formats",
    from: ["base", "codec", "graph", "kernels", "ops", "passes", "runtime", "compress", "train"],
    outside: [/^#kernels\/full$/],
  },
  threads: {
    what: "the port for work in pieces on worker threads of Node: of compress and train the tasks alone",
    from: ["base", "compress/sweep", "train/shard", "threads"],
    outside: [/^node:worker_threads$/],
  },
  checkpoints: {
    what: "checkpoints in a folder, for runtimes that have files",
    from: ["errors", "train/keeper:types", "checkpoints"],
    outside: [/^node:(fs\/promises|crypto|path|os)$/],
  },
  index: {
    what: 'the platform-free public surface of "."',
    from: ["base", "runtime", "formats/container/read", "graph:types"],
    outside: [/^#kernels\/run$/],
  },
  entry: {
    what: "one file per family of JavaScript runtimes",
    from: ["index", "kernels", "entry", "wasm"],
    outside: [/^node:/],
  },
  cli: {
    what: "the only room with console, argv, files written",
    from: [
      ...base,
      "base",
      "codec",
      "graph",
      "kernels",
      "ops",
      "formats",
      "passes",
      "runtime",
      "compress",
      "train",
      "checkpoints",
      "index",
      "entry",
      "cli",
    ],
    outside: [/^node:/, /^#kernels\//, /^[a-z@]/],
  },
  assembly: { what: "compiled apart by asc, imports only itself", from: ["assembly"] },
};

export interface Import {
  readonly specifier: string;
  readonly typeOnly: boolean;
}

/** Room of a file, or undefined where it has none. */
export function roomOf(path: string): string | undefined {
  if (path.startsWith("assembly/")) return "assembly";
  const [, first, rest] = /^src\/([^/]+?)(?:\.ts|(\/.*))$/.exec(path) ?? [];
  if (first === undefined) return undefined;
  if (rest !== undefined) return first in law && first !== "base" ? first : undefined;
  if (first === "index") return "index";
  return base.includes(first) ? "base" : undefined;
}

/**
 * The text with comments and the insides of strings blanked; code inside `${}` stays. `strings: true` keeps the strings.
 */
export function code(text: string, strings = false): string {
  let out = "";
  // One entry for each template that we are inside of: the depth of braces since its `${`.
  const templates: number[] = [];
  let i = 0;
  const skipTo = (end: number, shown: boolean) => {
    out += shown ? text.slice(i, end) : text.slice(i, end).replace(/[^\n]/g, " ");
    i = end;
  };
  const template = () => {
    let j = i;
    while (j < text.length && text[j] !== "`" && !(text[j] === "$" && text[j + 1] === "{"))
      j += text[j] === "\\" ? 2 : 1;
    skipTo(Math.min(j, text.length), strings);
    if (text[i] === "`") skipTo(i + 1, true);
    else {
      skipTo(i + 2, true);
      templates.push(0);
    }
  };
  while (i < text.length) {
    const char = text[i];
    if (char === "/" && text[i + 1] === "/") {
      const end = text.indexOf("\n", i);
      skipTo(end < 0 ? text.length : end, false);
    } else if (char === "/" && text[i + 1] === "*") {
      const end = text.indexOf("*/", i + 2);
      skipTo(end < 0 ? text.length : end + 2, false);
    } else if (char === "/" && /[(=,:?&|![]\s*$|\breturn\s*$/.test(out.slice(-20))) {
      const [literal] = /^\/(?:\\.|\[(?:\\.|[^\]\\\n])*\]|[^/\\\n[])+\//.exec(text.slice(i)) ?? ["/"];
      skipTo(i + literal.length, strings);
    } else if (char === '"' || char === "'") {
      let j = i + 1;
      while (j < text.length && text[j] !== char && text[j] !== "\n") j += text[j] === "\\" ? 2 : 1;
      skipTo(i + 1, true);
      skipTo(j, strings);
      skipTo(j + 1, true);
    } else if (char === "`") {
      skipTo(i + 1, true);
      template();
    } else if (templates.length > 0 && char === "}" && templates[templates.length - 1] === 0) {
      templates.pop();
      skipTo(i + 1, true);
      template();
    } else {
      if (templates.length > 0 && char === "{") templates[templates.length - 1]++;
      if (templates.length > 0 && char === "}") templates[templates.length - 1]--;
      skipTo(i + 1, true);
    }
  }
  return out;
}

/** Every import and re-export of a file, `import()` too. */
export function importsOf(text: string): Import[] {
  const source = code(text, true);
  const found: Import[] = [];
  for (const [, kind, clause, specifier] of source.matchAll(
    /(?<=^|[\n;}])\s*(import|export)\b([^;"'`=]*?)\bfrom\s*["']([^"']+)["']/g,
  )) {
    const names = /^\s*\{([^}]*)\}\s*$/
      .exec(clause)?.[1]
      .split(",")
      .map((name) => name.trim())
      .filter(Boolean);
    const allTypes = names !== undefined && names.length > 0 && names.every((name) => name.startsWith("type "));
    found.push({ specifier, typeOnly: /^\s+type\b(?!\s*,|\s+from)/.test(clause) || (kind !== "" && allTypes) });
  }
  for (const [, specifier] of source.matchAll(/(?<=^|[\n;}])\s*import\s*["']([^"']+)["']/g)) {
    found.push({ specifier, typeOnly: false });
  }
  for (const [, before, specifier] of source.matchAll(/(\btypeof\s+)?\bimport\(\s*["']([^"']+)["']\s*\)/g)) {
    found.push({ specifier, typeOnly: before !== undefined });
  }
  return found;
}

/** `src/ops/conv.ts` and `../graph/graph.js` -> `src/graph/graph.ts`. */
function resolve(path: string, specifier: string): string {
  const parts = path.split("/").slice(0, -1);
  for (const part of specifier.split("/")) {
    if (part === "..") parts.pop();
    else if (part !== ".") parts.push(part);
  }
  const joined = parts.join("/").replace(/\.js$/, ".ts");
  return path.startsWith("assembly/") && !joined.endsWith(".ts") ? `${joined}.ts` : joined;
}

function allowed(room: Room, target: string, typeOnly: boolean): boolean {
  return room.from.some((entry) => {
    const [name, types] = entry.split(":");
    if (types && !typeOnly) return false;
    if (name === "wasm") return target.startsWith("src/wasm/");
    return roomOf(target) === name || target === `src/${name}.ts`;
  });
}

/** Every import that the law forbids, as sentences. */
export function unlawful(files: ReadonlyMap<string, string>): string[] {
  const sentences: string[] = [];
  for (const [path, text] of files) {
    const name = roomOf(path);
    if (name === undefined) {
      sentences.push(`${path} stands in no room: the rooms are ${Object.keys(law).join(", ")}`);
      continue;
    }
    const room = law[name];
    const may = `${name} (${room.what}) may import ${[...room.from, ...(room.outside ?? [])].join(", ")}`;
    for (const { specifier, typeOnly } of importsOf(text)) {
      const inside = /^\.\.?\//.test(specifier);
      const fine = inside
        ? allowed(room, resolve(path, specifier), typeOnly)
        : (room.outside ?? []).some((pattern) => pattern.test(specifier));
      if (!fine) sentences.push(`${path} imports ${typeOnly ? "types of " : ""}${specifier}: ${may}`);
    }
  }
  return sentences;
}

/** What may not be said below the command line, and why. */
const banned: readonly (readonly [RegExp, string])[] = [
  [
    /\bMath\s*\.\s*(?:expm1|exp|log2|log10|log1p|log|sinh?|cosh?|tanh?|asinh?|acosh?|atan2|atanh?|pow|hypot|cbrt)\b/,
    "its bits differ between engines: use src/math.ts",
  ],
  [/\bMath\s*\.\s*random\b/, "the same seed gives the same bytes: use src/random.ts"],
  [/\bMath\b(?!\s*\.)/, "functions of Math are called by their full names, so that this test sees them"],
  [/\*\*/, "its bits differ between engines: multiply"],
  [/\bconsole\b/, "the library prints nothing"],
  [/\bDate\b/, "results do not depend on the time"],
  [/\bperformance\b/, "results do not depend on the time"],
];

/** The files that read a clock, to tell how long something took. */
const clocks = ["src/runtime/profile.ts", "src/compress/sweep.ts"];

/** Every banned word of a file of src below cli, as sentences. */
export function unspeakable(files: ReadonlyMap<string, string>): string[] {
  const sentences: string[] = [];
  for (const [path, text] of files) {
    if (!path.startsWith("src/") || roomOf(path) === "cli") continue;
    for (const [index, line] of code(text).split("\n").entries()) {
      for (const [pattern, why] of banned) {
        const found = pattern.exec(line);
        if (found?.[0] === "performance" && clocks.includes(path)) continue;
        if (found) sentences.push(`${path}:${index + 1} says ${found[0]}: ${why}`);
      }
    }
  }
  return sentences;
}

export const mostLines = 450;

/** Files that are too long, or named after nothing, as sentences. */
export function unshapely(files: ReadonlyMap<string, string>): string[] {
  const sentences: string[] = [];
  for (const [path, text] of files) {
    const lines = text.split("\n").length - (text.endsWith("\n") ? 1 : 0);
    if (lines > mostLines) sentences.push(`${path} has ${lines} lines: one idea each, at most ${mostLines}`);
    if (path.split("/").some((part) => /^(utils?|helpers?|managers?|types)(\.|$)/i.test(part))) {
      sentences.push(`${path} is named after nothing: files are nouns of what they hold`);
    }
  }
  return sentences;
}
