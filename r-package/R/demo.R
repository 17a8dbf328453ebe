#' Data with a known truth
#'
#' Simulates questions to a parliament that never sat: texts with covariates, a codebook, what three coders said of some
#' of them, and the truth. With `path` the files are written as researchers have them (yaml, csv, xlsx, dta), with a
#' study file for [at_run()].
#'
#' @param path A folder for the files; none, by default.
#' @param n,n_coded How many questions there are, and how many were coded by hand.
#' @param seed Of every draw.
#' @return A list of class `at_demo`: `codebook`, `corpus` (unit_id, text, party, year, district), `coders` (a tibble
#'   each for anna, ben and carla), `truth`, `effect` (by how much the opposition's share of questions on health is
#'   above the government's) and `study` (the study file's path).
#' @examplesIf at_available()
#' data <- at_demo(n = 200, n_coded = 60)
#' data$corpus
#' @export
at_demo <- function(path = NULL, n = 6000, n_coded = 600, seed = 7) {
  at_call("demo", out = as_path(path), n = n, n_coded = n_coded, seed = seed)
}

#' @export
print.at_demo <- function(x, ...) {
  counts <- format(c(nrow(x$corpus), nrow(x$coders$anna)), big.mark = ",", trim = TRUE)
  say(sprintf("Simulated: %s questions, %s of them coded by anna and ben.", counts[1], counts[2]))
  if (!is.null(x$study)) say(sprintf("The files are in %s.", dirname(x$study)))
  say(paste("Parts:", toString(names(x))))
  invisible(x)
}
