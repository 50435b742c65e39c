"""The engine beside BullMQ's pipeline of four hops: `python -m benchmarks.bullmq`.

__main__.py   options, the rounds in turn, the exit code
pipeline.py   the installation from npm, the worker processes, and the count of their orders
statements.py the statements of the pipeline: those of the engine without ledger and signing: pure
rounds.py     the ratios and the table: pure
settings.mjs, feed.mjs, worker.mjs  BullMQ's side
"""
