// Sampling: counts are looked up in Python's table; where windows lie is stride * unit - low + tap.
function samplingLookup(data, mode, n, k, s, p, d) {
  const place = [
    [data.modes, mode], [data.depths, +d], [data.sides, +n], [data.kernels, +k], [data.strides, +s], [data.paddings, p],
  ].reduce((sum, [values, value]) => sum * values.length + values.indexOf(value), 0);
  const found = data.entries[place];
  if (typeof found === "number")
    return { reason: ["the kernel does not fit on the map", "a line of more than 64 cells is not drawn"][found] };
  const counts = data.lines[found[0]].split(" ").map(Number),
    steps = [];
  for (let at = 1; at < found.length; at += 2) steps.push({ low: found[at], length: found[at + 1] });
  return { counts, steps };
}

// From the fine row to the coarse one: the lengths of all rows, and how far each layer's window starts to the left.
function samplingRows(found, mode, n) {
  const lengths = [n, ...found.steps.map((step) => step.length)],
    lows = found.steps.map((step) => step.low);
  return mode === "convolution" ? { lengths, lows } : { lengths: lengths.reverse(), lows: lows.reverse() };
}
function samplingCone(rows, k, s, unit) {
  const spans = [[unit, unit]];
  for (let layer = rows.lows.length - 1; layer >= 0; layer -= 1) {
    const [first, last] = spans[0];
    spans.unshift([first * s - rows.lows[layer], last * s - rows.lows[layer] + k - 1]);
  }
  return spans;
}
const samplingShade = (count, most) => (count ? Math.round(8 + (92 * count) / most) : 0);
function samplingCell(x, y, size, count, most, words) {
  const shade = samplingShade(count, most),
    parts = [make("title", {}, words)];
  parts.push(box(x, y, size, size, { class: "cell", rx: 2, style: `--t:${shade}%` }));
  if (!count) parts.push(rule(x + 3, y + size - 3, x + size - 3, y + 3, { class: "dropped" }));
  const fits = size >= 9 + 6.5 * String(count).length;
  if (fits)
    parts.push(
      word(x + size / 2, y + size / 2, String(count), { class: "numeral", style: `fill: ${ink("many", shade)}` }),
    );
  return make("g", {}, ...parts);
}

function samplingLine(rows, found, state, choose) {
  const k = +state.k,
    s = +state.s,
    coarse = rows.lengths.length - 1,
    fine = rows.lengths[0];
  const along = [(place) => place];
  rows.lows.forEach((low, layer) => along.push((place) => along[layer](place * s - low + (k - 1) / 2)));
  const spans = samplingCone(rows, k, s, state.unit),
    reach = [0, rows.lengths[coarse] - 1].map((u) => samplingCone(rows, k, s, u)[0]);
  const first = Math.min(0, reach[0][0]),
    last = Math.max(fine - 1, reach[1][1]),
    most = Math.max(...found.counts);
  const size = Math.max(15, Math.min(54, Math.floor(1040 / (last - first + 1)))),
    gap = Math.round(size * 1.25) + 14,
    flip = state.mode !== "convolution";
  const top = (row) => 4 + (flip ? coarse - row : row) * (size + gap),
    left = (row, place) => (along[row](place) - first) * size + 2;
  const parts = [];
  for (let row = 0; row < coarse; row += 1) {
    const [from, to] = spans[row],
      [unit, end] = spans[row + 1],
      near = top(row) + (flip ? 0 : size),
      far = top(row + 1) + (flip ? size : 0);
    parts.push(
      make("polygon", {
        class: "cone",
        points: [
          [left(row, from), near], [left(row, to) + size, near], [left(row + 1, end) + size, far],
          [left(row + 1, unit), far],
        ].join(" "),
      }),
    );
  }
  for (let place = first; place <= last; place += 1) {
    const inside = place >= 0 && place < fine,
      what = flip ? "painted by" : "read by";
    parts.push(
      inside
        ? samplingCell(
          left(0, place), top(0), size, found.counts[place], most, `pixel ${place}: ${what} ${found.counts[place]}`,
        )
        : box(left(0, place) + 1, top(0) + 1, size - 2, size - 2, { class: "padding", rx: 2 }),
    );
  }
  for (let row = 1; row <= coarse; row += 1) {
    for (let unit = 0; unit < rows.lengths[row]; unit += 1) {
      const on = unit >= spans[row][0] && unit <= spans[row][1];
      parts.push(
        box(
          left(row, unit) + 2, top(row) + 2, size - 4, size - 4,
          { class: on ? "unit on" : "unit", rx: 2, onmouseenter: row === coarse ? () => choose(unit) : null },
        ),
      );
    }
  }
  const [from, to] = spans[0];
  parts.push(box(left(0, from), top(0), (to - from + 1) * size, size, { class: "window", rx: 3 }));
  return picture(
    (last - first + 1) * size + 4, top(flip ? 0 : coarse) + size + 4, `Counts along a line: ${found.counts.join(", ")}`,
    ...parts,
  );
}

view("sampling", (section, data, state, go) => {
  const found = samplingLookup(data, state.mode, state.n, state.k, state.s, state.p, state.d);
  const n = +state.n,
    k = +state.k,
    s = +state.s,
    conv = state.mode === "convolution";
  if (found.reason) {
    fill(section, "formula", `Nothing to show: ${found.reason}.`);
    for (const place of ["line", "line-caption", "plane", "plane-caption", "counts"]) fill(section, place);
    return;
  }
  const rows = samplingRows(found, state.mode, n),
    units = rows.lengths.at(-1);
  state.unit = held(state.unit, units);
  state.row = held(state.row, units);
  const low = found.steps[0].low,
    out = found.steps[0].length,
    high = conv ? Math.max(0, (out - 1) * s + k - n - low) : 0;
  const left = conv ? n + low + (state.p === "SAME" ? high : +state.p) - ((out - 1) * s + k) : 0;
  fill(
    section,
    "formula",
    ...(conv
      ? [
          `Output: ⌊(${n} + ${low} + ${state.p === "SAME" ? high : +state.p} − ${k}) / ${s}⌋ + 1 = `,
          make("b", {}, String(out)),
          left ? `; ${left} ${left > 1 ? "places" : "place"} at the end no window reaches` : "; nothing is left over",
        ]
      : [
        `Output: (${n} − 1) · ${s} + ${k} − crop = `, make("b", {}, String(out)),
        `; the kernel ${k % s ? "is no" : "is a"} multiple of the stride, so that counts are `,
        `${k % s ? "uneven" : "even"} away from the border`,
      ]),
    +state.d > 1 ? `. After ${state.d} such layers: ${found.steps.at(-1).length}` : "",
    ".",
  );
  const line = samplingLine(rows, found, state, (unit) => {
    if (unit !== +state.unit) go({ unit });
  });
  fill(section, "line", movable("line", line, (down, right) => go({ unit: held(+state.unit + right, units) })));
  fill(
    section,
    "line-caption",
    `One axis. Numbers: ${conv ? "windows that read each pixel" : "inputs that paint each output"}` +
      `${+state.d > 1 ? ", by all paths" : ""}; hatched: ` +
      `${conv ? "padding" : "cropped"}; struck out: never ${conv ? "read" : "painted"}. Marked: ` +
      `what ${conv ? "output" : "input"} ${state.unit} ${conv ? "reads" : "paints"}. Point, or use the arrow keys.`,
  );
  const side = found.counts.length,
    most = Math.max(...found.counts) ** 2,
    size = Math.max(9, Math.min(44, Math.floor(536 / side)));
  const cells = found.counts.flatMap((down, row) =>
    found.counts.map((across, column) =>
      samplingCell(
        column * size + 2, row * size + 2, size, down * across, most,
        `row ${row}, column ${column}: ${down} · ${across} = ${down * across}`,
      ),
    ),
  );
  const [rowSpan, columnSpan] = [state.row, state.unit].map((unit) =>
    samplingCone(rows, k, s, +unit)[0].map((at, end) => (end ? Math.min(at, side - 1) : Math.max(at, 0))),
  );
  cells.push(
    box(
      columnSpan[0] * size + 2, rowSpan[0] * size + 2, Math.max(0, (columnSpan[1] - columnSpan[0] + 1) * size),
      Math.max(0, (rowSpan[1] - rowSpan[0] + 1) * size), { class: "window", rx: 3 },
    ),
  );
  const map = picture(side * size + 4, side * size + 4, `Counts on the plane, ${side} by ${side}`, ...cells);
  fill(
    section, "plane",
    movable("plane", map, (down, right) => 
      go({ unit: held(+state.unit + right, units), row: held(+state.row + down, units) })),
  );
  fill(section, "plane-caption", `The plane, ${side}x${side}: the product of both axes. Arrow keys move the window.`);
  const tally = new Map();
  for (const down of found.counts)
    for (const across of found.counts) tally.set(down * across, (tally.get(down * across) || 0) + 1);
  const lines = [...tally].sort(([a], [b]) => a - b);
  fill(
    section, "counts",
    table(
      conv ? "How often pixels are read" : "How often outputs are painted", ["#Times", "#Pixels", "#Share"],
      lines.map(([count, pixels]) => [String(count), String(pixels), `${((100 * pixels) / side ** 2).toFixed(1)} %`]),
    ),
  );
});
