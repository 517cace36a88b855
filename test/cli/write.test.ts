import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { writeWhole } from "../../src/cli/write.js";

let folder = "";
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "write-"));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const at = (...parts: string[]) => join(folder, ...parts);
const code = (code: string) => expect.objectContaining({ code });

describe("writeWhole", () => {
  it("writes bytes and texts, new and over an old file, and leaves nothing else", async () => {
    await writeWhole(at("a"), Uint8Array.of(1, 2, 3));
    expect([...readFileSync(at("a"))]).toEqual([1, 2, 3]);
    await writeWhole(at("a"), "short");
    expect(readFileSync(at("a"), "utf8")).toBe("short");
    await writeWhole(at("a"), new Uint8Array(0));
    expect(readFileSync(at("a"))).toHaveLength(0);
    const large = Uint8Array.from({ length: 3_000_000 }, (_, i) => i * 7);
    await writeWhole(at("b"), large);
    expect(readFileSync(at("b")).equals(large)).toBe(true);
    expect(readdirSync(folder).sort()).toEqual(["a", "b"]);
  });

  it("fails where the folder is missing or a file, and leaves nothing", async () => {
    await expect(writeWhole(at("missing", "a"), "x")).rejects.toEqual(code("ENOENT"));
    writeFileSync(at("file"), "old");
    await expect(writeWhole(at("file", "a"), "x")).rejects.toEqual(code("ENOTDIR"));
    expect(readFileSync(at("file"), "utf8")).toBe("old");
    expect(readdirSync(folder)).toEqual(["file"]);
  });

  it("fails where a folder is in the way, and removes the temporary file", async () => {
    mkdirSync(at("taken"));
    writeFileSync(at("taken", "old"), "old");
    await expect(writeWhole(at("taken"), "x")).rejects.toThrow(/EISDIR|ENOTEMPTY|EPERM|EEXIST/);
    expect(readFileSync(at("taken", "old"), "utf8")).toBe("old");
    expect(readdirSync(folder)).toEqual(["taken"]);
  });

  it("keeps the old file where the data cannot be written", async () => {
    writeFileSync(at("a"), "old");
    await expect(writeWhole(at("a"), 5 as unknown as string)).rejects.toThrow(TypeError);
    expect(readFileSync(at("a"), "utf8")).toBe("old");
    expect(readdirSync(folder)).toEqual(["a"]);
  });

  it("lets writers of one file run side by side: one of them wins whole, all succeed", async () => {
    const contents = Array.from({ length: 12 }, (_, i) => String.fromCharCode(97 + i).repeat(200_000 + i));
    const results = await Promise.allSettled(contents.map((text) => writeWhole(at("a"), text)));
    expect(results.filter(({ status }) => status === "rejected")).toEqual([]);
    expect(contents).toContain(readFileSync(at("a"), "utf8"));
    expect(readdirSync(folder)).toEqual(["a"]);
  });

  it("does not touch files that look like its temporary ones", async () => {
    writeFileSync(at(`a.${process.pid}.tmp`), "mine");
    await writeWhole(at("a"), "x");
    expect(readFileSync(at(`a.${process.pid}.tmp`), "utf8")).toBe("mine");
    expect(existsSync(at("a"))).toBe(true);
  });

  it("shows the old file or the new one at any moment, never a part", async () => {
    const [old, fresh] = ["o".repeat(500_000), "n".repeat(700_000)];
    await writeWhole(at("a"), old);
    const writing = writeWhole(at("a"), fresh);
    let done = false;
    const finished = writing.then(() => {
      done = true;
    });
    const seen = new Set<string>();
    while (!done) {
      seen.add(readFileSync(at("a"), "utf8"));
      await new Promise((resolve) => setImmediate(resolve));
    }
    await finished;
    seen.add(readFileSync(at("a"), "utf8"));
    for (const text of seen) expect(text === old || text === fresh).toBe(true);
    expect(seen).toContain(fresh);
  });
});
