"""The files of a project, and the folders that its assets were made from."""
