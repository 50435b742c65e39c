"""`python -m orderengine`: the command line."""

from orderengine.cli.main import main

main()
