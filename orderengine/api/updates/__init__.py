"""How clients follow orders: WebSockets, the streams' subjects, `Prefer: wait`."""
