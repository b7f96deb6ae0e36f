"""Tasks that leave their effects in a file: real workers load them with settings.py beside this."""
