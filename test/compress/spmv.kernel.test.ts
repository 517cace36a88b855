import { describe, expect, it } from "vitest";
import { absolute, type Csr, randomCsr, spmm } from "../reference/compress.js";
import { type Build, builds, Guarded, normals, sizes } from "../support/kernels.js";

const bitsOf = (x: Float32Array) => new Uint32Array(x.buffer, x.byteOffset, x.length);
const epsilon = 2 ** -24;

/** Groups of four rows as they come: shorter rows filled with value 0 at the column after the last, lanes repeated. */
function groupsOf(a: Csr, scale?: Float32Array) {
  const length = (r: number) => a.rowPtr[r + 1] - a.rowPtr[r];
  const groups = Math.ceil(a.rows / 4);
  const order = Uint32Array.from({ length: 4 * groups }, (_, i) => Math.min(i, a.rows - 1));
  const starts = new Uint32Array(groups + 1);
  const col: number[] = [];
  const values: number[] = [];
  for (let g = 0; g < groups; g++) {
    const lanes = [...order.subarray(4 * g, 4 * g + 4)];
    const steps = Math.max(...lanes.map(length));
    starts[g + 1] = starts[g] + steps;
    for (let t = 0; t < steps; t++) {
      for (const r of lanes) {
        col.push(t < length(r) ? a.col[a.rowPtr[r] + t] : a.cols);
        values.push(t < length(r) ? a.values[a.rowPtr[r] + t] : 0);
      }
    }
  }
  return {
    groups,
    starts,
    order,
    col: Uint16Array.from(col),
    values: scale ? Int8Array.from(values) : Float32Array.from(values),
    scale: scale && Float32Array.from(order, (r) => scale[r]),
  };
}

function run({ kernels }: Build, a: Csr, x: Float32Array, scale?: Float32Array, last: "col" | "values" | "x" = "x") {
  const made = groupsOf(a, scale);
  const guarded = new Guarded(kernels);
  const [starts, order] = [guarded.place(made.starts), guarded.place(made.order)];
  const scales = made.scale ? guarded.place(made.scale) : 0;
  const y = guarded.room(4 * a.rows);
  const buffers = { col: made.col, values: made.values, x: Float32Array.of(...x, 0) };
  const at = { col: 0, values: 0, x: 0 };
  for (const name of ["col", "values", "x"] as const) if (name !== last) at[name] = guarded.place(buffers[name]);
  at[last] = guarded.placeFlush(buffers[last]);
  if (scale) kernels.spmv_grouped_i8(made.groups, starts, at.col, at.values, scales, order, at.x, y);
  else kernels.spmv_grouped_f32(made.groups, starts, at.col, at.values, order, at.x, y);
  guarded.check();
  return guarded.read(Float32Array, y, a.rows);
}

for (const build of builds()) {
  describe(`spmv, ${build.name}`, () => {
    it("gives the bits of the product with many columns, at every size and sparsity", () => {
      for (const rows of sizes) {
        for (const cols of [1, 2, 7, 64, 129]) {
          for (const sparsity of [0, 0.5, 0.9, 1]) {
            for (const scale of [undefined, normals(rows, 3).map((v) => 0.01 + Math.abs(v))]) {
              const a = randomCsr(rows, cols, sparsity, rows + cols, scale !== undefined);
              const x = normals(cols, rows);
              const y = run(build, a, x, scale, (["col", "values", "x"] as const)[(rows + cols) % 3]);
              if (build.name !== "relaxed") {
                expect(bitsOf(y)).toEqual(bitsOf(Float32Array.from(spmm(a, 1, x, scale, Math.fround))));
                continue;
              }
              const want = spmm(a, 1, x, scale);
              const size = spmm(absolute(a), 1, x.map(Math.abs), scale);
              for (const [i, value] of y.entries()) {
                expect(Math.abs(value - want[i])).toBeLessThanOrEqual((cols + 2) * epsilon * size[i]);
              }
            }
          }
        }
      }
    });

    it("lets the filling of short rows hide nothing: infinities and NaN reach only the rows that hold their column", () => {
      const a: Csr = {
        rows: 5,
        cols: 3,
        rowPtr: Uint32Array.of(0, 3, 4, 4, 5, 6),
        col: Uint32Array.of(0, 1, 2, 0, 1, 2),
        values: Float32Array.of(1, 1, 1, 2, -3, 1),
      };
      expect([...run(build, a, Float32Array.of(-0, Infinity, 1e-45))]).toEqual([Infinity, 0, 0, -Infinity, 2 ** -149]);
      expect([...run(build, a, Float32Array.of(1, 2, NaN))]).toEqual([NaN, 2, 0, -6, NaN]);
      expect(Object.is(run(build, a, Float32Array.of(-0, 1, 1))[1], 0)).toBe(true);
    });
  });
}
