// Puts the parts of the page together; the address names the order that is shown.

import { Access } from "./access.js";
import { Activity } from "./activity.js";
import { getInstruments } from "./api.js";
import { Confirmation } from "./confirmation.js";
import { Curve } from "./curve.js";
import { find } from "./dom.js";
import { Loop } from "./loop.js";
import { OpenOrders } from "./open.js";
import { OrderPanel } from "./order.js";
import { Orders } from "./orders.js";
import { Prices } from "./prices.js";
import { Quotes } from "./quotes.js";
import { Service } from "./service.js";
import { TERMINAL } from "./statuses.js";
import { Ticket } from "./ticket.js";
import { venuesOf } from "./venues.js";

const NARROW = matchMedia("(max-width: 760px)");
const LEAST_VISIBLE_PX = 160;

let instrument = null;

const access = new Access();
const curve = new Curve();
const prices = new Prices();
const orders = new Orders((orderId) => open(orderId));
const panel = new OrderPanel((event) => {
  orders.refresh();
  openOrders.refresh();
  if (TERMINAL.has(event.status)) prices.refresh();
  if (!openOrders.tells(event)) return ticket.follow(event);
  ticket.leave(event.orderId);
  return true;
});
const quotes = new Quotes({
  onQuotes: (wanted, route) => {
    if (route.symbol !== instrument.symbol) return;
    prices.add(route.symbol, route);
    curve.show(wanted.request, instrument, route);
    ticket.offerLegs(venuesOf(route).length);
    ticket.takeQuotes(wanted, route);
  },
  onRefused: (wanted, refusal) => {
    ticket.takeRefusal(wanted, refusal);
  },
});
const confirmation = new Confirmation();
const openOrders = new OpenOrders(confirmation, {
  onOpen: (orderId) => open(orderId),
  onOrders: (waiting) => prices.wait(waiting),
  onChange: () => orders.refresh(),
});
const ticket = new Ticket(confirmation, {
  onChange: (wanted, chosen) => {
    instrument = chosen;
    quotes.show(wanted);
    curve.forget(wanted.request);
    prices.show(chosen.symbol);
  },
  onAccepted: (orderId) => {
    open(orderId);
    orders.refresh();
    openOrders.refresh();
  },
});

// Reads the instruments until they are known, and again after the service was down.
const setup = new Loop(async (signal) => {
  const { instruments } = await getInstruments(signal);
  access.shown();
  if (instrument === null) {
    ticket.offer(instruments);
    orders.offer(instruments);
  }
}, 300_000);
setup.soon();
new Activity();
new Service({
  onHalted: (isHalted) => ticket.tellHalted(isHalted),
  onReturn: () => {
    setup.soon();
    orders.refresh();
    openOrders.refresh();
  },
});

function open(orderId) {
  if (orderId !== panel.orderId) history.pushState(null, "", `/?${new URLSearchParams({ order: orderId })}`);
  show();
  const { top } = find("#order").getBoundingClientRect();
  if (NARROW.matches || top < 0 || top > innerHeight - LEAST_VISIBLE_PX) find("#order").scrollIntoView();
}

function show() {
  const orderId = new URLSearchParams(location.search).get("order");
  ticket.leaveAllBut(orderId);
  if (!orderId) panel.close();
  else if (orderId !== panel.orderId) panel.open(orderId);
  orders.mark(orderId);
}

addEventListener("popstate", show);
show();
