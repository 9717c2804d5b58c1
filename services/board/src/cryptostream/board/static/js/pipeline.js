// The way of a trade as a picture, with rates and delays; what hurts stands out.
import { ask, Repeated } from "./ask.js";
import { byId, make, setText } from "./dom.js";
import * as format from "./format.js";

const SECONDS = 3;
// Milliseconds of a hop's median from which it is slow, and from which it hurts.
const LIMITS = {
  exchange: [500, 2000], ingest: [500, 2000], kafka: [200, 1000], stream: [2000, 8000],
  searchable: [2500, 8000],
};
const LAG_LIMITS = [5_000, 50_000];
const STATIONS = [
  ["exchange", "Exchange", "match to push"], ["ingest", "Ingest", "push to received"],
  ["kafka", "Kafka", "received to stored"], ["stream", "Stream", "stored to document"],
  ["searchable", "Elasticsearch", "document to found"], ["board", "Board", "to you"],
];
const STATES = [
  ["open", "Open"], ["partly_repaired", "Partly repaired"], ["repaired", "Repaired"],
  ["covered", "Covered"],
];

const level = (value, [slow, bad]) =>
  value === null || value === undefined ? "none" : value >= bad ? "bad" : value >= slow ? "slow" : "good";

/** What each station says: {id: {level, figure, more}}. Pure. */
export function stationStates(pulse) {
  const states = {};
  for (const [id] of STATIONS) {
    const times = pulse.hops[id];
    states[id] = {
      level: level(times?.p50, LIMITS[id] ?? [0, 0]),
      figure: times ? format.duration(times.p50).join(" ") : "–",
      more: times ? `95 %: ${format.duration(times.p95).join(" ")}` : "no trade in 10 s",
    };
  }
  const { lag, kafka, elasticsearch } = pulse;
  if (kafka.ok === false) states.kafka = { level: "bad", figure: "down", more: kafka.detail };
  else if (lag) {
    states.stream.more += ` · ${format.count(lag.records)} behind`;
    const behind = level(lag.records, LAG_LIMITS);
    if (behind !== "good" && states.stream.level !== "bad") states.stream.level = behind;
  }
  if (elasticsearch.ok === false) {
    states.searchable = { level: "bad", figure: "down", more: elasticsearch.detail };
  }
  const total = pulse.hops.total;
  states.board = {
    level: pulse.age_ms === null ? "none" : pulse.age_ms > 10_000 ? "bad" : pulse.age_ms > 2500 ? "slow" : "good",
    figure: total ? format.duration(total.p50).join(" ") : "–",
    more: `${pulse.rate >= 100 ? format.count(Math.round(pulse.rate)) : pulse.rate.toFixed(1)} trades/s`,
  };
  return states;
}

/** One sentence: what hurts, or that all is well. Pure. */
export function hint(pulse, states) {
  if (pulse.elasticsearch.ok === false) return pulse.elasticsearch.detail;
  if (pulse.kafka.ok === false) return pulse.kafka.detail;
  if (pulse.age_ms === null) return "No trade has come yet.";
  if (pulse.age_ms > 10_000) {
    const queued = pulse.lag?.records > 0;
    const place = queued ? "the stream doesn't work off what lies in Kafka" : "nothing comes from the exchange";
    return `No trade for ${Math.round(pulse.age_ms / 1000)} s: ${place}.`;
  }
  const hurts = STATIONS.filter(([id]) => ["bad", "slow"].includes(states[id].level));
  if (!hurts.length) return "All is well.";
  return `Look at ${hurts.map(([, name]) => name).join(", ")}.`;
}

export class Pipeline {
  constructor() {
    this.reports = new Repeated(
      SECONDS, () => ask("/api/pipeline"), (answer) => this.#report(answer),
      (error) => setText(byId("way-hint"), error.message));
  }

  start() {
    this.reports.start();
  }

  stop() {
    this.reports.stop();
  }

  pulse(pulse) {
    const states = stationStates(pulse);
    const list = byId("stations");
    if (!list.children.length) {
      list.append(...STATIONS.map(([id, name, what]) => this.#station(id, name, what)));
    }
    for (const [id] of STATIONS) {
      const item = byId(`station-${id}`);
      item.dataset.level = states[id].level;
      setText(item.querySelector(".p50"), states[id].figure);
      setText(item.querySelector(".more"), states[id].more);
      setText(item.querySelector(".word"), { good: "well", slow: "slow", bad: "hurts", none: "quiet" }[states[id].level]);
    }
    setText(byId("way-hint"), hint(pulse, states));
  }

  #station(id, name, what) {
    const item = make(
      "li", "", make("span", "name", name), make("span", "word"), make("b", "p50"),
      make("span", "more"), make("span", "what", what));
    item.id = `station-${id}`;
    return item;
  }

  #report({ gaps, dead_letters: dead, memory }) {
    const sizes = Object.entries(memory).map(([name, bytes]) => [name, Math.round(bytes / 1e6)]);
    const all = sizes.reduce((sum, [, size]) => sum + size, 0);
    tiles(byId("memory"), [["All", all], ...sizes]);
    byId("memory-card").hidden = !sizes.length;
    tiles(byId("gap-states"), STATES.map(([name, label]) => [label, gaps.states[name] ?? 0, name === "open"]));
    table(byId("gaps"), ["Symbol", "Since", "Lasted", "Cause", "State"], gaps.newest.map((one) => [
      one.symbol, format.dateAndTime(one.from_time),
      format.duration(one.to_time - one.from_time).join(" "), one.cause.replaceAll("_", " "),
      one.state.replaceAll("_", " "),
    ]));
    byId("gaps-empty").hidden = gaps.newest.length > 0;
    const reasons = Object.entries(dead.reasons).map(([name, count]) => [name.replaceAll("_", " "), count]);
    tiles(byId("dead-counts"), [["All", dead.total, true], ...reasons]);
    table(byId("dead"), ["Time", "Component", "Source", "Reason", "Detail"], dead.newest.map((one) => [
      format.dateAndTime(one.time), one.component, one.source, one.reason.replaceAll("_", " "),
      one.detail,
    ]));
    byId("dead-empty").hidden = dead.newest.length > 0;
  }
}

function tiles(root, entries) {
  root.replaceChildren(...entries.map(([name, count, hurts]) => {
    const tile = make("div", "", make("dt", "", name), make("dd", "", format.count(count)));
    tile.dataset.level = hurts && count ? "slow" : "none";
    tile.dataset.count = count;
    return tile;
  }));
}

/** Fill a table with a head and rows of text. */
export function table(root, names, rows) {
  if (!rows.length) return root.replaceChildren();
  const head = make("tr", "", ...names.map((name) => {
    const cell = make("th", "", name);
    cell.scope = "col";
    return cell;
  }));
  const lines = rows.map((row) => make("tr", "", ...row.map((text) => make("td", "", text))));
  root.replaceChildren(make("thead", "", head), make("tbody", "", ...lines));
}
