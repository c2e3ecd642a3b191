// Board: rows are in the page already; this sorts and filters them, those of each register by themselves.
VIEWS.board = ({ word, family, sort, find }) => {
  const bodies = [...document.querySelectorAll("table.board tbody")];
  const wanted = ({ dataset, textContent }) =>
    (!word || dataset.word === word) && (!family || dataset.family === family) &&
    textContent.toLowerCase().includes(find.trim().toLowerCase());
  const by = ({ dataset }) => (sort === "size" ? -dataset.size : +dataset[sort]);
  const order = (one, other) => by(one) - by(other) || one.dataset.order - other.dataset.order;
  for (const body of bodies) body.append(...[...body.rows].sort(order));
  const rows = bodies.flatMap((body) => [...body.rows]);
  for (const row of rows) row.hidden = !wanted(row);
  const shown = rows.filter((row) => !row.hidden).length;
  return { shown: shown === rows.length ? "" : `${shown} of ${rows.length} claims` };
};
