"""The composition root: settings in; the ports of a web process, a worker or a command out."""
