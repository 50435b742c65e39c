"""Fail points: named places at which a process kills itself, for the fault suite in `chaos/`.

`points.py` names the places, `ports.py` puts them around the ports of a process. Only `bootstrap`
does that, and only where FAIL_POINT is set: otherwise nothing of this package is loaded.
"""
