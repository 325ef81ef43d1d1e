"""`swarmgate migrate`: what labels of other proxies are in Swarmgate's words, and what has no word here. Pure."""
