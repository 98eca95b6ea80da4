"""Untrusted reward code in a locked-down child process (child, lockdown) and its trusted client (client)."""
