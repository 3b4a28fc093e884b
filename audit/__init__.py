"""The decision trail: opaque entries in, receipts out; and what the entries say."""
