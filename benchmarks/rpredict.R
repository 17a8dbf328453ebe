# R's side of rpredict.py: predicts whenever it is told to, and says how long it took.
library(annotune)

folder <- commandArgs(trailingOnly = TRUE)[1]
model <- at_load(file.path(folder, "model"))
texts <- utils::read.csv(file.path(folder, "texts.csv"), encoding = "UTF-8")
warm <- predict(model, utils::head(texts, 100), unit_id = "unit_id")
input <- file("stdin", "r")
while (length(readLines(input, n = 1)) > 0) {
  taken <- system.time(found <- predict(model, texts, unit_id = "unit_id"))
  stopifnot(nrow(found) == nrow(texts), !anyNA(found$.pred_class))
  cat("seconds", taken[["elapsed"]], taken[["user.self"]] + taken[["sys.self"]], "\n")
  flush(stdout())
}
