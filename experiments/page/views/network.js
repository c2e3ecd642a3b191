// Network: every channel as a tile, from the same numbers that the stepper multiplies.
function networkLargest(member, image, scale, name, channel) {
  const most = (layer) => {
    const map = memberMap(member, layer, image);
    return Math.max(...Array.from({ length: map.channels }, (_, one) => map.largest(one)));
  };
  if (scale === "net") return Math.max(...member.layers.map(([layer]) => most(layer)));
  return scale === "layer" ? most(name) : memberMap(member, name, image).largest(channel);
}
function networkAnswer(member, image) {
  const shares = member.answers[image],
    high = 22,
    best = shares.indexOf(Math.max(...shares));
  return picture(
    300,
    shares.length * high,
    `Shares of the classes: ${shares.map((share, place) => `${place} ${(100 * share).toFixed(1)} %`).join(", ")}`,
    ...shares.map((share, place) =>
      make(
        "g",
        {},
        make("text", { x: 4, y: place * high + 15, style: place === best ? "font-weight: 700" : null }, String(place)),
        make("rect", {
          x: 24,
          y: place * high + 4,
          width: 200 * share,
          height: 14,
          rx: 2,
          style: `fill: var(--${place === best ? "mark" : "accent"})`,
        }),
        make("text", { class: "soft", x: 30 + 200 * share, y: place * high + 15 }, `${(100 * share).toFixed(1)} %`),
      ),
    ),
  );
}

view("network", (section, _, state, go) => {
  const members = DATA.members,
    member = members[+state.net] || members[0],
    image = Math.min(+(state.image ?? 0), member.images.length - 1);
  section
    .querySelector("#network-net")
    .replaceChildren(...members.map((one, place) => make("option", { value: place }, `${one.title} (${one.state})`)));
  memberTile.colours = memberColours();
  const first = member.layers[0][0],
    layer = member.layers.some(([name]) => name === state.layer) ? state.layer : member.layers[1][0],
    channel = Math.min(+(state.channel ?? 0), member.shapes[layer][2] - 1);
  const shares = member.answers[image],
    best = shares.indexOf(Math.max(...shares)),
    label = member.labels[image];
  fill(
    section,
    "images",
    ...member.images.map((title, place) => {
      const map = memberMap(member, first, place);
      return memberTile(map, 0, map.largest(0), place === image, title, () => go({ image: place }));
    }),
  );
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
            map,
            one,
            networkLargest(member, image, state.scale, name, one),
            name === layer && one === channel,
            `${name}, channel ${one}`,
            () => go({ layer: name, channel: one }),
          ),
        );
      return make(
        "div",
        { class: "layer" },
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
  fill(section, "answer", networkAnswer(member, image));
  fill(section, "answer-caption", "Share of each class (softmax of the last layer).");
  return { net: members.indexOf(member) };
});
