"""Parse long texts in processes of their own, so that no session waits for the text of another one."""
