"""`python -m gamekeeper`."""

from gamekeeper._cli import main

main()
