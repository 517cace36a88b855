// RNN, GRU and LSTM as ONNX words them, one number at a time in f64.

export interface Problem {
  readonly op: "RNN" | "GRU" | "LSTM";
  readonly length: number;
  readonly batch: number;
  readonly width: number;
  readonly hidden: number;
  readonly reverse: readonly boolean[];
  readonly byBatch: boolean;
  readonly resetAfter: boolean;
  readonly x: Float32Array;
  readonly w: Float32Array;
  readonly r: Float32Array;
  readonly b?: Float32Array;
  readonly lengths?: Int32Array;
  readonly h0?: Float32Array;
  readonly c0?: Float32Array;
  readonly p?: Float32Array;
  /** Functions of each direction, one after another; what they are given is held within -clip..clip. */
  readonly functions?: readonly ((v: number) => number)[];
  readonly clip?: number;
  /** The forget gate is what the input gate leaves. */
  readonly coupled?: boolean;
}

const sigmoid = (v: number) => 1 / (1 + Math.exp(-v));

/** { y, h, c }, laid out as the operator's outputs. */
export function recurrent(given: Problem): { y: Float64Array; h: Float64Array; c: Float64Array } {
  const { op, length, batch, width, hidden, reverse, byBatch, resetAfter } = given;
  const gates = { RNN: 1, GRU: 3, LSTM: 4 }[op];
  const directions = reverse.length;
  const y = new Float64Array(length * directions * batch * hidden);
  const h = new Float64Array(directions * batch * hidden);
  const c = new Float64Array(directions * batch * hidden);
  const stateAt = (d: number, i: number, j: number) => (byBatch ? i * directions + d : d * batch + i) * hidden + j;
  const outputAt = (t: number, d: number, i: number, j: number) =>
    (byBatch ? (i * length + t) * directions + d : (t * directions + d) * batch + i) * hidden + j;
  const inputAt = (t: number, i: number, k: number) => (byBatch ? i * length + t : t * batch + i) * width + k;
  const usual = { RNN: [Math.tanh], GRU: [sigmoid, Math.tanh], LSTM: [sigmoid, Math.tanh, Math.tanh] }[op];
  const clip = given.clip ?? Number.POSITIVE_INFINITY;
  for (let d = 0; d < directions; d++) {
    const own = given.functions?.slice(d * usual.length, (d + 1) * usual.length) ?? usual;
    const [f, g, last] = own.map((of) => (v: number) => of(Math.min(Math.max(v, -clip), clip)));
    for (let i = 0; i < batch; i++) {
      let s = Array.from({ length: hidden }, (_, j) => given.h0?.[stateAt(d, i, j)] ?? 0);
      let cell = Array.from({ length: hidden }, (_, j) => given.c0?.[stateAt(d, i, j)] ?? 0);
      const steps = given.lengths?.[i] ?? length;
      for (let step = 0; step < steps; step++) {
        const t = reverse[d] ? steps - 1 - step : step;
        const bias = (k: number) => given.b?.[d * 2 * gates * hidden + k] ?? 0;
        const ofX = (gate: number, j: number) => {
          let sum = bias(gate * hidden + j);
          for (let k = 0; k < width; k++) {
            sum += given.x[inputAt(t, i, k)] * given.w[((d * gates + gate) * hidden + j) * width + k];
          }
          return sum;
        };
        const ofState = (gate: number, j: number, from: readonly number[]) => {
          let sum = bias((gates + gate) * hidden + j);
          for (let k = 0; k < hidden; k++) sum += from[k] * given.r[((d * gates + gate) * hidden + j) * hidden + k];
          return sum;
        };
        const peep = (gate: number, j: number) => given.p?.[(d * 3 + gate) * hidden + j] ?? 0;
        const each = (value: (j: number) => number) => Array.from({ length: hidden }, (_, j) => value(j));
        const before = s;
        if (op === "RNN") s = each((j) => f(ofX(0, j) + ofState(0, j, before)));
        else if (op === "GRU") {
          const z = each((j) => f(ofX(0, j) + ofState(0, j, before)));
          const r = each((j) => f(ofX(1, j) + ofState(1, j, before)));
          const reset = each((j) => r[j] * before[j]);
          const candidate = each((j) =>
            g(ofX(2, j) + (resetAfter ? r[j] * ofState(2, j, before) : ofState(2, j, reset))),
          );
          s = each((j) => (1 - z[j]) * candidate[j] + z[j] * before[j]);
        } else {
          const old = cell;
          const input = each((j) => f(ofX(0, j) + ofState(0, j, before) + peep(0, j) * old[j]));
          const forget = each((j) =>
            given.coupled ? 1 - input[j] : f(ofX(2, j) + ofState(2, j, before) + peep(2, j) * old[j]),
          );
          cell = each((j) => forget[j] * old[j] + input[j] * g(ofX(3, j) + ofState(3, j, before)));
          const now = cell;
          s = each((j) => f(ofX(1, j) + ofState(1, j, before) + peep(1, j) * now[j]) * last(now[j]));
        }
        for (let j = 0; j < hidden; j++) y[outputAt(t, d, i, j)] = s[j];
      }
      for (let j = 0; j < hidden; j++) {
        h[stateAt(d, i, j)] = s[j];
        c[stateAt(d, i, j)] = cell[j];
      }
    }
  }
  return { y, h, c };
}
