"""Whether an accepted order can be lost or executed twice: `python -m chaos` breaks everything.

__main__.py    options
runner.py      the faults, each in a process of its own, two at a time; the table
trial.py       one fault: start, load, inject, heal, wait, check
rig.py         what is broken: the Procfile's processes, durable servers, proxies before them
proxy.py       TCP between the processes and a server: cut, stalled, answers swallowed
redis_pair.py  a primary and a replica of Redis behind one address, and their fail-overs
standby.py     a copy of PostgreSQL that is promoted in its place
load.py        orders at a rate, and what the client was told of each
readers.py     clients that read lists, in a process of their own
watch.py       sockets that follow orders across whatever happens
evidence.py    what is known in the end: REST, sockets, PostgreSQL, the network's ledger
invariants.py  what must hold of it: pure
resources.py   threads, sockets, connections and queues, before and afterwards
acts.py        the single things that can be done to a rig
refusals.py    the ways in which Redis refuses what it is asked
garbage.py     messages that are no proper ones
messages.py    the broker's messages: seen, copied, taken away
queues.py      how many of them wait, while something lasts
fault.py       what a fault is: an act, how often, under which load
faults/        the faults
results.py     the figures as JSON and as the table of docs/reliability.md
sabotage.py    whether the suite can fail: it runs on a copy with one guard removed (patches/)
"""
