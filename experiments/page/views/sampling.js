// Sampling: counts are looked up in Python's table; where windows lie is stride * unit - low + tap.
function samplingLookup(data, mode, n, k, s, p, d) {
  const axes = [[data.modes, mode], [data.depths, +d], [data.sides, +n], [data.kernels, +k], [data.strides, +s],
    [data.paddings, p]];
  const found = data.entries[axes.reduce((sum, [values, value]) => sum * values.length + values.indexOf(value), 0)];
  if (typeof found === "number") return { reason: data.reasons[found] };
  const steps = range((found.length - 1) / 2, (at) => ({ low: found[2 * at + 1], length: found[2 * at + 2] }));
  return { counts: data.lines[found[0]].split(" ").map(Number), steps };
}
// From the fine row to the coarse one: the lengths of all rows, and how far each layer's window starts to the left.
function samplingRows(found, mode, n) {
  const [lengths, lows] = [[n, ...found.steps.map((step) => step.length)], found.steps.map((step) => step.low)];
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

// All rows of a line, the fine one with its counts above the coarser ones; below them for a transposed convolution.
function samplingLine(rows, counts, k, s, unit, conv) {
  const coarse = rows.lengths.length - 1;
  const along = [(place) => place];
  rows.lows.forEach((low, layer) => along.push((place) => along[layer](place * s - low + (k - 1) / 2)));
  const spans = samplingCone(rows, k, s, unit);
  const first = Math.min(0, samplingCone(rows, k, s, 0)[0][0]);
  const length = Math.max(rows.lengths[0], samplingCone(rows, k, s, rows.lengths[coarse] - 1)[0][1] + 1) - first;
  const size = Math.max(15, Math.min(54, Math.floor(1040 / length)));
  const step = Math.round(size * 2.25) + 14;
  const top = (row) => 4 + (conv ? row : coarse - row) * step;
  const left = (row, place) => (along[row](place) - first) * size + 2;
  const cones = range(coarse, (row) => {
    const [near, far] = conv ? [top(row) + size, top(row + 1)] : [top(row), top(row + 1) + size];
    const [[from, to], [start, end]] = [spans[row], spans[row + 1]];
    return html`<polygon class="cone" points="${left(row, from)} ${near} ${left(row, to) + size} ${near}
${left(row + 1, end) + size} ${far} ${left(row + 1, start)} ${far}"/>`;
  });
  const most = Math.max(...counts);
  const fine = range(length, (at) => {
    const place = at + first;
    const cell = place in counts
      ? countCell(counts[place], most, `pixel ${place}: ${conv ? "read by" : "painted by"}`)
      : { padding: true };
    return cellAt(left(0, place), top(0), size, cell);
  });
  const units = range(coarse, (above) => range(rows.lengths[above + 1], (place) => {
    const [row, [from, to]] = [above + 1, spans[above + 1]];
    const kinds = `unit ${from <= place && place <= to ? "within" : ""} ${row === coarse ? "point" : ""}`;
    return html`<rect class="${kinds}" x="${left(row, place) + 2}" y="${top(row) + 2}" width="${size - 4}"
height="${size - 4}" rx="2" ${row === coarse ? html`data-go="unit=${place}"` : ""}/>`;
  }));
  const frame = html`<rect class="window" x="${left(0, spans[0][0])}" y="${top(0)}" height="${size}" rx="3"
width="${(spans[0][1] - spans[0][0] + 1) * size}"/>`;
  const label = `Counts along a line: ${counts.join(", ")}`;
  return svg(length * size + 4, coarse * step + size + 8, label, cones, fine, units, frame);
}

VIEWS.sampling = (state, data) => {
  const found = samplingLookup(data, state.mode, state.n, state.k, state.s, state.p, state.d);
  if (found.reason) return { formula: `Nothing to show: ${found.reason}.`, state: { shown: false } };
  const [n, k, s, conv] = [+state.n, +state.k, +state.s, state.mode === "convolution"];
  const rows = samplingRows(found, state.mode, n);
  const units = rows.lengths.at(-1);
  const [row, unit] = [held(state.row, units), held(state.unit, units)];
  const { counts, steps: [{ low, length }] } = found;
  const high = state.p === "SAME" ? Math.max(0, (length - 1) * s + k - n - low) : +state.p;
  const left = n + low + high - ((length - 1) * s + k);
  const rest = left ? `${left} ${left > 1 ? "places" : "place"} at the end no window reaches` : "nothing is left over";
  const [is, even] = k % s ? ["is no", "uneven"] : ["is a", "even"];
  const evenness = `the kernel ${is} multiple of the stride, so that counts are ${even} away from the border`;
  const depth = +state.d > 1 ? `. After ${state.d} such layers: ${found.steps.at(-1).length}` : "";
  const cell = (down, across) => {
    const title = `row ${down}, column ${across}: ${counts[down]} · ${counts[across]}`;
    return countCell(counts[down] * counts[across], Math.max(...counts) ** 2, title);
  };
  const inside = (at) => {
    const [first, last] = samplingCone(rows, k, s, at)[0];
    return [Math.max(first, 0), Math.min(last, counts.length - 1) - Math.max(first, 0) + 1];
  };
  const [[top, high_], [start, wide]] = [inside(row), inside(unit)];
  const size = Math.max(9, Math.min(44, Math.floor(536 / counts.length)));
  const to = (down, across) => ({ row: held(down, units), unit: held(across, units) });
  const plane = counts.flatMap((down) => counts.map((across) => down * across));
  const tally = [...new Set(plane)].sort((one, other) => one - other).map((times) => {
    const pixels = plane.filter((count) => count === times).length;
    return [times, pixels, `${((100 * pixels) / plane.length).toFixed(1)} %`];
  });
  return {
    state: { unit, row, shown: true },
    moves: {
      line: { at: [row, unit], to: (_, across) => ({ unit: held(across, units) }) },
      plane: { at: [row, unit], to, click: () => ({}) },
    },
    formula: html`Output: ${conv ? `⌊(${n} + ${low} + ${high} − ${k}) / ${s}⌋ + 1` : `(${n} − 1)·${s} + ${k} − crop`} =
<b>${length}</b>; ${conv ? rest : evenness}${depth}.`,
    line: samplingLine(rows, counts, k, s, unit, conv),
    which: unit,
    side: `${counts.length}x${counts.length}`,
    plane: grid(`Counts on the plane, ${counts.length} by ${counts.length}`, counts.length, counts.length, size, cell,
      { frame: [top, start, high_, wide] }),
    counts: table(["#Times", "#Pixels", "#Share"], tally),
  };
};
