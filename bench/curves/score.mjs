// How far the outputs of a compressed network lie from those of the dense one. Outputs are rows of `classes` numbers; some rows in turn
// (`perExample`) are one example, over which values are averaged: examples are what two results are compared by.

/**
 * Of each example: `agreement`, the share of rows in which both networks name the same class; `kl`, the mean KL(dense || found) in
 * nats; `top1`, the share of rows that name the label, where there are labels.
 * @param set { form: "logits" | "probabilities" | "yes" (of one event), classes, perExample, labels? }
 * @throws Error where an output is no number
 */
export function score(set, dense, found) {
  const { form, classes, perExample, labels } = set;
  const examples = dense.length / classes / perExample;
  const zeros = () => new Array(examples).fill(0);
  const result = { agreement: zeros(), kl: zeros(), ...(labels && { top1: zeros() }) };
  for (let row = 0; row * classes < dense.length; row++) {
    const p = logarithms(form, dense.subarray(row * classes, (row + 1) * classes));
    const q = logarithms(form, found.subarray(row * classes, (row + 1) * classes));
    const kl = p.reduce((sum, logP, c) => sum + Math.exp(logP) * (logP - q[c]), 0);
    if (!Number.isFinite(kl)) throw new Error(`row ${row}: expected a number, got ${kl}`);
    const example = Math.floor(row / perExample);
    const best = argmax(q);
    result.kl[example] += Math.max(0, kl) / perExample;
    if (argmax(p) === best) result.agreement[example] += 1 / perExample;
    if (labels && labels[row] === best) result.top1[example] += 1 / perExample;
  }
  return result;
}

/** Logarithms of what the outputs give each class. */
function logarithms(form, row) {
  const least = 1e-30;
  if (form === "yes") return [1 - row[0], row[0]].map((p) => Math.log(Math.max(p, least)));
  if (form === "probabilities") return Array.from(row, (p) => Math.log(Math.max(p, least)));
  const most = row.reduce((a, b) => Math.max(a, b), Number.NEGATIVE_INFINITY);
  const whole = most + Math.log(row.reduce((sum, x) => sum + Math.exp(x - most), 0));
  return Array.from(row, (x) => x - whole);
}

function argmax(row) {
  let best = 0;
  for (let i = 1; i < row.length; i++) if (row[i] > row[best]) best = i;
  return best;
}

export function mean(values) {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

/** The mean of a - b over examples, and the half width of its 95 % interval: 1.96 standard errors of the paired differences. */
export function paired(a, b) {
  const differences = a.map((value, i) => value - b[i]);
  const middle = mean(differences);
  const squares = differences.reduce((sum, value) => sum + (value - middle) ** 2, 0);
  return { mean: middle, within: 1.96 * Math.sqrt(squares / (a.length - 1) / a.length) };
}
