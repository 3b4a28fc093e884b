"""Evidence: registers as data, transports as code, and a sandbox city to try them on."""
