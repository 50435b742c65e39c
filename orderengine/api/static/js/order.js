// The panel of one order: it fills while its events arrive.

import { el, copyButton, fill, find, refill, say } from "./dom.js";
import { NONE, asked, group, seconds } from "./format.js";
import { Follower } from "./follow.js";
import { attemptsOf, orderOf, stageTimes } from "./history.js";
import { detailText, nameOf } from "./reasons.js";
import { OPEN, TERMINAL } from "./statuses.js";
import { conditionOf, holdsText } from "./terms.js";
import { attemptView } from "./timeline.js";
import { legsView, summaryView } from "./summary.js";

const LINKS = {
  connecting: ({ after }) => (after ? `Connection lost. Reconnecting after step ${after}.` : "Connecting."),
  live: () => "Live",
  waiting: ({ after, retryInMs }) => {
    const [lost, again] = after ? [`Connection lost after step ${after}`, "Reconnecting"] : ["No connection", "Trying again"];
    return `${lost}. ${again} in ${group(Math.ceil(retryInMs / 1000), 0)} s.`;
  },
  locked: ({ after }) => (after ? `Stopped after step ${after}. A key lets it go on.` : "Not connected. A key is needed."),
  ended: () => "Complete",
  pruned: () => "Complete; its steps are not kept any more",
  unknown: ({ detail }) => detail,
};

export class OrderPanel {
  #body = find("#order-body");
  #link = find("#order-link");
  #announcer = find("#announcer");
  #follower = null;
  #events = [];
  #arrivedAt = 0;
  #onEvent;

  // `onEvent(event)` for each event of the order that is shown; true if it is told elsewhere.
  constructor(onEvent) {
    this.#onEvent = onEvent;
    setInterval(() => this.#tick(), 100);
    this.close();
  }

  get orderId() {
    return this.#body.dataset.orderId ?? null;
  }

  // The panel keeps its height until the order has ended, so that nothing below jumps.
  open(orderId) {
    const height = this.#body.offsetHeight;
    this.close();
    this.#body.style.minHeight = `${height}px`;
    this.#body.dataset.orderId = orderId;
    fill(this.#body, el("p", { class: "empty" }, "Reading the order."));
    this.#follower = new Follower(orderId, {
      onEvent: (event) => this.#take(event),
      onResult: (order) => this.#drawResult(order),
      onLink: (link) => this.#tellLink(link),
    });
  }

  close() {
    this.#follower?.stop();
    this.#follower = null;
    this.#events = [];
    delete this.#body.dataset.orderId;
    delete this.#body.dataset.status;
    this.#body.style.minHeight = "";
    this.#link.dataset.state = "none";
    say(this.#link, "");
    fill(this.#body, el("p", { class: "empty" }, "Place an order, or open one of the recent ones: its steps appear here as they happen."));
  }

  #take(event) {
    this.#events.push(event);
    this.#arrivedAt = performance.now();
    this.#body.dataset.status = event.status;
    this.#draw();
    if (TERMINAL.has(event.status)) this.#body.style.minHeight = "";
    const isTold = this.#onEvent(event);
    say(this.#announcer, isTold ? "" : announcement(orderOf(this.#events)));
  }

  #tellLink(link) {
    this.#link.dataset.state = link.state;
    say(this.#link, LINKS[link.state](link));
    if (link.state === "unknown") this.#drawUnknown(link.detail);
  }

  #drawUnknown(detail) {
    this.#body.style.minHeight = "";
    fill(
      this.#body,
      el("p", { class: "empty", id: "unknown-order" }, `There is nothing to show for ${this.orderId}: ${detail}. The recent orders are below.`),
    );
  }

  // For an order whose events were pruned: its result, and why each attempt failed.
  #drawResult(order) {
    this.#events = [];
    this.#body.style.minHeight = "";
    this.#body.dataset.status = order.status;
    const failed = order.failedAttempts.map(({ attempt, reason, detail }) =>
      el("section", { class: "attempt" }, el("h3", {}, `Attempt ${attempt}`, el("span", { class: "reason", title: reason }, nameOf(reason))), el("p", { class: "why" }, detailText(detail))),
    );
    refill(this.#body, headView(order), summaryView(order), legsView(order), failed);
    say(this.#announcer, announcement(order));
  }

  #draw() {
    const events = this.#events;
    const order = orderOf(events);
    refill(
      this.#body,
      headView(order),
      stagesView(events, this.#nowMs()),
      summaryView(order),
      legsView(order),
      attemptsOf(events).map((attempt, index, all) => attemptView(attempt, all.length > 1)),
    );
  }

  // Counts the time since the last event arrived here, so a wrong clock of this machine does no harm.
  #nowMs() {
    return Date.parse(this.#events.at(-1).at) + (performance.now() - this.#arrivedAt);
  }

  #tick() {
    const last = this.#events.at(-1);
    if (!last || TERMINAL.has(last.status)) return;
    const old = find(".stages", this.#body);
    old.replaceWith(stagesView(this.#events, this.#nowMs()));
  }
}

function announcement(order) {
  return `Order ${order.side} ${asked(order)}: ${order.status}`;
}

function headView(order) {
  const { side, orderId, status } = order;
  return el(
    "div",
    { class: "head" },
    el("p", { class: "title" }, el("span", { class: "side", "data-side": side }, side), ` ${asked(order)}`, termsView(order)),
    el("p", { class: "status", "data-status": status, id: "order-status" }, status),
    el("p", { class: "id" }, el("code", {}, orderId), copyButton(orderId, "Copy the order's id")),
  );
}

function termsView(order) {
  const condition = conditionOf(order);
  return condition ? el("span", { class: "terms" }, ` ${condition}, ${holdsText(order)}`) : null;
}

function stagesView(events, nowMs) {
  const times = stageTimes(events, nowMs);
  const current = events.at(-1).status;
  const isOver = TERMINAL.has(current);
  const total = [...times.values()].reduce((sum, ms) => sum + ms, 0);
  // Only an order that has waited shows this stage: most start at once.
  const stages = OPEN.filter((stage) => stage !== "waiting" || times.has(stage));
  const parts = stages.map((stage) => {
    if (!times.has(stage)) return stageView(stage, "idle", NONE, total ? 0 : 1 / stages.length);
    const ms = times.get(stage);
    return stageView(stage, stage === current ? "current" : "done", seconds(Math.round(ms)), total ? ms / total : 1 / stages.length);
  });
  parts.push(isOver ? stageView(current, "end", seconds(Math.round(total))) : stageView("confirmed", "idle", NONE));
  const label = `Time per stage, ${seconds(Math.round(total))} in all`;
  return el("ol", { class: "stages", "aria-label": label, "data-outcome": isOver ? current : null }, parts);
}

function stageView(stage, state, text, share = 0) {
  const view = el(
    "li",
    { "data-stage": stage, "data-state": state, "aria-current": state === "current" || state === "end" ? "step" : null },
    el("span", { class: "bar" }),
    el("span", { class: "name" }, stage),
    el("span", { class: "lasted" }, text),
  );
  view.style.flexGrow = String(Math.max(0.02, share));
  return view;
}
