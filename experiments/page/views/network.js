// Network: every channel as a tile, from the same numbers that the stepper multiplies.
function networkLargest(member, image, scale, name, channel) {
  const most = (layer) => {
    const map = memberMap(member, layer, image);
    return Math.max(...Array.from({ length: map.channels }, (_, one) => map.largest(one)));
  };
  if (scale === "net") return Math.max(...member.layers.map(([layer]) => most(layer)));
  return scale === "layer" ? most(name) : memberMap(member, name, image).largest(channel);
}
// The images that a channel answers to most, each with the window of the unit that does.
function networkTops(member, layer, channel) {
  if (!member.survey || !member.survey.tops[layer]) return [];
  const [height, width, channels] = imageShape(member);
  return member.survey.tops[layer][channel].map(([image, value, top, bottom, left, right]) => {
    const map = unpackedMap(member.survey.gallery[image], [height, width, channels]);
    const drawn = memberGrid(map, 0, map.largest(0), 6, [0, 0, 0, 0], {
      window: [top, left, bottom - top + 1, right - left + 1],
      label: `Test image with ${fixed(value)} at rows ${top} to ${bottom}, columns ${left} to ${right}`,
    });
    return make("div", {}, drawn, make("span", { class: "note" }, fixed(value)));
  });
}

view("network", (section, _, state, go) => {
  const { members, member, image } = memberChosen(section, state, go);
  const first = member.layers[0][0],
    layer = member.layers.some(([name]) => name === state.layer) ? state.layer : member.layers[1][0],
    channel = held(state.channel, member.shapes[layer][2], 0);
  const shares = member.answers[image],
    best = shares.indexOf(Math.max(...shares)),
    label = member.labels[image];
  fill(
    section,
    "told",
    make("b", {}, member.images[image]),
    `: this net (${member.state}) answers ${best} with a share of ${(100 * shares[best]).toFixed(0)} % `,
    label === null
      ? ""
      : make("span", { class: `lamp ${best === label ? "yes" : "no"}` }, best === label ? "✓ right" : "✗ wrong"),
    ".",
  );
  fill(
    section,
    "layers",
    ...member.layers.map(([name, kind]) => {
      const map = memberMap(member, name, image),
        tiles = Array.from({ length: map.channels }, (__, one) =>
          memberTile(
            map, one, networkLargest(member, image, state.scale, name, one), name === layer && one === channel,
            `${name}, channel ${one}`, () => go({ layer: name, channel: one }),
          ),
        );
      return make(
        "div", { class: "layer" },
        make("p", { class: "what" }, name, make("span", { class: "clause" }, `${kind}, ${map.height}x${map.width}`)),
        make("div", { class: "tiles" }, ...tiles),
      );
    }),
  );
  const map = memberMap(member, layer, image),
    largest = networkLargest(member, image, state.scale, layer, channel);
  fill(section, "chosen-title", `${layer}, channel ${channel}`);
  const size = Math.max(4, Math.min(26, 300 / map.width)),
    label_ = `Map of ${layer}, channel ${channel}`;
  fill(section, "chosen", memberGrid(map, channel, largest, size, [0, 0, 0, 0], { label: label_ }));
  fill(
    section,
    "chosen-caption",
    `Red: above zero, blue: below; the largest is ${fixed(map.largest(channel))}. Point at a cell for its number. ` +
      `${member.title}, ${member.state}; ${member.images[image]}.`,
  );
  const at = member.steps.findIndex((one) => one.name === layer || one.then === layer);
  const there = new URLSearchParams({ net: members.indexOf(member), layer: at, output: channel, image });
  fill(
    section,
    "step",
    at >= 0 && document.getElementById("stepper")
      ? make("a", { href: `#stepper?${there}` }, "Step through this map")
      : "",
  );
  const tops = networkTops(member, layer, channel);
  fill(section, "tops", ...tops);
  fill(
    section,
    "tops-caption",
    tops.length
      ? `The strongest of ${member.survey.images} test images for ${layer}, channel ${channel}; framed: what the ` +
          `unit with the largest output sees. ${member.title}, ${member.state}.`
      : "No test images for this net.",
  );
  const why = { input: memberMap(member, first, image) };
  for (const [name, packed] of Object.entries(member.saliency))
    why[name] = unpackedMap(packed[image], imageShape(member));
  fill(
    section,
    "saliency",
    ...Object.entries(why).map(([name, map]) =>
      make("div", {}, memberGrid(map, 0, map.largest(0), 8, [0, 0, 0, 0], { label: `${name} of the image` }),
        make("span", { class: "note" }, name)),
    ),
  );
  fill(section, "answer", answers(shares, label));
  fill(section, "answer-caption", "Share of each class (softmax of the last layer).");
  return { net: members.indexOf(member) };
});
