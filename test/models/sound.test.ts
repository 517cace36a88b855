// Networks that listen, against the outputs that are stored beside them.
import { expect, test } from "vitest";
import { loadModel } from "../../src/index.js";
import { arraysOf, describeWithData, elementsOf, expectNear, graphOf, jsonOf, samplesOf } from "../support/data.js";

describeWithData("silero-vad", () => {
  const context = 64;
  const chunk = 512;
  const sr = { dtype: "int64", shape: [], data: BigInt64Array.of(16000n) } as const;

  test.each([
    ["silero_vad_16k_op15.onnx", "golden_probs_op15.json"],
    ["silero_vad_half.onnx", "golden_probs_half.json"],
  ])("%s: the probability of speech in each of 600 chunks, its state carried on", async (file, golden) => {
    const want: number[] = jsonOf("silero-vad", golden);
    const { rate, samples } = samplesOf("silero-vad", "test.wav");
    expect(rate).toBe(16000);
    const graph = graphOf("silero-vad", file);
    using model = await loadModel(graph);
    const padded = new Float32Array(context + want.length * chunk);
    padded.set(samples.subarray(0, want.length * chunk), context);
    let state = new Float32Array(256);
    const got = want.map((_, i) => {
      const data = padded.slice(i * chunk, (i + 1) * chunk + context);
      const { output, stateN } = model.run({
        input: { dtype: "float32", shape: [1, context + chunk], data },
        state: { dtype: "float32", shape: [2, 1, 128], data: state },
        ...(graph.inputs.some(({ name }) => name === "sr") && { sr }),
      });
      state = stateN.data as Float32Array<ArrayBuffer>;
      return (output.data as Float32Array)[0];
    });
    expect(want.length).toBe(600);
    expectNear(got, want, 1e-4);
  });

  test("the outputs of golden_ort.npz", async () => {
    const arrays = arraysOf("silero-vad", "golden_ort.npz");
    const floats = (name: string) => {
      const npy = arrays.get(`silero_c0/${name}`);
      if (!npy) throw new Error(`golden_ort.npz has no ${name}`);
      return new Float32Array(elementsOf(npy).buffer);
    };
    using model = await loadModel(graphOf("silero-vad", "silero_vad_16k_op15.onnx"));
    const { output, stateN } = model.run({
      input: { dtype: "float32", shape: [1, 576], data: floats("in/input") },
      state: { dtype: "float32", shape: [2, 1, 128], data: floats("in/state") },
      sr,
    });
    expectNear(output.data as Float32Array, floats("out/output"), 1e-5);
    expectNear(stateN.data as Float32Array, floats("out/stateN"), 1e-5);
  });
});

/**
 * Every second sample after a low pass: a sinc under a Kaiser window, 160 crossings a side. The stored outputs are those of sound that
 * another program resampled, so they are met no nearer than two resamplers agree.
 */
function halved(samples: Float32Array): Float32Array {
  const [crossings, rolloff, beta] = [160, 0.955, 12];
  const bessel = (x: number) => {
    let [sum, term] = [1, 1];
    for (let k = 1; term > 1e-17 * sum; k++) {
      term *= (x / 2 / k) ** 2;
      sum += term;
    }
    return sum;
  };
  const taps = Float64Array.from({ length: 2 * crossings }, (_, i) => {
    const x = Math.PI * (i / 2) * rolloff;
    const window = bessel(beta * Math.sqrt(1 - (i / 2 / crossings) ** 2)) / bessel(beta);
    return 0.5 * rolloff * (i === 0 ? 1 : Math.sin(x) / x) * window;
  });
  return Float32Array.from({ length: Math.ceil(samples.length / 2) }, (_, t) => {
    let sum = taps[0] * samples[2 * t];
    for (let i = 1; i < taps.length; i++) sum += taps[i] * ((samples[2 * t - i] ?? 0) + (samples[2 * t + i] ?? 0));
    return sum;
  });
}

describeWithData("basic-pitch", () => {
  const [window, hop, overlap, frames] = [43844, 256, 30, 172];
  const bins = { note: 88, onset: 88, contour: 264 } as const;

  /** The arrays of model_output.npz: a pickled dictionary, in which each array's bytes stand behind their length. */
  function goldens(): Record<string, Float32Array> {
    const npy = arraysOf("basic-pitch", "model_output.npz").get("arr_0");
    if (!npy) throw new Error("model_output.npz has no arr_0");
    const pickle = Buffer.from(npy);
    return Object.fromEntries(
      Object.entries(bins).map(([name, width]) => {
        const length = 787 * width * 4;
        const mark = Buffer.from([0x42, ...new Uint8Array(Uint32Array.of(length).buffer)]);
        const start = pickle.indexOf(mark, pickle.indexOf(name)) + mark.length;
        return [name, new Float32Array(new Uint8Array(pickle.subarray(start, start + length)).buffer)];
      }),
    );
  }

  test("vocadito_10.wav: notes, onsets and contours", async () => {
    const { rate, samples } = samplesOf("basic-pitch", "vocadito_10.wav");
    expect(rate).toBe(44100);
    const sound = halved(samples);
    const want = goldens();
    const graph = graphOf("basic-pitch", "nmp.onnx");
    const outputs = { note: 1, onset: 2, contour: 0 };
    using model = await loadModel(graph);
    const step = window - overlap * hop;
    const padded = new Float32Array(sound.length + window + overlap * hop);
    padded.set(sound, (overlap * hop) / 2);
    const got = { note: [] as number[], onset: [] as number[], contour: [] as number[] };
    for (let start = 0; start < sound.length + (overlap * hop) / 2; start += step) {
      const data = padded.slice(start, start + window);
      const results = model.run({ [graph.inputs[0].name]: { dtype: "float32", shape: [1, window, 1], data } });
      for (const [name, width] of Object.entries(bins) as [keyof typeof bins, number][]) {
        const all = results[`StatefulPartitionedCall:${outputs[name]}`].data as Float32Array;
        got[name].push(...all.subarray((overlap / 2) * width, (frames - overlap / 2) * width));
      }
    }
    for (const name of Object.keys(bins) as (keyof typeof bins)[]) {
      expectNear(got[name].slice(0, want[name].length), want[name], 3e-3);
    }
  });
});
