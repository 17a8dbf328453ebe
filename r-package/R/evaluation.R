#' How well do predictions agree with the truth?
#'
#' Measures with intervals, always beside what would be had without a model. A text of the truth for which there is no
#' prediction counts as wrong.
#'
#' @param truth,predicted Two tables of codings with one answer a text, or two vectors (factors, words) of equal length.
#' @param variable,codebook Which variable, and the labels there are; by default those that occur, or the factors'
#'   levels.
#' @param corpus,train Texts (with `unit_id` and `text`) for the bag-of-words baseline, and the codings it may learn
#'   from.
#' @param baselines A named list of further predictions on the same texts.
#' @param name What to call the model.
#' @param cluster A column of the corpus whose values are resampled in place of texts.
#' @param n_boot,seed Replicates of the bootstrap (0 for none), and its seed.
#' @return An object of class `at_evaluation`: a list of the tibbles `measures`, `labels` and `confusion`. `plot()`
#'   shows the confusion, `summary()` the figures of each label.
#' @examplesIf at_available()
#' at_evaluate(truth = c("a", "a", "b"), predicted = c("a", "b", "b"), n_boot = 0)
#' @export
at_evaluate <- function(truth, predicted, variable = NULL, codebook = NULL, corpus = NULL, train = NULL,
                        baselines = NULL, name = NULL, cluster = NULL, n_boot = 1000, seed = 1) {
  if (!is.data.frame(truth) && !is.data.frame(predicted)) codebook <- codebook %||% codebook_of_both(truth, predicted)
  at_call(
    "evaluate",
    truth = answers_to_python(truth), predicted = answers_to_python(predicted), variable = variable,
    codebook = codebook, corpus = if (!is.null(corpus)) corpus_to_python(corpus, more = cluster),
    train = if (!is.null(train)) codings_to_python(train),
    baselines = if (!is.null(baselines)) lapply(baselines, codings_to_python),
    name = name, cluster = cluster, n_boot = n_boot, seed = seed
  )
}

answers_to_python <- function(x) {
  if (is.data.frame(x)) {
    return(codings_to_python(x))
  }
  words <- if (inherits(x, "haven_labelled")) label_names(x) else as.character(x)
  words_sent(words)
}

# The order of factor levels is the order of labels.
codebook_of_both <- function(truth, predicted) {
  if (!is.factor(truth)) {
    return(NULL)
  }
  labels <- union(levels(truth), if (is.factor(predicted)) levels(predicted) else unique(predicted[!is.na(predicted)]))
  kind <- if (is.ordered(truth)) "ordinal" else "nominal"
  if (length(labels) > 1) at_codebook(list(label = labels), kind = kind)
}

evaluation_from_python <- function(x) {
  structure(lapply(x[c("measures", "labels", "confusion")], from_python), class = "at_evaluation")
}

# Accuracy comes last: a frequent label flatters it.
leading_measures <- function(x) {
  if ("exact_set" %in% x$measures$measure) {
    return(c("micro_f1", "macro_f1", "exact_set", "any_right", "jaccard"))
  }
  c("macro_f1", "kappa", "mcc", "accuracy")
}

#' @export
format.at_evaluation <- function(x, ...) {
  measures <- leading_measures(x)
  models <- unique(x$measures$model)
  cell <- function(model, measure) {
    row <- x$measures[x$measures$model == model & x$measures$measure == measure, ]
    interval <- if (!is.na(row$ci_low)) sprintf(" (%.2f-%.2f)", row$ci_low, row$ci_high) else ""
    paste0(if (is.na(row$estimate)) "-" else sprintf("%.3f", row$estimate), interval)
  }
  columns <- lapply(measures, function(measure) {
    format(c(measure, vapply(models, cell, "", measure = measure)), justify = "right")
  })
  do.call(paste, c(list(format(c("", models))), columns, sep = "  "))
}

#' @export
print.at_evaluation <- function(x, ...) {
  cli::cat_line(format(x))
  cli::cat_line(sprintf("on %s texts", format(x$measures$n_units[1], big.mark = ",")))
  invisible(x)
}

#' @export
summary.at_evaluation <- function(object, ...) {
  object$labels[object$labels$model == object$measures$model[1], setdiff(names(object$labels), "model")]
}

#' @rdname tidiers
#' @export
tidy.at_evaluation <- function(x, ...) x$measures

#' @rdname tidiers
#' @export
glance.at_evaluation <- function(x, ...) {
  first <- x$measures[x$measures$model == x$measures$model[1], ]
  measures <- intersect(leading_measures(x), first$measure)
  values <- as.list(first$estimate[match(measures, first$measure)])
  tibble::tibble(model = first$model[1], !!!stats::setNames(values, measures), n_units = first$n_units[1])
}
