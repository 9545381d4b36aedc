"""The control plane of DSQL as a state machine behind a loopback endpoint: create, get, update, delete clusters.

What it answers follows the API model of botocore 1.44.5 (`dsql`, 2018-05-10) and the DSQL user guide on
multi-Region clusters; where both are silent, the comment says so.
"""
