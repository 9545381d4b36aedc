"""Control protocol between client processes and the server process: JSON lines over a unix socket."""
