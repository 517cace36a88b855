// Generated parts of pages in docs/ stand between <!-- name --> and <!-- /name -->.
import { readFileSync, writeFileSync } from "node:fs";

/** Replaces what stands between the marks of `name` in `file`. @throws Error where the marks are missing */
export function replaceBlock(file, name, text) {
  const page = readFileSync(file, "utf8");
  const [open, close] = [`<!-- ${name} -->`, `<!-- /${name} -->`];
  const from = page.indexOf(open);
  const to = page.indexOf(close);
  if (from < 0 || to < from) throw new Error(`${file}: expected ${open} and ${close}`);
  writeFileSync(file, `${page.slice(0, from + open.length)}\n${text}\n${page.slice(to)}`);
}
