"""The checks, by subject. Each module has `run(suite, cluster)`; the order of the modules is that of `../run`."""
