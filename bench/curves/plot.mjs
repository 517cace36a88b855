// The curves as a picture: a panel for each network, mean KL (in tenfolds) against bytes for each family.
import { mean } from "./score.mjs";

const colours = { ours: "#0b6e4f", scalar: "#1f78b4", vq: "#e66101", svd: "#7b3294", int8: "#b2182b" };
const [wide, high, columns] = [400, 230, 2];
const inner = { left: 52, right: 12, top: 30, bottom: 34 };

/** @returns the text of an .svg file */
export function plot(results) {
  const names = [...new Set(results.map(({ network }) => network))];
  const rows = Math.ceil(names.length / columns);
  const panels = names.map((name, i) => {
    const place = `translate(${(i % columns) * wide} ${Math.floor(i / columns) * high + 24})`;
    return `<g transform="${place}">\n${panel(name, curvesOf(results, name)).join("\n")}\n</g>`;
  });
  const legend = Object.entries(colours).map(([family, colour], i) =>
    text(inner.left + 70 * i, 18, family, `fill="${colour}" font-weight="bold"`),
  );
  const size = `width="${columns * wide}" height="${rows * high + 24}"`;
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" ${size} font-family="sans-serif" font-size="12" fill="#333">`,
    "<title>Mean KL against bytes of the file, by network and storage</title>",
    `<rect ${size} fill="#fff"/>`,
    ...legend,
    text(inner.left + 70 * legend.length, 18, "mean KL (nats) against bytes of the file"),
    ...panels,
    "</svg>\n",
  ].join("\n");
}

/** By family, { bytes, kl } from small to large. */
function curvesOf(results, name) {
  return Object.keys(colours).map((family) => {
    const own = results.filter((r) => r.network === name && r.family === family && r.kl && r.target.includes("bit"));
    const points = own.map(({ bytes, kl }) => ({ bytes, kl: Math.max(mean(kl), 1e-9) }));
    return { family, points: points.sort((a, b) => a.bytes - b.bytes) };
  });
}

function panel(name, curves) {
  const all = curves.flatMap(({ points }) => points);
  const most = 1.05 * Math.max(...all.map(({ bytes }) => bytes));
  const tens = all.map(({ kl }) => Math.log10(kl));
  const [low, top] = [Math.floor(Math.min(...tens)), Math.ceil(Math.max(...tens))];
  const [width, height] = [wide - inner.left - inner.right, high - inner.top - inner.bottom];
  const x = (bytes) => round(inner.left + (bytes / most) * width);
  const y = (ten) => round(inner.top + ((top - ten) / (top - low || 1)) * height);
  const lines = [text(inner.left, inner.top - 8, name, 'font-weight="bold"')];
  for (let ten = low; ten <= top; ten++) {
    lines.push(`<path d="M${inner.left} ${y(ten)}h${width}" stroke="#ddd"/>`);
    lines.push(text(inner.left - 6, y(ten) + 4, `${10 ** ten}`, 'text-anchor="end"'));
  }
  for (const part of [0.25, 0.5, 0.75, 1]) {
    const bytes = Math.round((part * most) / 1.05);
    lines.push(text(x(bytes), high - 14, bytes.toLocaleString("en-US"), 'text-anchor="middle" font-size="10"'));
  }
  for (const { family, points } of curves.filter(({ points }) => points.length > 0)) {
    const path = points.map(({ bytes, kl }) => `${x(bytes)} ${y(Math.log10(kl))}`);
    lines.push(`<path d="M${path.join("L")}" fill="none" stroke="${colours[family]}" stroke-width="1.5"/>`);
    for (const point of path) {
      const [cx, cy] = point.split(" ");
      lines.push(`<circle cx="${cx}" cy="${cy}" r="2.5" fill="${colours[family]}"/>`);
    }
  }
  return lines;
}

function text(x, y, content, more = "") {
  return `<text x="${x}" y="${y}"${more && ` ${more}`}>${content}</text>`;
}

function round(value) {
  return Math.round(10 * value) / 10;
}
