// Board: rows are in the page already; this sorts and filters them.
VIEWS.board = ({ word, family, sort, find }) => {
  const body = document.querySelector("table.board tbody");
  const rows = [...body.rows];
  const wanted = ({ dataset, textContent }) =>
    (!word || dataset.word === word) && (!family || dataset.family === family) &&
    textContent.toLowerCase().includes(find.trim().toLowerCase());
  for (const row of rows) row.hidden = !wanted(row);
  const by = ({ dataset }) => (sort === "size" ? -dataset.size : +dataset[sort]);
  body.append(...rows.sort((one, other) => by(one) - by(other) || one.dataset.order - other.dataset.order));
  const shown = rows.filter((row) => !row.hidden).length;
  return { shown: shown === rows.length ? "" : `${shown} of ${rows.length} claims` };
};
