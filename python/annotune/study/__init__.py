"""study.yaml: the whole way from files to files."""
