// Members: their maps, unpacked, and how maps are drawn; for all views that show a net's own numbers.
const memberBytes = (text) => Uint8Array.from(atob(text), (char) => char.charCodeAt(0)).buffer;
function unpackedMap(packed, [height, width, channels]) {
  packed.whole ||= new Int16Array(memberBytes(packed.data));
  return {
    height, width, channels,
    at: (row, column, channel) => packed.whole[(row * width + column) * channels + channel] * packed.scales[channel],
    largest: (channel) => 32767 * packed.scales[channel],
  };
}
const memberMap = (member, name, image) => unpackedMap(member.maps[name][image], member.shapes[name]);
// The image a member looks at, or another array of an image's shape.
const imageShape = (member) => member.shapes[member.layers[0][0]];
// The menu of nets and the strip of images, which every view of members has: the chosen member and image.
function memberChosen(section, state, go) {
  const members = DATA.members,
    member = members[+state.net] || members[0],
    image = held(state.image, member.images.length, 0),
    first = member.layers[0][0];
  choices(section, "[data-key=net]", members.map((one) => `${one.title} (${one.state})`));
  memberTile.colours = memberColours();
  fill(
    section,
    "images",
    ...member.images.map((title, place) => {
      const map = memberMap(member, first, place);
      return memberTile(map, 0, map.largest(0), place === image, title, () => go({ image: place }));
    }),
  );
  return { members, member, image };
}
// A number's colour: minus to plus, by the largest of its channel or layer.
const signedShare = (value, largest) => (largest ? Math.min(100, Math.round((100 * Math.abs(value)) / largest)) : 0);
function signedHue(value, largest) {
  return `--hue: var(--${value < 0 ? "minus" : "plus"}); --t: ${signedShare(value, largest)}%`;
}
function memberGrid(map, channel, largest, size, pads, options) {
  const [top, left, bottom, right] = pads,
    parts = [],
    x = (at) => (at + left) * size + 2,
    y = (at) => (at + top) * size + 2;
  for (let row = -top; row < map.height + bottom; row += 1) {
    for (let column = -left; column < map.width + right; column += 1) {
      const inside = row >= 0 && row < map.height && column >= 0 && column < map.width,
        value = inside ? map.at(row, column, channel) : 0;
      const cell = box(x(column), y(row), size, size, {
        class: inside ? "signed" : "padding", style: inside ? signedHue(value, largest) : null,
        onclick: options.choose ? () => options.choose(row, column) : null,
      });
      cell.append(make("title", {}, inside ? `${row}, ${column}: ${short(value)}` : "padding"));
      parts.push(cell);
      if (inside && options.dropped && options.dropped(row, column))
        parts.push(rule(x(column) + 3, y(row) + size - 3, x(column) + size - 3, y(row) + 3, { class: "dropped" }));
    }
  }
  if (options.window) {
    const [row, column, high, wide] = options.window;
    parts.push(box(x(column), y(row), wide * size, high * size, { class: "window", rx: 2 }));
  }
  return picture(
    (map.width + left + right) * size + 4, (map.height + top + bottom) * size + 4, options.label, ...parts,
  );
}
const memberColours = () =>
  Object.fromEntries(
    ["plus", "minus", "signpaper"].map((name) => [
      name,
      plainColour(getComputedStyle(document.documentElement).getPropertyValue(`--${name}`))
        .match(/\d+/g)
        .map(Number),
    ]),
  );
function memberTile(map, channel, largest, chosen, label, choose) {
  const scale = Math.max(1, Math.ceil(44 / Math.max(map.height, map.width))),
    canvas = make("canvas", { width: map.width, height: map.height });
  canvas.style.width = `${map.width * scale}px`;
  const brushed = canvas.getContext("2d"),
    pixels = brushed.createImageData(map.width, map.height),
    rgb = memberTile.colours;
  for (let row = 0; row < map.height; row += 1) {
    for (let column = 0; column < map.width; column += 1) {
      const value = map.at(row, column, channel),
        share = largest ? Math.min(1, Math.abs(value) / largest) : 0,
        hue = value < 0 ? rgb.minus : rgb.plus;
      for (let part = 0; part < 3; part += 1)
        pixels.data[4 * (row * map.width + column) + part] =
          rgb.signpaper[part] + share * (hue[part] - rgb.signpaper[part]);
      pixels.data[4 * (row * map.width + column) + 3] = 255;
    }
  }
  brushed.putImageData(pixels, 0, 0);
  return make(
    "button",
    {
      type: "button", class: "tile", "aria-pressed": String(chosen), "aria-label": label, "data-focus": label,
      onclick: choose,
    },
    canvas,
  );
}
