"""The HAProxy beside this controller: how it is started, asked, changed at run time, and reloaded."""
