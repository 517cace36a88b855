export { ThreadError } from "../errors.js";
export type { Parallel, Task } from "../parallel.js";
export { createThreads, type Threads } from "./threads.js";
