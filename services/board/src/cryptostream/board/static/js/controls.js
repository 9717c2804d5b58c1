// The tabs, the indicators' chips and the filters: what the toolbar holds.
import { byId, make } from "./dom.js";
import { INDICATORS, VIEWS } from "./view.js";

/** Make the tabs; they are links, so that a view opens in another window as well. */
export function makeTabs(onChoose) {
  byId("tabs").append(...VIEWS.map(([name, label]) => {
    const count = make("span", "count");
    count.hidden = true;
    const link = make("a", "", label, count);
    link.id = `tab-${name}`;
    link.href = `?view=${name}`;
    link.addEventListener("click", (event) => {
      if (event.ctrlKey || event.metaKey || event.shiftKey) return;
      event.preventDefault();
      onChoose(name);
    });
    return link;
  }));
}

/** Mark the chosen tab; `hrefOf(name)` gives each one's link. */
export function showTabs(chosen, hrefOf) {
  for (const [name] of VIEWS) {
    const link = byId(`tab-${name}`);
    link.href = hrefOf(name);
    if (name === chosen) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
    byId(`view-${name}`).hidden = name !== chosen;
  }
}

export const indicatorsOf = (text) => (text === "none" ? [] : text.split(","));

/** Make the indicators' chips; `onChange(text)` hears of the new choice. */
export function makeChips(current, onChange) {
  byId("indicators").append(...INDICATORS.map(([name, label]) => {
    const chip = make("button", "chip", label);
    chip.type = "button";
    chip.dataset.name = name;
    chip.addEventListener("click", () => {
      const now = new Set(indicatorsOf(current()));
      if (!now.delete(name)) now.add(name);
      onChange(INDICATORS.map(([one]) => one).filter((one) => now.has(one)).join() || "none");
    });
    return chip;
  }));
}

export function showChips(text) {
  const chosen = indicatorsOf(text);
  for (const chip of byId("indicators").children) {
    chip.setAttribute("aria-pressed", String(chosen.includes(chip.dataset.name)));
  }
}

/** Bind the filters' fields; `onChange({name: value})` hears of a new one. */
export function bindFilters(onChange) {
  for (const name of ["side", "prediction", "confidence"]) {
    byId(name).addEventListener("change", (event) => onChange({ [name]: event.target.value }));
  }
}

export function showFilters(view) {
  for (const name of ["side", "prediction", "confidence"]) byId(name).value = view[name];
}
