// The statuses of an order, as `domain/order.py` has them; a test compares.

export const OPEN = ["pending", "routing", "building", "submitted"];
export const TERMINAL = new Set(["confirmed", "failed"]);
