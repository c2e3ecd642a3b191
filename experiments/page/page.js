"use strict";
// The core: a view's state in the address, its controls, the places it fills, moves by mouse and keys, and copies.
// A view is a function of (state, data) that gives markup by place; `state` in it corrects what was asked for, and
// `moves` says by the name of a figure where it stands, `at`, and which change leads `to` another row and column.
const VIEWS = {};
let [DATA, drawn] = [{}, {}];
const bytesOf = (text) => Uint8Array.from(atob(text), (char) => char.charCodeAt(0));

// html`...` is markup: what is put into it is escaped, unless it is markup itself or a list of it.
class Markup extends String {}
const ENTITIES = { "&": "&amp;", "<": "&lt;", '"': "&quot;" };
function inserted(value) {
  if (Array.isArray(value)) return value.map(inserted).join("");
  return value instanceof Markup ? value : String(value ?? "").replace(/[&<"]/g, (char) => ENTITIES[char]);
}
const html = (texts, ...values) => new Markup(String.raw({ raw: texts }, ...values.map(inserted)));
const short = (value, digits = 4) => String(Number(Number(value).toPrecision(digits))).replace("-", "−");
const fixed = (value) => (value === 0 ? "0" : value.toFixed(Math.abs(value) < 10 ? 3 : 1).replace("-", "−"));
const range = (length, make) => Array.from({ length }, (_, place) => make(place));
// An index that stays on a line of so many places; the middle of it unless asked for.
function held(value, length, otherwise = (length - 1) >> 1) {
  return Math.max(0, Math.min(length - 1, value === "" || isNaN(value) ? otherwise : Math.round(value)));
}
const changeOf = (element) => Object.fromEntries(new URLSearchParams(element.dataset.go));
const valueOf = (control) => (control.type === "checkbox" ? String(control.checked) : control.value);

function address() {
  const [name, query] = location.hash.slice(1).split("?");
  const target = document.getElementById(name);
  const home = target?.closest("section.view");
  const asked = Object.fromEntries(new URLSearchParams(query));
  return {
    section: home ?? document.querySelector("section.view"),
    asked: home && home !== target ? { ...asked, inside: name } : asked,
  };
}

function go(change) {
  const { section, asked } = address();
  const moved = Object.entries({ ...asked, ...change }).filter(([key, to]) => String(to) !== section.defaults[key]);
  history.replaceState(null, "", `#${section.id}${moved.length ? "?" : ""}${new URLSearchParams(moved)}`);
  show();
}

function show() {
  const { section, asked } = address();
  clearTimeout(drawn.timer);
  if (drawn.section !== section) {
    drawn = { section };
    window.scrollTo(0, 0);
  }
  for (const one of document.querySelectorAll("section.view")) one.hidden = one !== section;
  for (const link of document.querySelectorAll("nav a"))
    link.ariaCurrent = link.hash === `#${section.id}` ? "page" : null;
  const controls = [...section.querySelectorAll("[data-key]")];
  section.defaults ??= Object.fromEntries(controls.map((control) => [control.dataset.key, valueOf(control)]));
  const state = { inside: "", ...section.defaults, ...asked };
  const { state: corrected, moves, ...places } = VIEWS[section.id]?.(state, DATA[section.id]) ?? {};
  Object.assign(state, corrected);
  drawn.moves = moves ?? {};
  for (const place of section.querySelectorAll("[data-place]")) {
    const text = String(inserted(places[place.dataset.place]));
    if (place.holds !== text) place.innerHTML = place.holds = text;
  }
  // data-when="a=0|b=0": there where the state says one of them; data-go="a=0&b=0": leads there, and is on there
  const holds = (text) => [...new URLSearchParams(text)].every(([key, value]) => String(state[key]) === value);
  for (const part of section.querySelectorAll("[data-when]")) part.hidden = !part.dataset.when.split("|").some(holds);
  for (const one of section.querySelectorAll("[data-go]")) {
    one.classList.toggle("on", holds(one.dataset.go));
    if (one.matches("button")) one.ariaPressed = one.matches(".on");
  }
  for (const control of controls) {
    const value = String(state[control.dataset.key]);
    if (control.type === "checkbox") control.checked = value === "true";
    else control.value = value;
  }
  for (const told of section.querySelectorAll("output[for]"))
    told.textContent = document.getElementById(told.htmlFor).value;
  if (state.inside && drawn.inside !== state.inside) {
    requestAnimationFrame(() => window.scrollTo(0, 0));
    document.getElementById(state.inside)?.querySelector("h2")?.focus({ preventScroll: true });
  }
  drawn.inside = state.inside;
}

// Pictures. A cell is {t, sign, text, title, struck, padding}: t is its colour's share in percent, of counts, or of
// numbers that have a sign. Around the cells lie `pads` of hatched ones: top, left, bottom, right. `frame` is row,
// column, height, width.
const svg = (width, height, label, ...parts) =>
  html`<svg viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img" aria-label="${label}">
${parts}</svg>`;
function cellAt(x, y, size, { t, sign, text, title, struck, padding }) {
  const signed = `;--hue:var(--${sign < 0 ? "minus" : "plus"});--base:var(--signpaper)`;
  const style = `--t:${t}%${sign === undefined ? "" : signed}`;
  const font = Math.min(12, (size - 3) / (0.6 * String(text ?? "").length));
  return html`<rect class="${padding ? "padding" : "cell"}" x="${x}" y="${y}" width="${size}" height="${size}"
style="${style}"><title>${title}</title></rect>${
    font < 7 || font === Infinity ? "" : html`<text class="numeral" x="${x + size / 2}" y="${y + size / 2}"
style="${style};font-size:${font}px">${text}</text>`
  }${struck ? html`<path class="dropped" d="M${x + 3} ${y + size - 3}L${x + size - 3} ${y + 3}"/>` : ""}`;
}
function grid(label, rows, columns, size, cell, { pads = [0, 0, 0, 0], frame, over } = {}) {
  const [top, left, bottom, right] = pads;
  const at = (row, column) => [(column + left) * size + 2, (row + top) * size + 2];
  const area = (kind, row, column, high, wide) => {
    const [x, y] = at(row, column);
    return html`<rect class="${kind}" x="${x}" y="${y}" width="${wide * size}" height="${high * size}" rx="1"/>`;
  };
  const [high, wide] = [rows + top + bottom, columns + left + right];
  return html`<svg data-cell="${[size, top, left]}" viewBox="0 0 ${wide * size + 4} ${high * size + 4}" role="img"
width="${wide * size + 4}" height="${high * size + 4}" aria-label="${label}">
${pads.some(Boolean) ? area("padding", -top, -left, high, wide) : ""}${area("ground", 0, 0, rows, columns)}
${cell ? range(rows, (row) => range(columns, (column) => cellAt(...at(row, column), size, cell(row, column)))) : ""}
${over?.(area, at)}${frame ? area("window", ...frame) : ""}</svg>`;
}
const countCell = (count, most, title) => ({
  t: count ? Math.round(8 + (92 * count) / most) : 0, text: count, title: `${title} = ${count}`, struck: !count,
});
// Bars of shares from -1 to 1, a row each: [name, share, text, colour, change that it leads to].
function bars(label, zero, reach, rows) {
  const drawnRows = rows.map(([name, share, text, hue, to], row) => {
    const wide = Math.abs(share) * reach;
    return html`<g ${to ? html`data-go="${to}"` : ""}><rect class="lit" y="${20 * row}" width="350" height="20"/>
<text x="2" y="${20 * row + 14}">${name}</text><rect x="${share < 0 ? zero - wide : zero}" y="${20 * row + 4}"
width="${wide}" height="12" style="fill: var(--${hue})"/>
<text x="346" y="${20 * row + 14}" text-anchor="end">${text}</text></g>`;
  });
  return svg(350, 20 * rows.length + 2, label, drawnRows);
}
function table(heads, rows) {
  const cells = (kind, texts) =>
    texts.map((text, at) => html`<${new Markup(kind)} class="${heads[at][0] === "#" ? "number" : ""}">${text}`);
  const titles = cells("th", heads.map((head) => head.replace("#", "")));
  return html`<table><tr>${titles}</tr>${rows.map((row) => html`<tr>${cells("td", row)}</tr>`)}</table>`;
}

// Copies: a picture on its own has what its sheet and its theme say of it written into it.
const brush = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
function plainColour(text) {
  if (!text || text === "none" || text.startsWith("url")) return text;
  brush.clearRect(0, 0, 1, 1);
  brush.fillStyle = text;
  brush.fillRect(0, 0, 1, 1);
  const [red, green, blue, alpha] = brush.getImageData(0, 0, 1, 1).data;
  return alpha ? `rgb(${red},${green},${blue})` : "none";
}
const COPIED = ["stroke-width", "stroke-dasharray", "stroke-linecap", "font-size", "font-family", "font-weight",
  "text-anchor", "dominant-baseline", "opacity"];
function asSvg(figure) {
  const there = figure.querySelector("svg:not([hidden] *)");
  const copy = there.cloneNode(true);
  copy.prepend(document.getElementById("marks").cloneNode(true));
  there.prepend(document.getElementById("marks").cloneNode(true));
  const before = there.querySelectorAll("*");
  copy.querySelectorAll("*").forEach((element, place) => {
    const style = getComputedStyle(before[place]);
    for (const key of ["fill", "stroke"]) element.setAttribute(key, plainColour(style[key]));
    for (const key of COPIED) element.setAttribute(key, style.getPropertyValue(key));
    for (const key of ["style", "class", "data-go"]) element.removeAttribute(key);
  });
  there.firstChild.remove();
  copy.setAttribute("xmlns", "http://www.w3.org/2000/svg");
  return copy.outerHTML;
}
function asCsv(figure) {
  const quoted = (cell) => `"${cell.textContent.trim().replaceAll('"', '""')}"`;
  const { rows } = figure.querySelector("table:not([hidden] *)");
  return [...rows].map((row) => [...row.cells].map(quoted).join(",")).join("\n");
}
async function copy(kind, figure) {
  const text = kind === "SVG" ? asSvg(figure) : asCsv(figure);
  const said = document.getElementById("said");
  try {
    await navigator.clipboard.writeText(text);
    said.textContent = `${kind} copied`;
  } catch {
    const href = `data:text/plain;charset=utf-8,${encodeURIComponent(text)}`;
    Object.assign(document.createElement("a"), { href, download: `cnnlab.${kind.toLowerCase()}` }).click();
    said.textContent = `${kind} saved`;
  }
}
for (const figure of document.querySelectorAll("figure")) {
  const kinds = { SVG: "[data-svg]", CSV: "table, [data-table]" };
  const there = Object.keys(kinds).filter((kind) => figure.querySelector(kinds[kind]));
  const buttons = there.map((kind) => html`<button type="button" data-copy="${kind}">Copy ${kind}</button>`);
  figure.insertAdjacentHTML("beforeend", html`<p class="copies">${buttons}</p>`);
}

document.addEventListener("input", ({ target }) => {
  if (target.dataset.key) go({ [target.dataset.key]: valueOf(target) });
});
document.addEventListener("pointerover", ({ target }) => target.matches(".point") && go(changeOf(target)));
document.addEventListener("keydown", (event) => {
  const way = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] }[event.key];
  const figure = way && drawn.moves[event.target.dataset.focus];
  if (!figure) return;
  event.preventDefault();
  go(figure.to(...figure.at.map((at, axis) => at + way[axis])));
});
document.addEventListener("click", (event) => {
  const [link, button, cells] = ["[data-go]", "[data-copy]", "[data-cell]"].map((of) => event.target.closest(of));
  if (link) go(changeOf(link));
  if (button) copy(button.dataset.copy, button.closest("figure"));
  const figure = cells && drawn.moves[cells.closest("[data-focus]")?.dataset.focus];
  if (!figure) return;
  const [size, top, left] = cells.dataset.cell.split(",").map(Number);
  const { x, y } = new DOMPoint(event.clientX, event.clientY).matrixTransform(cells.getScreenCTM().inverse());
  go((figure.click ?? figure.to)(Math.floor((y - 2) / size) - top, Math.floor((x - 2) / size) - left));
});
// A browser that cannot unpack the data shows the page as it is without scripts.
async function begin() {
  const packed = new Blob([bytesOf(document.getElementById("data").textContent)]).stream();
  DATA = await new Response(packed.pipeThrough(new DecompressionStream("deflate"))).json();
  window.matchMedia("(prefers-color-scheme: dark)").addEventListener("change", show);
  window.addEventListener("hashchange", show);
  show();
}
if (self.DecompressionStream) begin();
