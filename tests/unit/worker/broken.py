"""A module that cannot be imported, as any deployment may have one."""

raise RuntimeError("this module is broken on purpose")
