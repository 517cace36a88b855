import { describe, expect, test } from "vitest";
import { checkNames, type Names, namesOf } from "../../src/train/names.js";

const known = ["conv1.weight", "conv2.weight", "block.0.conv.weight", "fc.weight", "head"];
const met = (names: Names) => known.filter(namesOf("names", names, known));

describe("names", () => {
  test.each<[Names, string[]]>([
    ["*", known],
    ["head", ["head"]],
    ["conv?.weight", ["conv1.weight", "conv2.weight"]],
    ["*conv*.weight", ["conv1.weight", "conv2.weight", "block.0.conv.weight"]],
    ["c*1*t", ["conv1.weight"]],
    ["**d", ["head"]],
    [/conv\d/, ["conv1.weight", "conv2.weight"]],
    [/conv/g, ["conv1.weight", "conv2.weight", "block.0.conv.weight"]],
    [
      ["head", /^fc/],
      ["fc.weight", "head"],
    ],
    [{ out: "conv1*" }, known.slice(1)],
    [{ in: ["*conv*", "head"], out: [/block/, "head"] }, ["conv1.weight", "conv2.weight"]],
    [{}, known],
    [(name) => name.length < 5, ["head"]],
  ])("%j", (names, want) => {
    checkNames("names", names);
    expect(met(names)).toEqual(want);
    expect(met(names)).toEqual(want);
  });

  test.each<Names>(["conv", "?", "head?", "HEAD", "conv[12].weight", { out: "nothing" }, [/^x/]])(
    "a pattern that meets nothing is a slip: %j",
    (names) => {
      expect(() => met(names)).toThrow(RangeError);
      expect(() => met(names)).toThrow(/^names: expected a pattern that meets one of conv1\.weight, /);
    },
  );

  test("many stars take no time", () => {
    const [glob, name] = ["*a".repeat(200) + "b", "a".repeat(20_000)];
    expect(namesOf("names", ["*", glob], [name, "a".repeat(200) + "b"])(name)).toBe(true);
    expect(namesOf("names", glob, [name, "a".repeat(200) + "b"])(name)).toBe(false);
  });
});
