"""The composition root: turns settings into the ports of a web process, worker or command."""
