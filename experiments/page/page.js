"use strict";
// The frame: which view is shown, its state in the address, controls, and copies of a figure as SVG or CSV.
const DATA = JSON.parse(document.getElementById("data").textContent);
const VIEWS = {};
const SVG = "http://www.w3.org/2000/svg";
let drawn = {};

// Make an element: make("rect", {x: 1, class: "cell", onclick: f}, children...); SVG where the name is one of SVG's.
function make(name, attributes = {}, ...children) {
  const inSvg = /^(svg|g|rect|line|path|text|circle|polygon|title|desc|defs|pattern|tspan)$/.test(name);
  const made = inSvg ? document.createElementNS(SVG, name) : document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (key.startsWith("on")) made[key] = value;
    else if (value !== null && value !== undefined && value !== false)
      made.setAttribute(key, value === true ? "" : value);
  }
  made.append(...children.filter((child) => child !== null && child !== undefined));
  return made;
}
const picture = (width, height, label, ...children) =>
  make("svg", { viewBox: `0 0 ${width} ${height}`, width, height, role: "img", "aria-label": label }, ...children);
const box = (x, y, width, height, attributes, ...children) =>
  make("rect", { x, y, width, height, ...attributes }, ...children);
const word = (x, y, text, attributes) => make("text", { x, y, ...attributes }, text);
const rule = (x1, y1, x2, y2, attributes) => make("line", { x1, y1, x2, y2, ...attributes });
const say = (text) => {
  document.getElementById("said").textContent = text;
};
// An index that stays on a line of so many places; the middle of it unless asked for.
const held = (value, length, otherwise = (length - 1) >> 1) =>
  Math.max(0, Math.min(length - 1, value === undefined || value === "" ? otherwise : +value));
const choices = (section, id, names) =>
  section.querySelector(id).replaceChildren(...names.map((name, value) => make("option", { value }, name)));
// A table; a heading that begins with # stands over numbers.
function table(title, headings, rows, chosen = () => false) {
  const cell = (kind) => (content, place) =>
    make(
      kind, headings[place].startsWith("#") ? { class: "number" } : {},
      kind === "th" ? content.replace("#", "") : content,
    );
  return make(
    "table", {}, title && make("caption", {}, title), make("tr", {}, ...headings.map(cell("th"))),
    ...rows.map((row, place) => make("tr", { "aria-selected": chosen(place) ? "true" : null }, ...row.map(cell("td")))),
  );
}
// Bars of shares, a row each: [name, share from 0 to 1, text, colour].
const bars = (label, rows) =>
  picture(
    280,
    rows.length * 20 + 2,
    label,
    ...rows.flatMap(([name, share, told, colour], row) => [
      word(2, row * 20 + 14, name), box(24, row * 20 + 3, share * 170, 14, { style: `fill: var(--${colour})` }),
      word(30 + share * 170, row * 20 + 14, told, { class: "soft" }),
    ]),
  );
const answers = (shares, label) =>
  bars(
    "Shares of the classes",
    shares.map((share, place) => [
      String(place), share, `${(100 * share).toFixed(0)} %${place === label ? " (true)" : ""}`,
      place === label ? "accent" : "hatch",
    ]),
  );
const short = (value, digits = 4) => String(Number(Number(value).toPrecision(digits))).replace("-", "−");
const fixed = (value) => (value === 0 ? "0" : value.toFixed(Math.abs(value) < 10 ? 3 : 1).replace("-", "−"));

// A view is a function (section, data, state, go) that draws a state; `go({key: value})` moves to another one.
function view(name, draw) {
  VIEWS[name] = draw;
}

function address() {
  const [name, query] = location.hash.slice(1).split("?");
  const known = document.getElementById(name),
    section = known && known.closest("section.view");
  const inside = section && section !== known ? { inside: name } : {};
  return {
    shown: (section || document.querySelector("section.view")).id,
    asked: { ...Object.fromEntries(new URLSearchParams(query || "")), ...inside },
  };
}

function controls(section) {
  return [...section.querySelectorAll("[data-key]")];
}

function stateOf(section, asked) {
  const state = {};
  for (const control of controls(section)) {
    const key = control.dataset.key;
    if (!(key in drawn.defaults))
      drawn.defaults[key] = control.type === "checkbox" ? String(control.checked) : control.value;
    state[key] = drawn.defaults[key];
  }
  return { ...state, ...asked };
}

function show() {
  const { shown, asked } = address();
  for (const section of document.querySelectorAll("section.view")) section.hidden = section.id !== shown;
  for (const link of document.querySelectorAll("nav a")) {
    if (link.hash === `#${shown}`) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  const section = document.getElementById(shown);
  if (drawn.name !== shown) {
    drawn = { name: shown, defaults: {} };
    window.scrollTo(0, 0);
  }
  const state = stateOf(section, asked);
  const go = (change) => {
    const next = { ...stateOf(section, address().asked), ...change };
    const moved = Object.entries(next).filter(([key, value]) => String(value) !== drawn.defaults[key]);
    history.replaceState(null, "", `#${shown}${moved.length ? "?" : ""}${new URLSearchParams(moved)}`);
    show();
  };
  const fixed = (VIEWS[shown] && shown in DATA && VIEWS[shown](section, DATA[shown], state, go)) || {};
  // data-when="a=0|b=0": there where the state says one of them
  for (const part of section.querySelectorAll("[data-when]"))
    part.hidden = !part.dataset.when.split("|").some((one) => {
      const [key, value] = one.split("=");
      return String(key in fixed ? fixed[key] : state[key]) === value;
    });
  for (const control of controls(section)) {
    const key = control.dataset.key;
    const value = String(key in fixed ? fixed[key] : state[key]);
    if (control.type === "checkbox") control.checked = value === "true";
    else if (control.value !== value) control.value = value;
    const told = section.querySelector(`output[for="${control.id}"]`);
    if (told)
      told.textContent = control.dataset.words ? control.dataset.words.split("|")[control.value] : control.value;
    control.oninput = () => go({ [key]: control.type === "checkbox" ? control.checked : control.value });
  }
}

// Let the arrow keys move a figure, by move(row step, column step); `name` finds it again once it is drawn anew.
function movable(name, target, move) {
  target.setAttribute("tabindex", 0);
  target.dataset.focus = name;
  const steps = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] };
  target.onkeydown = (event) => {
    if (!(event.key in steps) || event.target !== target) return;
    event.preventDefault();
    move(...steps[event.key]);
  };
  return target;
}

// Replace what a place of the view holds.
function fill(section, place, ...children) {
  const there = section.querySelector(`[data-place="${place}"]`);
  const focused = there.contains(document.activeElement) && document.activeElement.dataset.focus;
  there.replaceChildren(...children);
  if (focused) there.querySelector(`[data-focus="${focused}"]`)?.focus({ preventScroll: true });
  return there;
}

const brush = make("canvas", { width: 1, height: 1 }).getContext("2d", { willReadFrequently: true });
function plainColour(text) {
  if (!text || text === "none" || text.startsWith("url")) return text;
  brush.clearRect(0, 0, 1, 1);
  brush.fillStyle = text;
  brush.fillRect(0, 0, 1, 1);
  const [red, green, blue, alpha] = brush.getImageData(0, 0, 1, 1).data;
  return alpha ? `rgb(${red},${green},${blue})` : "none";
}
// Black or white on a cell, whichever the eye tells apart better: the luminance of WCAG 2.
const inks = new Map();
function ink(ramp, percent) {
  const style = getComputedStyle(document.documentElement);
  const [full, none] = [ramp, ramp === "many" ? "few" : "signpaper"].map((name) => style.getPropertyValue(`--${name}`));
  const mixed = `color-mix(in oklab, ${full} ${percent}%, ${none})`;
  if (!inks.has(mixed)) {
    const [red, green, blue] = plainColour(mixed)
      .match(/\d+/g)
      .map((part) => (part / 255) ** 2.2);
    inks.set(mixed, 0.2126 * red + 0.7152 * green + 0.0722 * blue > 0.179 ? "#000" : "#fff");
  }
  return inks.get(mixed);
}
// A picture on its own: what its sheet and its theme say of it is written into it.
const COPIED =
  "stroke-width stroke-dasharray font-size font-family font-weight text-anchor dominant-baseline opacity".split(" ");
function asSvg(figure) {
  const there = figure.querySelector("svg"),
    copy = there.cloneNode(true),
    before = [there, ...there.querySelectorAll("*")];
  [copy, ...copy.querySelectorAll("*")].forEach((element, place) => {
    const style = getComputedStyle(before[place]);
    for (const key of ["fill", "stroke"]) element.setAttribute(key, plainColour(style[key]));
    for (const key of COPIED) element.setAttribute(key, style.getPropertyValue(key));
    for (const key of ["style", "class", "tabindex", "data-focus"]) element.removeAttribute(key);
  });
  copy.prepend(document.getElementById("marks").cloneNode(true));
  const hatch = copy.querySelector(".hatchline");
  hatch.setAttribute("stroke", "#888");
  hatch.removeAttribute("class");
  copy.setAttribute("xmlns", SVG);
  return copy.outerHTML;
}
const asCsv = (figure) =>
  [...figure.querySelector("table").rows]
    .map((row) => [...row.cells].map((cell) => `"${cell.textContent.trim().replaceAll('"', '""')}"`).join(","))
    .join("\n");
async function copied(text, what) {
  try {
    await navigator.clipboard.writeText(text);
    say(`${what} copied`);
  } catch {
    const link = make("a", {
      href: `data:text/plain;charset=utf-8,${encodeURIComponent(text)}`, download: `cnnlab.${what.toLowerCase()}`,
    });
    link.click();
    say(`${what} saved`);
  }
}
for (const figure of document.querySelectorAll("figure")) {
  const button = (what, text) =>
    make("button", { type: "button", onclick: () => copied(text(figure), what) }, `Copy ${what}`);
  figure.append(
    make(
      "p", { class: "copies" }, figure.querySelector("[data-svg]") ? button("SVG", asSvg) : null,
      figure.querySelector("table, [data-table]") ? button("CSV", asCsv) : null,
    ),
  );
}
window.addEventListener("hashchange", show);
window.addEventListener("DOMContentLoaded", show);
