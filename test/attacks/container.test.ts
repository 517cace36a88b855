// Hostile containers: any bytes end in a graph, a FormatError or an UnsupportedError; so do their sections when
// decoded.
import { describe, expect, test } from "vitest";
import { Encoder } from "../../src/codec/range-coder.js";
import { decodeWeight } from "../../src/codec/weight.js";
import { FormatError, UnsupportedError } from "../../src/errors.js";
import { attribute } from "../../src/formats/container/attribute.js";
import { header } from "../../src/formats/container/header.js";
import { HeaderCoder } from "../../src/formats/container/header-coder.js";
import { readContainer, writeContainer } from "../../src/formats/container/index.js";
import { field } from "../../src/formats/container/layout.js";
import { attributeNames, operators } from "../../src/formats/container/names.js";
import { writeOpset } from "../../src/formats/container/opset.js";
import type { Graph } from "../../src/graph/graph.js";
import type { CodedWeight } from "../../src/graph/weight.js";
import { dense, everything, int8, lenet5, nested, sparse } from "../formats/graphs.js";
import { uniform } from "../support/kernels.js";
import { fileOf, seal, withWeights } from "./container-file.js";

/** What becomes of the bytes: read and decoded, or refused; any error but the two fails the test. */
function outcome(bytes: Uint8Array): "graph" | "graph with damaged weights" | "refused" {
  let graph: Graph;
  try {
    graph = readContainer(bytes);
  } catch (error) {
    if (error instanceof FormatError || error instanceof UnsupportedError) {
      expect(error.message).toMatch(/^.+: expected .+, got /s);
      return "refused";
    }
    throw error;
  }
  let damaged = false;
  for (const [name, weight] of graph.weights) {
    try {
      decodeWeight(weight as CodedWeight, name);
    } catch (error) {
      if (!(error instanceof FormatError)) throw error;
      expect(error.message).toMatch(/^.+: expected .+, got /s);
      damaged = true;
    }
  }
  return damaged ? "graph with damaged weights" : "graph";
}

const small: Graph = {
  ...lenet5(),
  weights: new Map([
    ...lenet5().weights,
    ["conv1.weight", sparse([20, 1, 5, 5], 0.05, 1)],
    ["conv2.weight", sparse([50, 20, 5, 5], 0.001, 2)],
    ["fc1.weight", int8([3, 4], 3)],
    ["fc1.bias", dense([3], 4)],
    ["fc2.weight", sparse([10, 500], 0.002, 5)],
  ]),
};

describe("section C: the container", () => {
  const good = writeContainer(small);
  const everyStorage = writeContainer(everything());
  const bodies = writeContainer(nested());

  test("every truncation is refused", () => {
    for (const file of [good, everyStorage, bodies]) {
      for (let n = 0; n < file.length; n++) expect(outcome(file.subarray(0, n)), `${n} bytes`).toBe("refused");
    }
  });

  test("every truncation with length and checksum put right is refused too", () => {
    for (const file of [good, everyStorage, bodies]) {
      for (let n = 0; n < file.length; n++) expect(outcome(seal(file.slice(0, n))), `${n} bytes`).toBe("refused");
    }
  });

  test("every single flipped bit is refused", () => {
    for (const file of [good, everyStorage, bodies]) {
      for (let bit = 0; bit < 8 * file.length; bit++) {
        const bytes = file.slice();
        bytes[bit >> 3] ^= 1 << (bit & 7);
        expect(outcome(bytes), `bit ${bit}`).toBe("refused");
      }
    }
  });

  test("trailing bytes are refused, sealed or not", () => {
    expect(outcome(Uint8Array.of(...good, 0))).toBe("refused");
    expect(outcome(seal(Uint8Array.of(...good, 0)))).toBe("refused");
  });

  test("bad magic, other versions, required features", () => {
    const changed = (at: number, value: number) => {
      const bytes = good.slice();
      bytes[at] = value;
      return seal(bytes);
    };
    for (let at = 0; at < 4; at++) expect(() => readContainer(changed(at, 0))).toThrow(FormatError);
    expect(() => readContainer(new TextEncoder().encode('{"format":"json"}'))).toThrow(/byte 0: expected the magic/);
    for (const version of [0, 2, 255]) expect(() => readContainer(changed(4, version))).toThrow(UnsupportedError);
    for (let bit = 0; bit < 8; bit++) expect(() => readContainer(changed(5, 1 << bit))).toThrow(UnsupportedError);
  });

  test("a header longer than the file, than 16 MiB, or than the caller allows", () => {
    for (const length of [good.length - 19, 2 ** 31, 2 ** 32 - 1]) {
      const bytes = good.slice();
      new DataView(bytes.buffer).setUint32(field.headerLength, length, true);
      expect(() => readContainer(seal(bytes))).toThrow(/byte 16: expected a header of at most/);
    }
    const large = fileOf(new Uint8Array(16 * 2 ** 20 + 1), new Uint8Array(0));
    expect(() => readContainer(large)).toThrow(/a header of at most 16777216 bytes, got 16777217/);
    expect(() => readContainer(good, { headerBytes: 10 })).toThrow(/a header of at most 10 bytes/);
    expect(readContainer(good, { headerBytes: 1000 }).weights.size).toBe(8);
  });

  test("what these lies are made of is otherwise sound", () => {
    expect(outcome(withWeights([{ shape: [0] }, { shape: [0], name: "__proto__" }], new Uint8Array(0)))).toBe("graph");
    expect(
      readContainer(withWeights([{ shape: [0], name: "__proto__" }], new Uint8Array(0))).weights.has("__proto__"),
    ).toBe(true);
  });

  test("a header that unfolds without end is refused", () => {
    // Every byte of zeros is some hundred decisions of one kind; so is every byte of 255.
    for (const fill of [0, 255, 0x80, 0x55]) {
      expect(outcome(fileOf(new Uint8Array(65536).fill(fill), new Uint8Array(0)))).toBe("refused");
    }
    const same = { name: "n", op: "Relu", inputs: [], outputs: [], attributes: {} };
    const nodes = Array.from({ length: 200_000 }, (_, i) => ({ ...same, name: `${i % 10}` }));
    expect(() => readContainer(withWeights([], new Uint8Array(0), { nodes }))).toThrow(
      /content in proportion to the file/,
    );
    const long = withWeights([], new Uint8Array(0), { name: "a".repeat(3_000_000) });
    expect(long.length).toBeLessThan(5000);
    expect(() => readContainer(long)).toThrow(FormatError);
  });

  /** A file with one node, told step by step. */
  const withNode = (tell: (h: HeaderCoder) => void): Uint8Array => {
    const encoder = new Encoder();
    const h = new HeaderCoder(encoder, Number.POSITIVE_INFINITY);
    h.text("");
    h.number("inputs", 0);
    h.number("weights", 0);
    h.number("nodes", 1);
    tell(h);
    for (const set of ["nodeInputs", "nodeOutputs", "outputs", "extra"] as const) h.number(set, 0);
    return fileOf(encoder.finish(), new Uint8Array(0));
  };
  const noBody = (): never => {
    throw new Error("there is none");
  };
  const relu = (h: HeaderCoder, ...attributes: readonly [string, number][]) => {
    h.named("operator", operators, "Relu");
    h.text("n");
    h.number("attributes", attributes.length);
    for (const [name, value] of attributes) {
      h.named("attributeName", attributeNames, name);
      attribute(h, value, noBody);
    }
  };

  test("an attribute twice", () => {
    expect(readContainer(withNode((h) => relu(h, ["axis", 1], ["alpha", 2]))).nodes[0].attributes).toEqual({
      axis: 1,
      alpha: 2,
    });
    expect(() => readContainer(withNode((h) => relu(h, ["axis", 1], ["axis", 1])))).toThrow(/attributes once each/);
    expect(() => readContainer(withNode((h) => relu(h, ["__proto__", 1], ["__proto__", 2])))).toThrow(
      /attributes once each/,
    );
  });

  test("numbers outside the tables", () => {
    expect(() => readContainer(withNode((h) => h.number("operator", operators.length + 1)))).toThrow(
      /a known operator/,
    );
    const inNode = (tell: (h: HeaderCoder) => void) => () =>
      readContainer(
        withNode((h) => {
          h.named("operator", operators, "Relu");
          h.text("n");
          h.number("attributes", 1);
          tell(h);
        }),
      );
    expect(inNode((h) => h.number("attributeName", attributeNames.length + 1))).toThrow(/a known attributeName/);
    const unknownKind = (h: HeaderCoder) => {
      h.number("attributeName", 1);
      h.number("attributeKind", 10);
    };
    expect(inNode(unknownKind)).toThrow(/a known attribute/);
  });

  test.each([0, 1, 3, 4, 99])("a reference (%i) to a value or weight that is not there", (symbol) => {
    const encoder = new Encoder();
    const h = new HeaderCoder(encoder, Number.POSITIVE_INFINITY);
    h.text("");
    h.number("inputs", 0);
    h.number("weights", 0);
    h.number("nodes", 0);
    h.number("outputs", 1);
    h.number("otherInput", symbol);
    h.number("distance", 0);
    expect(() => readContainer(fileOf(encoder.finish(), new Uint8Array(0)))).toThrow(FormatError);
  });

  test("operator sets: twice a domain, twice the section, damaged", () => {
    const withSection = (...sections: Uint8Array[]) => {
      const encoder = new Encoder();
      const extra = sections.map((section) => ({ kind: 0, byteLength: section.length }));
      header(encoder, Number.POSITIVE_INFINITY, {
        graph: { name: "", inputs: [], outputs: [], nodes: [] },
        weights: [],
        extra,
      });
      return fileOf(encoder.finish(), Uint8Array.from(sections.flatMap((section) => [...section])));
    };
    const good = writeOpset(new Map([["", 21]]));
    expect(readContainer(withSection(good)).opset).toEqual(new Map([["", 21]]));
    expect(() => readContainer(withSection(good, good))).toThrow(/one section of operator sets/);
    expect(() => readContainer(withSection(good.subarray(1)))).toThrow(FormatError);
    expect(() => readContainer(withSection(writeOpset(new Map([["", 0]]))))).toThrow(/a version from 1/);
    const encoder = new Encoder();
    const h = new HeaderCoder(encoder, Number.POSITIVE_INFINITY);
    h.list("opset", [1, 2], 0, () => [h.text("a"), h.number("opset", 1)] as unknown as number);
    expect(() => readContainer(withSection(encoder.finish()))).toThrow(/each domain once/);
  });

  test("bodies nested without end", () => {
    const tell = (h: HeaderCoder, depth: number): void => {
      h.named("operator", operators, "If");
      h.text("n");
      h.number("attributes", 1);
      h.named("attributeName", attributeNames, "body");
      h.number("attributeKind", 9);
      h.text("");
      h.number("inputs", 0);
      h.number("weights", 0);
      h.number("nodes", depth > 0 ? 1 : 0);
      if (depth > 0) tell(h, depth - 1);
      h.number("outputs", 0);
      h.number("nodeInputs", 0);
      h.number("nodeOutputs", 0);
    };
    expect(() => readContainer(withNode((h) => tell(h, 40)))).toThrow(/header: expected nesting of at most 32/);
    expect(() => readContainer(withNode((h) => tell(h, 3000)))).toThrow(/header: expected nesting of at most 32/);
  });

  test("20,000 mutated files with the checksum put right", () => {
    const next = uniform(3);
    const random = (n: number) => Math.floor(next() * n);
    const seen = new Map<string, number>();
    for (let i = 0; i < 20_000; i++) {
      const file = [good, everyStorage, bodies][i % 3];
      const headEnd = field.header + new DataView(file.buffer).getUint32(field.headerLength, true);
      let bytes = file.slice();
      const edits = 1 + random(4);
      for (let j = 0; j < edits; j++) {
        // A third in the frame and the header each, the rest anywhere.
        const at = [random(field.header), field.header + random(headEnd - field.header), random(bytes.length)][
          random(3)
        ];
        if (at < 6 && random(10) > 0) continue;
        bytes[at] = random(2) === 0 ? bytes[at] ^ (1 << random(8)) : random(256);
      }
      if (i % 50 === 0) bytes = bytes.slice(0, random(bytes.length));
      if (i % 60 === 0) bytes = Uint8Array.of(...bytes, ...bytes.subarray(random(bytes.length)));
      const what = outcome(seal(bytes));
      seen.set(what, (seen.get(what) ?? 0) + 1);
    }
    // All three were reached, deep structure among them.
    expect(seen.get("graph with damaged weights")).toBeGreaterThan(1000);
    expect(seen.get("refused")).toBeGreaterThan(1000);
  });

  test("20,000 mutated sections of each storage", () => {
    const next = uniform(4);
    const random = (n: number) => Math.floor(next() * n);
    const weights = [...readContainer(everyStorage).weights.values()] as CodedWeight[];
    for (let i = 0; i < 20_000; i++) {
      const weight = weights[i % weights.length];
      const bytes = weight.bytes.slice(0, random(4) === 0 ? random(weight.bytes.length + 1) : weight.bytes.length);
      for (let j = 0; j <= random(4) && bytes.length > 0; j++) bytes[random(bytes.length)] = random(256);
      try {
        decodeWeight({ ...weight, bytes });
      } catch (error) {
        if (!(error instanceof FormatError)) throw error;
      }
    }
  });
});
