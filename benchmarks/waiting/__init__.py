"""What orders that wait cost, and how quickly they start: `python -m benchmarks.waiting`.

One module for each part: `crowd` (very many that wait beside market orders), `crossing` (a price
crosses a hundred), `drain` (one price starts thousands), `snipers` (a pool opens) and `unfit`
(limits that their own size does not meet).
"""
