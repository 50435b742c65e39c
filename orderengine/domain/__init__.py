"""Orders, the state machine, routing, prices, instruments, errors: pure."""
