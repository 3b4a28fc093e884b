"""The rule language: a file of law is read, proven sound, and evaluated in ways that must agree."""
