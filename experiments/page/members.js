// Members: their maps, unpacked, and how maps are drawn; for all views that show a net's own numbers.
// A packed array of rows, columns and channels; a ReLU's is made from the `source` that it reads.
function unpackedMap(packed, [height, width, channels], source = packed) {
  source.whole ||= new Int16Array(bytesOf(source.data).buffer);
  const least = source === packed ? -Infinity : 0;
  const at = (row, column, channel) =>
    Math.max(least, source.whole[(row * width + column) * channels + channel] * source.scales[channel]);
  return { height, width, channels, at, largest: (channel = 0) => 32767 * packed.scales[channel] };
}
function memberMap(member, name, image) {
  const packed = member.maps[name][image];
  return unpackedMap(packed, member.shapes[name], member.maps[packed.relu]?.[image]);
}
// The largest number that a channel's colours span: of the channel, the layer or the net.
function memberLargest(member, image, scale, name, channel) {
  if (scale === "channel") return memberMap(member, name, image).largest(channel);
  const names = scale === "layer" ? [name] : member.layers.map(([layer]) => layer);
  return Math.max(...names.flatMap((layer) => member.maps[layer][image].scales)) * 32767;
}
// The chosen member and image, and the strip of its images.
function memberChosen(state) {
  const net = held(state.net, DATA.members.length, 0);
  const member = DATA.members[net];
  const [input] = member.layers[0];
  const look = (title, image) => tile(memberMap(member, input, image), 0, undefined, title, { image });
  const image = held(state.image, member.images.length, 0);
  return { net, member, image, input: memberMap(member, input, image), images: member.images.map(look) };
}
const signedCell = (value, largest) => ({
  t: largest ? Math.min(100, Math.round((100 * Math.abs(value)) / largest)) : 0, sign: Math.sign(value),
});
function mapGrid(label, map, channel, size, { largest = map.largest(channel), struck, ...more } = {}) {
  const cell = (row, column) => {
    const value = map.at(row, column, channel);
    const title = `${row}, ${column}: ${short(value)}`;
    return { ...signedCell(value, largest), title, struck: struck?.(row, column) };
  };
  return grid(label, map.height, map.width, size, cell, more);
}
function tile(map, channel, largest = map.largest(channel), label, change) {
  const theme = getComputedStyle(document.documentElement);
  [brush.canvas.width, brush.canvas.height] = [map.width, map.height];
  for (let place = 0; place < map.height * map.width; place += 1) {
    const [row, column] = [Math.floor(place / map.width), place % map.width];
    const { t, sign } = signedCell(map.at(row, column, channel), largest);
    const [hue, base] = [sign < 0 ? "--minus" : "--plus", "--signpaper"].map((name) => theme.getPropertyValue(name));
    brush.fillStyle = `color-mix(in oklab, ${hue} ${t}%, ${base})`;
    brush.fillRect(column, row, 1, 1);
  }
  const wide = map.width * Math.max(1, Math.ceil(44 / Math.max(map.height, map.width)));
  const [, bytes] = brush.canvas.toDataURL().split(",");
  return html`<button type="button" class="tile" aria-label="${label}" data-go="${new URLSearchParams(change)}"><img
src="data:image/png;base64,${bytes}" width="${wide}" alt=""></button>`;
}
const answers = (shares, label) =>
  bars("Shares of the classes", 24, 200, shares.map((share, place) => {
    const told = `${place === label ? "(true) " : ""}${(100 * share).toFixed(0)} %`;
    return [place, share, told, place === label ? "accent" : "hatch"];
  }));
