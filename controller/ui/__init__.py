"""The web page at ``/ui``: what the proxy makes of the services, for people. Nothing on it changes anything."""
