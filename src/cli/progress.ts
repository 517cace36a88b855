import { SingleBar } from "cli-progress";

const running = new Set<SingleBar>();

/** Gives the terminal back as it was. */
export function stopBars(): void {
  for (const bar of running) bar.stop();
  running.clear();
}

/** A bar for one stage of the work, with time left; on anything but a terminal a line at its end. */
export class Progress {
  readonly #label: string;
  readonly #bar: SingleBar | undefined;
  readonly #start = performance.now();

  constructor(label: string, total: number) {
    this.#label = label;
    if (!process.stderr.isTTY) return;
    this.#bar = new SingleBar({
      stream: process.stderr,
      format: `${label.padEnd(18)} {bar} {percentage}%  {left} left  {note}`,
      barCompleteChar: "█",
      barIncompleteChar: "░",
      barsize: 28,
      hideCursor: true,
      // main.ts stops the bars: this would only keep a signal from ending the process.
      gracefulExit: false,
    });
    running.add(this.#bar);
    this.#bar.start(total, 0, { left: "…", note: "" });
  }

  update(done: number, total: number, note: string): void {
    if (!this.#bar) return;
    const elapsed = performance.now() - this.#start;
    this.#bar.update(done, { left: clock(done === 0 ? Number.NaN : (elapsed * (total - done)) / done), note });
  }

  end(note: string): void {
    const elapsed = clock(performance.now() - this.#start);
    if (this.#bar) {
      this.#bar.update(this.#bar.getTotal(), { left: clock(0), note });
      this.#bar.stop();
      running.delete(this.#bar);
    } else {
      process.stderr.write(`${this.#label.padEnd(18)} done in ${elapsed}  ${note}\n`);
    }
  }
}

/** m:ss */
function clock(milliseconds: number): string {
  if (!Number.isFinite(milliseconds)) return "…";
  const seconds = Math.round(milliseconds / 1000);
  return `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}`;
}
