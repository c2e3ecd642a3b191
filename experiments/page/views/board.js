// Board: rows are in the page already; this sorts and filters them, and shows the page of one claim.
view("board", (section, data, state) => {
  const claim = state.inside || "",
    all = section.querySelector('[data-place="all"]');
  for (const article of section.querySelectorAll("article")) article.hidden = article.id !== claim;
  for (const part of [
    all, ...section.querySelectorAll(":scope > .question, :scope > h1, :scope > .finding, :scope > .caveat"),
  ])
    part.hidden = Boolean(claim);
  if (claim && drawn.claim !== claim) {
    requestAnimationFrame(() => window.scrollTo(0, 0));
    document.getElementById(claim).querySelector("h2").focus({ preventScroll: true });
  }
  drawn.claim = claim;
  const body = all.querySelector("tbody"),
    rows = [...body.rows],
    find = state.find.trim().toLowerCase();
  const shown = rows.filter((row) => {
    row.hidden = Boolean(
      (state.word && row.dataset.word !== state.word) ||
      (state.family && row.dataset.family !== state.family) ||
      (find && !row.textContent.toLowerCase().includes(find)),
    );
    return !row.hidden;
  });
  const by = (row) => (state.sort === "size" ? -row.dataset.size : +row.dataset[state.sort]);
  body.append(...rows.sort((one, other) => by(one) - by(other) || one.dataset.order - other.dataset.order));
  fill(section, "shown", shown.length === rows.length ? "" : `${shown.length} of ${rows.length} claims`);
});
