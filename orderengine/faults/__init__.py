"""Fail points: named places at which a process kills itself, for the fault suite in `chaos/`.

`points.py` names the places, `ports.py` wraps the ports of a process with them. Only `bootstrap`
does so, and only if FAIL_POINT is set: otherwise nothing of this package is loaded.
"""
