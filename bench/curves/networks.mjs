// The networks that `npm run rate-distortion` compresses. { id, name, file, target, calibration, scored }:
// target: what the whole file shall be smaller by than the f32 weights, and what may be lost then (see goals.mjs)
// calibration(model): at most 256 unlabelled inputs; model is the dense network
// scored(quick): what outputs are compared over, { form, classes, perExample, labels?, run(model) } as score.mjs takes it
import { magika } from "./contents.mjs";
import { cifar, imagenet } from "./images.mjs";
import { silero } from "./speech.mjs";
import { stories } from "./tokens.mjs";

export const networks = [
  { id: "resnet20", name: "ResNet-20", ratio: 10, ...cifar("cifar10-resnet20") },
  { id: "resnet8", name: "ResNet-8", ...cifar("mlperf-tiny-resnet8") },
  { id: "mobilenet", name: "MobileNetV1-0.25", ratio: 6, ...imagenet("imagenet-mobilenetv1-025") },
  { id: "squeezenet", name: "SqueezeNet 1.1", ratio: 8, ...imagenet("imagenet-squeezenet11") },
  { id: "stories260k", name: "stories260K", ...stories },
  { id: "magika", name: "Magika", ratio: 10, ...magika },
  { id: "silero", name: "Silero VAD", ...silero },
];
