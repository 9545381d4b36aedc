"""`blocks dev`: deploy each change of a project, and serve its endpoints."""
