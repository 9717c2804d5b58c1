// Small helpers over the DOM. Text only ever goes in as text.

export const byId = (id) => document.getElementById(id);

/** Make an element with a class and children (strings or elements). */
export function make(tag, className, ...children) {
  const element = document.createElement(tag);
  if (className) element.className = className;
  element.append(...children);
  return element;
}

/** Set an element's text, only if it differs. */
export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/** A group of choices, one of them chosen; `onChoose(value)` hears of a new one. */
export class Choices {
  constructor(root, onChoose) {
    this.root = root;
    this.onChoose = onChoose;
    root.addEventListener("keydown", (event) => this.#move(event));
  }

  show(options, chosen) {
    this.root.replaceChildren(...options.map(([value, label]) => {
      const button = make("button", "", label);
      button.type = "button";
      button.dataset.value = value;
      button.setAttribute("role", "radio");
      button.addEventListener("click", () => this.onChoose(value));
      return button;
    }));
    this.choose(chosen);
  }

  choose(value) {
    for (const button of this.root.children) {
      const chosen = button.dataset.value === String(value);
      button.setAttribute("aria-checked", String(chosen));
      button.tabIndex = chosen ? 0 : -1;
    }
  }

  #move(event) {
    const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
    if (!step) return;
    event.preventDefault();
    const all = [...this.root.children];
    const at = all.indexOf(document.activeElement);
    const next = all[(at + step + all.length) % all.length].dataset.value;
    this.onChoose(next);
    [...this.root.children].find((one) => one.dataset.value === next)?.focus();
  }
}
