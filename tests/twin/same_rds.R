# Fails where the tables in several .rds files differ: same_rds.R FILE ...
tables <- lapply(commandArgs(trailingOnly = TRUE), readRDS)
stopifnot(length(tables) > 1, nrow(tables[[1]]) > 0)
for (other in tables[-1]) {
  same <- all.equal(tables[[1]], other, tolerance = 1e-12)
  if (!isTRUE(same)) stop(paste(same, collapse = "\n"))
}
