// The live feed of alerts, with what each rests on; a click shows its moment on the chart.
import { ask } from "./ask.js";
import { byId, make, setText } from "./dom.js";
import * as format from "./format.js";
import { labelOf } from "./view.js";

const MOST_ALERTS = 100;
const RETRY_MS = 3000;
const words = (text) => text.replaceAll("_", " ");
const number = (value) => Number(value.toPrecision(6)).toLocaleString("en-US", { maximumFractionDigits: 8 });

export class Alerts {
  /** `onShow(alert)` hears of a click; `keys()` names the known instruments. */
  constructor(view, keys, onShow) {
    this.view = view;
    this.keys = keys;
    this.onShow = onShow;
    this.alerts = new Map();
    this.unseen = 0;
  }

  async load() {
    const severity = this.view.severity;
    try {
      const { alerts } = await ask("/api/alerts", { limit: MOST_ALERTS, severity });
      if (severity !== this.view.severity) return;
      this.alerts = new Map(alerts.map((one) => [one.alert_id, one]));
      this.#show();
    } catch {
      setTimeout(() => this.load(), RETRY_MS);
    }
  }

  /** Take in an alert of the stream. */
  hear(alert) {
    if (this.view.severity && alert.severity !== this.view.severity) return;
    if (!this.alerts.has(alert.alert_id) && this.view.view !== "alerts") this.unseen += 1;
    this.alerts.set(alert.alert_id, alert);
    this.#show();
  }

  #show() {
    const newest = [...this.alerts.values()].sort((a, b) => b.time - a.time).slice(0, MOST_ALERTS);
    this.alerts = new Map(newest.map((one) => [one.alert_id, one]));
    byId("alerts-empty").hidden = newest.length > 0;
    setText(byId("alerts-note"), newest.length ? `newest ${newest.length}` : "");
    this.badge();
    if (this.view.view !== "alerts") return;
    byId("alerts").replaceChildren(...newest.map((one) => this.#entry(one)));
  }

  show() {
    this.unseen = 0;
    this.#show();
  }

  badge() {
    const badge = byId("tab-alerts")?.querySelector(".count");
    if (!badge) return;
    setText(badge, this.unseen ? String(Math.min(this.unseen, 99)) : "");
    badge.hidden = !this.unseen;
  }

  #entry(alert) {
    const key = `${alert.exchange}:${alert.category}:${alert.symbol}`;
    const facts = [["value", alert.value], ["baseline", alert.baseline], ["threshold", alert.threshold]];
    const evidence = Object.entries(alert.evidence ?? {});
    const button = make(
      "button", "alert",
      make("span", "severity", alert.severity),
      make("span", "head",
        make("b", "", alert.symbol ? labelOf(key, this.keys()) : "all"), " ", words(alert.rule)),
      make("time", "when", format.dateAndTime(alert.time)),
      make("span", "said", alert.message),
      make("span", "evidence", ...[...facts, ...evidence].map(([name, value]) =>
        make("span", "fact", make("span", "name", words(name)), " ", number(value)))),
    );
    button.type = "button";
    button.dataset.severity = alert.severity;
    button.title = "Show this moment on the chart";
    button.addEventListener("click", () => this.onShow(alert, key));
    const item = make("li", "", button);
    item.dataset.id = alert.alert_id;
    return item;
  }
}
