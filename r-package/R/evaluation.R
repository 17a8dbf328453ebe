#' How well do predictions agree with the truth?
#'
#' Measures with intervals, always beside what would be had without a model. A text of the truth for which there is no
#' prediction counts as wrong; one that is empty in the corpus, or has no row among predictions made in folds, could not
#' be coded by anybody, and is left out with a warning. With `cv`, nothing has been predicted yet: the coded texts are
#' put into folds, and each is predicted by a model that was tuned on the others.
#'
#' @param truth,predicted Two tables of codings with one answer per text, or two vectors (factors, words) of equal length.
#'   With `cv` the truth alone, a table.
#' @param variable,codebook Which variable, and the labels there are; by default those that occur, or the factors'
#'   levels.
#' @param corpus,train Texts (with `unit_id` and `text`) for the bag-of-words baseline, and the codings it may learn
#'   from.
#' @param baselines A named list of further predictions on the same texts.
#' @param name What to call the model.
#' @param cluster A column of the corpus whose values count as texts in the intervals.
#' @param n_boot,seed Replicates of the bootstrap for kappa, MCC and alpha (0 for no intervals at all), and its seed.
#' @param cv How many folds to cross-validate in; 5 and 10 are usual. Equal texts are in one fold.
#'   The texts to learn from, with their covariates, are then the `corpus`, and `seed` is of every draw.
#' @param group With `cv`, a column of the corpus: texts with the same value (a document, an author) are in one fold,
#'   and are resampled together in the bootstrap.
#' @param base With `cv`, the base model; `"minilm"` by default.
#' @param path With `cv`, a folder where every finished fold and its model are kept: what was interrupted goes on from
#'   there, and [at_crossfit()] with the same folder, folds and settings has no model left to tune.
#' @param pi,prevalence With `cv`, how coded texts were drawn, as for [at_crossfit()]: figures are then about the corpus.
#' @param unit_id,text The columns of the corpus with the identifier and the text.
#' @param ... With `cv`, other settings of [at_tune()]: `method`, `epochs`, `cutoffs`, `device` ...
#' @return An object of class `at_evaluation`: a list of the tibbles `measures`, `labels` and `confusion`. `plot()`
#'   shows the confusion, `summary()` the figures of each label. With `cv` also `data`, the coded texts as
#'   [at_crossfit()] gives them (without `pi`: a correction needs the other texts too, which [at_crossfit()] codes with
#'   the models kept in `path`); `codings`, the same predictions as a table of codings; and `model`, tuned on all coded
#'   texts.
#' @examplesIf at_available()
#' at_evaluate(truth = c("a", "a", "b"), predicted = c("a", "b", "b"), n_boot = 0)
#' @examplesIf at_available(tuning = TRUE)
#' \donttest{
#' data <- at_demo(n = 120, n_coded = 60)
#' gold <- at_codings(data$coders["anna"], data$codebook)
#' at_evaluate(gold, corpus = data$corpus, codebook = data$codebook, cv = 2, method = "probe")
#' }
#' @export
at_evaluate <- function(truth, predicted = NULL, variable = NULL, codebook = NULL, corpus = NULL, train = NULL,
                        baselines = NULL, name = NULL, cluster = NULL, n_boot = 1000, seed = 1, cv = NULL,
                        group = NULL, base = NULL, path = NULL, pi = NULL, prevalence = NULL, unit_id = "unit_id",
                        text = "text", ...) {
  if (!is.data.frame(truth) && !is.data.frame(predicted)) codebook <- codebook %||% codebook_of_both(truth, predicted)
  if (!is.null(corpus) && !is.null(cv)) corpus <- whole_corpus(corpus, unit_id, text, c(group, pi))
  found <- at_call(
    "evaluate",
    truth = answers_to_python(truth), predicted = if (!is.null(predicted)) answers_to_python(predicted),
    variable = variable, codebook = codebook,
    corpus = if (!is.null(corpus)) evaluated_corpus(corpus, unit_id, text, cluster, c(group, pi), cv),
    train = if (!is.null(train)) codings_to_python(train),
    baselines = if (!is.null(baselines)) lapply(baselines, codings_to_python),
    name = name, cluster = cluster, n_boot = n_boot, seed = seed, cv = cv, group = group, base = base,
    out = if (!is.null(path)) as_path(path), pi = pi, prevalence = prevalence, ...
  )
  if (is.null(cv)) {
    return(found)
  }
  own <- corpus[match(found$data$unit_id, corpus$unit_id), setdiff(names(corpus), "pi")]
  found$data <- with_own_columns(found$data, own)
  if (!is.null(codebook)) found$data <- order_ordinal(found$data, codebook)
  found
}

# The baseline needs the texts alone; what is cross-validated keeps its covariates.
evaluated_corpus <- function(corpus, unit_id, text, cluster, group, cv) {
  if (is.null(cv)) corpus_to_python(corpus, unit_id, text, cluster) else whole_to_python(corpus, group)
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
  parts <- intersect(c("measures", "labels", "confusion", "data", "codings", "model", "words"), names(x))
  structure(lapply(x[parts], from_python), class = "at_evaluation")
}

# Accuracy comes last: a frequent label flatters it.
leading_measures <- function(x) {
  if ("exact_set" %in% x$measures$measure) {
    return(c("micro_f1", "macro_f1", "exact_set", "any_right", "jaccard"))
  }
  intersect(c("macro_f1", "kappa_quadratic", "kappa", "mcc", "accuracy"), x$measures$measure)
}

# Where lines are too long, only the first measure keeps its interval; then the last measures are left out.
#' @export
format.at_evaluation <- function(x, ...) {
  models <- unique(x$measures$model)
  measures <- leading_measures(x)
  said <- lapply(c(TRUE, FALSE), function(interval) {
    vapply(measures, function(measure) measure_cells(x, models, measure, interval), character(length(models)))
  })
  full <- matrix(said[[1]], length(models), dimnames = list(models, measures))
  if (fits_width(full)) {
    return(matrix_lines(full))
  }
  brief <- matrix(said[[2]], length(models), dimnames = dimnames(full))
  brief[, 1] <- full[, 1]
  kept <- length(measures)
  while (kept > 1 && !fits_width(brief[, seq_len(kept), drop = FALSE])) kept <- kept - 1
  out <- c(
    if (kept < length(measures)) toString(measures[-seq_len(kept)]),
    if (kept > 1) paste("the intervals of", toString(measures[seq_len(kept)[-1]]))
  )
  told <- sprintf("Left out for lack of width: %s. tidy() has them.", paste(out, collapse = "; "))
  c(matrix_lines(brief[, seq_len(kept), drop = FALSE]), strwrap(told, getOption("width")))
}

measure_cells <- function(x, models, measure, interval) {
  rows <- x$measures[x$measures$measure == measure, ]
  rows <- rows[match(models, rows$model), ]
  ends <- if (interval) ifelse(is.na(rows$ci_low), "", sprintf(" (%.3f to %.3f)", rows$ci_low, rows$ci_high)) else ""
  paste0(ifelse(is.na(rows$estimate), "-", sprintf("%.3f", rows$estimate)), ends)
}

matrix_lines <- function(cells) utils::capture.output(print(cells, quote = FALSE, right = TRUE))

# R puts columns that do not fit beside each other below.
fits_width <- function(cells) {
  lines <- matrix_lines(cells)
  length(lines) == nrow(cells) + 1 && max(nchar(lines, "width")) <= getOption("width")
}

#' @export
print.at_evaluation <- function(x, ...) {
  cli::cat_line(format(x))
  say(x$words)
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
