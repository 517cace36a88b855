// The peers: each is a module with `open()`, which gives { version, jobs }, where jobs[name](job) prepares one job and gives
// a contestant (../contest.mjs). All run on one thread, take their inputs from typed arrays and give typed arrays, as ours do.
import { readFileSync } from "node:fs";

const names = ["onnxruntime-web", "onnxruntime-node", "tfjs-wasm", "tfjs-cpu", "quickselect", "ml-sparse-matrix"];

/** Version of an installed package. */
export function versionOf(name) {
  return JSON.parse(readFileSync(new URL(`node_modules/${name}/package.json`, import.meta.url), "utf8")).version;
}

/** What is installed and runs here, opened when it is first asked for, and what does not, with its error. */
export class Peers {
  #open = new Map();
  #wanted;
  /** Errors by name. */
  troubles = new Map();

  /** `wanted`: whether there are any. */
  constructor(wanted) {
    this.#wanted = wanted;
  }

  get versions() {
    const open = [...this.#open].filter(([, peer]) => peer);
    return Object.fromEntries(open.map(([name, peer]) => [name, peer.version]));
  }

  /**
   * Contestants for a job, { NAME: contestant }.
   * @param op one of the jobs, all of which every peer may lack
   * @param only names of peers, all of them where left out
   * @param suffix added to each name where one peer competes twice
   */
  async contestants(op, job, { only = names, suffix = "" } = {}) {
    const found = {};
    if (!this.#wanted) return found;
    for (const name of names.filter((name) => only.includes(name))) {
      const peer = await this.#peer(name);
      const prepare = peer?.jobs[op];
      if (!prepare) continue;
      try {
        const contestant = await prepare(job);
        if (!contestant) continue;
        // What it lacks is found out here and not while others are being timed.
        await contestant.run();
        found[name + suffix] = contestant;
      } catch (error) {
        this.troubles.set(`${name}, ${op}`, error);
      }
    }
    return found;
  }

  /** Those of `wanted` that can be opened here. */
  async installed(wanted) {
    const found = [];
    for (const name of this.#wanted ? wanted : []) if (await this.#peer(name)) found.push(name);
    return found;
  }

  async #peer(name) {
    if (!this.#open.has(name)) {
      let peer;
      try {
        const { open } = await import(`./${name}.mjs`);
        peer = await open();
      } catch (error) {
        this.troubles.set(name, error);
      }
      this.#open.set(name, peer);
    }
    return this.#open.get(name);
  }
}
