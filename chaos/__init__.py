"""Checks that faults never lose an accepted order or execute it twice: `python -m chaos`.

__main__.py    options
runner.py      the faults, each in a process of its own, several at a time; the table
trial.py       one fault: start, load, inject, heal, wait, check
rig.py         the system under test: the Procfile's processes, durable servers, proxies
proxy.py       TCP between the processes and a server: cut, stalled, answers swallowed
redis_pair.py  a primary and a replica of Redis behind one address, and their fail-overs
standby.py     a standby of PostgreSQL that takes over from the primary
load.py        orders at a rate, and the client's answer to each
readers.py     clients that read lists, in a process of their own
watch.py       sockets that follow orders through all faults
evidence.py    the final state as seen from outside: REST, sockets, PostgreSQL, the ledger
invariants.py  conditions that the evidence must meet: pure
resources.py   threads, sockets, connections and queues, before and afterwards
acts.py        single actions that break and heal a rig
refusals.py    the kinds of refusals of Redis
garbage.py     malformed messages
messages.py    the broker's messages: seen, copied, taken away
groups.py      groups of orders, as the rows show them, and bursts that form them
queues.py      the lengths of the queues, sampled during an outage
fault.py       a fault: an act, how often, under which load
faults/        the faults
results.py     the figures as JSON and as the table of docs/reliability.md
sabotage.py    checks that the suite can fail: runs it without one guard (patches/)
"""
