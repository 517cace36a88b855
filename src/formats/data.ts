/** What training data comes in: IDX (MNIST and its kin), NPY and NPZ (NumPy). */
export { readIdx } from "./idx.js";
export { readNpy } from "./npy.js";
export { type NpzLimits, readNpz } from "./npz.js";
