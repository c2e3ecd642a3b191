// Stepper: one number of one map, from the window that it reads.
// One output number: products by input channel, their sums, bias, the sum, and what the net has there.
function stepperStep(member, image, step, out, row, column) {
  const [read, made] = [step.source, step.name].map((name) => memberMap(member, name, image));
  const weights = member.weights[step.name];
  const group = read.channels / step.groups;
  const first = Math.floor(out / (made.channels / step.groups)) * group;
  const channels = weights ? range(group, (place) => first + place) : [out];
  const [high, wide] = step.kernel;
  const taps = range(high * wide, (tap) => {
    const y = row * step.stride[0] - step.low[0] + Math.floor(tap / wide) * step.dilation[0];
    const x = column * step.stride[1] - step.low[1] + (tap % wide) * step.dilation[1];
    return { y, x, inside: y >= 0 && y < read.height && x >= 0 && x < read.width };
  });
  const kernel = weights && unpackedMap(weights.kernel, [taps.length, group, made.channels]);
  const parts = channels.map((channel, place) => taps.map((one, tap) => {
    const [value, weight] = [one.inside ? read.at(one.y, one.x, channel) : 0, kernel ? kernel.at(tap, place, out) : 1];
    return { inside: one.inside, value, weight, product: weight * value };
  }));
  const sums = parts.map((cells) => cells.reduce((sum, { product }) => sum + product, 0));
  const bias = weights ? weights.bias[out] : 0;
  const seen = parts[0].filter((cell) => cell.inside).map((cell) => cell.value);
  const pooled = step.kind === "max" ? Math.max(...seen) : sums[0] / taps.length;
  const total = weights ? sums.reduce((sum, one) => sum + one, bias) : pooled;
  const after = step.then ? memberMap(member, step.then, image).at(row, column, out) : null;
  return { channels, parts, sums, bias, total, net: made.at(row, column, out), after, made, read };
}

VIEWS.stepper = (state) => {
  const { net, member, image, images } = memberChosen(state);
  const layer = held(state.layer, member.steps.length, 0);
  const step = member.steps[layer];
  const [height, width, filters] = member.shapes[step.name];
  const [out, row, column] = [held(state.output, filters, 0), held(state.row, height, height >> 1),
    held(state.column, width, width >> 1)];
  const { channels, parts, sums, bias, total, net: own, after, made, read } =
    stepperStep(member, image, step, out, row, column);
  const conv = step.kind === "conv";
  const chosen = channels.includes(+state.input) ? +state.input : channels[0];
  const cells = parts[channels.indexOf(chosen)];
  const largest = (name, channel) => memberLargest(member, image, state.scale, name, channel);
  const to = (down, right) => ({ row: held(down, height), column: held(right, width) });
  const low = [row, column].map((unit, axis) => unit * step.stride[axis] - step.low[axis]);
  const span = step.kernel.map((taps, axis) => (taps - 1) * step.dilation[axis] + 1);
  const unit = (at, axis) => Math.round((at + step.low[axis] - (span[axis] - 1) / 2) / step.stride[axis]);
  const pads = [...step.low, ...step.high.map((high) => Math.max(0, high))];
  const numbers = (title, key, most) => {
    const cell = (down, right) => {
      const one = cells[down * step.kernel[1] + right];
      const padding = key === "value" && !one.inside;
      return { ...signedCell(one[key], most), padding, text: fixed(one[key]), title: padding ? "padding" : "" };
    };
    const best = step.kind === "max" ? cells.findIndex((one) => one.inside && one.value === total) : -1;
    const frame = best < 0 ? undefined : [Math.floor(best / step.kernel[1]), best % step.kernel[1], 1, 1];
    return html`<div><h3>${title}</h3>${grid(title, ...step.kernel, 48, cell, { frame })}</div>`;
  };
  const most = (key) => Math.max(...parts.flat().map((cell) => Math.abs(cell[key])));
  const reach = Math.max(...[...sums, bias, total].map(Math.abs)) || 1;
  const bar = (name, value, change) => [name, value / reach, fixed(value), value < 0 ? "minus" : "plus", change];
  const same = Math.abs(total - own) / Math.max(1, Math.abs(own)) < 1e-3;
  const each = sums.length > 1 ? [`${sums.length} sums of `, " each"] : ["", ""];
  const told = {
    conv: `${each[0]}${cells.length} product${cells.length > 1 ? "s" : ""}${each[1]}, plus the bias ${fixed(bias)}`,
    max: `the largest of ${cells.filter((cell) => cell.inside).length} numbers`,
  };
  const tiles = (name, map, every, word, key) =>
    every.map((one) => tile(map, one, largest(name, one), `${word} channel ${one}`, { [key]: one }));
  if (state.play === "true") {
    const next = row * width + column + 1;
    drawn.timer = setTimeout(() => go({ row: Math.floor(next / width) % height, column: next % width }), 500);
  }
  return {
    state: { net, image, layer, output: out, input: chosen, conv },
    moves: {
      input: { at: [row, column], to, click: (y, x) => to(unit(y, 0), unit(x, 1)) },
      output: { at: [row, column], to },
    },
    images,
    "layer-menu": member.steps.map((one, place) => html`<option value="${place}">${one.title}</option>`),
    formula: html`<b>${step.name}, channel ${out}, at ${row}, ${column}</b> is
${told[step.kind] ?? `the mean of ${cells.length} numbers`}: <b>${fixed(total)}</b>${
      after === null ? "" : html` → ${step.does} → <b>${fixed(after)}</b>`
    }. The net has ${fixed(own)} there <span class="lamp ${same ? "yes" : "no"}">${
      same ? "✓ the same" : "✗ not the same"
    }</span>.`,
    "input-title": `Input: ${step.source}, channel ${chosen}`,
    input: mapGrid(
      `Input channel ${chosen} with the window`, read, chosen,
      Math.max(9, Math.min(24, 230 / (read.width + pads[1] + pads[3]))),
      {
        largest: largest(step.source, chosen), pads, frame: [...low, ...span],
        struck: (y, x) => step.unread[0].includes(y) || step.unread[1].includes(x),
      },
    ),
    window: numbers("What the window sees", "value", largest(step.source, chosen)),
    kernel: conv ? numbers("Kernel", "weight", most("weight")) : "",
    products: conv ? numbers(`Products, sum ${fixed(sums[channels.indexOf(chosen)])}`, "product", most("product")) : "",
    "output-title": `Output: channel ${out}`,
    output: mapGrid(
      `Output channel ${out} with the chosen unit`, made, out, Math.max(9, Math.min(24, 200 / width)),
      { largest: largest(step.name, out), frame: [row, column, 1, 1] },
    ),
    which: `${member.title}, ${member.state}; ${member.images[image]}.`,
    padded: pads.some(Boolean) ? "Hatched: zeros around the map." : "",
    dropped: step.dropped,
    "inputs-title": conv ? "Input channels" : "A pool reads its own channel alone",
    inputs: tiles(step.source, read, channels, "input", "input"),
    "outputs-title": `Output channels of ${step.name}${step.then ? `, before ${step.does}` : ""}`,
    outputs: tiles(step.name, made, range(filters, (one) => one), "output", "output"),
    sums: conv
      ? bars("Sum of the products of each input channel", 170, 90, [
        ...sums.map((value, place) => bar(`channel ${channels[place]}`, value, `input=${channels[place]}`)),
        bar("bias", bias), bar("sum", total),
      ])
      : "",
  };
};
