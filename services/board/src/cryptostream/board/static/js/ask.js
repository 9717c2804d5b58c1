// Questions to the board's API.

const PROBLEM_CHARS = 200;

/** Ask; fails with the board's own words. Empty parameters are left out. */
export async function ask(path, parameters = {}) {
  const answer = await fetch(`${path}?${queryOf(parameters)}`);
  if (answer.ok) return answer.json();
  const told = await answer.json().catch(() => ({}));
  throw new Error((told.detail ?? `${path} answered ${answer.status}`).slice(0, PROBLEM_CHARS));
}

export function queryOf(parameters) {
  const given = Object.entries(parameters).filter(([, value]) => value !== "" && value != null);
  return new URLSearchParams(given);
}

/** Asks again and again while it is wanted, one question at a time. */
export class Repeated {
  /** `question()` gives a promise, `show(answer)` takes it, `fail(error)` hears of a failure. */
  constructor(seconds, question, show, fail) {
    Object.assign(this, { seconds, question, show, fail });
    this.round = 0;
  }

  start() {
    this.#go(++this.round);
  }

  stop() {
    this.round += 1;
    clearTimeout(this.waiting);
  }

  async #go(round) {
    clearTimeout(this.waiting);
    try {
      const answer = await this.question();
      if (round !== this.round) return;
      this.show(answer);
    } catch (error) {
      if (round !== this.round) return;
      this.fail?.(error);
    }
    this.waiting = setTimeout(() => round === this.round && this.#go(round), this.seconds * 1000);
  }
}
