// Network: every channel as a tile, from the same numbers that the stepper multiplies.
VIEWS.network = (state) => {
  const { net, member, image, input, images } = memberChosen(state);
  const layer = member.maps[state.layer] ? state.layer : member.layers[1][0];
  const channel = held(state.channel, member.shapes[layer][2], 0);
  const [shares, label] = [member.answers[image], member.labels[image]];
  const best = shares.indexOf(Math.max(...shares));
  const [word, told] = best === label ? ["yes", "✓ right"] : ["no", "✗ wrong"];
  const lamp = label === null ? "" : html`<span class="lamp ${word}">${told}</span>`;
  const largest = (name, one) => memberLargest(member, image, state.scale, name, one);
  const layers = member.layers.map(([name, kind]) => {
    const map = memberMap(member, name, image);
    const look = (one) =>
      tile(map, one, largest(name, one), `${name}, channel ${one}`, { layer: name, channel: one });
    return html`<div class="layer"><p class="what">${name}
<span class="clause">${kind}, ${map.height}x${map.width}</span></p>
<div class="tiles">${range(map.channels, look)}</div></div>`;
  });
  const map = memberMap(member, layer, image);
  const size = Math.max(4, Math.min(26, 300 / map.width));
  const shape = [input.height, input.width, input.channels];
  const noted = (drawn, note) => html`<div>${drawn}<span class="note">${note}</span></div>`;
  const tops = (member.survey?.tops[layer]?.[channel] ?? []).map(([at, value, top, bottom, left, right]) => {
    const seen = unpackedMap(member.survey.gallery[at], shape);
    const where = `Test image with ${fixed(value)} at rows ${top} to ${bottom}, columns ${left} to ${right}`;
    return noted(mapGrid(where, seen, 0, 6, { frame: [top, left, bottom - top + 1, right - left + 1] }), fixed(value));
  });
  const why = Object.entries(member.saliency).map(([name, every]) => [name, unpackedMap(every[image], shape)]);
  const step = member.steps.findIndex((one) => [one.name, one.then].includes(layer));
  const there = new URLSearchParams({ net, layer: step, output: channel, image });
  const stepped = step >= 0 && document.getElementById("stepper");
  const effective = member.survey?.effective;
  const reach = (row, column) => {
    const t = Math.round(100 * effective.parts[row][column]);
    return { t, title: `${row}, ${column}: ${t} % of the largest` };
  };
  return {
    state: { net, image, layer, channel, surveyed: Boolean(effective) },
    effective: effective ? grid("Effective receptive field", input.height, input.width, 14, reach) : "",
    "effective-told": effective?.told,
    images,
    told: html`<b>${member.images[image]}</b>: this net (${member.state}) answers ${best} with a share of
${(100 * shares[best]).toFixed(0)} % ${lamp}.`,
    layers,
    "chosen-title": `${layer}, channel ${channel}`,
    chosen: mapGrid(`Map of ${layer}, channel ${channel}`, map, channel, size, { largest: largest(layer, channel) }),
    largest: fixed(map.largest(channel)),
    which: `${member.title}, ${member.state}; ${member.images[image]}.`,
    step: stepped ? html`<a href="#stepper?${there}">Step through this map</a>` : "",
    tops,
    "tops-caption": tops.length
      ? `The strongest of ${member.survey.images} test images for ${layer}, channel ${channel}; framed: what the ` +
        `unit with the largest output sees. ${member.title}, ${member.state}.`
      : "No test images for this net.",
    saliency: [["input", input], ...why].map(([name, of]) => noted(mapGrid(`${name} of the image`, of, 0, 8), name)),
    answer: answers(shares, label),
  };
};
