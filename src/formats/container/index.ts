/** The `.coppice` container: docs/container.md has every byte of it. */
export { type ReadLimits, readContainer } from "./read.js";
export { writeContainer } from "./write.js";
