#' How far do coders agree?
#'
#' Agreement of all coders ([at_reliability()]), of each two ([at_pairwise_reliability()]), on each label against all
#' others ([at_category_reliability()]), of people with a model as compared with people among themselves
#' ([at_compare_reliability()]), and of each coder with the rest ([at_coder_quality()]). [at_replacement_test()] asks
#' whether a model may replace a coder, by the alternative annotator test.
#'
#' @param codings A table of codings, from [at_codings()].
#' @param variable What to look at; each variable by default.
#' @param codebook An [at_codebook()]: gives the full set of labels and their order, and says what is multi-label.
#' @param level `"nominal"`, `"ordinal"`, `"interval"`, `"ratio"`; the weights `"linear"`, `"quadratic"`,
#'   `"gwet_ordinal"`; `"masi"` or `"jaccard"` for multi-label variables; `"tree"` where labels have parents: a
#'   miss within a parent counts less. By default what the codebook says.
#' @param metrics Any of percent, weighted_percent (answers that are near agree in part), cohen_kappa, scott_pi,
#'   fleiss_kappa, conger_kappa, light_kappa, brennan_prediger, ac1, ac2, alpha, icc1, ..., icc3k. By default percent, alpha, a kappa and AC1 or AC2.
#' @param by Columns of the codings; agreement is computed within each of their groups.
#' @param ci `"bootstrap"` (bias-corrected and accelerated), `"analytic"` (delta method) or `"gwet"`.
#' @param n_boot,seed How many replicates, and the seed they are drawn with.
#' @param cluster A column whose groups are resampled in place of texts, or `"coder"` for the jackknife over coders.
#' @param models The coders to be compared with all the others.
#' @param epsilon How much worse a model may be, as a share of texts: .2 for experts, .15 for skilled coders, .1 for
#'   crowd workers.
#' @return A tibble of class `at_reliability` with a row per metric: variable, metric, level, category, coder_a,
#'   coder_b, estimate, se, ci_low, ci_high (95 %), n_units, n_pairable, n_coders, method, note. What is not defined
#'   is NA, and the note says why. `plot()` shows the estimates with their intervals.
#' @references Krippendorff, K. (2019). *Content Analysis* (4th ed.). Gwet, K. L. (2014). *Handbook of Inter-Rater
#'   Reliability* (4th ed.). Calderon, N., Reichart, R. and Dror, R. (2025). The Alternative Annotator Test for
#'   LLM-as-a-Judge. *ACL 2025*, 16051-16081.
#' @examplesIf at_available()
#' anna <- c("yes", "no", "no", "yes")
#' ben <- c("yes", "no", "yes", NA)
#' wide <- data.frame(unit_id = 1:4, anna, ben)
#' codings <- at_codings(wide, variable = "vote", coders = c("anna", "ben"))
#' at_reliability(codings, metrics = c("percent", "alpha"), ci = "analytic")
#' @export
at_reliability <- function(codings, variable = NULL, codebook = NULL, level = NULL, metrics = NULL, by = NULL,
                           ci = c("bootstrap", "analytic", "gwet"), n_boot = 1000, cluster = NULL, seed = 1) {
  agreement(
    "reliability", codings,
    variable = variable, codebook = codebook, level = level, metrics = several(metrics), by = several(by),
    ci = match.arg(ci), n_boot = n_boot, cluster = cluster, seed = seed
  )
}

#' @rdname at_reliability
#' @export
at_pairwise_reliability <- function(codings, variable = NULL, codebook = NULL, level = NULL, metrics = NULL, by = NULL,
                                    ci = c("bootstrap", "analytic", "gwet"), n_boot = 1000, cluster = NULL, seed = 1) {
  agreement(
    "pairwise_reliability", codings,
    variable = variable, codebook = codebook, level = level, metrics = several(metrics), by = several(by),
    ci = match.arg(ci), n_boot = n_boot, cluster = cluster, seed = seed
  )
}

#' @rdname at_reliability
#' @export
at_category_reliability <- function(codings, variable = NULL, codebook = NULL, metrics = NULL, by = NULL,
                                    ci = c("bootstrap", "analytic", "gwet"), n_boot = 1000, cluster = NULL, seed = 1) {
  agreement(
    "category_reliability", codings,
    variable = variable, codebook = codebook, metrics = several(metrics), by = several(by),
    ci = match.arg(ci), n_boot = n_boot, cluster = cluster, seed = seed
  )
}

#' @rdname at_reliability
#' @export
at_compare_reliability <- function(codings, models, variable = NULL, codebook = NULL, level = NULL, metrics = NULL,
                                   by = NULL, ci = c("bootstrap", "analytic", "gwet"), n_boot = 1000, cluster = NULL,
                                   seed = 1) {
  agreement(
    "compare_reliability", codings,
    models = several(models), variable = variable, codebook = codebook, level = level, metrics = several(metrics),
    by = several(by), ci = match.arg(ci), n_boot = n_boot, cluster = cluster, seed = seed
  )
}

#' @rdname at_reliability
#' @export
at_replacement_test <- function(codings, models, variable = NULL, codebook = NULL, level = NULL, epsilon = 0.15,
                                by = NULL, ci = c("bootstrap", "analytic", "gwet"), n_boot = 1000, cluster = NULL,
                                seed = 1) {
  agreement(
    "replacement_test", codings,
    models = several(models), variable = variable, codebook = codebook, level = level, epsilon = epsilon,
    by = several(by), ci = match.arg(ci), n_boot = n_boot, cluster = cluster, seed = seed
  )
}

#' @rdname at_reliability
#' @export
at_coder_quality <- function(codings, variable = NULL, codebook = NULL, level = NULL, metrics = NULL, by = NULL,
                             ci = c("bootstrap", "analytic", "gwet"), n_boot = 1000, cluster = NULL, seed = 1) {
  agreement(
    "coder_quality", codings,
    variable = variable, codebook = codebook, level = level, metrics = several(metrics), by = several(by),
    ci = match.arg(ci), n_boot = n_boot, cluster = cluster, seed = seed
  )
}

agreement <- function(verb, codings, ...) {
  found <- at_call(verb, codings = codings_to_python(codings), ...)
  class(found) <- c("at_reliability", class(found))
  found
}

# A whole table as a person reads it; of chosen columns those, as they are.
#' @export
print.at_reliability <- function(x, ...) {
  if (!all(c("metric", "estimate", "n_pairable", "method", "note") %in% names(x))) {
    return(NextMethod())
  }
  table <- tidy(x)
  alone <- is.na(table$estimate) & grepl("^one coder", table$note)
  groups <- names(table)[seq_len(match("variable", names(table)) - 1)]
  for (row in which(alone)) {
    about <- toString(c(sprintf("%s %s", groups, vapply(table[row, groups], as.character, "")), table$variable[row]))
    say(sprintf("%s: %s", about, table$note[row]))
  }
  table <- table[!alone, ]
  if (!nrow(table) && any(alone)) {
    return(invisible(x))
  }
  figures <- c("estimate", "ci_low", "ci_high")
  table[figures] <- lapply(table[figures], round, digits = 3)
  print_table(table[setdiff(names(table), c("se", "n_units", "method", "note"))])
  say(agreement_notes(table))
  invisible(x)
}

# Each note once, and which rows it is about.
agreement_notes <- function(table) {
  parts <- strsplit(table$note, "; ")
  notes <- unlist(parts)
  named <- intersect(c("category", "coder_a", "coder_b", "metric"), names(table))
  about <- apply(table[named], 1, function(row) toString(row[!is.na(row)]))
  about <- rep(about, lengths(parts))
  vapply(unique(notes[!is.na(notes)]), function(note) {
    rows <- about[notes %in% note]
    more <- if (length(rows) > 3) sprintf("; and %d more", length(rows) - 3L) else ""
    sprintf("Note: %s (%s%s).", note, paste(utils::head(rows, 3), collapse = "; "), more)
  }, "")
}

#' @rdname tidiers
#' @export
tidy.at_reliability <- function(x, ...) {
  class(x) <- setdiff(class(x), "at_reliability")
  x
}

#' What makes coders agree?
#'
#' Regresses each coding's agreement with the text's other codings on who coded, when, or what: a fractional logit
#' (Papke and Wooldridge 1996) with standard errors robust to clusters.
#'
#' @param codings A table of codings.
#' @param on Covariates: columns of the codings (`coder` among them) or of the corpus.
#' @param variable What was coded, where there are several.
#' @param codebook Says what is multi-label.
#' @param corpus Texts with covariates, joined by `unit_id`.
#' @param cluster Whose codings depend on each other: `"unit_id"`, `"coder"`, or another column.
#' @return An object of class `at_agreement_regression`: a list with `table` (a row per term), `tests` (a row per
#'   covariate), `verdict` (in words), `n_codings`, `n_units`, `n_clusters`.
#' @examplesIf at_available()
#' data <- at_demo(n = 200, n_coded = 100)
#' codings <- at_codings(data$coders[c("anna", "ben")], data$codebook)
#' at_reliability_regression(codings, "year", corpus = data$corpus)
#' @export
at_reliability_regression <- function(codings, on, variable = NULL, codebook = NULL, corpus = NULL,
                                      cluster = "unit_id") {
  wanted <- setdiff(c(on, cluster), names(codings))
  if (!is.null(corpus)) require_columns(corpus, c("unit_id", wanted), "The corpus")
  at_call(
    "reliability_regression",
    codings = codings_to_python(codings), on = several(on), variable = variable, codebook = codebook,
    corpus = if (!is.null(corpus)) frame_to_python(corpus[c("unit_id", wanted)]), cluster = cluster
  )
}

#' @export
print.at_agreement_regression <- function(x, ...) {
  print_brief(x$table, c("covariate", "term", "reference", "estimate", "ci_low", "ci_high", "p_value"))
  counts <- format(c(x$n_codings, x$n_units, x$n_clusters), big.mark = ",", trim = TRUE)
  say(sprintf("%s codings of %s texts in %s clusters.", counts[1], counts[2], counts[3]))
  say(x$verdict)
  invisible(x)
}

#' @rdname tidiers
#' @export
tidy.at_agreement_regression <- function(x, ...) x$table

#' @rdname tidiers
#' @export
glance.at_agreement_regression <- function(x, ...) {
  tibble::as_tibble(x[c("n_codings", "n_units", "n_clusters")])
}
