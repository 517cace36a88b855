// Silero VAD: sound in chunks and a state that is carried on, the probability of speech out.
import { bytesOf, spread } from "./data.mjs";

const chunk = 512;
/** Samples before a chunk that are fed with it. */
const context = 64;
const sr = { dtype: "int64", shape: [], data: BigInt64Array.of(16000n) };
/** The first chunks of the minute of test.wav are for calibration. */
const chunks = { calibration: 625, all: 1875 };

/** Calibrated on 256 chunks of the first third of test.wav, with the dense network's states; scored on the other two thirds. */
export const silero = {
  file: "silero-vad/silero_vad_16k_op15.onnx",
  calibration: (model) => {
    const fed = [];
    listen(model, 0, chunks.calibration, (feeds) => fed.push(feeds));
    return spread(256, fed.length).map((i) => fed[i]);
  },
  scored: (quick) => ({
    form: "yes",
    classes: 1,
    // Chunks that follow each other are alike: some 0.8 s of sound are one example.
    perExample: 25,
    run: (model) => listen(model, chunks.calibration, quick ? chunks.calibration + 250 : chunks.all),
  }),
};

/** The probabilities of the chunks from `first` to `last`, the state being 0 before them. */
function listen(model, first, last, onFeeds) {
  const samples = sound();
  let state = new Float32Array(256);
  return Float32Array.from({ length: last - first }, (_, i) => {
    const at = (first + i) * chunk;
    const feeds = {
      input: { dtype: "float32", shape: [1, context + chunk], data: samples.slice(at, at + context + chunk) },
      state: { dtype: "float32", shape: [2, 1, 128], data: state },
      sr,
    };
    onFeeds?.(feeds);
    const { output, stateN } = model.run(feeds);
    state = stateN.data;
    return output.data[0];
  });
}

/** test.wav: 16-bit integers and one channel at 16 kHz, as -1..1, with silence before. */
function sound() {
  const pcm = new Int16Array(bytesOf("silero-vad", "test.wav").buffer, 44);
  const samples = new Float32Array(context + chunks.all * chunk);
  for (let i = 0; context + i < samples.length; i++) samples[context + i] = pcm[i] / 32768;
  return samples;
}
