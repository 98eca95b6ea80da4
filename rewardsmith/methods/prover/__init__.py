"""Exact values of a prover policy on enumerated layouts."""
