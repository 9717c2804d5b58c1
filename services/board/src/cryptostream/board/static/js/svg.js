// Small charts as SVG: drawn once per answer, coloured by the style sheet's classes.

const SPACE = "http://www.w3.org/2000/svg";

/** Make an SVG element. */
export function draw(tag, attributes = {}, ...children) {
  const element = document.createElementNS(SPACE, tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

/** A picture with a name for screen readers. */
export function picture(width, height, name, ...children) {
  const attributes = { viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": name };
  return draw("svg", attributes, ...children);
}

/** A linear scale from [from, to] to [low, high]. */
export function scale([from, to], [low, high]) {
  const span = to - from || 1;
  return (value) => low + ((value - from) / span) * (high - low);
}

/** A path through points; null breaks it. */
export function line(points, className) {
  let path = "";
  let pen = false;
  for (const point of points) {
    if (point) path += `${pen ? "L" : "M"}${point[0].toFixed(1)} ${point[1].toFixed(1)}`;
    pen = Boolean(point);
  }
  return draw("path", { d: path, class: className });
}
