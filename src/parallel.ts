/**
 * Work that may be done anywhere, in another thread too: `start` is given what all jobs share and makes what does one job. Setup,
 * jobs and results are plain data, and a job's result depends on nothing but the setup and the job.
 */
export interface Task<Setup, Job, Result> {
  /** By which another thread finds it. */
  readonly name: string;
  start(setup: Setup): (job: Job) => Result;
}

/**
 * Does all jobs of a task, in any order and as many at a time as it likes. Each result is told as soon as it is there; where `onResult`
 * throws, no more jobs are begun, and the promise is rejected with that. Whoever calls again with the same setup object may be served by
 * what was started before.
 */
export type Parallel = <Setup, Job, Result>(
  task: Task<Setup, Job, Result>,
  setup: Setup,
  jobs: readonly Job[],
  onResult: (result: Result, index: number) => void | Promise<void>,
) => Promise<void>;

/** One job after the other, with a turn of the event loop after each, so that a page stays alive. */
export const inTurn: Parallel = async (task, setup, jobs, onResult) => {
  if (jobs.length === 0) return;
  const run = task.start(setup);
  for (const [index, job] of jobs.entries()) {
    await onResult(run(job), index);
    await new Promise((resolve) => setTimeout(resolve, 0));
  }
};
