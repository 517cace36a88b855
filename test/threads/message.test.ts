// Errors on their way between threads.
import { describe, expect, test } from "vitest";
import * as errors from "../../src/errors.js";
import { hear, tell } from "../../src/threads/message.js";

// Checkpoints are kept by the thread that calls fit: errors of theirs never cross.
const { CoppiceError, TargetError, StorageError, ResumeError, expected: _, ...others } = errors;
const across = (error: unknown) => hear(structuredClone(tell(error)));

describe("an error", () => {
  test.each(Object.entries(others))("stays a %s", (name, Class) => {
    const error = new Class("here: expected this, got that");
    const heard = across(error);
    expect(heard).toBeInstanceOf(Class);
    expect(heard).toBeInstanceOf(CoppiceError);
    expect(heard).toMatchObject({ name, code: error.code, message: error.message, stack: error.stack });
  });

  test("keeps what can be had", () => {
    const heard = across(new TargetError("target: expected less, got more", 123));
    expect(heard).toBeInstanceOf(TargetError);
    expect(heard).toMatchObject({ code: "TARGET", best: 123, message: "target: expected less, got more" });
  });

  test.each([TypeError, RangeError, Error])("of the platform stays one", (Class) => {
    const heard = across(new Class("no"));
    expect(heard).toBeInstanceOf(Class);
    expect(heard).toMatchObject({ name: Class.name, message: "no" });
  });

  test("of another class keeps its name", () => {
    const heard = across(Object.assign(new Error("a pass"), { name: "PassError" }));
    expect(heard).toBeInstanceOf(Error);
    expect(`${heard}`).toBe("PassError: a pass");
  });

  test.each([["text"], [undefined], [null], [7], [{ name: "RangeError" }]])(
    "that is none stays what it is: %j",
    (value) => {
      expect(across(value)).toEqual(value);
    },
  );
});
