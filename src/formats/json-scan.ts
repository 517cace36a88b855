import { expected, FormatError } from "../errors.js";

/** Deepest nesting of a header. */
const mostNesting = 32;

interface Level {
  /** Keys so far, or null in an array. */
  readonly keys: Set<string> | null;
  /** The key whose value is being read; in an array, the key that the array belongs to. */
  key: string;
}

/**
 * A flat pass over JSON text before JSON.parse, for what that lets through: keys given twice (it takes the last), deep
 * nesting, and, in the arrays under the keys in `whole`, numbers that are not plain whole numbers (it rounds and
 * converts). Grammar is left to JSON.parse.
 * @throws FormatError
 */
export function scanJson(where: string, text: string, whole: ReadonlySet<string>): void {
  const levels: Level[] = [];
  let expectsKey = false;
  for (let at = 0; at < text.length; ) {
    const level = levels.at(-1);
    const first = text[at];
    const end = endOf(text, at);
    if (first === "{" || first === "[") {
      if (levels.length === mostNesting) {
        throw new FormatError(expected(where, `nesting of at most ${mostNesting}`, "more"));
      }
      levels.push({ keys: first === "{" ? new Set() : null, key: first === "{" ? "" : (level?.key ?? "") });
      expectsKey = first === "{";
    } else if (first === "}" || first === "]") {
      levels.pop();
      expectsKey = false;
    } else if (first === ",") expectsKey = level?.keys !== null;
    else if (expectsKey && level?.keys && first === '"') {
      const token = text.slice(at, end);
      const key = unescaped(where, token);
      if (level.keys.has(key)) throw new FormatError(expected(where, "each key once", `${token.slice(0, 80)} twice`));
      level.keys.add(key);
      level.key = key;
      expectsKey = false;
    } else if (level?.keys === null && whole.has(level.key) && !spaces.includes(first)) {
      const token = text.slice(at, end);
      if (!/^(?:0|[1-9][0-9]*)$/.test(token)) {
        throw new FormatError(expected(where, `whole numbers in "${level.key}"`, token.slice(0, 80)));
      }
    }
    at = end;
  }
}

const spaces = " \t\n\r";
const marks = "{}[],:";

/** Where the token at `at` ends: a text, a mark, one space, or a run of anything else. */
function endOf(text: string, at: number): number {
  const first = text[at];
  let end = at + 1;
  if (first === '"') {
    while (end < text.length && text[end] !== '"') end += text[end] === "\\" ? 2 : 1;
    return end + 1;
  }
  if (marks.includes(first) || spaces.includes(first)) return end;
  while (end < text.length && !marks.includes(text[end]) && !spaces.includes(text[end]) && text[end] !== '"') end++;
  return end;
}

function unescaped(where: string, token: string): string {
  if (!token.includes("\\")) return token.slice(1, -1);
  try {
    return JSON.parse(token) as string;
  } catch {
    throw new FormatError(expected(where, "JSON", token.slice(0, 80)));
  }
}
