"""Public modules for asyncio."""
