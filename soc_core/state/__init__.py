"""What the platform must not forget: one database, one noun a file; functions take a Session first."""
