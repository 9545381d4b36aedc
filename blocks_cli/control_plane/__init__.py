"""Simulation of the DSQL control plane behind a loopback endpoint: create, get, update and delete clusters.

Responses follow the API model of botocore 1.44.5 (`dsql`, 2018-05-10) and the DSQL user guide on multi-Region clusters;
comments mark what neither of them specifies.
"""
