// Receptive fields: the windows of one period are looked up, others are the same ones moved on.
function fieldWindow(row, unit) {
  if (!Array.isArray(row)) return null;
  const period = (row.length - 2) / 2,
    turn = ((unit % period) + period) % period,
    moved = ((unit - turn) / period) * row[1];
  const [first, last] = [row[2 + 2 * turn] + moved, row[3 + 2 * turn] + moved];
  return last < first ? [] : [first, last];
}
const fieldLength = (row) => (Array.isArray(row) ? row[0] : row);
function fieldExtent(row) {
  if (!Array.isArray(row)) return null;
  let most = 0;
  for (let at = 2; at < row.length; at += 2) most = Math.max(most, row[at + 1] - row[at] + 1);
  return most;
}
// Units of a layer that see one pixel: [first, last], or null.
function fieldUnits(row, pixel) {
  const seeing = [];
  for (let unit = 0; unit < fieldLength(row); unit += 1) {
    const seen = fieldWindow(row, unit);
    if (seen === null || (seen.length && seen[0] <= pixel && pixel <= seen[1])) seeing.push(unit);
  }
  return seeing.length ? [seeing[0], seeing.at(-1)] : null;
}
const fieldSpan = (span) =>
  span === null ? "no unit" : span[0] === span[1] ? `${span[0]}` : `${span[0]} to ${span[1]}`;

function fieldImage(size, wide, rows, columns, seen, effective, parts, pixel) {
  const reach = [seen[0] || [0, size - 1], seen[1] || [0, wide - 1]];
  const [top, left] = reach.map((span) => Math.min(0, span[0] ?? 0)),
    bottom = Math.max(size - 1, reach[0][1] ?? 0),
    right = Math.max(wide - 1, reach[1][1] ?? 0);
  const unit = Math.min(34, 530 / Math.max(bottom - top + 1, right - left + 1)),
    x = (place) => 3 + (place - left) * unit,
    y = (place) => 3 + (place - top) * unit;
  const parts_ = [
    box(x(left), y(top), (right - left + 1) * unit, (bottom - top + 1) * unit, { class: "padding" }),
    box(x(0), y(0), wide * unit, size * unit, { style: "fill: var(--few)" }),
  ];
  if (effective) {
    const most = Math.max(...effective) ** 2;
    effective.forEach((down, row) =>
      effective.forEach((across, column) => {
        const share = (down * across) / most;
        if (share > 0.004)
          parts_.push(
            box(x(column), y(row), unit, unit, {
              class: "cell", style: `--t:${Math.round(100 * share)}%; stroke-width: ${unit > 8 ? 1 : 0}`,
            }, make(
              "title", {},
              `row ${row}, column ${column}: ${((100 * down * across) / parts ** 2).toFixed(2)} % of the gradient`,
            )),
          );
      }),
    );
  } else if (unit > 8) {
    for (let at = 1; at < size; at += 1)
      parts_.push(rule(x(0), y(at), x(wide), y(at), { class: "axis" }));
    for (let at = 1; at < wide; at += 1)
      parts_.push(rule(x(at), y(0), x(at), y(size), { class: "axis" }));
  }
  const middle = [x(wide / 2), y(size / 2)];
  parts_.push(
    make("path", {
      class: "edge", style: "stroke-dasharray: none",
      d: `M${middle[0] - 6} ${middle[1]}h12M${middle[0]} ${middle[1] - 6}v12`,
    }),
  );
  const some = reach[0].length && reach[1].length;
  if (some) {
    parts_.push(
      box(
        x(reach[1][0]), y(reach[0][0]), (reach[1][1] - reach[1][0] + 1) * unit, (reach[0][1] - reach[0][0] + 1) * unit,
        { class: "window", rx: 2 },
      ),
      make("circle", {
        cx: x((reach[1][0] + reach[1][1] + 1) / 2), cy: y((reach[0][0] + reach[0][1] + 1) / 2), r: 4,
        style: "fill: var(--mark)",
      }),
    );
  }
  if (pixel)
    parts_.push(
      box(x(pixel[1]), y(pixel[0]), unit, unit, { style: "fill: none; stroke: var(--ink); stroke-width: 2px" }),
    );
  const made = picture(
    (right - left + 1) * unit + 6, (bottom - top + 1) * unit + 6, "The image with the window of the chosen unit",
    ...parts_,
  );
  made.place = (event) => {
    const box = made.getBoundingClientRect(),
      scale = made.viewBox.baseVal.width / box.width;
    return [(event.clientY - box.top) * scale, (event.clientX - box.left) * scale].map(
      (at, axis) => Math.floor((at - 3) / unit) + [top, left][axis],
    );
  };
  return made;
}

function fieldMap(height, width, unit, choose, pixel) {
  const size = Math.max(4, Math.min(26, 300 / Math.max(height, width))),
    parts = [];
  for (let row = 0; row < height; row += 1) {
    for (let column = 0; column < width; column += 1) {
      const sees =
        pixel &&
        pixel[0] &&
        pixel[1] &&
        row >= pixel[0][0] &&
        row <= pixel[0][1] &&
        column >= pixel[1][0] &&
        column <= pixel[1][1];
      parts.push(
        box(column * size + 1.5, row * size + 1.5, size - 1, size - 1, {
          class: row === unit[0] && column === unit[1] ? "unit on" : "unit",
          style: sees ? "stroke: var(--ink); stroke-width: 1.5px" : null, rx: size > 12 ? 2 : 0,
          onclick: () => choose(row, column),
        }),
      );
    }
  }
  return picture(
    width * size + 3, height * size + 3, `Units, ${height} by ${width}; row ${unit[0]}, column ${unit[1]} is chosen`,
    ...parts,
  );
}

function fieldDrift(net, size, go) {
  const sides = Object.keys(net.at)
      .map(Number)
      .sort((a, b) => a - b),
    known = sides.filter((side) => !net.at[side].problem);
  const drifts = known.map((side) => net.at[side].drift),
    most = Math.max(1, ...drifts.map(Math.abs)),
    step = Math.min(18, 320 / sides.length);
  const x = (side) => 56 + (side - sides[0]) * step,
    y = (drift) => 62 - (46 * drift) / most;
  const marks = known.map((side) => {
    const at = net.at[side].drift,
      even = side % 2 === 0,
      radius = side === size ? 6 : 4,
      fill = side === size ? "var(--mark)" : even ? "var(--accent)" : "var(--paper)";
    return make(
      even ? "rect" : "circle",
      {
        ...(even
          ? { x: x(side) - radius, y: y(at) - radius, width: 2 * radius, height: 2 * radius }
          : { cx: x(side), cy: y(at), r: radius }),
        style: `fill: ${fill}; stroke: ${side === size ? "var(--mark)" : "var(--accent)"}; cursor: pointer`,
        onclick: () => go({ size: side }),
      },
      make("title", {}, `${side} pixels: ${net.at[side].placed} the middle`),
    );
  });
  return picture(
    x(sides.at(-1)) + 14,
    136,
    "Where the middle of the last map looks, by image size",
    rule(46, y(0), x(sides.at(-1)) + 8, y(0), { class: "axis" }),
    ...[most, 0, -most].map((value) =>
      word(40, y(value) + 4, short(value, 3), { class: "soft", "text-anchor": "end" }),
    ),
    ...[sides[0], sides.at(-1)].map((side) =>
      word(x(side), 132, String(side), { class: "soft", "text-anchor": "middle" }),
    ),
    ...marks,
  );
}

function fieldLayers(net, at, layer, unit, size, go) {
  const rows = net.layers.map((_, place) => {
    const row = at.rows[place],
      own = place === layer ? unit[0] : Math.floor((fieldLength(row) - 1) / 2);
    return fieldWindow(row, own);
  });
  const spans = rows.filter((span) => span && span.length),
    first = Math.min(0, ...spans.map((span) => span[0])),
    last = Math.max(size - 1, ...spans.map((span) => span[1]));
  const narrow = window.innerWidth < 760,
    [names, width, told] = narrow ? [92, 230, 24] : [250, 690, 160],
    scale = width / (last - first + 1),
    high = rows.length > 30 ? 16 : 22,
    x = (place) => names + (place - first) * scale,
    end = rows.length * high + 6;
  const parts = [box(x(0), 0, size * scale, end, { style: "fill: var(--band)" })];
  rows.forEach((span, place) => {
    const y = place * high + 4,
      [name, kind] = net.layers[place],
      merge = at.merges[place],
      on = place === layer;
    const seen = span === null ? [0, size - 1] : span;
    const group = make(
      "g",
      { style: "cursor: pointer", onclick: () => go({ layer: place }) },
      box(
        0, y - 3, names + width + told, high, { style: `fill: ${on ? "var(--mark)" : "transparent"}; opacity: 0.12` },
      ),
      word(
        4, y + high / 2, name.length > (narrow ? 13 : 18) ? `…${name.slice(narrow ? -12 : -17)}` : name,
        { style: on ? "font-weight: 650" : null },
      ),
      word(130, y + high / 2, narrow ? "" : kind, { class: "soft" }),
    );
    if (seen.length)
      group.append(
        box(
          x(seen[0]), y + high / 2 - 9, Math.max(2, (seen[1] - seen[0] + 1) * scale), 10,
          { rx: 2, style: `fill: ${on ? "var(--mark)" : "var(--accent)"}; opacity: ${span === null ? 0.35 : 1}` },
        ),
      );
    const differ = merge && merge.match(/(centre|stride) (.+?) along/);
    const words = merge === undefined ? "" : merge === null ? "✓ aligned" : `✗ ${differ[1]}s ${differ[2]}`;
    const lamp = words.slice(0, narrow ? 1 : words.length);
    if (lamp)
      group.append(
        word(
          names + width + (narrow ? 6 : 14), y + high / 2, lamp,
          { style: `fill: var(--${merge === null ? "good" : "bad"}); font-weight: 600` },
          make("title", {}, merge || "all paths have one stride and one centre"),
        ),
      );
    parts.push(group);
  });
  for (const edge of [0, size]) parts.push(rule(x(edge), 0, x(edge), end, { class: "edge" }));
  return picture(names + width + told, end, "What one unit of each layer sees, beside the image's edges", ...parts);
}

function fieldPaths(net, at) {
  const merges = Object.entries(at.merges),
    wrong = merges.filter(([, told]) => told);
  if (!merges.length) return "No paths meet in this net.";
  const first = wrong.length ? `; the first that is not: ${net.layers[wrong[0][0]][0]}, ${wrong[0][1]}` : "";
  return `${merges.length - wrong.length} of ${merges.length} places where paths meet are aligned${first}.`;
}

view("field", (section, data, state, go) => {
  const net = data.nets[+state.net] || data.nets[0],
    sides = Object.keys(net.at)
      .map(Number)
      .sort((a, b) => a - b);
  const size = sides.includes(+state.size) ? +state.size : net.side,
    at = net.at[size],
    slider = section.querySelector("#field-size");
  slider.min = sides[0];
  slider.max = sides.at(-1);
  fill(section, "size", String(size));
  fill(section, "notes", net.notes.join(" "));
  const select = section.querySelector("#field-layer");
  select.replaceChildren(
    ...net.layers.map(([name, kind], place) => make("option", { value: place }, `${name} (${kind})`)),
  );
  const layer = state.layer !== "" && net.layers[+state.layer] ? +state.layer : net.last;
  if (at.problem) {
    fill(section, "told", `On an image of ${size} pixels this net does not fit: ${at.problem}.`);
    for (const place of [
      "image", "image-caption", "units", "units-title", "layers", "layers-caption", "table", "table-caption",
    ])
      fill(section, place);
    fill(section, "drift", fieldDrift(net, size, go));
    return { size, layer };
  }
  const rows = at.rows,
    columns = at.columns || at.rows,
    height = fieldLength(rows[layer]),
    width = fieldLength(columns[layer]),
    wide = size + net.wider;
  const unit = [held(state.row, height), held(state.column, width)],
    seen = [fieldWindow(rows[layer], unit[0]), fieldWindow(columns[layer], unit[1])];
  const effective =
    at.effective &&
    size <= 40 &&
    at.effective[layer] &&
    at.effective[layer].unit === unit[0] &&
    at.effective[layer].unit === unit[1]
      ? at.effective[layer]
      : null;
  const pixel = state.pixel ? state.pixel.split(",").map(Number) : null,
    back = pixel ? [fieldUnits(rows[layer], pixel[0]), fieldUnits(columns[layer], pixel[1])] : null;
  const name = net.layers[layer][0],
    extent = fieldExtent(rows[layer]);
  const words =
    seen[0] === null
      ? "sees the whole image"
      : seen[0].length
        ? `sees rows ${seen[0].map((at) => short(at)).join(" to ")} and ` +
          `columns ${seen[1].map((at) => short(at)).join(" to ")}`
        : "sees nothing: it lies in a gap that no input paints";
  fill(
    section, "told", make("b", {}, `Unit ${unit.join(", ")} of ${name}`),
    ` ${words}${extent ? `: a receptive field of ${extent} px on an image of ${size}` : ""}.`,
    pixel ? ` Pixel ${pixel.join(", ")} is seen by rows ${fieldSpan(back[0])}, columns ${fieldSpan(back[1])}.` : "",
    ` The middle of the last map looks ${at.placed} the middle of the image.`,
  );
  const inside = (place) => place.map((value, axis) => Math.max(0, Math.min([size, wide][axis] - 1, value))).join(",");
  const middle = [Math.floor(size / 2), Math.floor(wide / 2)];
  const image = movable(
    "image", fieldImage(size, wide, rows, columns, seen, effective && effective.shares, data.parts, pixel),
    (down, right) => go({ pixel: inside(pixel ? [pixel[0] + down, pixel[1] + right] : middle) }),
  );
  image.onclick = (event) => go({ pixel: inside(image.place(event)) });
  fill(section, "image", image);
  fill(
    section,
    "image-caption",
    `The image (cross: its middle), padding hatched, the window framed (dot: its middle). ${
      effective
        ? "Shade: the share of the gradient when all weights are alike; " +
          `half of it lies within ${effective.half} of ${extent} px an axis.`
        : "Shares of the gradient are shown for the middle unit of chains on images of up to 40 px."
    } Click a pixel, or use the arrow keys, to see which units see it.`,
  );
  fill(section, "units-title", `${name}: ${height}x${width} units`);
  const map = fieldMap(height, width, unit, (row, column) => go({ row, column }), back);
  fill(
    section,
    "units",
    movable("units", map, (down, right) =>
      go({ row: held(unit[0] + down, height), column: held(unit[1] + right, width) }),
    ),
  );
  fill(section, "drift", fieldDrift(net, size, go));
  fill(
    section, "drift-caption",
    "In pixels along the height, from the image's middle downwards; squares: even sizes, circles: odd ones. Click one.",
  );
  fill(section, "layers", fieldLayers(net, at, layer, unit, size, go));
  fill(
    section, "layers-caption",
    `What the middle unit of each layer sees along the height. Grey: the image. ${fieldPaths(net, at)}`,
  );
  const heads = ["Layer", "", "#Map", "#Field", "#Stride", "#Half within", "Measured"];
  const cells = net.layers.map(([own, kind], place) => {
    const row = rows[place],
      period = Array.isArray(row) ? (row.length - 2) / 2 : 0,
      half = at.effective && at.effective[place],
      measured = net.measured && net.measured[own];
    const told =
      size !== net.side ? "" : measured === true ? "✓ same" : measured === false ? "✗ differs" : "not measured";
    return [
      own, kind, `${fieldLength(row)}x${fieldLength(columns[place])}`,
      fieldExtent(row) === null ? "whole" : `${fieldExtent(row)}${fieldExtent(row) > size ? " > image" : ""}`,
      period ? short(row[1] / period) : "", half ? String(half.half) : "", told,
    ];
  });
  fill(section, "table", table(null, heads, cells, (place) => place === layer));
  fill(
    section,
    "table-caption",
    "Pixels along the height. Half within: the fewest pixels in a row that hold half of the gradient when all " +
      "weights are alike. Measured, at the net's own size: whether input gradients of the net, run with positive " +
      "weights, reach exactly the pixels of the formula.",
  );
  return { size, layer };
});
