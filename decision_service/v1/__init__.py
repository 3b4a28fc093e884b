"""The contract, generated from proto/ by proto/generate.py. Nothing here is edited by hand."""
