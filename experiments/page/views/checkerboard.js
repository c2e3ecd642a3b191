// Checkerboard: counts of overlap by kernel, stride and number of layers, looked up.
view("checkerboard", (section, boards, state, go) => {
  const found = boards[`${state.k},${state.s},${state.d}`],
    divides = state.k % state.s === 0,
    line = found.counts,
    size = 21,
    most = Math.max(...line) ** 2;
  fill(
    section,
    "told",
    `The stride ${state.s} ${divides ? "divides" : "does not divide"} the kernel ${state.k}: `,
    "on the plane an output is painted ",
    make(
      "b", {},
      found.least === found.most ? `${found.most ** 2} times` : `${found.least ** 2} to ${found.most ** 2} times`,
    ),
    ", dispersion ",
    make("b", {}, found.dispersion.toFixed(3)),
    ".",
  );
  const cells = line.flatMap((down, row) =>
    line.map((across, column) => {
      const count = down * across,
        shade = most ? Math.round((100 * count) / most) : 0,
        [x, y] = [column * size + 1, row * size + 1],
        style = `fill: ${ink("many", shade)}; font-size: ${count > 99 ? 8 : 10.5}px`;
      return make(
        "g", {}, make("title", {}, `${down} · ${across} = ${count}`),
        box(x, y, size, size, { class: "cell", style: `--t:${shade}%` }),
        word(x + size / 2, y + size / 2, count > 999 ? "" : String(count), { class: "numeral", style }),
      );
    }),
  );
  fill(
    section,
    "plane",
    picture(
      line.length * size + 2, line.length * size + 2,
      `Overlap counts of kernel ${state.k}, stride ${state.s}, ${state.d} layers`, ...cells,
    ),
  );
  const strides = [1, 2, 3, 4],
    kernels = [1, 2, 3, 4, 5, 6, 7];
  fill(
    section,
    "rule",
    table(
      null, ["Kernel", ...strides.map((stride) => `#stride ${stride}`)],
      kernels.map((kernel) => [
        String(kernel),
        ...strides.map((stride) => {
          const value = boards[`${kernel},${stride},${state.d}`].dispersion,
            chosen = kernel === +state.k && stride === +state.s;
          return make(
            "button",
            {
              type: "button", "aria-pressed": String(chosen), "data-focus": `${kernel},${stride}`,
              "aria-label": `kernel ${kernel}, stride ${stride}: dispersion ${value.toFixed(3)}`,
              onclick: () => go({ k: kernel, s: stride }),
            },
            `${value.toFixed(3)}${value === 0 ? " ✓" : ""}`,
          );
        }),
      ]),
    ),
  );
});
