"""The counter: a person takes a case that the rules left open, and decides it.

Opened, claimed, decided: no one decides unseen, for another, for themselves, or alone where two
are needed. Every step is recorded before it counts.
"""
