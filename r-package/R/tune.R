#' Tune a model to code as people do
#'
#' A small language model learns from coded texts, and is measured on texts that it has not seen, beside what could
#' be had without it: a logistic regression on the base model's embeddings, one on word counts, and the most frequent
#' label. With `text = c("text_before", "text", "text_after")` a sentence is read with its neighbours; with a formula
#' `text` has the formula's own text at its place among them.
#'
#' @param corpus The texts: a data frame, a character vector, or a file's path. Or a formula, `topic ~ text`: what was
#'   coded on the left, the text (or an expression such as `paste(title, body)`) on the right.
#' @param data For the formula: a data frame with a row per text. The left side is a factor, a labelled vector,
#'   words, or for a multi-label variable a list of words. Rows without a label are left out and counted; the order
#'   of labels is that of the levels.
#' @param gold A table of codings with one answer per text, as [at_resolve()] makes it.
#' @param codebook An [at_codebook()].
#' @param variable Which variable of the codebook, where there are several.
#' @param test A share of the texts to hold out; or columns and their values, such as `list(party = "Greens")`, for the
#'   texts to hold out; 0 for none. By default a fifth where there are 1,000 coded texts or more, else
#'   cross-validation.
#' @param validation The share of the other texts that every choice is made on, where they are 1,000 or more and no
#'   label is too rare; with fewer, choices are made in folds.
#' @param folds Cross-validate in so many folds.
#' @param group A column: texts with the same value stay in one part.
#' @param pi A column: the probability with which each text was drawn for coding. Choices, cut-offs and figures are then
#'   about the corpus, and not about the coded texts.
#' @param prevalence The same where texts were picked by their label: how frequent labels are in the corpus, as
#'   `c(immigration = 0.07)`.
#' @param coders The codings that gold by the rule `shares` was resolved from: the model also learns what each coder says
#'   more or less readily than the others, and `at_classify(coder = )` what that coder would say, where that is better
#'   beyond chance on texts not seen. The model's `coder_scores` have the figures.
#' @param path A folder where every finished fold of a cross-validation is kept: what was interrupted goes on from it.
#' @param n_boot Bootstrap replicates for the intervals.
#' @param target A column: what the text is judged about, read with it as a pair.
#' @param inputs Columns of categories that are read with the text. Errors are then related to them by construction, and
#'   regressions on them need the correction.
#' @param unit_id,text The columns with the identifier and the text. With a formula, `unit_id` may be left out: rows are
#'   then numbered.
#' @param ... Settings: `base` (`"minilm"`, which reads English, `"multilingual"`, a folder, or a hub name),
#'   `method` (`"lora"`, `"full"`, `"probe"`; `"auto"` is `"probe"` with fewer than 300 coded texts and `"lora"` from
#'   there on),
#'   `cutoffs`, how labels follow from probabilities (`"share"`: each as often as its probabilities add up to, which is
#'   as often as people gave it; `"f1"`: the highest macro-F1; `"likeliest"`), `class_weights` (`"balanced"` weighs
#'   labels by the inverse of their frequency; `"none"` and `"auto"` do not),
#'   `epochs`, `learning_rate`, `head_learning_rate`, `rank`, `batch_tokens`, `batch_texts`, `max_tokens` (256: so many
#'   tokens of a text are read at once), `long_texts` (longer texts are read `"whole"`, in passages, or `"cut"`; `"auto"`
#'   reads them whole where more than one in twenty is longer), `seed`, `device`.
#' @return An object of class `at_model`, for [predict()][predict.at_model], [at_classify()], [at_save()], `plot()`,
#'   `summary()`, `tidy()`, `glance()` and `augment()`. It lives as long as the R session: [at_save()] keeps it.
#' @examplesIf at_available(tuning = TRUE)
#' said <- c("The hospital needs nurses.", "Taxes rise.", "A new clinic opens.", "The bank fails.")
#' coded <- data.frame(
#'   text = paste(rep(said, 10), seq_len(40)),
#'   topic = factor(rep(c("Health", "Economy"), 20))
#' )
#' model <- at_tune(topic ~ text, coded, method = "probe", folds = 2, n_boot = 0)
#' predict(model, c("The ward is full.", NA))
#' @export
at_tune <- function(corpus, ...) UseMethod("at_tune")

#' @rdname at_tune
#' @export
at_tune.default <- function(corpus, gold, codebook, variable = NULL, test = NULL, validation = 0.15, folds = NULL,
                            group = NULL, pi = NULL, prevalence = NULL, coders = NULL, path = NULL, n_boot = 1000,
                            unit_id = "unit_id", text = "text", target = NULL, inputs = NULL, ...) {
  around <- text_and_neighbours(text)
  beside <- c(setdiff(around$read, "text"), target, inputs)
  require_columns(gold, c("unit_id", "label"), "The gold")
  unlabelled <- is.na(gold$label) & !(gold[["status"]] %||% "missing") %in% "none"
  warn_unlabelled(unlabelled, gold$unit_id)
  tune(
    corpus_to_python(corpus, unit_id, around$column, c(beside, group, pi, if (is.list(test)) names(test))),
    gold[!unlabelled, ], codebook,
    asked = list(unit_id = unit_id, text = around$column),
    variable = variable, test = test, validation = validation, folds = folds, group = group, pi = pi,
    prevalence = prevalence, coders = if (!is.null(coders)) codings_to_python(coders), keep = as_path(path),
    n_boot = n_boot, text = around$read, target = target,
    inputs = several(inputs), ...
  )
}

# The text's column, and what is read around it: of several columns the one named text, or else the middle one.
text_and_neighbours <- function(text) {
  if (!"text" %in% text && length(text) %% 2 == 0) {
    abort("Which of these columns is the text?", "Name as many columns before it as after it in `text`.")
  }
  column <- if ("text" %in% text) "text" else text[(length(text) + 1) / 2]
  list(column = column, read = ifelse(text == column, "text", text))
}

#' @rdname at_tune
#' @export
at_tune.formula <- function(corpus, data, codebook = NULL, unit_id = NULL, test = NULL, validation = 0.15, folds = NULL,
                            group = NULL, pi = NULL, prevalence = NULL, path = NULL, n_boot = 1000,
                            text = NULL, target = NULL, inputs = NULL, ...) {
  sides <- formula_sides(corpus)
  read <- around_of(text, deparse1(sides$text))
  others <- unique(c(group, pi, if (is.list(test)) names(test), setdiff(read, "text"), target, inputs))
  require_columns(data, c(unit_id, others), "The data")
  name <- deparse1(sides$outcome)
  said <- in_data(sides$outcome, data)
  codebook <- codebook %||% codebook_of_outcome(said, name)
  ids <- if (is.null(unit_id)) as.character(seq_len(nrow(data))) else as_id(data[[unit_id]], unit_id)
  gold <- gold_of_outcome(said, name, ids, codebook)
  texts <- tibble::tibble(unit_id = ids, text = texts_of(sides, data))
  texts[others] <- data[others]
  tune(
    frame_to_python(texts), gold, codebook,
    asked = list(unit_id = unit_id, formula = corpus),
    variable = name, test = test, validation = validation, folds = folds, group = group, pi = pi,
    prevalence = prevalence, keep = as_path(path), n_boot = n_boot, text = read, target = target,
    inputs = several(inputs), ...
  )
}

# What is read around the text of a formula, which is named among its neighbours.
around_of <- function(text, own) {
  if (is.null(text)) {
    return("text")
  }
  if (sum(text == own) != 1 || "text" %in% setdiff(text, own)) {
    abort(
      sprintf("`text` does not say where the formula's text, '%s', stands among its neighbours.", own),
      sprintf("Such as: text = c(\"before\", \"%s\", \"after\").", own)
    )
  }
  ifelse(text == own, "text", text)
}

tune <- function(corpus, gold, codebook, asked, ...) {
  model <- at_call("tune", corpus = corpus, gold = codings_to_python(gold), codebook = codebook, ...)
  model$inputs <- asked
  model
}

warn_unlabelled <- function(missing, ids) {
  if (any(missing)) {
    count <- length(unique(ids[missing]))
    warn(sprintf("%s of %s texts have no label and are left out.", count, length(unique(ids))))
  }
}

# Formulas -------------------------------------------------------------------------------------------------------------

formula_sides <- function(formula) {
  if (length(formula) != 3) abort("The formula has no left side.", "Write what was coded on its left: topic ~ text.")
  list(outcome = formula[[2]], text = formula[[3]], env = environment(formula))
}

in_data <- function(expression, data, env = rlang::caller_env()) {
  not_found <- function(reason) {
    there <- paste(sprintf("'%s'", utils::head(names(data), 8)), collapse = ", ")
    what <- sprintf("'%s' cannot be found in the data%s", deparse1(expression), reason)
    abort(what, paste0("There are: ", there, "."))
  }
  found <- tryCatch(
    rlang::eval_tidy(expression, data, env),
    error = function(error) not_found(paste0(": ", conditionMessage(error)))
  )
  if (is.function(found)) not_found(".") # R has a text() of its own
  found
}

texts_of <- function(sides, data) {
  texts <- in_data(sides$text, data, sides$env)
  if (is.factor(texts)) texts <- as.character(texts)
  if (!is.character(texts)) {
    abort(
      sprintf("'%s' is of class '%s', not texts.", deparse1(sides$text), class(texts)[1]),
      "Name a column with texts on the formula's right."
    )
  }
  texts
}

codebook_of_outcome <- function(said, name) {
  if (is.factor(said) || inherits(said, "haven_labelled")) {
    return(at_codebook(said, name))
  }
  words <- if (is.list(said)) unlist(said) else said
  if (!is.character(words) && !is.logical(words)) {
    abort(
      sprintf("'%s' is of class '%s': its labels have no names.", name, class(said)[1]),
      "Make it a factor, its levels in order."
    )
  }
  labels <- list(sort(unique(as.character(words))))
  at_codebook(stats::setNames(labels, name), kind = if (is.list(said)) "multilabel" else "nominal")
}

# A row per text and label; a text without an answer is left out, one with an empty list has the status none.
gold_of_outcome <- function(said, name, ids, codebook) {
  if (is.list(said)) {
    return(gold_of_sets(said, name, ids))
  }
  label <- if (inherits(said, "haven_labelled")) label_names(said) else as.character(said)
  missing <- is.na(label)
  warn_unlabelled(missing, ids)
  require_levels(unique(label[!missing]), codebook_variable(codebook, name)$labels$name, name)
  tibble::tibble(unit_id = ids, variable = name, label = label)[!missing, ]
}

gold_of_sets <- function(said, name, ids) {
  missing <- vapply(said, function(labels) is.null(labels) || (length(labels) > 0 && all(is.na(labels))), NA)
  warn_unlabelled(missing, ids)
  given <- lapply(said[!missing], function(labels) if (length(labels)) as.character(labels) else NA_character_)
  times <- lengths(given)
  label <- as.character(unlist(given))
  tibble::tibble(
    unit_id = rep(ids[!missing], times), variable = name, label = label, status = ifelse(is.na(label), "none", "ok")
  )
}

label_names <- function(x) {
  labels <- attr(x, "labels", exact = TRUE)
  named <- names(labels)[match(as.vector(unclass(x)), labels)]
  ifelse(is.na(x), NA_character_, named)
}

require_levels <- function(found, known, name) {
  strange <- setdiff(found, known)
  if (length(strange)) {
    listed <- paste(sprintf("'%s'", utils::head(known, 8)), collapse = ", ")
    abort(
      sprintf("'%s' has a level that the model does not know: '%s'.", name, strange[1]),
      paste0("Its labels are ", listed, ": recode the level, or tune with it.")
    )
  }
}
