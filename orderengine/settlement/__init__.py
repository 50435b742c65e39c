"""The network that settles: today a simulated one, which keeps a ledger of its own.

- ``simulated``: the network behind the port `execution.ports.SettlementNetwork`.
- ``wire``: signed bytes and signatures.
- ``outcomes``: what a swap does when it lands.
- ``ledger``, ``tables``: what the network remembers, in PostgreSQL.
"""
