"""`python -m service` is `askance`."""

from service.cli import main

main()
