"""The console's page script: Streamlit runs it anew on each visit and each act (started by serve.py)."""

from soc_ui import shell

shell.run()
