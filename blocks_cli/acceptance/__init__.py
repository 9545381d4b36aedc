"""`blocks acceptance`: checks of a throwaway stack on AWS."""
