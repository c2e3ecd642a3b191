// Shift: the answer under every circular shift of the image, as the nets gave it.
VIEWS.shift = (state) => {
  const { net, member, image, input, images } = memberChosen(state);
  const { height, width } = input;
  const given = member.shifted.answers[image];
  const classes = member.answers[image].length;
  member.shifted.bytes ??= member.shifted.shares.map(bytesOf);
  const share = (place, of) => member.shifted.bytes[image][place * classes + of] / 255;
  const [down, right] = [held(state.down, height, 0), held(state.right, width, 0)];
  const cell = (row, column) => {
    const answer = given[row * width + column];
    const t = Math.round(100 * share(row * width + column, given[0]));
    const title = `${row} down, ${column} right: ${answer}, the first answer's share is ${t} %`;
    return { t, title, text: answer === given[0] ? undefined : answer };
  };
  const moved = (row, column) => input.at((row - down + height) % height, (column - right + width) % width, 0);
  const to = (row, column) => ({ down: (row + height) % height, right: (column + width) % width });
  const [size, frame] = [Math.min(28, Math.floor(340 / width)), [down, right, 1, 1]];
  const place = down * width + right;
  return {
    state: { net, image, down, right },
    moves: { shifts: { at: [down, right], to } },
    images,
    told: html`<b>${member.images[image]}</b>: unmoved the answer is ${given[0]}; ${down} down and ${right} right it is
<b>${given[place]}</b>. It stays under ${given.filter((answer) => answer === given[0]).length - 1} of
${given.length - 1} shifts.`,
    shifts: grid(`Answers under ${given.length} shifts`, height, width, size, cell, { frame }),
    which: `${member.title}, ${member.state}; ${member.images[image]}.`,
    "moved-title": `${down} down, ${right} right`,
    moved: mapGrid("The shifted image", { ...input, at: moved }, 0, 14),
    answer: answers(range(classes, (of) => share(place, of)), member.labels[image]),
  };
};
