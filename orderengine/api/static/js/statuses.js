// The statuses of an order, as `domain/order.py` has them; a test compares.

export const OPEN = ["waiting", "pending", "routing", "building", "submitted"];
export const TERMINAL = new Set(["confirmed", "failed", "canceled", "expired"]);
export const ANY_OPEN = "open"; // stands for all open ones in a filter
