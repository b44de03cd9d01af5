"""View models: what a page shows, without Streamlit. The first argument of each is the actor."""
