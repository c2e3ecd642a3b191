// Shift: the answer under every circular shift of the image, as the nets gave it.
view("shift", (section, _, state, go) => {
  const { members, member, image } = memberChosen(section, state, go);
  const map = memberMap(member, member.layers[0][0], image),
    { height, width } = map,
    classes = member.answers[image].length,
    given = member.shifted.answers[image],
    shares = new Uint8Array(memberBytes(member.shifted.shares[image]));
  const share = (place, of) => shares[place * classes + of] / 255,
    [down, right] = [held(state.down, height, 0), held(state.right, width, 0)],
    place = down * width + right,
    size = Math.min(28, Math.floor(340 / width));
  const cells = given.flatMap((answer, at) => {
    const [row, column] = [Math.floor(at / width), at % width],
      shade = Math.round(100 * share(at, given[0])),
      kept = answer === given[0];
    const [x, y, told] = [column * size + 2, row * size + 2, `${row} down, ${column} right: ${answer}`];
    const spot = { x, y, width: size, height: size };
    const ground = make(
      "rect", { class: "cell", style: `--t:${shade}%`, ...spot, onclick: () => go({ down: row, right: column }) },
    );
    ground.append(make("title", {}, `${told}, the first answer's share is ${shade} %`));
    const style = `fill: ${ink("many", shade)}`;
    return [ground, kept ? null : word(x + size / 2, y + size / 2, String(answer), { class: "numeral", style })];
  });
  const mark = box(right * size + 2, down * size + 2, size, size, { class: "window", rx: 2 });
  const drawn = picture(width * size + 4, height * size + 4, `Answers under ${given.length} shifts`,
    ...cells.filter(Boolean), mark);
  fill(
    section,
    "shifts",
    movable("shifts", drawn, (rows, columns) =>
      go({ down: (down + rows + height) % height, right: (right + columns + width) % width }),
    ),
  );
  const kept = given.filter((answer) => answer === given[0]).length - 1;
  fill(
    section, "told", make("b", {}, member.images[image]),
    `: unmoved the answer is ${given[0]}; ${down} down and ${right} right it is `, make("b", {}, String(given[place])),
    `. It stays under ${kept} of ${given.length - 1} shifts.`,
  );
  fill(
    section,
    "caption",
    `${member.title}, ${member.state}; ${member.images[image]}. Down: pixels downwards, across: to the right. ` +
      "Shade: the share of the first answer; a number: another answer. Arrow keys move.",
  );
  const moved = { ...map, at: (row, column, channel) =>
    map.at((row - down + height) % height, (column - right + width) % width, channel) };
  fill(section, "moved-title", `${down} down, ${right} right`);
  fill(section, "moved", memberGrid(moved, 0, map.largest(0), 14, [0, 0, 0, 0], { label: "The shifted image" }));
  const every = Array.from({ length: classes }, (__, of) => share(place, of));
  fill(section, "answer", answers(every, member.labels[image]));
  return { net: members.indexOf(member) };
});
