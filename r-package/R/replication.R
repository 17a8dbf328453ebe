#' What did results come from?
#'
#' Shows as a tree what a run's record, the study's store, and the notes in a .dta or .parquet say that results came
#' from: data, codings and coders, draws, proposals, models, settings, versions, hardware, and the records behind them.
#'
#' @param path Results, a study.yaml that was run, a record, a folder with records, or a model's folder.
#' @param unit The identifier of a text: tells of this one who coded it, what was proposed, what the model said, and
#'   what entered the regressions.
#' @return An object of class `at_why`: a list with `tree` (lists in lists), `unknown` (a sentence for each thing that
#'   nothing tells) and `words`, which `print()` shows.
#' @examplesIf at_available(tuning = TRUE)
#' \donttest{
#' data <- at_demo(file.path(tempdir(), "why"), n = 200, n_coded = 60)
#' results <- at_run(data$study)
#' at_why(data$study)
#' at_why(data$study, unit = "q00002")
#' }
#' @export
at_why <- function(path, unit = NULL) {
  at_call("why", path = as_path(path), unit = if (!is.null(unit)) as.character(unit))
}

#' @export
print.at_why <- function(x, ...) {
  cat(x$words, sep = "\n")
  invisible(x)
}
