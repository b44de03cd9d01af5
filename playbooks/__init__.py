"""The response engine: playbooks as data, actions as plug-ins, a ledger of what was done."""
