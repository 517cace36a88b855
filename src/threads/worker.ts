import { parentPort } from "node:worker_threads";
import { expected } from "../errors.js";
import { type Reply, type Request, tell } from "./message.js";
import { tasks } from "./tasks.js";

// One job at a time, by what was started last.
const port = parentPort!;
let run: ((job: unknown) => unknown) | undefined;

function answer({ start, job }: Request): Reply {
  try {
    if (start) {
      // What was started before is given back first.
      run = undefined;
      const task = tasks.get(start.task);
      if (!task) throw new TypeError(expected("threads", `a task among ${[...tasks.keys()].join(", ")}`, start.task));
      run = task.start(start.setup);
    }
    return { result: run!(job) };
  } catch (error) {
    return { error: tell(error) };
  }
}

port.on("message", (request: Request) => port.postMessage(answer(request)));
port.on("messageerror", (error) => {
  throw error;
});
