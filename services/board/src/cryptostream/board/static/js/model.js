// The model: what it says on the chart, how it scores beside baselines, whether 60 % means 60 %.
import { ask, Repeated } from "./ask.js";
import { byId, make, setText } from "./dom.js";
import * as format from "./format.js";
import { table } from "./pipeline.js";
import { draw, line, picture, scale } from "./svg.js";

const SECONDS = 10;
const MOST_MARKS = 60;
const MARKED_TRADES = 500;
const SERVED_HORIZON = 10;
const [WIDTH, HEIGHT, PAD] = [560, 200, 34];
const BASELINES = [
  ["auc", "Model", "ours"], ["tick_rule_auc", "Tick rule", "tick"], ["side_auc", "Side", "side"],
  ["naive_auc", "Naive label", "naive"],
];
const two = (value) => (value === undefined || value === null ? "–" : value.toFixed(3));
const time = (ms) => format.dateAndTime(ms);

/** What the newest served score and the newest prediction say of the edge. Pure. */
export function verdict(scores, said) {
  const newest = scores.find((one) => one.horizon === SERVED_HORIZON) ?? scores[0];
  if (!newest && !said?.name) return ["none", "No prediction has come yet."];
  const name = said?.no_edge ? said.name : (newest?.model ?? said.name);
  if (said?.no_edge || newest?.no_edge) {
    return ["no-edge", `${name} has no edge: it doesn't beat guessing. Watch it, don't trade on it.`];
  }
  if (!newest) return ["none", `${name} predicts; it has no live score yet.`];
  const range = `${two(newest.auc_low)} to ${two(newest.auc_high)}`;
  if (!(newest.auc_low > 0.5)) {
    return ["no-edge", `${name} shows no edge now: its AUC may be chance (${range}).`];
  }
  return ["edge", `${name} scores better than chance now: AUC ${two(newest.auc)} (${range}). Costs are not counted.`];
}

export class Model {
  constructor(view, chart) {
    Object.assign(this, { view, chart, scores: [], said: null });
    this.reports = new Repeated(SECONDS, () => ask("/api/model"), (answer) => this.#report(answer));
    this.plot = new Repeated(
      SECONDS, () => ask("/api/reliability", { symbol: view.symbol }), (answer) => this.#reliability(answer));
    this.marks = new Repeated(SECONDS, () => this.#trades(), ({ trades }) => this.#mark(trades));
  }

  start() {
    for (const one of [this.reports, this.plot, this.marks]) one.start();
  }

  stop() {
    for (const one of [this.reports, this.plot, this.marks]) one.stop();
  }

  /** Hear what the newest trades' model says of itself. */
  hear(said) {
    this.said = said;
    this.#verdict();
  }

  #trades() {
    const { symbol, side, prediction, confidence, at } = this.view;
    const until = at || "";
    return ask("/api/trades", { symbol, limit: MARKED_TRADES, side, prediction, confidence, until });
  }

  #mark(trades) {
    const said = trades.filter((one) => one.p_up !== undefined);
    const surest = [...said].sort((a, b) => Math.abs(b.p_up - 0.5) - Math.abs(a.p_up - 0.5));
    const kept = surest.slice(0, MOST_MARKS);
    this.chart.mark(kept.map((one) => ({ time: one.time, kind: one.p_up >= 0.5 ? "up" : "down", text: "" })));
    const least = kept.length ? Math.max(kept.at(-1).p_up, 1 - kept.at(-1).p_up) : null;
    setText(byId("model-marks"), kept.length
      ? `Arrows: the ${kept.length} surest of the newest ${said.length} predictions (${Math.round(least * 100)} % and more), counted by candle`
      : "No predictions that fit the filters");
  }

  #verdict() {
    const [kind, text] = verdict(this.scores, this.said);
    byId("verdict").dataset.kind = kind;
    setText(byId("verdict"), text);
  }

  #report({ scores, events }) {
    this.scores = scores;
    this.#verdict();
    byId("scores-empty").hidden = scores.length > 0;
    this.#lines(scores.filter((one) => one.horizon === SERVED_HORIZON).reverse());
    const newest = [...new Map([...scores].reverse().map((one) => [one.horizon, one])).values()];
    newest.sort((a, b) => a.horizon - b.horizon);
    table(byId("scores"), ["Horizon", "AUC", "95 %", "Tick rule", "Side", "Naive", "Calibration error", "Edge", "Answered"],
      newest.map((one) => [
        `${one.horizon} s`, two(one.auc), `${two(one.auc_low)}–${two(one.auc_high)}`, two(one.tick_rule_auc),
        two(one.side_auc), two(one.naive_auc), two(one.calibration_error),
        one.no_edge ? "none" : `${two(one.edge_bps)} bp`, format.count(one.n ?? 0),
      ]));
    byId("versions-empty").hidden = events.length > 0;
    byId("versions").replaceChildren(...events.map(entry));
  }

  #lines(rows) {
    const root = byId("score-chart");
    if (rows.length < 2) return root.replaceChildren();
    const x = scale([rows[0].time, rows.at(-1).time], [PAD, WIDTH - 12]);
    const values = rows.flatMap((row) => [...BASELINES.map(([name]) => row[name]), row.auc_low, row.auc_high]);
    const known = values.filter((one) => one !== undefined && one !== null);
    const low = Math.min(0.48, ...known) - 0.01;
    const high = Math.max(0.6, ...known) + 0.01;
    const y = scale([low, high], [HEIGHT - 22, 10]);
    const guides = [0.4, 0.5, 0.6, 0.7, 0.8].filter((one) => one > low && one < high).flatMap((one) => [
      draw("line", { x1: PAD, x2: WIDTH - 12, y1: y(one), y2: y(one), class: one === 0.5 ? "coin" : "guide" }),
      draw("text", { x: PAD - 6, y: y(one) + 4, class: "end" }, one.toFixed(1)),
    ]);
    const band = [...rows.map((row) => [x(row.time), y(row.auc_high)]), ...[...rows].reverse().map((row) => [x(row.time), y(row.auc_low)])];
    const shade = draw("polygon", { points: band.map((one) => one.join()).join(" "), class: "band" });
    const lines = BASELINES.map(([name, , kind]) => line(
      rows.map((row) => (row[name] === undefined ? null : [x(row.time), y(row[name])])), `curve ${kind}`));
    const ends = [[rows[0], PAD, "start"], [rows.at(-1), WIDTH - 12, "end"]].map(([row, at, anchor]) =>
      draw("text", { x: at, y: HEIGHT - 4, class: anchor }, time(row.time)));
    const legend = make("p", "key", ...BASELINES.map(([, label, kind]) => make("span", kind, label)));
    root.replaceChildren(picture(WIDTH, HEIGHT, "AUC of the model and of baselines over time", ...guides, shade, ...lines, ...ends), legend);
  }

  #reliability({ bins, answered, horizon }) {
    byId("reliability-empty").hidden = bins.length > 0;
    setText(byId("reliability-note"), answered
      ? `said against came in ${horizon} s, ${format.count(answered)} answered orders of ${this.view.label}` : "");
    const size = 260;
    const root = byId("reliability");
    if (!bins.length) return root.replaceChildren();
    const x = scale([0, 1], [PAD, size - 18]);
    const y = scale([0, 1], [size - 30, 8]);
    const grid = [0, 0.25, 0.5, 0.75, 1].flatMap((one) => [
      draw("line", { x1: PAD, x2: size - 18, y1: y(one), y2: y(one), class: "guide" }),
      draw("text", { x: PAD - 6, y: y(one) + 4, class: "end" }, `${one * 100}`),
      draw("text", { x: x(one), y: size - 14, class: "middle" }, `${one * 100}`),
    ]);
    const most = Math.max(...bins.map((one) => one.n));
    const points = bins.flatMap((one) => [
      draw("line", { x1: x(one.said), x2: x(one.said), y1: y(one.low), y2: y(one.high), class: "whisker" }),
      draw("circle", { cx: x(one.said), cy: y(one.came), r: 2.5 + 4 * Math.sqrt(one.n / most), class: "dot", "data-said": one.said, "data-came": one.came, "data-n": one.n },
        draw("title", {}, `said ${(one.said * 100).toFixed(0)} %, came ${(one.came * 100).toFixed(0)} %, ${one.n} orders`)),
    ]);
    root.replaceChildren(picture(size, size, `Said against came in ${bins.length} bins`,
      ...grid, line([[x(0), y(0)], [x(1), y(1)]], "coin"), ...points,
      draw("text", { x: size / 2 + 12, y: size - 1, class: "middle" }, "said %")));
  }
}

function entry(event) {
  const auc = event.auc === undefined ? "" : ` · AUC ${two(event.auc)} (${two(event.auc_low)}–${two(event.auc_high)})`;
  const rows = event.rows === undefined ? "" : ` · ${format.count(event.rows)} rows`;
  const item = make(
    "li", "event", make("b", "what", event.event.replaceAll("_", " ")), make("span", "name", event.model ?? ""),
    make("time", "when", time(event.time)),
    make("span", "more", `${event.reason ?? ""}${auc}${rows}${event.no_edge ? " · no edge" : ""}`),
  );
  item.dataset.event = event.event;
  return item;
}
