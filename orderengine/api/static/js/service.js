// Shows whether the service can be reached, and which parts it reports missing.

import { Unavailable, getReadiness } from "./api.js";
import { find, say } from "./dom.js";
import { Loop } from "./loop.js";

const PERIOD_MS = 4_000;
const MISSING = {
  redis: "Redis accepts no messages: orders are accepted, and continue when it is back",
  worker: "No worker sends heartbeats: orders are accepted, and continue when one is back",
  nodes: "No node of the network answers: orders are accepted, and continue when one is back",
  trading: "The operator has halted trading: orders are accepted and canceled, and start when it resumes",
  stuck: "The settlement network gives no answer about some submitted orders",
};

const NETWORKS = {
  simulated: "Simulated market and settlement: no order here trades anything real.",
  solana: "Orders here trade on a Solana cluster, with the wallet of this service.",
  dry_run: "Dry run on a Solana cluster: orders are simulated there, and nothing is signed.",
};

export class Service {
  #pill = find("#service");
  #banner = find("#banner");
  #wasAway = false;
  #listeners;
  #loop = new Loop((signal) => this.#refresh(signal), PERIOD_MS);

  // `onReturn()` when the service answers again after it did not; `onHalted(isHalted)` after each look.
  constructor(listeners) {
    this.#listeners = listeners;
    this.#loop.soon();
    addEventListener("offline", () => this.#loop.soon());
    addEventListener("online", () => this.#loop.soon());
  }

  async #refresh(signal) {
    try {
      const { status, degraded, network } = await getReadiness(signal);
      const texts = degraded.map((name) => MISSING[name] ?? `${name} is missing`);
      this.#tell(status, status === "ok" ? "ready" : `degraded: ${degraded.join(", ")}`, texts.map((text) => `${text}.`).join(" "));
      say(find("#network"), NETWORKS[network] ?? "");
      this.#listeners.onHalted(degraded.includes("trading"));
      if (this.#wasAway) this.#listeners.onReturn();
      this.#wasAway = false;
    } catch (error) {
      if (error instanceof Unavailable && !signal.aborted) {
        this.#wasAway = true;
        this.#tell("away", "away", `The service can not accept orders: ${error.message}. Trying again; nothing that was accepted is lost.`);
      }
      throw error;
    }
  }

  #tell(state, text, banner) {
    this.#pill.dataset.state = state;
    say(this.#pill, text);
    say(this.#banner, banner);
    this.#banner.hidden = banner === "";
  }
}
