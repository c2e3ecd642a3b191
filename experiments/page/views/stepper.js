function stepperWeights(member, step) {
  const kept = member.weights[step.name];
  if (!kept) return null;
  kept.kernelFloats ||= new Float32Array(memberBytes(kept.kernel));
  kept.biasFloats ||= new Float32Array(memberBytes(kept.bias));
  return kept;
}
// One output number: products by input channel, their sums, bias, the sum, and what the net has there.
function stepperStep(member, image, step, out, row, column) {
  const read = memberMap(member, step.source, image),
    made = memberMap(member, step.name, image),
    weights = stepperWeights(member, step);
  const group = read.channels / step.groups,
    first = Math.floor(out / (made.channels / step.groups)) * group,
    [high, wide] = step.kernel;
  const channels = weights ? Array.from({ length: group }, (_, place) => first + place) : [out];
  const places = [];
  for (let down = 0; down < high; down += 1) {
    for (let right = 0; right < wide; right += 1) {
      const [y, x] = [
        row * step.stride[0] - step.low[0] + down * step.dilation[0],
        column * step.stride[1] - step.low[1] + right * step.dilation[1],
      ];
      places.push({ down, right, y, x, inside: y >= 0 && y < read.height && x >= 0 && x < read.width });
    }
  }
  const parts = channels.map((channel, place) =>
    places.map((one) => {
      const value = one.inside ? read.at(one.y, one.x, channel) : 0;
      const weight = weights
        ? weights.kernelFloats[((one.down * wide + one.right) * group + place) * made.channels + out]
        : null;
      return { ...one, value, weight, product: weight === null ? value : weight * value };
    }),
  );
  const sums = parts.map((cells) => cells.reduce((sum, cell) => sum + cell.product, 0)),
    bias = weights ? weights.biasFloats[out] : 0;
  const seen = parts[0].filter((cell) => cell.inside).map((cell) => cell.value);
  const total = weights
    ? sums.reduce((sum, one) => sum + one, bias)
    : step.kind === "max"
      ? Math.max(...seen)
      : sums[0] / places.length;
  const net = made.at(row, column, out),
    after = step.then ? memberMap(member, step.then, image).at(row, column, out) : null;
  return { channels, parts, sums, bias, total, net, after, made, read };
}

function stepperNumbers(cells, wide, key, largest, label, mark) {
  const size = 48,
    high = Math.ceil(cells.length / wide);
  return picture(
    wide * size + 4,
    high * size + 4,
    label,
    ...cells.flatMap((cell, place) => {
      const x = (place % wide) * size + 2,
        y = Math.floor(place / wide) * size + 2,
        value = cell[key],
        padding = key === "value" && !cell.inside;
      const on = padding ? null : `fill: ${ink(value < 0 ? "minus" : "plus", signedShare(value, largest))}`;
      return [
        box(
          x, y, size, size,
          { class: padding ? "padding" : "signed", style: padding ? null : signedHue(value, largest) },
        ),
        word(x + size / 2, y + size / 2, padding ? "0" : fixed(value), { class: "numeral", style: on }),
        mark && mark(cell)
          ? box(x + 2, y + 2, size - 4, size - 4, { class: "window", rx: 2 })
          : null,
      ].filter(Boolean);
    }),
  );
}

function stepperSums(found, chosen, go) {
  const most = Math.max(...found.sums.map(Math.abs), Math.abs(found.bias), Math.abs(found.total)),
    high = 20,
    middle = 170;
  const rows = [
    ...found.sums.map((value, place) => [`channel ${found.channels[place]}`, value, place]), ["bias", found.bias, null],
    ["sum", found.total, null],
  ];
  const parts = rows.map(([name, value, place], row) => {
    const width = most ? (90 * Math.abs(value)) / most : 0,
      y = row * high + (name === "sum" ? 6 : 0);
    return make(
      "g",
      {
        style: place === null ? null : "cursor: pointer",
        onclick: place === null ? null : () => go({ input: found.channels[place] }),
      },
      box(
        0, y, 350, high,
        { style: `fill: ${name === `channel ${chosen}` ? "var(--mark)" : "transparent"}; opacity: 0.13` },
      ),
      word(2, y + 14, name, { style: name === "sum" ? "font-weight: 650" : null }),
      box(
        value < 0 ? middle - width : middle, y + 4, width, 12,
        { style: `fill: var(--${value < 0 ? "minus" : "plus"})` },
      ),
      word(346, y + 14, fixed(value), { "text-anchor": "end", style: name === "sum" ? "font-weight: 650" : null }),
    );
  });
  return picture(
    350, rows.length * high + 8, "Sum of the products of each input channel",
    rule(middle, 0, middle, rows.length * high + 6, { class: "axis" }), ...parts,
  );
}

function stepperDropped([rows, columns]) {
  if (!rows && !columns) return "";
  const several = (count, word) => `${count} ${word}${count === 1 ? "" : "s"}`;
  return `Struck out: ${several(rows, "row")} and ${several(columns, "column")} that no window reads. `;
}

let stepperTimer = null;
view("stepper", (section, _, state, go) => {
  const { members, member, image } = memberChosen(section, state, go),
    step = member.steps[+state.layer] || member.steps[0];
  choices(
    section,
    "#stepper-layer",
    member.steps.map(
      (one) =>
        `${one.name} (${one.kind === "conv" ? "conv" : `${one.kind} pool`} ${one.kernel.join("x")}` +
        `${one.stride[0] > 1 ? `, stride ${one.stride[0]}` : ""})`,
    ),
  );
  const [height, width, filters] = member.shapes[step.name];
  const out = held(state.output, filters, 0),
    row = held(state.row, height, height >> 1),
    column = held(state.column, width, width >> 1);
  const found = stepperStep(member, image, step, out, row, column),
    conv = step.kind === "conv";
  const chosen = found.channels.includes(+state.input) ? +state.input : found.channels[0],
    cells = found.parts[found.channels.indexOf(chosen)];
  const largest = (map, channel) =>
    state.scale === "layer"
      ? Math.max(...Array.from({ length: map.channels }, (_, one) => map.largest(one)))
      : map.largest(channel);
  const move = (down, right) => go({ row: held(row + down, height), column: held(column + right, width) });
  const relu = found.after === null ? [] : [` → ${step.does} → `, make("b", {}, fixed(found.after))],
    missed = Math.abs(found.total - found.net) / Math.max(1, Math.abs(found.net));
  const many = found.sums.length > 1;
  const told = conv
    ? `${many ? `${found.sums.length} sums of ` : ""}${cells.length} product${cells.length > 1 ? "s" : ""}` +
      `${many ? " each" : ""}, plus the bias ${fixed(found.bias)}: `
    : step.kind === "max"
      ? `the largest of ${cells.filter((cell) => cell.inside).length} numbers: `
      : `the mean of ${cells.length} numbers: `;
  fill(
    section,
    "formula",
    make("b", {}, `${step.name}, channel ${out}, at ${row}, ${column}`),
    ` is ${told}`,
    make("b", { "data-total": found.total }, fixed(found.total)),
    ...relu,
    `. The net has ${fixed(found.net)} there `,
    missed < 1e-3
      ? make("span", { class: "lamp yes" }, "✓ the same")
      : make("span", { class: "lamp no" }, "✗ not the same"),
    ".",
  );
  const pads = [step.low[0], step.low[1], Math.max(0, step.high[0]), Math.max(0, step.high[1])],
    { read } = found;
  const reads = (at, axis) =>
    Array.from({ length: [height, width][axis] }).some((_, unit) =>
      Array.from({ length: step.kernel[axis] }).some(
        (__, tap) => unit * step.stride[axis] - step.low[axis] + tap * step.dilation[axis] === at,
      ),
    );
  const never = [
    [read.height, 0], [read.width, 1],
  ].map(([length, axis]) => Array.from({ length }, (_, at) => !reads(at, axis)));
  const left = never.map((axis) => axis.filter(Boolean).length),
    size = Math.max(9, Math.min(24, 230 / (read.width + pads[1] + pads[3]))),
    spans = [0, 1].map((axis) => (step.kernel[axis] - 1) * step.dilation[axis] + 1);
  const part = (title, drawn, focus) => {
    if (focus) movable(focus, drawn, move);
    return make("div", {}, make("h3", {}, title), drawn);
  };
  const sign = (text) => make("span", { class: "sign", "aria-hidden": "true" }, text),
    biggest = (key) => Math.max(...found.parts.flat().map((cell) => Math.abs(cell[key] || 0)));
  const [low, wide] = [row, column].map((unit, axis) => unit * step.stride[axis] - step.low[axis]);
  const toUnit = (y, x) =>
    go({
      row: held(Math.round((y + step.low[0] - (spans[0] - 1) / 2) / step.stride[0]), height),
      column: held(Math.round((x + step.low[1] - (spans[1] - 1) / 2) / step.stride[1]), width),
    });
  const source = part(
    `Input: ${step.source}, channel ${chosen}`,
    memberGrid(read, chosen, largest(read, chosen), size, pads, {
      window: [low, wide, ...spans], choose: toUnit, dropped: (y, x) => never[0][y] || never[1][x],
      label: `Input channel ${chosen} with the window`,
    }),
    "input",
  );
  const window_ = part(
    "What the window sees",
    stepperNumbers(
      cells, step.kernel[1], "value", largest(read, chosen), "The window's numbers",
      step.kind === "max" ? (cell) => cell.inside && cell.value === found.total : null,
    ),
  );
  const result = part(
    `Output: channel ${out}`,
    memberGrid(found.made, out, largest(found.made, out), Math.max(9, Math.min(24, 200 / width)), [0, 0, 0, 0], {
      window: [row, column, 1, 1], choose: (y, x) => go({ row: y, column: x }),
      label: `Output channel ${out} with the chosen unit`,
    }),
    "output",
  );
  fill(
    section,
    "picture",
    source,
    sign("→"),
    window_,
    ...(conv
      ? [
          sign("×"),
          part("Kernel", stepperNumbers(cells, step.kernel[1], "weight", biggest("weight"), "The kernel's weights")),
          sign("="),
          part(
            `Products, sum ${fixed(found.sums[found.channels.indexOf(chosen)])}`,
            stepperNumbers(cells, step.kernel[1], "product", biggest("product"), "The products"),
          ),
        ]
      : []),
    sign("→"),
    result,
  );
  fill(
    section,
    "caption",
    `${member.title}, ${member.state}; ${member.images[image]}. Red: above zero, blue: below. ` +
      `${pads.some(Boolean) ? "Hatched: zeros around the map. " : ""}${stepperDropped(left)}` +
      "Arrow keys on a map move the window.",
  );
  const inputs = conv ? found.channels : [out];
  fill(section, "inputs-title", conv ? "Input channels" : "A pool reads its own channel alone");
  fill(
    section,
    "inputs",
    ...inputs.map((channel) =>
      memberTile(read, channel, largest(read, channel), channel === chosen, `input channel ${channel}`, () =>
        go({ input: channel }),
      ),
    ),
  );
  fill(section, "outputs-title", `Output channels of ${step.name}${step.then ? `, before ${step.does}` : ""}`);
  fill(
    section,
    "outputs",
    ...Array.from({ length: filters }, (_, channel) =>
      memberTile(found.made, channel, largest(found.made, channel), channel === out, `output channel ${channel}`, () =>
        go({ output: channel }),
      ),
    ),
  );
  fill(section, "sums-title", conv ? "What each input channel adds" : "");
  fill(section, "sums", ...(conv ? [stepperSums(found, chosen, go)] : []));
  fill(section, "sums-caption", conv ? "Products of one input channel, summed; then the bias; then all together." : "");
  const button = section.querySelector('[data-place="play"]');
  button.textContent = stepperTimer ? "Pause" : "Play";
  button.onclick = () => {
    if (stepperTimer) {
      clearInterval(stepperTimer);
      stepperTimer = null;
      button.textContent = "Play";
      return;
    }
    stepperTimer = setInterval(() => {
      const shown = address();
      if (shown.shown !== "stepper") {
        clearInterval(stepperTimer);
        stepperTimer = null;
        return;
      }
      const place = +(shown.asked.row ?? height >> 1) * width + +(shown.asked.column ?? width >> 1) + 1;
      go({ row: Math.floor(place / width) % height, column: place % width });
    }, 500);
    button.textContent = "Pause";
  };
  return { net: members.indexOf(member), layer: member.steps.indexOf(step) };
});
window.matchMedia("(prefers-color-scheme: dark)").addEventListener("change", show);
