"""The settlement network: today a simulated one, which keeps a ledger of its own.

- ``simulated``: the network behind the port `execution.network.SettlementNetwork`.
- ``wire``: signed bytes and signatures.
- ``outcomes``: the effect of a swap when it lands.
- ``ledger``, ``tables``: the network's memory, in PostgreSQL.
"""
