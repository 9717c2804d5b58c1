// Taker pressure, the model, and the pipeline's strip.
import { byId, make, setText } from "./dom.js";
import * as format from "./format.js";

const HOPS = [
  ["exchange", "Exchange", "from match to push by the exchange"],
  ["ingest", "Ingest", "from the exchange's push to ingest"],
  ["kafka", "Kafka", "from ingest to the record in Kafka"],
  ["stream", "Stream", "from the record in Kafka to the stream's document"],
  ["searchable", "Searchable", "from the document to the first search that finds it"],
];

/** Volumes of the last seconds: {"10": {buy, sell}, "60": {...}}. */
export function showPressure(pressure) {
  const root = byId("pressure");
  for (const [seconds, { buy, sell }] of Object.entries(pressure)) {
    const bar = document.getElementById(`pressure-${seconds}`) ?? addBar(root, seconds);
    const total = buy + sell;
    const share = total ? buy / total : 0.5;
    bar.dataset.buy = buy;
    bar.dataset.sell = sell;
    bar.classList.toggle("none", !total);
    bar.style.setProperty("--share", share);
    setText(bar.querySelector(".buy"), `▲ ${format.amount(buy)}`);
    setText(bar.querySelector(".sell"), `${format.amount(sell)} ▼`);
    setText(bar.querySelector(".share"), total ? `${Math.round(share * 100)} % buy` : "no trades");
  }
}

function addBar(root, seconds) {
  const bar = make(
    "div", "bar",
    make("div", "texts",
      make("span", "span", `${seconds} s`), make("span", "buy"), make("span", "share"),
      make("span", "sell")),
    make("div", "track", make("div", "fill")),
  );
  bar.id = `pressure-${seconds}`;
  root.append(bar);
  return bar;
}

/** The newest model and whether it has an edge; the reason while there are no predictions. */
export function showModel(model) {
  const badge = byId("model-badge");
  setText(byId("model-name"), model?.name ?? "no predictions yet");
  const reason = model?.reason?.replaceAll("_", " ");
  const noEdge = model?.no_edge === true;
  badge.hidden = !reason && !noEdge;
  badge.dataset.kind = reason ? "warning" : "plain";
  setText(badge, reason ? `not predicting: ${reason}` : "no edge");
  badge.title = noEdge
    ? "On held-out trades this model did not beat the naive baselines: watch it, don't trade on it"
    : "";
}

/** Latency per hop, lag and rate. */
export function showPipeline({ hops, lag, rate, kafka }) {
  const list = byId("hops");
  if (!list.children.length) HOPS.forEach(([id, name, title]) => list.append(addHop(id, name, title)));
  const slowest = Math.max(1, ...HOPS.map(([id]) => hops[id]?.p50 ?? 0));
  for (const [id] of HOPS) {
    const item = byId(`hop-${id}`);
    fill(item, hops[id]);
    item.style.setProperty("--share", (hops[id]?.p50 ?? 0) / slowest);
  }
  const totals = byId("totals");
  if (!totals.children.length) addTotals(totals);
  fill(byId("total-latency"), hops.total);
  setText(byId("lag"), lag ? lag.records.toLocaleString("en-US") : "–");
  setText(byId("lag-unit"), lag ? "records" : kafka.ok === false ? "Kafka unreachable" : "");
  setText(byId("rate"), rate >= 100 ? Math.round(rate).toLocaleString("en-US") : rate.toFixed(1));
}

function addHop(id, name, title) {
  const item = make(
    "li", "", make("span", "label", name), figure(), make("span", "track", make("span", "fill")),
  );
  item.id = `hop-${id}`;
  item.title = `${name}: ${title}`;
  return item;
}

function figure() {
  return make(
    "span", "figure", make("b", "p50", "–"), make("span", "unit"), make("span", "p95"),
  );
}

function addTotals(root) {
  const total = make("dd", "", figure());
  total.id = "total-latency";
  const rows = [["End to end", total], ["Kafka lag", value("lag", "records")],
    ["Throughput", value("rate", "trades/s")]];
  root.append(...rows.map(([name, dd]) => make("div", "", make("dt", "", name), dd)));
}

function value(id, unit) {
  const number = make("b", "p50", "–");
  number.id = id;
  const text = make("span", "unit", unit);
  text.id = `${id}-unit`;
  return make("dd", "", make("span", "figure", number, text));
}

function fill(element, times) {
  const [number, unit] = times ? format.duration(times.p50) : ["–", ""];
  setText(element.querySelector(".p50"), number);
  setText(element.querySelector(".unit"), unit);
  setText(element.querySelector(".p95"), times ? format.duration(times.p95).join(" ") : "");
}
