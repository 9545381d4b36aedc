"""The throwaway app of `blocks acceptance`: a cluster, a migration, and two functions with different access."""
