"""The program of the localnet's pools, built from its C source: `make localnet-program`."""
