"""The tasks and queues by name: all that a process needs to hand work on without its code."""

ROUTE_ORDER = "route_order"
BUILD_ORDER = "build_order"
SUBMIT_ORDER = "submit_order"
CONFIRM_ORDER = "confirm_order"

SETTLE = "settle"
INTAKE = "intake"
