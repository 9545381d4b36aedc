"""`AtomicTable` for asyncio. The modules of the same names one folder up are derived from these."""
