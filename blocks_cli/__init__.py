"""The command line `blocks`: deploys onto this machine, migrations anywhere."""
