// The event stream: opens it, opens it again when it fails or falls silent, says how it is.

const STALE_MS = 2500;
const SILENT_MS = 6000;
const CHECK_MS = 500;
const LONGEST_WAIT_MS = 8000;

export class Stream {
  /** `hear` = {tick, pulse, alert, reset, reopened, state}; state(name, ageMs, pulse) at each check. */
  constructor(hear) {
    this.hear = hear;
    this.failures = 0;
    setInterval(() => this.#check(), CHECK_MS);
  }

  open(symbol) {
    this.symbol = symbol;
    this.#connect();
  }

  #connect() {
    clearTimeout(this.waiting);
    this.source?.close();
    this.heard = performance.now();
    const source = new EventSource(`/api/stream?symbol=${encodeURIComponent(this.symbol)}`);
    this.source = source;
    for (const name of ["tick", "pulse", "alert", "reset"]) {
      source.addEventListener(name, (event) => this.#event(source, name, event.data));
    }
    source.onerror = () => source === this.source && this.#retry();
  }

  #event(source, name, data) {
    if (source !== this.source) return;
    this.heard = performance.now();
    const content = JSON.parse(data);
    if (this.failures) {
      this.failures = 0;
      this.hear.reopened();
    }
    if (name === "pulse") {
      this.pulse = content;
      this.pulsed = this.heard;
    }
    this.hear[name](content);
    if (name === "pulse") this.#check();
  }

  #retry() {
    this.source.close();
    this.failures += 1;
    const wait = Math.min(LONGEST_WAIT_MS, 500 * 2 ** Math.min(this.failures, 5));
    clearTimeout(this.waiting);
    this.waiting = setTimeout(() => this.#connect(), wait * (0.5 + Math.random() / 2));
  }

  #check() {
    if (!this.source) return;
    const now = performance.now();
    if (!this.failures && now - this.heard > SILENT_MS) this.#retry();
    if (!this.pulse) return this.hear.state(now - this.heard > STALE_MS ? "stale" : "connecting", null);
    const silent = now - this.pulsed;
    const age = this.pulse.age_ms === null ? null : this.pulse.age_ms + silent;
    if (silent > STALE_MS || age > STALE_MS) return this.hear.state("stale", age, this.pulse);
    if (age === null) return this.hear.state("waiting", null, this.pulse);
    return this.hear.state("live", age, this.pulse);
  }

  get lost() {
    return this.failures > 0;
  }
}
