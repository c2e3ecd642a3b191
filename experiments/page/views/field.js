// Receptive fields: the windows of one period are looked up, others are the same ones moved on.
const fieldLength = (row) => row[0] ?? row;
function fieldWindow(row, unit) {
  if (!Array.isArray(row)) return null;
  const turns = Math.floor((2 * unit) / (row.length - 2));
  const at = 2 + 2 * unit - turns * (row.length - 2);
  const [first, last] = [row[at] + turns * row[1], row[at + 1] + turns * row[1]];
  return last < first ? [] : [first, last];
}
// Units of a layer that see one pixel: [first, last], or null.
function fieldUnits(row, pixel) {
  const seeing = range(fieldLength(row), (unit) => unit).filter((unit) => {
    const [first, last] = fieldWindow(row, unit) ?? [pixel, pixel];
    return first <= pixel && pixel <= last;
  });
  return seeing.length ? [seeing[0], seeing.at(-1)] : null;
}
const fieldSpan = (span) => (span === null ? "no unit" : span[0] === span[1] ? `${span[0]}` : span.join(" to "));
const fieldCells = (length) => (length > 40 ? null : () => ({ t: 0 }));

// The image with the window of a unit, padding hatched; shades are shares of the gradient, where these are known.
function fieldImage([size, wide], [rows, columns], shares, pixel) {
  const [down, across] = [rows ?? [0, size - 1], columns ?? [0, wide - 1]];
  const before = ([first]) => Math.max(0, -(first ?? 0));
  const behind = ([, last], length) => Math.max(0, (last ?? 0) - length + 1);
  const pads = [before(down), before(across), behind(down, size), behind(across, wide)];
  const unit = Math.min(34, 530 / Math.max(size + pads[0] + pads[2], wide + pads[1] + pads[3]));
  const most = shares && Math.max(...shares) ** 2;
  const total = shares && shares.reduce((sum, one) => sum + one, 0) ** 2;
  const shade = (row, column) => {
    const share = shares[row] * shares[column];
    const title = `row ${row}, column ${column}: ${((100 * share) / total).toFixed(2)} % of the gradient`;
    return { t: Math.round((100 * share) / most), title };
  };
  const there = down.length && across.length;
  const over = (area, at) => {
    const [x, y] = at(size / 2, wide / 2);
    const [right, low] = there ? at((down[0] + down[1] + 1) / 2, (across[0] + across[1] + 1) / 2) : [0, 0];
    return html`<path class="cross" d="M${x - 6} ${y}h12M${x} ${y - 6}v12"/>
${there ? html`<circle class="dot worse" cx="${right}" cy="${low}" r="4"/>` : ""}
${pixel ? area("seen", ...pixel, 1, 1) : ""}`;
  };
  const frame = there ? [down[0], across[0], down[1] - down[0] + 1, across[1] - across[0] + 1] : undefined;
  const label = "The image with the window of the chosen unit";
  return grid(label, size, wide, unit, shares ? shade : fieldCells(Math.max(size, wide)), { pads, frame, over });
}

// What one unit of each layer sees, beside the image's edges.
function fieldLayers(net, at, layer, unit, size) {
  const narrow = window.innerWidth < 760;
  const [names, width, told] = narrow ? [92, 230, 24] : [250, 690, 160];
  const middle = (row) => (fieldLength(row) - 1) >> 1;
  const spans = at.rows.map((row, place) => fieldWindow(row, place === layer ? unit : middle(row)) ?? [0, size - 1]);
  const first = Math.min(0, ...spans.flat());
  const scale = width / (Math.max(size - 1, ...spans.flat()) - first + 1);
  const high = spans.length > 30 ? 16 : 22;
  const x = (place) => names + (place - first) * scale;
  const edge = (place) => html`<path class="edge" d="M${x(place)} 0V${spans.length * high + 6}"/>`;
  const rows = spans.map(([from, to], place) => {
    const [y, [name, kind]] = [place * high + 4, net.layers[place]];
    const [lamp, words, why] = at.lamps[place] ?? ["", "", ""];
    const [wide, opacity] = [Math.max(2, (to - from + 1) * scale), Array.isArray(at.rows[place]) ? 1 : 0.35];
    return html`<g data-go="layer=${place}"><rect class="lit" y="${y - 3}" width="${names + width + told}"
height="${high}"/><text x="4" y="${y + high / 2}">${name.slice(narrow ? -13 : -18)}</text>
<text class="soft" x="130" y="${y + high / 2}">${narrow ? "" : kind}</text>${
      from === undefined ? "" : html`<rect class="span" x="${x(from)}" y="${y + high / 2 - 9}" width="${wide}"
height="10" rx="2" opacity="${opacity}"/>`
    }<text class="${lamp}" x="${names + width + (narrow ? 6 : 14)}" y="${y + high / 2}">${
      narrow ? words.slice(0, 1) : words
    }<title>${why}</title></text></g>`;
  });
  const image = html`<rect class="band" x="${x(0)}" width="${size * scale}" height="${spans.length * high + 6}"/>`;
  const label = "What one unit of each layer sees, beside the image's edges";
  return svg(names + width + told, spans.length * high + 6, label, image, rows, edge(0), edge(size));
}

VIEWS.field = (state, data) => {
  const number = held(state.net, data.nets.length, 0);
  const net = data.nets[number];
  const sides = Object.keys(net.at).map(Number);
  const size = sides.includes(+state.size) ? +state.size : net.side;
  const at = net.at[size];
  Object.assign(document.getElementById("field-size"), { min: Math.min(...sides), max: Math.max(...sides) });
  const layer = held(state.layer, net.layers.length, net.last);
  const shared = {
    size, notes: net.notes.join(" "),
    "layer-menu": net.layers.map(([name, kind], place) => html`<option value="${place}">${name} (${kind})</option>`),
  };
  const fits = !at.problem;
  if (!fits)
    return {
      ...shared, state: { net: number, size, layer, fits },
      told: `On an image of ${size} pixels this net does not fit: ${at.problem}.`,
    };
  const [rows, columns, wide] = [at.rows, at.columns ?? at.rows, size + net.wider];
  const [height, width] = [rows, columns].map((every) => fieldLength(every[layer]));
  const unit = [held(state.row, height), held(state.column, width)];
  const seen = [fieldWindow(rows[layer], unit[0]), fieldWindow(columns[layer], unit[1])];
  const known = size <= 40 && at.effective?.[layer];
  const effective = known && unit.every((one) => one === known.unit) ? known : null;
  const pixel = state.pixel?.split(",").map(Number);
  const back = pixel && [fieldUnits(rows[layer], pixel[0]), fieldUnits(columns[layer], pixel[1])];
  const [name, field] = [net.layers[layer][0], at.fields[layer]];
  const listed = (span) => span.map((one) => short(one)).join(" to ");
  const gap = "sees nothing: it lies in a gap that no input paints";
  const windows = seen[0]?.length ? `sees rows ${listed(seen[0])} and columns ${listed(seen[1])}` : gap;
  const words = seen[0] === null ? "sees the whole image" : windows;
  const reach = (area) => {
    if (!back?.[0] || !back[1]) return "";
    const [[top, bottom], [left, right]] = back;
    return area("seen", top, left, bottom - top + 1, right - left + 1);
  };
  const inside = (row = size >> 1, column = wide >> 1) => ({ pixel: [held(row, size), held(column, wide)].join(",") });
  const cells = Math.max(4, Math.min(26, 300 / Math.max(height, width)));
  const units = `Units, ${height} by ${width}; row ${unit[0]}, column ${unit[1]} is chosen`;
  const told = (own) =>
    size === net.side ? { true: "✓ same", false: "✗ differs" }[net.measured?.[own]] ?? "not measured" : "";
  return {
    ...shared,
    state: { net: number, size, layer, fits },
    moves: {
      image: { at: pixel ?? [], to: (row, column) => inside(...(pixel ? [row, column] : [])), click: inside },
      units: { at: unit, to: (row, column) => ({ row: held(row, height), column: held(column, width) }) },
    },
    told: html`<b>Unit ${unit.join(", ")} of ${name}</b> ${words}${
      field ? `: a receptive field of ${field} px on an image of ${size}` : ""
    }.${
      pixel ? ` Pixel ${pixel.join(", ")} is seen by rows ${fieldSpan(back[0])}, columns ${fieldSpan(back[1])}.` : ""
    } The middle of the last map looks ${at.placed} the middle of the image.`,
    image: fieldImage([size, wide], seen, effective?.shares, pixel),
    shade: effective
      ? "Shade: the share of the gradient when all weights are alike; " +
        `half of it lies within ${effective.half} of ${field} px an axis.`
      : "Shares of the gradient are shown for the middle unit of chains on images of up to 40 px.",
    "units-title": `${name}: ${height}x${width} units`,
    units: grid(units, height, width, cells, fieldCells(height), { frame: [...unit, 1, 1], over: reach }),
    layers: fieldLayers(net, at, layer, unit[0], size),
    paths: at.paths,
    table: table(["Layer", "", "#Map", "#Field", "#Stride", "#Half within", "Measured"],
      net.layers.map(([own, kind], place) => [own, kind, ...at.table[place], told(own)])),
  };
};
