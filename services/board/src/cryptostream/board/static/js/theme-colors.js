// The theme's colours, for what is drawn on a canvas.

export const color = (name) =>
  getComputedStyle(document.documentElement).getPropertyValue(name).trim();
