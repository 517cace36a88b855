// Activations and norms that exporters write in several operators are found, and give what the operators give one by one.
import { describe, test } from "vitest";
import { check, Lines, ops, written } from "../support/written.js";

describe("activations", () => {
  const erf = (net: Lines, x: string, c: string) =>
    net.op("Add", [net.op("Erf", [net.op("Div", [x, net.of([], Math.SQRT2)])]), c]);
  const inner = 0.7978845608028654;

  test.each<[string, (net: Lines, x: string) => string, string]>([
    [
      "Gelu as PyTorch has it",
      (net, x) => net.op("Mul", [net.op("Mul", [x, erf(net, x, net.of([], 1))]), net.of([], 0.5)]),
      "Gelu",
    ],
    [
      "Gelu as TensorFlow has it",
      (net, x) => {
        const turn = net.op("Erf", [net.op("Mul", [net.of([], Math.SQRT1_2), x])]);
        return net.op("Mul", [net.op("Mul", [net.of([], 0.5), x]), net.op("Add", [net.of([], 1), turn])]);
      },
      "Gelu",
    ],
    [
      "Gelu with half of the sum first",
      (net, x) => net.op("Mul", [x, net.op("Mul", [net.of([1], 0.5), erf(net, x, net.of([1], 1))])]),
      "Gelu",
    ],
    [
      "Gelu by tanh with a cube",
      (net, x) => {
        const cube = net.op("Mul", [net.of([], 0.044715), net.op("Pow", [x, net.of([], 3)])]);
        const turn = net.op("Tanh", [net.op("Mul", [net.of([], inner), net.op("Add", [x, cube])])]);
        return net.op("Mul", [net.op("Mul", [net.of([], 0.5), x]), net.op("Add", [net.of([], 1), turn])]);
      },
      "Gelu",
    ],
    [
      "Gelu by tanh with products",
      (net, x) => {
        const cube = net.op("Mul", [x, net.op("Mul", [x, net.op("Mul", [net.of([], 0.044715), x])])]);
        const turn = net.op("Tanh", [net.op("Mul", [net.of([], inner), net.op("Add", [x, cube])])]);
        return net.op("Mul", [x, net.op("Mul", [net.of([], 0.5), net.op("Add", [net.of([], 1), turn])])]);
      },
      "Gelu",
    ],
    [
      "Gelu by tanh multiplied out",
      (net, x) => {
        const square = net.op("Mul", [net.op("Mul", [net.of([], 0.044715), x]), x]);
        const sum = net.op("Add", [net.of([], 1), square]);
        const turn = net.op("Tanh", [net.op("Mul", [net.op("Mul", [net.of([], inner), x]), sum])]);
        return net.op("Mul", [net.op("Mul", [x, net.op("Add", [turn, net.of([], 1)])]), net.of([], 0.5)]);
      },
      "Gelu",
    ],
    ["Swish", (net, x) => net.op("Mul", [net.op("Sigmoid", [x]), x]), "Swish"],
    [
      "Swish of a multiple",
      (net, x) => net.op("Mul", [x, net.op("Sigmoid", [net.op("Mul", [x, net.of([], 1.702)])])]),
      "Swish",
    ],
    ["HardSwish", (net, x) => net.op("Mul", [x, net.op("HardSigmoid", [x], { alpha: 1 / 6, beta: 0.5 })]), "HardSwish"],
    [
      "HardSwish by Clip",
      (net, x) => {
        const clip = net.op("Clip", [net.op("Add", [x, net.of([], 3)]), net.of([], 0), net.of([], 6)]);
        return net.op("Div", [net.op("Mul", [x, clip]), net.of([], 6)]);
      },
      "HardSwish",
    ],
    [
      "HardSigmoid by Clip",
      (net, x) => {
        const clip = net.op("Clip", [net.op("Add", [net.of([], 3), x]), net.of([], 0), net.of([], 6)]);
        return net.op("Mul", [clip, net.of([], 1 / 6)]);
      },
      "HardSigmoid",
    ],
    ["Mish", (net, x) => net.op("Mul", [x, net.op("Tanh", [net.op("Softplus", [x])])]), "Mish"],
  ])("%s", (_name, write, op) => {
    check(written(write), [op]);
  });

  test("of a product, whose factors are not its own", () => {
    const graph = written((net, x) => {
      const twice = net.op("Mul", [x, x]);
      return net.op("Mul", [net.op("Sigmoid", [twice]), twice]);
    });
    check(graph, ["Mul", "Swish"]);
  });

  test.each<[string, (net: Lines, x: string) => string]>([
    ["another half", (net, x) => net.op("Mul", [net.op("Mul", [x, erf(net, x, net.of([], 1))]), net.of([], 0.25)])],
    ["another sum", (net, x) => net.op("Mul", [net.op("Mul", [x, erf(net, x, net.of([], 2))]), net.of([], 0.5)])],
    ["the function of another value", (net, x) => net.op("Mul", [x, net.op("Sigmoid", [net.op("Abs", [x])])])],
    [
      "another bound",
      (net, x) => {
        const clip = net.op("Clip", [net.op("Add", [x, net.of([], 3)]), net.of([], 0), net.of([], 5)]);
        return net.op("Div", [net.op("Mul", [x, clip]), net.of([], 6)]);
      },
    ],
    ["another slope", (net, x) => net.op("Mul", [x, net.op("HardSigmoid", [x], { alpha: 0.2, beta: 0.5 })])],
  ])("%s is none", (_name, write) => {
    const graph = written(write);
    check(graph, ops(graph));
  });

  test("a number that has more dimensions than x changes its shape: none", () => {
    const net = new Lines(["N"]);
    const y = net.op("Mul", [net.op("Mul", [net.x, erf(net, net.x, net.of([], 1))]), net.of([1, 1, 1], 0.5)]);
    const graph = net.graph(y, [1, 1, "N"]);
    check(graph, ops(graph));
  });
});

describe("norms", () => {
  type Square = (net: Lines, d: string) => string;
  const pow: Square = (net, d) => net.op("Pow", [d, net.of([], 2)]);
  const mul: Square = (net, d) => net.op("Mul", [d, d]);
  const mean = (net: Lines, x: string, axis = -1) => net.op("ReduceMean", [x, net.list(axis)], { keepdims: 1 });
  const root = (net: Lines, v: string) => net.op("Sqrt", [net.op("Add", [v, net.of([], 1e-3)])]);

  test.each<[string, Square, "Div" | "Reciprocal" | "one over", number]>([
    ["Pow and Div", pow, "Div", -1],
    ["Mul and Div, the axis from the front", mul, "Div", 2],
    ["Mul and Reciprocal", mul, "Reciprocal", -1],
    ["Pow and a quotient of 1", pow, "one over", -1],
  ])("LayerNormalization by %s", (_name, square, how, axis) => {
    const graph = written(
      (net, x) => {
        const d = net.op("Sub", [x, mean(net, x, axis)]);
        const s = root(net, mean(net, square(net, d), axis));
        const y =
          how === "Div"
            ? net.op("Div", [d, s])
            : net.op("Mul", [d, how === "Reciprocal" ? net.op("Reciprocal", [s]) : net.op("Div", [net.of([], 1), s])]);
        return net.op("Add", [net.op("Mul", [y, net.of([8])]), net.of([8])]);
      },
      ["N", 5, 8],
    );
    check(graph, ["LayerNormalization"]);
  });

  test("LayerNormalization without a bias, and as TensorFlow has it", () => {
    const plain = written((net, x) => {
      const d = net.op("Sub", [x, mean(net, x)]);
      return net.op("Mul", [net.of([8]), net.op("Div", [d, root(net, mean(net, pow(net, d)))])]);
    });
    check(plain, ["LayerNormalization"]);
    const spread = written((net, x) => {
      const m = mean(net, x);
      const v = mean(net, mul(net, net.op("Sub", [x, m])));
      const g = net.op("Mul", [net.op("Reciprocal", [root(net, v)]), net.of([8])]);
      return net.op("Add", [net.op("Mul", [x, g]), net.op("Sub", [net.of([8]), net.op("Mul", [m, g])])]);
    });
    check(spread, ["LayerNormalization"]);
  });

  test("RMSNormalization", () => {
    const graph = written((net, x) => {
      const y = net.op("Div", [x, root(net, mean(net, pow(net, x)))]);
      return net.op("Mul", [y, net.of([8])]);
    });
    check(graph, ["RMSNormalization"]);
  });

  test("over other dimensions, by a row that repeats, of other sums: none", () => {
    const none = [
      written(
        (net, x) => {
          const d = net.op("Sub", [x, mean(net, x, 1)]);
          return net.op("Mul", [net.op("Div", [d, root(net, mean(net, pow(net, d), 1))]), net.of([8])]);
        },
        [2, 3, 8],
      ),
      written((net, x) => net.op("Mul", [net.op("Div", [x, root(net, mean(net, pow(net, x)))]), net.of([1])])),
      written((net, x) => {
        const y = net.op("Div", [x, root(net, mean(net, net.op("Abs", [x])))]);
        return net.op("Mul", [y, net.of([8])]);
      }),
    ];
    for (const graph of none) check(graph, ops(graph));
  });
});
